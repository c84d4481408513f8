"""Initializers of ONNX models as sparse tensors, which hold non-zero values and their places, and as dense ones again.

ONNX Runtime reads them and makes them dense; the reference implementation of ONNX does not know them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.io.memory import require_memory
from gsp_studio.pruning.formats.stored_array import CheckpointError

_PLACE_BYTES = 8


def make_sparse(model: Any) -> None:
    """Store initializers as sparse tensors where that takes fewer bytes."""
    from onnx import TensorProto, helper, numpy_helper

    dense = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        flat = values.reshape(-1)
        places = np.flatnonzero(flat)
        is_floating = tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
        if is_floating and len(places) and len(places) * (_PLACE_BYTES + flat.itemsize) < flat.nbytes:
            held = numpy_helper.from_array(flat[places], tensor.name)
            where = numpy_helper.from_array(places.astype(np.int64), f"{tensor.name}.places")
            model.graph.sparse_initializer.append(helper.make_sparse_tensor(held, where, list(values.shape)))
        else:
            dense.append(tensor)
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in dense]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def make_dense(model: Any, path: Path) -> None:
    """Make all sparse initializers dense.

    Raises
    ------
    CheckpointError
        One that does not hold what it declares.
    """
    for tensor in model.graph.sparse_initializer:
        model.graph.initializer.append(_dense(tensor, path))
    del model.graph.sparse_initializer[:]


def _dense(tensor: Any, path: Path) -> Any:
    from onnx import TensorProto, numpy_helper
    from onnx.helper import tensor_dtype_to_np_dtype

    name, shape = tensor.values.name, tuple(tensor.dims)
    damaged = CheckpointError(f"{path} is damaged: the sparse initializer {name!r} does not hold what it declares")
    is_inside = TensorProto.EXTERNAL not in (tensor.values.data_location, tensor.indices.data_location)
    if not is_inside or any(side < 0 for side in shape) or tensor.indices.data_type != TensorProto.INT64:
        raise damaged
    try:
        dtype = np.dtype(tensor_dtype_to_np_dtype(tensor.values.data_type))
        values, places = numpy_helper.to_array(tensor.values), numpy_helper.to_array(tensor.indices)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise damaged from error
    require_memory(math.prod(shape) * dtype.itemsize, f"{path}, opened,")
    sides = np.array(shape, np.int64)
    is_listed = places.ndim == 2 and places.shape == (len(values), len(shape))
    if values.ndim != 1 or not (is_listed or places.shape == values.shape):
        raise damaged
    if (places < 0).any() or (places >= (sides if is_listed else math.prod(shape))).any():
        raise damaged
    dense = np.zeros(shape, dtype)
    dense.reshape(-1)[np.ravel_multi_index(tuple(places.T), shape) if is_listed else places] = values
    return numpy_helper.from_array(dense, name)
