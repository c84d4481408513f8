"""LabelledSource images for networks: arrays in PyTorch's order (image, channel, row, column) with a class for each.

They are read by the readers of data sets, so IDX, CIFAR, HDF5 and folders of classes work as everywhere. Networks that
are trained on more than fits into memory read `LabelledFiles`, which decodes a batch at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.fingerprint import fingerprint_of
from gsp_studio.io.images import archives
from gsp_studio.io.images import image_file as image_files
from gsp_studio.io.images.image_set import scan
from gsp_studio.io.images.names import natural_key

#: Mean and deviation of red, green and blue on ImageNet, which networks for colours are commonly trained with.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
JPEG_CAUTION = (
    "these images are JPEG: a network that was trained on lossless ones can lose ten points on them by that alone"
)
_JPEG = (".jpg", ".jpeg")
#: Files of a folder that are looked at for being JPEG.
_LOOKED_AT = 200
_PADDING = 4
_WORKERS = 8


class LabelledSource(Protocol):
    """Images with labels, as training and evaluation use them."""

    @property
    def labels(self) -> Array:
        """The class of each image (n,), int64."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""

    @property
    def fingerprint(self) -> str:
        """A digest of the images and their classes."""

    def batch(self, chosen: Array, rng: np.random.Generator | None = None) -> Array:
        """Images of those numbers (k, channels, height, width), float32; changed a little where there is an rng."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images in memory.

    Attributes
    ----------
    images : ndarray (n, channels, height, width), float32, in [0, 1] where they were 8-bit
    labels : ndarray (n,), int64
        Numbers of classes.
    classes : tuple of str
    is_augmented : bool
        Whether `batch` with an rng shifts by up to 4 pixels and mirrors: as is usual for CIFAR-10, wrong for digits.
    """

    images: Array
    labels: Array
    classes: tuple[str, ...]
    is_augmented: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def fingerprint(self) -> str:
        """A digest of images and classes."""
        values = fingerprint_of(self.images.reshape(len(self.images), -1))
        told = hashlib.sha256(f"{values} {self.classes} {self.is_augmented}".encode() + self.labels.tobytes())
        return told.hexdigest()

    def batch(self, chosen: Array, rng: np.random.Generator | None = None) -> Array:
        """Images of those numbers."""
        taken = self.images[chosen]
        if rng is None or not self.is_augmented:
            return taken
        k, _, height, width = taken.shape
        wide = np.pad(taken, ((0, 0), (0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING)))
        rows, columns = rng.integers(0, 2 * _PADDING + 1, (2, k))
        mirrored: list[bool] = np.less(rng.random(k), 0.5).tolist()
        for i, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            part = wide[i, :, row : row + height, column : column + width]
            taken[i] = part[:, :, ::-1] if mirrored[i] else part
        return taken

    def part(self, chosen: Array) -> LabelledImages:
        """Some of the images."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.classes, self.is_augmented)


def labelled_from(dataset: Dataset, classes: Sequence[str] | None = None) -> LabelledImages:
    """The images of a data set with labels.

    Parameters
    ----------
    dataset : Dataset
    classes : sequence of str, optional
        The classes in their order; by default those that occur: numbers in order, names in natural order.

    Raises
    ------
    DatasetError
        No labels, or a label that is not among the classes.
    """
    if dataset.labels is None:
        raise DatasetError(f"{dataset.source} has no labels; networks need a class for each image")
    labels = list(dataset.labels)
    known = tuple(classes) if classes is not None else _classes_of(labels)
    numbers = {name: k for k, name in enumerate(known)}
    if unknown := next((label for label in labels if label not in numbers), None):
        raise DatasetError(
            f'{dataset.source} has images of class "{unknown}", which is not among {", ".join(known[:6])}'
        )
    return LabelledImages(images_of(dataset), np.array([numbers[label] for label in labels], dtype=np.int64), known)


def images_of(dataset: Dataset) -> Array:
    """The images of a data set (n, channels, height, width), float32."""
    height, width = dataset.image_shape
    rows = np.asarray(dataset.X).T.astype(np.float32, copy=False)
    if dataset.order == "C":
        images = rows.reshape(-1, dataset.channels, height, width)
    else:
        images = rows.reshape(-1, dataset.channels, width, height).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(images)


def _classes_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Classes in order. Numbers count from 0 although some may be missing, as a network's outputs do."""
    found = set(labels)
    if all(label.isdecimal() and label == str(int(label)) for label in found) and max(map(int, found)) < 10_000:
        return tuple(map(str, range(max(map(int, found)) + 1)))
    return tuple(sorted(found, key=natural_key))


def digits() -> LabelledImages:
    """Scikit-learn's 1797 digits of 8 x 8 pixels, in [0, 1]: the data set that needs no file."""
    import importlib.util

    if importlib.util.find_spec("sklearn") is None:
        raise DatasetError(
            'the digits need scikit-learn, which is not installed; pip install "gsp-studio[pruning]" adds it'
        )
    from sklearn.datasets import load_digits

    data, target = load_digits(return_X_y=True)
    images = (data / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return LabelledImages(images, target.astype(np.int64), tuple(map(str, range(10))))


def split(images: LabelledImages, share: float = 0.2, seed: int = 0) -> tuple[LabelledImages, LabelledImages]:
    """Two parts, of every class this share in the second.

    Raises
    ------
    DatasetError
        A class with a single image.
    """
    rng = np.random.default_rng(seed)
    second = []
    for number, name in enumerate(images.classes):
        members = np.flatnonzero(images.labels == number)
        if len(members) == 1:
            raise DatasetError(f'class "{name}" has a single image; accepted are classes of at least two')
        second.append(rng.permutation(members)[: max(1, round(share * len(members)))] if len(members) else members)
    is_second = np.zeros(len(images.labels), bool)
    is_second[np.concatenate(second)] = True
    return images.part(np.flatnonzero(~is_second)), images.part(np.flatnonzero(is_second))


@dataclass(frozen=True, eq=False)
class LabelledFiles:
    """Files of images in folders of classes, decoded when a batch asks for them: as ImageNet is read.

    Attributes
    ----------
    files : tuple of Member
    labels : ndarray (n,), int64
    classes : tuple of str
    side : int
        Height and width that images are brought to: the shorter side is scaled to 8/7 of it, and the middle cut out;
        with an rng, a random part of 8 to 100 % of the image, and mirrored at random.
    """

    files: tuple[Any, ...]
    labels: Array
    classes: tuple[str, ...]
    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return 3, self.side, self.side

    @property
    def fingerprint(self) -> str:
        """A digest of names, classes and side; the pixels are not read for it."""
        told = f"{self.side} {self.classes} {[file.inside for file in self.files]}"
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()

    def batch(self, chosen: Array, rng: np.random.Generator | None = None) -> Array:
        """Images of those numbers, several decoded at a time."""
        seeds: list[int | None] = [None] * len(chosen)
        if rng is not None:
            seeds = rng.integers(0, 2**63, len(chosen)).tolist()
        with ThreadPoolExecutor(_WORKERS) as pool:
            return np.stack(list(pool.map(self._one, chosen.tolist(), seeds)))

    def _one(self, number: int, seed: int | None) -> Array:
        values = image_files.read_image(self.files[number], _silent, "rgb")
        picture = Image.fromarray(np.round(255 * np.clip(values, 0, 1)).astype(np.uint8))
        box, mirror = _middle(picture.size), False
        if seed is not None:
            rng = np.random.default_rng(seed)
            box, mirror = _anywhere(picture.size, rng), bool(rng.random() < 0.5)
        cut = picture.resize((self.side, self.side), Image.Resampling.BILINEAR, box)
        pixels: Array = np.asarray(cut, np.float32).transpose(2, 0, 1) / np.float32(255)
        return pixels[:, :, ::-1] if mirror else pixels


def _silent(step: str) -> None:
    """Drop the notes of decoding."""


def _middle(size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    side = min(size) * 7 / 8
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _anywhere(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A part of 8 to 100 % of the area, 3:4 to 4:3, as ResNets are trained; the middle where none fits in ten tries."""
    width, height = size
    for _ in range(10):
        area, ratio = rng.uniform(0.08, 1) * width * height, np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        wide, high = float(np.sqrt(area * ratio)), float(np.sqrt(area / ratio))
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            return left, top, left + wide, top + high
    return _middle(size)


def labelled_files(path: Path, side: int, classes: Sequence[str] | None = None) -> LabelledFiles:
    """The image files below a folder, whose own folders are their classes.

    Raises
    ------
    DatasetError
        No images, images outside of folders of classes, or a class that is not among `classes`.
    """
    with archives.open_source(path) as source:
        if not path.is_dir():
            raise DatasetError(f"{path} is no folder; images that are read a batch at a time lie in folders of classes")
        files = tuple(scan(source)[0])
    names = [file.parent for file in files]
    if "." in names:
        raise DatasetError(f"{path} holds images outside of folders of classes")
    known = tuple(classes) if classes is not None else tuple(sorted(set(names), key=natural_key))
    if unknown := next((name for name in names if name not in known), None):
        raise DatasetError(f'{path} has images of class "{unknown}", which the images for training have not')
    numbers = {name: k for k, name in enumerate(known)}
    return LabelledFiles(files, np.array([numbers[name] for name in names], np.int64), known, side)


def is_jpeg(path: Path) -> bool:
    """Whether images at a path are JPEG files, by the names of the first of them."""
    if path.is_dir():
        names = [entry.suffix.lower() for entry, _ in zip(path.rglob("*.*"), range(_LOOKED_AT), strict=False)]
        return any(name in _JPEG for name in names)
    if path.suffix.lower() == ".zip":
        import zipfile

        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(_JPEG) for name in archive.namelist()[:_LOOKED_AT])
    if path.suffix.lower() in (".tar", ".xz", ".gz", ".tgz", ".bz2"):
        import tarfile

        if not tarfile.is_tarfile(path):
            return False
        with tarfile.open(path) as archive:
            return any(info.name.lower().endswith(_JPEG) for info, _ in zip(archive, range(_LOOKED_AT), strict=False))
    return path.suffix.lower() in _JPEG
