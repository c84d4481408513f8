"""Smaller files of pruned networks: neurons that do nothing removed exactly, and layers stored as sparse rows.

A neuron without weights has a constant output, which goes into the biases of the next layer; one that the next layer
does not look at goes without a trace. Removing one can leave others with nothing to do, so this is repeated to the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gsp_studio.io.atomic import write_whole
from gsp_studio.pruning.checkpoint import Checkpoint, CheckpointError
from gsp_studio.pruning.formats import FORMATS
from gsp_studio.pruning.formats.stored_array import require_extra

Array = npt.NDArray[Any]

_FORMAT = "gsp-studio sparse rows 1"
_PARTS = ("values", "columns", "starts", "shape")
_SMALL = 2**16


def arrays_of(checkpoint: Checkpoint, weights: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """All floating arrays of a network's file by name, its layers with new weights.

    Raises
    ------
    CheckpointError
        A file that has changed since it was opened.
    """
    new = weights or {}
    stored = FORMATS[checkpoint.format].read(checkpoint.path)
    return {array.name: np.array(new.get(array.name, array.values)) for array in stored if array.values is not None}


def compacted(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a chain of linear layers with ReLU between them, without neurons that do nothing.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights (outputs, inputs) in the order of the network, called "....weight", and biases.

    Returns
    -------
    dict of str to ndarray
        The outputs of the network are the same to rounding. A layer can get a bias that it did not have.

    Raises
    ------
    CheckpointError
        Arrays of another network: batch norms, convolutions and shortcuts are not removed from.
    """
    names = [name for name in arrays if name.endswith("weight") and arrays[name].ndim == 2]
    biases = {name: f"{name.removesuffix('weight')}bias" for name in names}
    is_chain = all(arrays[b].shape[1] == arrays[a].shape[0] for a, b in pairwise(names))
    if not names or not is_chain or set(arrays) - {*names, *biases.values()}:
        raise CheckpointError("neurons are removed from chains of linear layers with ReLU between them; this is none")
    made = {name: np.array(values) for name, values in arrays.items()}
    changed = True
    while changed:
        changed = False
        for here, after in pairwise(names):
            dead = np.asarray(~made[here].any(axis=1))
            gone: Array = np.asarray(dead | ~made[after].any(axis=0))
            if gone.all():
                gone[0] = False  # a layer keeps a neuron
            if not gone.any():
                continue
            changed = True
            bias = made.get(biases[here])
            constant = np.where(dead & gone, 0.0 if bias is None else np.maximum(bias, 0), 0.0)
            if constant.any():
                moved = made[after].astype(np.float64) @ constant
                before = made.get(biases[after], np.zeros(len(made[after]), made[after].dtype))
                made[biases[after]] = (before + moved).astype(before.dtype)
            made[here], made[after] = made[here][~gone], np.ascontiguousarray(made[after][:, ~gone])
            if bias is not None:
                made[biases[here]] = made[biases[here]][~gone]
    order = [each for name in names for each in (name, biases[name]) if each in made]
    return {name: made[name] for name in order}


def save_compact(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name as a safetensors file.

    Raises
    ------
    CheckpointError
        The package safetensors is missing, or the name does not end in .safetensors.
    WriteError
    """
    _check(path)
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    write_whole(path, lambda temporary: save_file(whole, temporary))


def save_sparse(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a safetensors file, matrices that get smaller by it as compressed sparse rows.

    Of a matrix "fc.weight" there are "fc.weight.values", ".columns" (uint16 where that holds them, else int32),
    ".starts" (int64) and ".shape".

    Raises
    ------
    CheckpointError, WriteError
        As `save_compact`.
    """
    _check(path)
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


def _check(path: Path) -> None:
    require_extra("safetensors", path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} does not end in .safetensors, as this format asks")
    if not path.parent.is_dir():
        raise CheckpointError(f"the folder {path.parent} is not there")
