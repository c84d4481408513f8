"""Coefficients written block by block: those of very many images fit into no memory, and may be on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.io.dataset import DatasetError

#: Images whose coefficients make a chunk of Zarr.
_CHUNK = 1 << 16


def _blocks(H: Any) -> Iterator[tuple[slice, Array]]:
    if is_out_of_core(H):
        yield from H.blocks()
    else:
        for a in range(0, H.shape[1], _CHUNK):
            some = slice(a, min(H.shape[1], a + _CHUNK))
            yield some, H[:, some]


def _write_npy(path: Path, H: Any) -> None:
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(H.dtype), "fortran_order": True, "shape": H.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _, block in _blocks(H):  # image after image, as they come
            file.write(np.asfortranarray(block).tobytes("F"))


def _write_zarr(path: Path, H: Any) -> None:
    try:
        import zarr
    except ImportError as error:
        raise DatasetError(f'{path.name} is written by zarr; pip install "gsp-studio[cluster]" brings it') from error
    with zarr.storage.ZipStore(path, mode="w") as store:
        values = zarr.create_array(store, shape=H.shape, dtype=H.dtype, chunks=(len(H), min(_CHUNK, H.shape[1])))
        waiting, start = [], 0
        for some, block in _blocks(H):  # whole chunks: what is in an archive is not written twice
            waiting.append(block)
            ready = some.stop if some.stop == H.shape[1] else some.stop // _CHUNK * _CHUNK
            if ready > start:
                joined = np.hstack(waiting)
                values[:, start:ready] = joined[:, : ready - start]
                waiting, start = [joined[:, ready - start :]], ready


#: Writes H (r, n), an array or `Coefficients`, into a file.
WRITERS: dict[str, Callable[[Path, Any], None]] = {"npy": _write_npy, "zarr": _write_zarr}
