"""Opening a data set: `peek` says what a source holds and how it would be read, `load_dataset` reads it.

`READERS` is the table of what can be opened; a reader is three functions: does this path look like mine, what is in
it, and its raw values.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gsp_studio.io import arrays, images, matrix
from gsp_studio.io.dataset import Dataset, DatasetError, LoadOptions
from gsp_studio.io.preprocess import float_type, make_nonnegative, require_finite, unit_scale

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class LoadCancelled(Exception):
    """Loading was cancelled by the user; nothing was kept."""


@dataclass(frozen=True)
class Peek:
    """What a source holds and how it would be read.

    Attributes
    ----------
    path : Path
    kind : str
        Name of its reader: "images", "npy", "npz" or "mat".
    n_images : int
    image_shape : (height, width)
    order : "C" | "F"
    images_in : str
        "files"; "columns", "rows" of a matrix; "first axis", "last axis" of a stack.
    dtype : str
        Of the raw values.
    nbytes : int
        Memory that the loaded data set needs, in bytes.
    key : str
        The array that is read, "" where there is only one.
    keys : tuple of str
        The arrays that could be read instead.
    shapes : tuple of (height, width)
        Plausible image shapes, the proposed one first; one where the source is unambiguous.
    note : str
        All of this in one line, with the reasons of guesses.
    options : LoadOptions
        The choice in full: ``load_dataset(path, options=peek.options)`` loads just this.
    """

    path: Path
    kind: str
    n_images: int
    image_shape: tuple[int, int]
    order: Literal["C", "F"]
    images_in: str
    dtype: str
    nbytes: int
    key: str
    keys: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]
    note: str
    options: LoadOptions

    @property
    def is_guess(self) -> bool:
        """Whether the layout should be shown before it is accepted."""
        return self.images_in in ("columns", "rows")


@dataclass(frozen=True, eq=False)
class Raw:
    """Raw values as columns X (m, n) of the final floating type, with names, labels and the steps so far."""

    X: Array
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """One family of sources.

    Attributes
    ----------
    recognises : (path, first bytes) -> bool
    peek : (path, options) -> Peek
    load : (peek, progress, cancelled) -> Raw
    """

    recognises: Callable[[Path, bytes], bool]
    peek: Callable[[Path, LoadOptions], Peek]
    load: Callable[[Peek, Progress, Cancelled], Raw]


def peek(path: str | os.PathLike[str], options: LoadOptions | None = None, **choices: Any) -> Peek:
    """Look into a source without loading it.

    Parameters
    ----------
    path : path-like
        A folder of images, or a .npy, .npz or .mat file. What it is is decided by content, not by its name.
    options : LoadOptions, optional
        What is known about it; single fields can be given as keywords.

    Returns
    -------
    Peek

    Raises
    ------
    DatasetError
        A source that is missing, not readable, damaged, empty or of an unknown kind.
    """
    path = Path(path)
    chosen = replace(options or LoadOptions(), **choices)
    try:
        return _reader_of(path)[1].peek(path, chosen)
    except PermissionError as error:
        raise DatasetError(f"{error.filename or path} cannot be opened: permission denied") from error
    except MemoryError as error:
        raise DatasetError(f"{path} does not fit into memory") from error


def load_dataset(
    path: str | os.PathLike[str],
    options: LoadOptions | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    **choices: Any,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    path, options, **choices
        As for `peek`, for example ``image_shape=(19, 19), order="F", negative="clip", dtype="float32"``.
    progress : callable, optional
        Called with images done and images in all.
    cancelled : callable, optional
        Asked between images; True ends the loading with LoadCancelled.

    Returns
    -------
    Dataset
        Integer values divided by their type's maximum, as float32; floating values as they are.

    Raises
    ------
    DatasetError
        As for `peek`, and for values that NMF cannot use: NaN, infinite, or negative without a choice.

    Examples
    --------
    >>> import gsp_studio as gs
    >>> from gsp_studio.io import sample_path
    >>> data = gs.load_dataset(sample_path("swimmer"))
    >>> data.X.shape, data.image_shape
    ((1024, 256), (32, 32))
    """
    found = peek(path, options, **choices)
    _require_memory(found)
    try:
        reader = READERS[_reader_of(found.path)[0]]
        raw = reader.load(found, progress or (lambda done, total: None), cancelled or (lambda: False))
    except PermissionError as error:
        raise DatasetError(f"{error.filename or path} cannot be opened: permission denied") from error
    except MemoryError as error:
        raise DatasetError(f"{path} does not fit into memory") from error
    require_finite(raw.X, str(found.path))
    step = make_nonnegative(raw.X, found.options.negative, str(found.path))
    if not raw.X.any():
        raise DatasetError(f"{found.path}: every value is zero; there is nothing to factorize")
    return Dataset(
        X=raw.X,
        image_shape=found.image_shape,
        order=found.order,
        name=found.path.name + (f" : {found.key}" if len(found.keys) > 1 else ""),
        names=raw.names,
        labels=raw.labels,
        source=str(found.path.absolute()),
        steps=(*raw.steps, step) if step else raw.steps,
        options=replace(found.options, dtype=raw.X.dtype.name),  # type: ignore[arg-type]
    )


def thumbnails(found: Peek, count: int = 8) -> Array:
    """Some images (k, height, width), float32 in [0, 1], as the peek's layout reads them.

    For arrays in .npy files and for folders only these are read. Raises DatasetError as `load_dataset` does.
    """
    chosen = np.unique(np.linspace(0, found.n_images - 1, min(count, found.n_images)).astype(int))
    if found.kind == "images":
        files = images.scan(found.path).files
        stack = np.stack([images.read_grey(files[i], lambda step: None) for i in chosen])
    else:
        values, arrangement = _arranged(found)
        h, w = found.image_shape
        rows = matrix.take_images(values, arrangement, chosen).T.astype(np.float32)
        stack = rows.reshape(-1, h, w) if found.order == "C" else rows.reshape(-1, w, h).transpose(0, 2, 1)
    stack = np.nan_to_num(stack, posinf=0.0, neginf=0.0)
    low, high = float(stack.min()), float(stack.max())
    scaled: Array = (stack - low) / (high - low) if high > low else np.zeros_like(stack)
    return scaled


def _reader_of(path: Path) -> tuple[str, Reader]:
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(128)
        if not head:
            raise DatasetError(f"{path} is empty")
    for name, reader in READERS.items():
        if reader.recognises(path, head):
            return name, reader
    if images.sniff(head):
        raise DatasetError(f"{path} is one image; open the folder that holds your images")
    raise DatasetError(f"{path} is not a data set; accepted are a folder of images, .npy, .npz and .mat (v5) files")


def _require_memory(found: Peek) -> None:
    free = free_memory()
    if found.nbytes > free:
        raise DatasetError(
            f"{found.path} needs {found.nbytes / 2**30:.1f} GiB of memory as {found.n_images} images of "
            f"{found.image_shape[0]} x {found.image_shape[1]}; {free / 2**30:.1f} GiB are free"
        )


def free_memory() -> int:
    """Bytes of memory that can be taken now."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: the installed memory is the best that can be had without another package
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**62


# Folders of images


def _peek_images(path: Path, options: LoadOptions) -> Peek:
    folder = images.scan(path)
    if len(folder.files) < 2:
        raise DatasetError(f"{path} contains 1 image; a factorization needs at least 2")
    height, width = images.require_one_size(folder.files, [images.size_of(file) for file in folder.files])
    dtype = float_type(np.dtype(np.float32), options.dtype)
    skipped = f"; {folder.skipped} other files skipped" if folder.skipped else ""
    return Peek(
        path=path,
        kind="images",
        n_images=len(folder.files),
        image_shape=(height, width),
        order="C",
        images_in="files",
        dtype="image files",
        nbytes=2 * height * width * len(folder.files) * dtype.itemsize,
        key="",
        keys=(),
        shapes=((height, width),),
        note=f"{len(folder.files)} images of {height} x {width}, one a file, in natural order{skipped}",
        options=replace(options, image_shape=(height, width), order="C", dtype=dtype.name),  # type: ignore[arg-type]
    )


def _load_images(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    folder = images.scan(found.path)
    h, w = found.image_shape
    X = np.empty((h * w, len(folder.files)), dtype=found.options.dtype, order="F")
    steps: dict[str, None] = {}  # in order, each once
    for j, file in enumerate(folder.files):
        if cancelled():
            raise LoadCancelled
        image = images.read_grey(file, lambda step: steps.setdefault(step))
        if image.shape != (h, w):
            images.require_one_size((folder.files[0], file), [(h, w), (image.shape[0], image.shape[1])])
        X[:, j] = image.ravel()
        progress(j + 1, len(folder.files))
    if folder.skipped:
        steps[f"{folder.skipped} files that are no images skipped"] = None
    parents = tuple(str(file.parent.relative_to(found.path)) for file in folder.files)
    labels = parents if len(set(parents)) > 1 else None
    return Raw(X, tuple(str(file.relative_to(found.path)) for file in folder.files), labels, tuple(steps))


# Arrays


def _peek_arrays(kind: str) -> Callable[[Path, LoadOptions], Peek]:
    def peek_file(path: Path, options: LoadOptions) -> Peek:
        entries = arrays.list_arrays(path, kind)
        entry = arrays.choose_array(entries, options.key, path)
        dtype = float_type(entry.dtype, options.dtype)
        count = entry.nbytes // max(1, entry.dtype.itemsize)
        needed = 2 * count * dtype.itemsize + (0 if kind == "npy" else entry.nbytes)
        if needed > free_memory() and kind != "npy":
            raise DatasetError(f"{path} needs {needed / 2**30:.1f} GiB of memory; less is free")
        values = arrays.read_array(path, kind, entry.key)
        found = matrix.arrange(entry, values, kind, options, path)
        images_in = {"columns": "columns", "last axis": "columns"}.get(found.images_in, "rows")
        return Peek(
            path=path,
            kind=kind,
            n_images=found.n_images,
            image_shape=found.image_shape,
            order=found.order,
            images_in=found.images_in,
            dtype=entry.dtype.name,
            nbytes=needed,
            key=entry.key,
            keys=tuple(e.key for e in entries if len(e.shape) in (2, 3) and min(e.shape) > 0),
            shapes=found.shapes,
            note=found.note,
            options=LoadOptions(
                image_shape=found.image_shape,
                order=found.order,
                images_in=images_in,  # type: ignore[arg-type]
                key=entry.key or None,
                negative=options.negative,
                dtype=dtype.name,  # type: ignore[arg-type]
            ),
        )

    return peek_file


def _arranged(found: Peek) -> tuple[Array, matrix.Arrangement]:
    entry = arrays.choose_array(arrays.list_arrays(found.path, found.kind), found.key or None, found.path)
    values = arrays.read_array(found.path, found.kind, entry.key)
    return values, matrix.arrange(entry, values, found.kind, found.options, found.path)


def _load_arrays(found: Peek, progress: Progress, cancelled: Cancelled) -> Raw:
    values, arrangement = _arranged(found)
    columns = matrix.take_images(values, arrangement)
    scale, step = unit_scale(values.dtype)
    m, n = columns.shape
    X = np.empty((m, n), dtype=found.options.dtype, order="F")
    block = max(1, (1 << 24) // max(1, m * X.itemsize))
    for a in range(0, n, block):
        if cancelled():
            raise LoadCancelled
        X[:, a : a + block] = columns[:, a : a + block]
        progress(min(n, a + block), n)
    if scale != 1.0:
        X /= X.dtype.type(scale)
    return Raw(X, tuple(f"image {j + 1}" for j in range(n)), None, (step,) if step else ())


def _is_mat(path: Path, head: bytes) -> bool:
    return head.startswith(b"MATLAB 5.0") or head.startswith(b"MATLAB 7.3") or path.suffix.lower() == ".mat"


READERS: dict[str, Reader] = {
    "images": Reader(lambda path, head: path.is_dir(), _peek_images, _load_images),
    "npy": Reader(lambda path, head: head.startswith(b"\x93NUMPY"), _peek_arrays("npy"), _load_arrays),
    "npz": Reader(
        lambda path, head: head.startswith(b"PK") and path.suffix.lower() == ".npz", _peek_arrays("npz"), _load_arrays
    ),
    "mat": Reader(_is_mat, _peek_arrays("mat"), _load_arrays),
}
