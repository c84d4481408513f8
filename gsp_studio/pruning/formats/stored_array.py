"""Types shared by the formats of network files: the arrays of a file, and the functions that read and write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import one_line

#: Characters of a sentence.
_LONGEST = 1200


class CheckpointError(ValueError):
    """A file of a network that cannot be used; one sentence: what, where, and what is accepted."""

    def __init__(self, message: str) -> None:
        told = one_line(message)
        if len(told) > _LONGEST:  # names in files can have any length
            told = f"{told[: 2 * _LONGEST // 3]} ... {told[-_LONGEST // 3 :]}"
        super().__init__(told)


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a file.

    Attributes
    ----------
    key : str
        Its full name in the file.
    name : str
        Name in messages: without the containers around it.
    shape : tuple of int
    dtype : str
        As stored: "float32", "bfloat16", "int64".
    values : ndarray, float32 or float64, read-only; or None
        None for arrays that are not floating; half precision as float32.
    output_axis : int
        The axis that the outputs of a layer are counted along.
    reason : str
        Reason why it is left alone, where the file itself has one: "tied to embed.weight".
    is_first, is_last : bool
        Whether it is a weight of the first or last layer, where the file itself has their order.
    """

    key: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    values: Array | None
    output_axis: int = 0
    reason: str = ""
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    name : str
        Name in messages.
    suffixes : tuple of str
        That files of it have.
    read : path -> list of Stored
        In the order of the network as far as the file has it, else in that of the file.
    write : (source, target, values by key, name) -> None
        `target`, which will be called `name`, becomes what `source` is, with these values; their shapes are those of
        the source's. Values are rounded to the type that is stored.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], list[StoredArray]]
    write: Callable[[Path, Path, Mapping[str, Array], str], None]


def computed(values: Array) -> Array:
    """Floating values as they are computed with: native float32 or float64, read-only; a view where they are so."""
    dtype = np.float64 if values.dtype.itemsize == 8 else np.float32
    made = values.astype(dtype, copy=False)
    made = made if made.dtype.isnative else made.astype(made.dtype.newbyteorder("="))
    made = made.view()
    made.flags.writeable = False
    return made


def output_axis_by_name(name: str, shape: tuple[int, ...]) -> int:
    """0, as in PyTorch; the last for a "kernel", as Keras and Flax call their weights (height, width, in, out)."""
    return len(shape) - 1 if name.replace("/", ".").split(".")[-1] == "kernel" and len(shape) >= 2 else 0


def check_known(path: Path, wanted: Mapping[str, Array], held: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError where a file is no longer the one that the values were read from."""
    for key, values in wanted.items():
        if held.get(key) != values.shape:
            raise CheckpointError(f"{path} has changed since it was opened: {key} is not there or has another shape")


def require_extra(module: str, path: Path) -> None:
    """Raise CheckpointError where a package of the extra `pruning` is missing."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise CheckpointError(
            f'{path} needs {module}, which is not installed; pip install "gsp-studio[pruning]" adds it'
        )
