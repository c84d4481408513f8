"""CIFAR-10 and CIFAR-100: the binary files and the Python batches. A batch is a pickle, of which only arrays, numbers
and texts are believed: nothing in it is ever called but NumPy's own way to make an array.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.entry import ArrayEntry

Array = npt.NDArray[Any]

_SIDE, _PIXELS = 32, 3072
#: Bytes of labels before each image: CIFAR-10, CIFAR-100.
_LABEL_BYTES = (1, 2)
_LARGEST = 1 << 30


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


def read_binary(path: Path, entry: ArrayEntry) -> Array:
    """The images (n, 3, 32, 32), a memory map."""
    records = np.memmap(path, np.uint8, "r").reshape(entry.shape[0], -1)
    return records[:, -_PIXELS:].reshape(entry.shape)


def binary_labels(path: Path, entry: ArrayEntry) -> tuple[str, ...]:
    """The class of each image; the fine one of CIFAR-100."""
    skip = _bytes_of_labels(path.stat().st_size)
    records = np.memmap(path, np.uint8, "r").reshape(entry.shape[0], -1)
    return tuple(map(str, records[:, skip - 1].tolist()))


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
            return tuple(str(label) for label in found)
    return None


def _bytes_of_labels(size: int) -> int:
    return next((count for count in _LABEL_BYTES if size % (_PIXELS + count) == 0), 0)


class _Dtype:
    """What a pickle says of a type: its code, and a state that nobody needs."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code.decode("latin-1") if isinstance(code, bytes) else str(code)

    def __setstate__(self, state: Any) -> None:
        pass


class _Pickled:
    """What a pickle says of an array. NumPy's own code for it trusts what it is told, and damage ends the process."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> _Pickled:
    """What a pickled array of protocol 5 is."""
    made = _Pickled()
    made.state = (1, shape, dtype, order == "F", bytes(buffer))
    return made


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    """How Python 2's bytes are written down."""
    return text.encode("latin-1")


class _Restricted(pickle.Unpickler):
    """Makes what has no class, and stand-ins for NumPy's arrays; everything else is refused by name."""

    def find_class(self, module: str, name: str) -> Any:
        safe = {
            ("numpy.core.multiarray", "_reconstruct"): _Pickled,
            ("numpy._core.multiarray", "_reconstruct"): _Pickled,
            ("numpy", "ndarray"): _Pickled,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): _bytes_of,
            ("numpy.core.numeric", "_frombuffer"): _from_buffer,
            ("numpy._core.numeric", "_frombuffer"): _from_buffer,
        }
        if (module, name) not in safe:
            raise DatasetError(f"asks for {module}.{name}")
        return safe[module, name]


def _array_of(value: Any) -> Array | None:
    """The matrix of bytes that a stand-in is about; None where it is none."""
    if not isinstance(value, _Pickled) or not isinstance(value.state, tuple) or len(value.state) != 5:
        return None
    _, shape, dtype, is_fortran, content = value.state
    is_shape = (
        isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(side, int) and side >= 0 for side in shape)
    )
    if not is_shape or not isinstance(dtype, _Dtype) or dtype.code.lstrip("|") not in ("u1", "uint8", "B"):
        return None
    if not isinstance(content, bytes) or len(content) != shape[0] * shape[1]:
        return None
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


def _batch(path: Path) -> dict[bytes, Any]:
    if path.stat().st_size > _LARGEST:
        raise DatasetError(f"{path} is too large for a CIFAR batch")
    content = path.read_bytes()
    try:
        list(pickletools.genops(content))  # a damaged pickle is refused before anything is made of it
        loaded = _Restricted(io.BytesIO(content), encoding="bytes").load()
    except DatasetError as error:
        raise DatasetError(f"{path} is a pickle that {error}; accepted are CIFAR batches") from error
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
