"""Layers stored without their zeros: as compressed sparse rows, read back as SciPy's, or as ONNX's sparse tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.compact import check_name
from gsp_studio.pruning.formats import onnx_file
from gsp_studio.pruning.formats.onnx_sparse import make_sparse
from gsp_studio.pruning.formats.stored_array import require_extra

_FORMAT = "gsp-studio sparse rows 1"
_PARTS = ("values", "columns", "starts", "shape")
_SMALL = 2**16


def save_sparse_graph(checkpoint: Checkpoint, path: Path, weights: Mapping[str, Array]) -> None:
    """Write an ONNX model whose initializers are sparse tensors where these are smaller.

    Raises
    ------
    CheckpointError, WriteError
    """
    check_name(path, ".onnx")
    model = onnx_file.in_one_file(checkpoint.path)
    onnx_file.put(model, {checkpoint[name].key: values for name, values in weights.items()})
    make_sparse(model)
    onnx_file.save(model, path)


def save_sparse(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a safetensors file, matrices that get smaller by it as compressed sparse rows.

    Of a matrix "fc.weight" there are "fc.weight.values", ".columns" (uint16 where that holds them, else int32),
    ".starts" (int64) and ".shape".

    Raises
    ------
    CheckpointError, WriteError
        As `save_compact`.
    """
    check_name(path)
    from safetensors.numpy import save_file

    whole: dict[str, Array] = {}
    for name, values in arrays.items():
        if values.ndim == 2:
            rows = sparse.csr_matrix(values)
            columns = rows.indices.astype(np.uint16 if values.shape[1] <= _SMALL else np.int32)
            starts = rows.indptr.astype(np.int64)
            if rows.data.nbytes + columns.nbytes + starts.nbytes < values.nbytes:
                parts = (rows.data, columns, starts, np.array(values.shape, np.int64))
                whole |= {f"{name}.{part}": each for part, each in zip(_PARTS, parts, strict=True)}
                continue
        whole[name] = np.ascontiguousarray(values)
    write_whole(path, lambda temporary: save_file(whole, temporary, metadata={"format": _FORMAT}))


def load_sparse(path: str | Path) -> dict[str, Any]:
    """Read what `save_sparse` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to scipy.sparse.csr_matrix or ndarray
        By the names of the arrays; ``matrix @ x`` is the product for x (inputs, images).

    Raises
    ------
    CheckpointError
        A file that is none of these, or is damaged.
    OSError
    """
    path = Path(path)
    require_extra("safetensors", path)
    from safetensors import SafetensorError, safe_open

    with path.open("rb"):
        pass  # the reader's own words for a missing file do not name it
    try:
        with safe_open(path, framework="numpy") as file:
            is_ours = (file.metadata() or {}).get("format") == _FORMAT
            found = {name: file.get_tensor(name) for name in file.keys()} if is_ours else {}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file, or is damaged ({error})") from error
    if not is_ours:
        raise CheckpointError(f"{path} holds no sparse rows; accepted are files that save_sparse wrote")
    made: dict[str, Any] = {}
    for name, values in found.items():
        base, _, part = name.rpartition(".")
        if part == "shape" and all(f"{base}.{each}" in found for each in _PARTS):
            made[base] = _matrix(path, base, *(found[f"{base}.{each}"] for each in _PARTS))
        elif not (part in _PARTS and f"{base}.shape" in found):
            made[name] = values
    return made


def _matrix(path: Path, name: str, values: Array, columns: Array, starts: Array, shape: Array) -> Any:
    is_whole = (
        shape.shape == (2,)
        and starts.dtype == np.int64
        and len(starts) == int(shape[0]) + 1
        and columns.dtype in (np.uint16, np.int32)
        and values.ndim == columns.ndim == starts.ndim == 1
        and len(values) == len(columns) == int(starts[-1])
        and starts[0] == 0
        and bool((np.diff(starts) >= 0).all())
        and (not len(columns) or 0 <= int(columns.min()) <= int(columns.max()) < int(shape[1]))
    )
    if not is_whole:
        raise CheckpointError(f"{path} is damaged: the rows of {name} do not fit together")
    return sparse.csr_matrix((values, columns.astype(np.int32), starts), shape=tuple(shape.tolist()))
