"""CIFAR-10 and CIFAR-100: the binary files and the Python batches.

A batch is a pickle, of which only arrays, numbers and texts are believed: it is looked through before anything is made
of it, and nothing that it names is called; stand-ins record the arguments that NumPy would get.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry
from gsp_studio.io.formats.lazy_array import LazyArray, Read
from gsp_studio.io.formats.pickles import PickleError, check_pickle
from gsp_studio.io.memory import require_memory

_SIDE, _PIXELS = 32, 3072
#: Bytes of labels before each image: CIFAR-10, CIFAR-100.
_LABEL_BYTES = (1, 2)
_LARGEST = 1 << 30
#: Letters of a label, and the size of a number that is one.
_LONGEST_LABEL, _LARGEST_LABEL = 1000, 1 << 63


def is_binary(path: Path, head: bytes) -> bool:
    """Whether a file can be a binary one: its name, and a size that is a whole number of records."""
    size = path.stat().st_size if path.is_file() else 0
    return path.suffix.lower() == ".bin" and size > 0 and _bytes_of_labels(size) > 0


def is_batch(path: Path, head: bytes) -> bool:
    """Whether a file is a pickle that may hold a batch."""
    return head[:1] == b"\x80" and len(head) > 2 and head[1] <= pickle.HIGHEST_PROTOCOL and b"\x89HDF" not in head[:8]


def list_binary(path: Path) -> list[ArrayEntry]:
    """The images of a binary file."""
    size = path.stat().st_size
    record = _PIXELS + _bytes_of_labels(size)
    return [ArrayEntry("", (size // record, 3, _SIDE, _SIDE), np.dtype(np.uint8), is_certain=True)]


def open_binary(path: Path, entry: ArrayEntry) -> LazyArray:
    """The images (n, 3, 32, 32), of which some are read at a time."""
    return LazyArray(entry.shape, entry.dtype, partial(_open, str(path), entry.shape[0]))


def _open(path: str, count: int) -> tuple[Read, Callable[[], object]]:
    return partial(_part, path, count), lambda: None


def _part(path: str, count: int, axis: int, start: int, stop: int) -> Array:
    if axis == 0:
        return _images(path, start, stop, count)
    return _images(path, 0, count, count)[(slice(None),) * axis + (slice(start, stop),)]


def _images(path: str, start: int, stop: int, count: int) -> Array:
    """The images between two of all that a file had; read, not mapped: a file that shrinks would end the process."""
    return _records(path, start, stop, count)[:, -_PIXELS:].reshape(-1, 3, _SIDE, _SIDE)


def _records(path: str, start: int, stop: int, count: int) -> Array:
    size = Path(path).stat().st_size
    record = size // count
    with open(path, "rb", buffering=0) as file:
        values = np.fromfile(file, np.uint8, (stop - start) * record, offset=start * record)
    if size != count * record or record - _PIXELS not in _LABEL_BYTES or len(values) < (stop - start) * record:
        raise DatasetError(f"{path} has changed since it was looked into; open it again")
    return values.reshape(stop - start, record)


def binary_labels(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """The class of each image; the fine one of CIFAR-100."""
    count, most = entry.shape[0], 1 << 12
    marks = [
        _records(str(path), k, min(k + most, count), count)[:, -_PIXELS - 1].tolist() for k in range(0, count, most)
    ]
    return tuple(str(mark) for some in marks for mark in some)


def list_batch(path: Path) -> list[ArrayEntry]:
    """The images of a Python batch."""
    data = _batch(path)[b"data"]
    return [ArrayEntry("", (len(data), 3, _SIDE, _SIDE), data.dtype, is_certain=True)]


def read_batch(path: Path, entry: ArrayEntry) -> Array:
    """The images (n, 3, 32, 32)."""
    return np.asarray(_batch(path)[b"data"].reshape(entry.shape))


def batch_labels(path: Path, entry: ArrayEntry) -> tuple[str, ...] | None:
    """The class of each image; the fine one of CIFAR-100."""
    batch = _batch(path)
    for key in (b"labels", b"fine_labels"):
        found = batch.get(key)
        if isinstance(found, list) and len(found) == entry.shape[0]:
            return tuple(_label(label, k, path) for k, label in enumerate(found))
    return None


def _label(label: Any, k: int, path: Path) -> str:
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if isinstance(label, str) and len(label) <= _LONGEST_LABEL:
        return label
    if isinstance(label, int) and abs(label) < _LARGEST_LABEL:
        return str(label)
    raise DatasetError(
        f"{path}: the label of image {k + 1} is neither a whole number of 64 bits nor a text of at most "
        f"{_LONGEST_LABEL} letters; the images can be opened without labels"
    )


def _bytes_of_labels(size: int) -> int:
    return next((count for count in _LABEL_BYTES if size % (_PIXELS + count) == 0), 0)


class _Dtype:
    """Stand-in for a pickled type: its code; the rest of its state is dropped."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code.decode("latin-1") if isinstance(code, bytes) else code if isinstance(code, str) else ""

    def __setstate__(self, state: Any) -> None:
        pass


class _PickledArray:
    """Stand-in for a pickled array. NumPy's own code trusts the pickle, and damage ends the process."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Call:
    """A function that a pickle may name, without any state that it could change; its arguments have a budget."""

    __slots__ = ("_function", "_left")

    def __init__(self, function: Callable[..., Any], budget: int) -> None:
        self._function, self._left = function, budget

    def __call__(self, content: Any, *others: Any) -> Any:
        self._left -= len(content)
        if self._left < 0:  # the same text over and over
            raise DatasetError("makes more of itself than it holds")
        return self._function(content, *others)

    def __setstate__(self, state: Any) -> None:
        raise DatasetError("changes what it calls")


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> _PickledArray:
    """Stand-in for a pickled array of protocol 5."""
    made = _PickledArray()
    made.state = (1, shape, dtype, order == "F", bytes(buffer))
    return made


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    """Bytes of Python 2, which protocol 2 stores as text."""
    return text.encode("latin-1")


class _RestrictedUnpickler(pickle.Unpickler):
    """Unpickler of plain values, with stand-ins for NumPy's arrays; refuses all other classes by name."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        encode, from_buffer = _Call(_bytes_of, len(content)), _Call(_from_buffer, len(content))
        self._safe: dict[tuple[str, str], Any] = {
            ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
            ("numpy._core.multiarray", "_reconstruct"): _PickledArray,
            ("numpy", "ndarray"): _PickledArray,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): encode,
            ("numpy.core.numeric", "_frombuffer"): from_buffer,
            ("numpy._core.numeric", "_frombuffer"): from_buffer,
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._safe:
            raise DatasetError(f"asks for {module[:_LONGEST_LABEL]}.{name[:_LONGEST_LABEL]}")
        return self._safe[module, name]


def _array_of(value: Any) -> Array | None:
    """The matrix of bytes that a stand-in is about; None where it is none."""
    if not isinstance(value, _PickledArray) or not isinstance(value.state, tuple) or len(value.state) != 5:
        return None
    _, shape, dtype, is_fortran, content = value.state
    is_shape = (
        isinstance(shape, tuple)
        and len(shape) == 2
        and all(isinstance(side, int) and 0 <= side <= _LARGEST for side in shape)
    )
    if not is_shape or not isinstance(dtype, _Dtype) or dtype.code.lstrip("|") not in ("u1", "uint8", "B"):
        return None
    if not isinstance(content, bytes) or len(content) != shape[0] * shape[1]:
        return None
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


def _batch(path: Path) -> dict[bytes, Any]:
    if path.stat().st_size > _LARGEST:
        raise DatasetError(f"{path} is too large for a CIFAR batch")
    require_memory(3 * path.stat().st_size, f"{path}, a pickle,")
    content = path.read_bytes()
    try:
        check_pickle(io.BytesIO(content), len(content))
        loaded = _RestrictedUnpickler(content).load()
    except (PickleError, DatasetError) as error:
        raise DatasetError(f"{path} is a pickle that {error}; accepted are CIFAR batches") from error
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # pickles fail in every way
        raise DatasetError(f"{path} is a damaged pickle, or none") from error
    batch = {_key(key): value for key, value in loaded.items()} if isinstance(loaded, dict) else {}
    data = _array_of(batch.get(b"data"))
    if data is None:
        raise DatasetError(f'{path} is a pickle without a uint8 array under "data"; accepted are CIFAR batches')
    if data.shape[1] != _PIXELS:
        raise DatasetError(f"{path}: rows are {data.shape[1]} bytes, expected are {_PIXELS}, an image of 3 x 32 x 32")
    if len(data) == 0:
        raise DatasetError(f"{path} contains no images")
    return {**batch, b"data": data}


def _key(key: Any) -> bytes:
    return key.encode("utf-8", "replace") if isinstance(key, str) else bytes(key) if isinstance(key, bytes) else b""
