"""Chunks of HDF5 datasets, looked at before they are decompressed: HDF5 itself lets a chunk grow without a limit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.compressed_chunks import DEFLATE_MOST, grows_past
from gsp_studio.io.memory import in_units, require_memory

_DEFLATE, _FLETCHER = 1, 3
#: Bytes that a chunk may become without a look at it.
_HARMLESS = 1 << 26


class CheckedChunks:
    """The stored chunks of a dataset that could become larger than they declare.

    Parameters
    ----------
    item : h5py.Dataset
    where : str
        Its name in errors.

    Raises
    ------
    DatasetError
        Filters that are missing here or odd, chunks that do not fit into memory or into the file.
    """

    def __init__(self, item: h5py.Dataset, where: str) -> None:
        self._item, self._where = item, where
        self._suspects: list[Any] = []
        size = Path(item.file.filename).stat().st_size
        if not item.chunks:
            return  # HDF5 itself looks whether these are in the file
        self._bytes = math.prod(item.chunks) * item.dtype.itemsize
        require_memory(2 * self._bytes, f"a chunk of {where}")
        filters = _filters(item, where)
        is_deflated = _DEFLATE in filters
        bit = 1 << filters.index(_DEFLATE) if is_deflated else 0

        def look(chunk: Any) -> None:
            if chunk.byte_offset is not None and chunk.byte_offset + chunk.size > size:
                # HDF5 reads zeros there.
                raise DatasetError(f"{where} is damaged: a chunk lies behind the end of the file")
            if is_deflated and chunk.size * DEFLATE_MOST > _HARMLESS and not chunk.filter_mask & bit:
                self._suspects.append(chunk)

        if is_deflated and any(code != _FLETCHER for code in filters[filters.index(_DEFLATE) + 1 :]):
            raise DatasetError(f"{where} is compressed in an unusual way; accepted is gzip as the last step")
        item.id.chunk_iter(look)

    def check(self, axis: int, start: int, stop: int) -> None:
        """Make sure that the chunks with values from `start` to `stop` of an axis hold no more than they declare.

        Raises
        ------
        DatasetError
        """
        side = self._item.chunks[axis] if self._suspects else 0
        later = []
        for chunk in self._suspects:
            first = chunk.chunk_offset[axis]
            if first < stop and first + side > start:
                self._inflate(chunk)
            else:
                later.append(chunk)
        self._suspects = later

    def _inflate(self, chunk: Any) -> None:
        _, stored = self._item.id.read_direct_chunk(chunk.chunk_offset)
        if grows_past(bytes(stored), "deflate", self._bytes + self._bytes // 8 + 4096):
            raise DatasetError(
                f"{self._where} is damaged: a chunk declares {in_units(self._bytes)} and holds more than that"
            )


def read_checked(item: h5py.Dataset, where: str) -> Any:
    """All values of a dataset, an ndarray; see `CheckedChunks`."""
    if item.ndim:
        CheckedChunks(item, where).check(0, 0, item.shape[0])
    return np.asarray(item[()])


def _filters(item: h5py.Dataset, where: str) -> list[int]:
    """The codes of the filters that chunks went through, in this order."""
    plist = item.id.get_create_plist()
    found = [plist.get_filter(k) for k in range(plist.get_nfilters())]
    for code, _, _, name in found:
        if not h5py.h5z.filter_avail(code):
            told = name.decode("ascii", "backslashreplace") or "unnamed"
            raise DatasetError(f"{where} is compressed by filter {code} ({told}), which is not known here")
    return [int(code) for code, *_ in found]


def unwritten(item: h5py.Dataset) -> tuple[str, ...]:
    """Note on the share of a dataset that was never written, and so has the fill value; empty without any."""
    if not item.size:
        return ()
    told = f"their values are {item.fillvalue}, the fill value"
    if not item.chunks:
        is_there = item.id.get_space_status() == h5py.h5d.SPACE_STATUS_ALLOCATED or item.id.get_storage_size() > 0
        return () if is_there else (f"its values were never written; {told.replace('their values', 'they')}",)
    count = math.prod(-(-side // chunk) for side, chunk in zip(item.shape, item.chunks, strict=True))
    missing = count - int(item.id.get_num_chunks())
    return (f"{missing} of {count} chunks were never written; {told}",) if missing > 0 else ()
