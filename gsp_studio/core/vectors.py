"""Conversion of vectors to the house layout, and back.

`pack` finds the vectors of an input, checks them, and lays them out one after another in a flat buffer: without a copy
where the input lies so already (Fortran-ordered columns, C-ordered rows). Results go back into the input's structure,
memory order and axes. All that can be wrong with an argument is found here or in `refuse_not_finite`.
"""

from __future__ import annotations

import operator
import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.arrays import Array
from gsp_studio.backends.admission import refuse_sparse
from gsp_studio.backends.layout import checked_weights, equal_offsets

Axis = int | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RaggedVectors:
    """Vectors of any lengths that lie one after another already, as a list of views of one buffer at less cost.

    Attributes
    ----------
    values : ndarray (N,), float32 or float64, contiguous
    offsets : ndarray (r + 1,), int64
        Vector i is ``values[offsets[i]:offsets[i + 1]]``; from 0 to N.
    """

    values: Array
    offsets: Array

    def __post_init__(self) -> None:
        is_flat = self.values.ndim == 1 and self.values.flags.c_contiguous
        if not is_flat or self.values.dtype not in (np.float32, np.float64):
            raise ValueError(f"values are {self.values.dtype} {self.values.shape}; accepted is one contiguous vector")
        offsets = self.offsets
        is_whole = (
            offsets.dtype == np.int64 and len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(self.values)
        )
        if not is_whole or (np.diff(offsets) < 0).any():
            raise ValueError(f"offsets are not rising int64 from 0 to the {len(self.values)} values")


@dataclass(frozen=True, eq=False)
class PackedVectors:
    """Vectors in the house layout.

    Attributes
    ----------
    flat : ndarray (N,), float32 or float64
        The vectors, one after another; a view of the input where that lies so.
    offsets : ndarray (r + 1,), int64
        Vector i is ``flat[offsets[i]:offsets[i + 1]]``.
    weights : ndarray or None
        (n,) shared by all vectors, or (N,) laid out as `flat`; of the dtype of `flat`. None: all equal.
    source : ndarray, list of ndarray, or RaggedVectors
        The input as floating-point arrays.
    rows : ndarray or None
        An array input seen as (other axes..., axes of a vector...); None for a list and for RaggedVectors.
    owns : bool
        Whether `flat` is a private copy.
    """

    flat: Array
    offsets: Array
    weights: Array | None
    source: Any
    rows: Array | None
    owns: bool

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.offsets) - 1


def pack(x: Any, weights: Any = None, axis: Axis = 0) -> PackedVectors:
    """Lay vectors out one after another.

    Parameters
    ----------
    x : array_like or sequence of 1-D array_like
        As for `group_sparse_projection`.
    weights : array_like or sequence, optional
    axis : int or tuple of int

    Raises
    ------
    ValueError
        No vectors, a vector with fewer than two entries, a type that is not real, weights that do not fit.
    """
    if isinstance(x, (list, tuple)) and any(np.ndim(v) > 0 for v in x):
        return _pack_list(x, weights)
    if isinstance(x, RaggedVectors):
        return _pack_ragged(x, weights)
    array = as_float("x", x)
    if array.ndim == 0:
        raise ValueError("x is a single number; expected is an array or a list of vectors")
    axes = _normal_axes(axis, array.ndim)
    rows = _rows(array, axes)
    shape = rows.shape[rows.ndim - len(axes) :]
    length = int(np.prod(shape, dtype=np.int64))
    count = array.size // length if length else 0
    _check_lengths(count, length if array.size or length else 0)
    flat = np.ascontiguousarray(rows).reshape(-1)
    packed_weights = None if weights is None else _array_weights(weights, array, axes, shape, length)
    owns = not np.may_share_memory(flat, array)
    return PackedVectors(flat, equal_offsets(count, length), packed_weights, array, rows, owns)


def as_float(name: str, values: Any) -> Array:
    """A real array: float32 and float64 as they are, float16 as float32, integers and booleans as float64."""
    refuse_sparse(values, name)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array; accepted is one without hidden entries, as filled() gives it")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise ValueError(f"{name} cannot be made an array; accepted are numbers, all rows of one length") from None
    if array.dtype in (np.float32, np.float64) and array.dtype.isnative:
        return array
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64 if array.dtype.itemsize == 8 else np.float32)
    raise ValueError(f"{name} has the type {array.dtype}; accepted are float16 to float64, integers and booleans")


def _normal_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    try:
        axes = tuple(operator.index(a) for a in (axis if isinstance(axis, tuple) else (axis,)))
    except TypeError:
        axes = ()
    if not axes or not all(-ndim <= a < ndim for a in axes) or len({a % ndim for a in axes}) < len(axes):
        raise ValueError(f"axis is {axis}; accepted are an axis from {-ndim} to {ndim - 1} of x, or a tuple of them")
    return tuple(a % ndim for a in axes)


def _rows(array: Array, axes: tuple[int, ...]) -> Array:
    others = [a for a in range(array.ndim) if a not in axes]
    return array.transpose(*others, *axes)


def _check_lengths(count: int, shortest: int) -> None:
    if count == 0:
        raise ValueError("x holds no vectors; a group needs at least one")
    if shortest < 2:
        raise ValueError(f"x holds a vector of {shortest} entries; Hoyer sparsity needs at least 2")


def _array_weights(weights: Any, array: Array, axes: tuple[int, ...], shape: Any, length: int) -> Array | None:
    w = as_float("weights", weights)
    if w.shape == shape:
        return checked_weights(w.reshape(1, -1), array.dtype)
    if w.shape == array.shape:
        return checked_weights(_rows(w, axes).reshape(-1, length), array.dtype)
    raise ValueError(f"weights has shape {w.shape}; accepted are {shape}, shared by all vectors, and {array.shape}")


def _pack_list(x: Any, weights: Any) -> PackedVectors:
    vectors = [as_float("x", v) for v in x]
    for v in vectors:
        if v.ndim != 1:
            raise ValueError(f"x holds an array of shape {v.shape}; a list must hold 1-D arrays")
    lengths = [len(v) for v in vectors]
    _check_lengths(len(vectors), min(lengths))
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    flat = np.concatenate(vectors)
    return PackedVectors(flat, offsets, _list_weights(weights, lengths, flat.dtype), vectors, None, True)


def _pack_ragged(x: RaggedVectors, weights: Any) -> PackedVectors:
    _check_lengths(len(x.offsets) - 1, int(np.diff(x.offsets).min()))
    packed_weights = None
    if weights is not None:
        w = as_float("weights", weights)
        if w.shape != x.values.shape:
            raise ValueError(f"weights has shape {w.shape}; accepted is that of the buffer, {x.values.shape}")
        packed_weights = _list_weights(np.split(w, x.offsets[1:-1]), np.diff(x.offsets).tolist(), x.values.dtype)
    return PackedVectors(x.values, x.offsets, packed_weights, x, None, False)


def _list_weights(weights: Any, lengths: list[int], dtype: npt.DTypeLike) -> Array | None:
    if weights is None:
        return None
    if not (isinstance(weights, (list, tuple)) and any(np.ndim(w) > 0 for w in weights)):
        weights = [weights] * len(lengths)
    rows = [as_float("weights", w) for w in weights]
    found = [r.shape for r in rows]
    if found != [(n,) for n in lengths]:
        raise ValueError("weights do not fit x; accepted are one array for each vector, of the vector's length")
    checked = [checked_weights(r.reshape(1, -1), dtype) for r in rows]
    if all(w is None for w in checked):
        return None
    return np.concatenate([np.ones(n, dtype) if w is None else w for w, n in zip(checked, lengths, strict=True)])


def check_target(s: Any, name: str = "s") -> float:
    """A target sparsity as a float in [0, 1]."""
    if type(s) is float and 0.0 <= s <= 1.0:
        return s
    try:
        value = float("nan") if isinstance(s, (str, bytes)) else float(s)
    except (TypeError, ValueError, OverflowError):
        value = float("nan")
    if not 0.0 <= value <= 1.0:  # NaN fails too
        found = s if isinstance(s, (int, float, np.generic)) else reprlib.repr(s)
        raise ValueError(f"{name} is {str(found)[:60]}; accepted is a number from 0 to 1")
    return value


def refuse_too_large(packed: PackedVectors) -> None:
    """Raise the ValueError for vectors whose projection is beyond the largest number of its type."""
    raise ValueError(f"x is too large: entries of its projection would exceed {packed.flat.dtype}; scale x down")


def refuse_not_finite(packed: PackedVectors) -> None:
    """Raise the ValueError for vectors that hold NaN or infinity."""
    bad = ~np.isfinite(packed.flat)
    if bad.any():
        first = int(np.searchsorted(packed.offsets, int(np.argmax(bad)), side="right")) - 1
        count = int(bad.sum())
        found = f"x holds {count} NaN or infinite values, the first in vector {first}"
        raise ValueError(f"{found}; accepted are finite values")


def output_like(packed: PackedVectors, out: Any) -> Any:
    """Return the output array: `out` if it fits the input, else new memory of the input's structure and order."""
    if isinstance(packed.source, RaggedVectors):
        return np.empty_like(packed.flat) if out is None else _checked_out(out, packed.flat.shape, packed.flat.dtype)
    if packed.rows is None:
        if out is None:
            return None
        if not isinstance(out, (list, tuple)) or [np.shape(o) for o in out] != [v.shape for v in packed.source]:
            raise ValueError("out does not fit x; accepted is a list of arrays of the same lengths")
        for o, v in zip(out, packed.source, strict=True):
            if not isinstance(o, np.ndarray) or o.dtype != v.dtype:
                raise ValueError(f"out holds another type than the {v.dtype} of the values")
            _check_writeable(o)
        return out
    return np.empty_like(packed.source) if out is None else _checked_out(out, packed.source.shape, packed.flat.dtype)


def _checked_out(out: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out is {found}; accepted is an array of {np.dtype(dtype)} {shape}")
    _check_writeable(out)
    return out


def _check_writeable(out: Array) -> None:
    if not out.flags.writeable:
        raise ValueError("out is read-only; accepted is an array that can be written")


def flat_view(values: Any, packed: PackedVectors, axis: Axis) -> Array | None:
    """`values` as a flat buffer in the house layout, if it lies so; None otherwise."""
    if isinstance(packed.source, RaggedVectors):
        return values if isinstance(values, np.ndarray) and values.flags.c_contiguous else None
    if packed.rows is None or values is None:
        return None
    rows = _rows(values, _normal_axes(axis, values.ndim))
    return rows.reshape(-1) if rows.flags.c_contiguous else None


def unpack(flat: Array, packed: PackedVectors, values: Any, axis: Axis) -> Any:
    """Results from a flat buffer into `values`, or into a list of views of the buffer."""
    if packed.rows is not None:
        rows = _rows(values, _normal_axes(axis, values.ndim))
        rows[...] = flat.reshape(rows.shape)
        return values
    if isinstance(packed.source, RaggedVectors):
        values[...] = flat
        return values
    pieces = np.split(flat, packed.offsets[1:-1])
    if values is None:  # computed in one type, handed back each in its own
        return [piece.astype(v.dtype, copy=False) for piece, v in zip(pieces, packed.source, strict=True)]
    for target, piece in zip(values, pieces, strict=True):
        target[...] = piece
    return values


def in_structure(numbers: Array, packed: PackedVectors, axis: Axis) -> Array:
    """One number a vector, in the shape of the input's other axes; (r,) for a list or a single vector."""
    if packed.rows is None or packed.source.ndim == 1:
        return numbers
    axes = _normal_axes(axis, packed.source.ndim)
    return numbers.reshape(packed.rows.shape[: packed.rows.ndim - len(axes)])
