"""Images to train and to evaluate with, from one path: the two parts that it holds, or a split of what it holds.

The parts are found by the names that data sets come with: MNIST's t10k files, CIFAR's test batch, folders train and
val, the arrays train/data and test/data of USPS. Everything is read by the readers of data sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.readers import peek
from gsp_studio.pruning.images import LabelledImages, LabelledSource, digits, labelled_files, labelled_from, split

#: Loads a path, of which an array may be named, as the command line's other arguments say.
Load = Callable[[Path, str | None], Dataset]

_TRAIN, _TEST = re.compile(r"^train", re.IGNORECASE), re.compile(r"^(test|val|valid|validation|t10k)", re.IGNORECASE)
_CIFAR = re.compile(r"^(data_batch_\d+|train)\.bin$")
_SHARE = 0.2


def read_parts(
    path: Path | None, load: Load, side: int | None = None, seed: int = 0
) -> tuple[LabelledSource, LabelledSource]:
    """Images for training and for evaluation.

    Parameters
    ----------
    path : Path, optional
        None: scikit-learn's digits.
    load : (path, key) -> Dataset
    side : int, optional
        Read folders of classes a batch at a time, brought to this height and width.
    seed : int
        Which fifth is for evaluation where the data are not in two parts already.

    Raises
    ------
    DatasetError
        No labels, or images for training and evaluation that do not fit each other.
    """
    if path is None:
        return split(digits(), _SHARE, seed)
    pair = _pair_in(path) if path.is_dir() else None
    if side is not None:
        if pair is None:
            raise DatasetError(f"{path} has no folders train and val; networks of this size are trained on such")
        train = labelled_files(pair[0][0], side)
        return train, labelled_files(pair[1][0], side, train.classes)
    if pair is not None:
        (firsts, second), key = (pair[0], pair[1][0]), None
        parts = [labelled_from(load(first, key)) for first in firsts]
        train_part = _join(parts)
        test = labelled_from(load(second, key), train_part.classes)
    elif keys := _keys_in(path):
        train_part = labelled_from(load(path, keys[0]))
        test = labelled_from(load(path, keys[1]), train_part.classes)
    else:
        train_part, test = split(labelled_from(load(path, None)), _SHARE, seed)
    if train_part.shape != test.shape:
        raise DatasetError(f"{path}: images for training are {train_part.shape}, those for evaluation {test.shape}")
    return replace(train_part, is_augmented=train_part.shape[0] == 3), test


def _pair_in(path: Path) -> tuple[list[Path], list[Path]] | None:
    """Files or folders for training and for evaluation, if a folder holds both."""
    inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in inside if entry.is_dir()]
    train = [entry for entry in folders if _TRAIN.match(entry.name)]
    test = [entry for entry in folders if _TEST.match(entry.name)]
    if len(train) == 1 and test and len(folders) == len(train) + len(test):
        return train, test[:1]
    images = [entry for entry in inside if entry.is_file() and "images" in entry.name]
    train = [entry for entry in images if _TRAIN.match(entry.name)]
    test = [entry for entry in images if _TEST.match(entry.name)]
    if train and test:
        return train[:1], test[:1]
    train = [entry for entry in inside if _CIFAR.match(entry.name)]
    test = [entry for entry in inside if entry.name in ("test_batch.bin", "test.bin")]
    return (train, test) if train and test else None


def _keys_in(path: Path) -> tuple[str, str] | None:
    """The names of the arrays for training and for evaluation in a file that holds both."""
    keys = peek(path).keys if path.is_file() else ()
    train = [key for key in keys if _TRAIN.match(key)]
    test = [key for key in keys if _TEST.match(key)]
    return (train[0], test[0]) if len(train) == len(test) == 1 else None


def _join(parts: list[LabelledImages]) -> LabelledImages:
    classes = max((part.classes for part in parts), key=len)
    if any(part.classes != classes[: len(part.classes)] for part in parts):
        raise DatasetError("the files for training do not have the same classes")
    if len(parts) == 1:
        return parts[0]
    images = np.concatenate([part.images for part in parts])
    return LabelledImages(images, np.concatenate([part.labels for part in parts]), classes)
