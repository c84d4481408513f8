"""ONNX models: the initializers of the graph, and of files beside it that lie in the model's own folder.

How a weight is used (`onnx_graph`) says which axis holds the outputs: the first in a convolution and a transposed Gemm,
the last in MatMul. The graph is not run here, and a path that leads out of the folder, or through a link, is refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.atomic import write_whole
from gsp_studio.io.memory import require_memory
from gsp_studio.pruning.formats.onnx_graph import Use, uses_of
from gsp_studio.pruning.formats.onnx_sparse import make_dense
from gsp_studio.pruning.formats.stored_array import CheckpointError, StoredArray, check_known, computed, require_extra

#: A model in one file may have no more bytes: the limit of its encoding.
_MOST = 2**31 - 2**20
#: Where an initializer may hold its values.
_VALUES = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def read(path: Path) -> list[StoredArray]:
    """The initializers of a model: those that the graph does not use, then as it uses them one after another."""
    model = _loaded(path)
    initializers = model.graph.initializer
    uses = uses_of(model.graph, {tensor.name for tensor in initializers if len(tensor.dims) >= 2})
    unused = Use(order=-1)
    stored = []
    for tensor in sorted(initializers, key=lambda tensor: uses.get(tensor.name, unused).order):
        use = uses.get(tensor.name, unused)
        shape, dtype = tuple(tensor.dims), _type_name(tensor)
        axis = use.output_axis if use.output_axis is not None else 0
        axis = axis % len(shape) if -len(shape) <= axis < len(shape) else 0
        reason = use.reason if len(shape) >= 2 else ""
        values = computed(_values(tensor, path)) if dtype in _FLOATS else None
        stored.append(
            StoredArray(tensor.name, tensor.name, shape, dtype, values, axis, reason, use.is_first, use.is_last)
        )
    if not stored:
        raise CheckpointError(f"{path} is an ONNX model without initializers: it holds no weights")
    return stored


def write(source: Path, target: Path, values: Mapping[str, Array], name: str) -> None:
    """The model once more; what lay in files beside it comes to lie in one, called `name` and ``.data``."""
    model = _loaded(source)
    check_known(source, values, {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer})
    beside = target.with_name(f"{name}.data")
    is_split = False
    for tensor in model.graph.initializer:
        if _is_external(tensor):
            is_split = True
            if beside.exists() and _place(tensor, source)[0].samefile(beside):
                raise CheckpointError(f"{beside} holds the values of {source} itself; choose another name")
            _take_in(tensor, source)
    put(model, values)
    if is_split or model.ByteSize() > _MOST:
        _put_out(model, beside)
    target.write_bytes(model.SerializeToString())


def put(model: Any, values: Mapping[str, Array]) -> None:
    """Give initializers other values, of their types."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name in values:
            made = numpy_helper.from_array(values[tensor.name].astype(_numpy_type(tensor)), tensor.name)
            for field in _VALUES:
                tensor.ClearField(field)
            tensor.raw_data = made.raw_data


def save(model: Any, path: Path) -> None:
    """Write a model that has all its initializers inside.

    Raises
    ------
    CheckpointError
        A model that is larger than one file may be.
    WriteError
    """
    if model.ByteSize() > _MOST:
        raise CheckpointError(f"{path} would have more bytes than an ONNX model in one file may have")
    content = model.SerializeToString()
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def in_one_file(path: Path) -> Any:
    """The model with all its initializers inside, for a runtime."""
    model = _loaded(path)
    for tensor in model.graph.initializer:
        if _is_external(tensor):
            _take_in(tensor, path)
    return model


def without_values(path: Path, smallest: int) -> Any:
    """The model without the values of its large initializers, which keep types and shapes; `has_values` tells.

    Parameters
    ----------
    path : Path
    smallest : int
        Entries up to which an initializer keeps its values.
    """
    model = _loaded(path)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > smallest or _is_external(tensor):
            for field in _VALUES:
                tensor.ClearField(field)
    return model


def has_values(tensor: Any) -> bool:
    """Whether an initializer holds its values."""
    return any(len(getattr(tensor, field)) for field in _VALUES)


def _loaded(path: Path) -> Any:
    require_extra("onnx", path)
    require_memory(2 * path.stat().st_size, f"{path}, opened,")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise CheckpointError(f"{path} is no ONNX model, or is damaged") from error
    make_dense(model, path)
    if not model.graph.node and not model.graph.initializer:
        raise CheckpointError(f"{path} is no ONNX model: it has no graph")
    names = set()
    for tensor in model.graph.initializer:
        is_named = isinstance(tensor.name, str) and tensor.name  # names other than UTF-8 come as bytes
        if not is_named or any(side < 0 for side in tensor.dims):
            raise CheckpointError(f"{path} is damaged: an initializer has no name or a negative side")
        if tensor.name in names:
            raise CheckpointError(f"{path} is damaged: two initializers are called {tensor.name}")
        names.add(tensor.name)
    return model


def _is_external(tensor: Any) -> bool:
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _type_name(tensor: Any) -> str:
    import onnx

    try:
        name = str(onnx.TensorProto.DataType.Name(tensor.data_type)).lower()
    except ValueError:
        return f"type {tensor.data_type}"
    return {"double": "float64", "float": "float32"}.get(name, name)


def _numpy_type(tensor: Any) -> np.dtype[Any]:
    from onnx.helper import tensor_dtype_to_np_dtype

    dtype: np.dtype[Any] = np.dtype(tensor_dtype_to_np_dtype(tensor.data_type))
    return dtype


def _values(tensor: Any, path: Path) -> Array:
    """The values of an initializer; what it declares is compared with what there is before anything is made of it."""
    from onnx import numpy_helper

    dtype = _numpy_type(tensor)
    if _is_external(tensor):
        place, offset, length = _place(tensor, path)
        require_memory(length, f"{place}, opened,")
        stored = dtype.newbyteorder("<") if dtype.isbuiltin else dtype
        return np.fromfile(place, stored, length // dtype.itemsize, offset=offset).reshape(tuple(tensor.dims))
    needed = math.prod(tensor.dims) * dtype.itemsize
    if tensor.HasField("raw_data") and len(tensor.raw_data) != needed:
        raise CheckpointError(f"{path}: {tensor.name} declares {needed} bytes and holds {len(tensor.raw_data)}")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path}: {tensor.name} is damaged: it does not hold what it declares") from error


def _place(tensor: Any, path: Path) -> tuple[Path, int, int]:
    """File, first byte and number of bytes of values that lie beside the model."""
    entries = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    location = entries.get("location", "")
    folder = path.parent
    place = folder / location
    is_inside = location and "\0" not in location and not os.path.isabs(location) and ".." not in Path(location).parts
    if not is_inside or "\\" in location or not place.resolve().is_relative_to(folder.resolve()):
        raise CheckpointError(
            f'{path}: {tensor.name} asks for the file "{location}" outside of the model\'s folder, and is not read'
        )
    if not place.is_file() or _passes_link(folder, place):
        raise CheckpointError(f'{path}: the values of {tensor.name} lie in "{location}", which is no file beside it')
    needed = math.prod(tensor.dims) * _numpy_type(tensor).itemsize
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != needed or offset + length > place.stat().st_size:
        raise CheckpointError(f'{path}: "{location}" does not hold the {needed} bytes that {tensor.name} declares')
    return place, offset, length


def _passes_link(folder: Path, place: Path) -> bool:
    steps = place.relative_to(folder).parts
    return any(folder.joinpath(*steps[: k + 1]).is_symlink() for k in range(len(steps)))


def _take_in(tensor: Any, path: Path) -> None:
    """Values from a file beside the model into the model."""
    import onnx

    place, offset, length = _place(tensor, path)
    with place.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.DEFAULT


def _put_out(model: Any, beside: Path) -> None:
    """Large values from the model into a file beside it."""
    import onnx

    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= 1024]

    def write_values(path: Path) -> None:
        with path.open("wb") as file:
            for tensor in large:
                offset = file.tell()
                file.write(tensor.raw_data)
                for key, value in (("location", beside.name), ("offset", offset), ("length", len(tensor.raw_data))):
                    tensor.external_data.add(key=key, value=str(value))
                tensor.ClearField("raw_data")
                tensor.data_location = onnx.TensorProto.EXTERNAL

    write_whole(beside, write_values)
