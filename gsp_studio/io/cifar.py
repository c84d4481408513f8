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


def _empty_array(kind: Any, shape: Any, dtype: Any) -> Array:
    """What a pickled array begins as; whatever shape it claims, it gets its memory with its values."""
    return np.empty(0, np.uint8)


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Array:
    """What a pickled array of protocol 5 is."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    """How Python 2's bytes are written down."""
    return text.encode("latin-1")


class _Restricted(pickle.Unpickler):
    """Makes NumPy arrays and what has no class; everything else is refused by name."""

    def find_class(self, module: str, name: str) -> Any:
        safe = {
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy._core.multiarray", "_reconstruct"): _empty_array,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _bytes_of,
            ("numpy.core.numeric", "_frombuffer"): _from_buffer,
            ("numpy._core.numeric", "_frombuffer"): _from_buffer,
        }
        if (module, name) not in safe:
            raise DatasetError(f"asks for {module}.{name}")
        return safe[module, name]


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
    data = batch.get(b"data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise DatasetError(f'{path} is a pickle without a uint8 array under "data"; accepted are CIFAR batches')
    if data.ndim != 2 or data.shape[1] != _PIXELS:
        width = data.shape[1] if data.ndim == 2 else data.shape
        raise DatasetError(f"{path}: rows are {width} bytes, expected are {_PIXELS}, an image of 3 x 32 x 32")
    if len(data) == 0:
        raise DatasetError(f"{path} contains no images")
    return batch


def _key(key: Any) -> bytes:
    return key.encode("utf-8", "replace") if isinstance(key, str) else bytes(key) if isinstance(key, bytes) else b""
