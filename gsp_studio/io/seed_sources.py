"""Sources of seeds: files, samples of the data, regions that are drawn, residuals, and methods that find endmembers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.data_access import sample
from gsp_studio.core.endmembers import ENDMEMBERS
from gsp_studio.core.seeds import Seed
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.references import Sizes, read_columns, split_place

#: Of larger data, endmembers are looked for in a part, spread over the whole.
_SAMPLE = 1 << 28
_REGION = re.compile(r"region:(\d+),(\d+),(\d+)x(\d+)")
_SAMPLES = re.compile(r"samples?:(\d+(?:,\d+)*)")
#: Forms of a seed's source, for help texts.
FORMS = (
    "FILE, FILE:NAME or :NAME of an array in the data's own file (spectra or images of their size: CSV, ENVI library, "
    ".npy, .mat, ...), an image, the folder of an exported run (FOLDER:1,3 for some basis images), "
    f"{', '.join(ENDMEMBERS)} for as many as are missing, samples:J,J,... counted from 0, or region:TOP,LEFT,HxW, the "
    "mean spectrum of a region"
)


def read_seeds(texts: Sequence[str], dataset: Dataset, rank: int, seed: int = 0) -> list[Seed]:
    """Read seeds as the command line names them.

    Parameters
    ----------
    texts : sequence of str
        See `FORMS`; in the order of the columns of W0.
    dataset : Dataset
    rank, seed : int
        Of the run: methods find as many endmembers as the other sources leave.

    Raises
    ------
    DatasetError
        In one sentence: a source that is missing or has no such columns.
    """
    found: list[list[Seed] | str] = []
    for text in texts:
        if text in ENDMEMBERS:
            found.append(text)
        elif match := _REGION.fullmatch(text):
            found.append([region_seed(dataset, _rectangle(dataset, *map(int, match.groups())))])
        elif match := _SAMPLES.fullmatch(text):
            found.append([sample_seed(dataset, int(j)) for j in match.group(1).split(",")])
        else:
            found.append(seeds_of_file(text, dataset))
    missing = rank - sum(len(seeds) for seeds in found if not isinstance(seeds, str))
    methods = [text for text in found if isinstance(text, str)]
    if len(methods) > 1:
        raise DatasetError(f"{' and '.join(methods)} both find the seeds that are missing; accepted is one of these")
    if methods and missing < 1:
        raise DatasetError(f"{methods[0]} is left no seed to find: the others are as many as the {rank} basis images")
    made = [endmember_seeds(dataset, part, missing, seed) if isinstance(part, str) else part for part in found]
    return [one for part in made for one in part]


def seeds_of_file(text: str, dataset: Dataset) -> list[Seed]:
    """Seeds of a file, as `references.read_columns` reads it; DatasetError for values below 0 or not finite."""
    columns = read_columns(text, Sizes.of(dataset))
    rows = np.ascontiguousarray(columns.values.T)
    for name, values in zip(columns.names, rows, strict=True):
        if not np.all(np.isfinite(values)) or values.min() < 0 or not values.any():
            raise DatasetError(f'"{name}" of {text} is no seed; accepted are finite values >= 0, not all of them zero')
    path = split_place(text, dataset.source)[0]
    is_told = path == Path(dataset.source) or path.is_dir()  # the data's own file; names of basis images have the run
    names = [name if is_told or name.startswith(path.stem) else f"{name} from {path.name}" for name in columns.names]
    return [Seed(name, values) for name, values in zip(names, rows, strict=True)]


def endmember_seeds(dataset: Dataset, method: str, count: int, seed: int = 0) -> list[Seed]:
    """Seeds that a method of `ENDMEMBERS` finds among the samples; DatasetError where it cannot."""
    X: Any = dataset.X
    some = sample(X, _SAMPLE) if is_out_of_core(X) else X
    try:
        found = ENDMEMBERS[method](some, count, seed)
    except ValueError as error:
        raise DatasetError(f"{dataset.name}: {error}") from error
    title = {"vca": "VCA", "nfindr": "N-FINDR"}[method]
    is_whole = some.shape[1] == X.shape[1]
    names = [f", {dataset.names[j]}" if is_whole else "" for j in found]
    return [
        Seed(f"{title} {k + 1}{name}", np.array(some[:, j], np.float64))
        for k, (j, name) in enumerate(zip(found, names, strict=True))
    ]


def sample_seed(dataset: Dataset, j: int) -> Seed:
    """Sample `j` of the data, counted from 0: the spectrum of a pixel, or an image."""
    if not 0 <= j < dataset.X.shape[1]:
        raise DatasetError(f"there is no sample {j}; accepted are 0 to {dataset.X.shape[1] - 1}")
    return _checked(Seed(dataset.names[j], dataset.X[:, [j]][:, 0].astype(np.float64)))


def region_seed(dataset: Dataset, region: Array, column: int | None = None) -> Seed:
    """The seed of a region that was drawn.

    Parameters
    ----------
    dataset : Dataset
    region : ndarray (height, width) of bool
        Of the scene where the samples are pixels: the seed is the mean spectrum. Else of an image: the seed is what the
        image shows there, and 0 elsewhere.
    column : int, optional
        The image; by default the mean of all.
    """
    shape = dataset.grid or dataset.image_shape
    if region.shape != shape or not region.any():
        raise DatasetError(f"a region of shape {region.shape} is none of these data; accepted are pixels of {shape}")
    if dataset.grid is not None:
        inside = np.flatnonzero(region.ravel(order=dataset.order))
        values = dataset.X[:, inside].mean(axis=1, dtype=np.float64)
        return _checked(Seed(f"mean of {len(inside)} pixels{_place(region)}", values))
    from gsp_studio.core.metrics import mean_image

    whole = mean_image(dataset.X) if column is None else dataset.X[:, [column]][:, 0]
    values = np.where(dataset.from_map(region), whole, 0).astype(np.float64)
    name = "the mean image" if column is None else dataset.names[column]
    return _checked(Seed(f"part of {name}{_place(region)}", values))


def residual_seed(dataset: Dataset, W: Array, H: Array, j: int) -> Seed:
    """The part that a basis leaves of sample `j`: ``max(0, x - W h)``."""
    x = dataset.X[:, [j]][:, 0].astype(np.float64)
    return _checked(Seed(f"residual of {dataset.names[j]}", np.maximum(0.0, x - W.astype(np.float64) @ H[:, j])))


def _checked(seed: Seed) -> Seed:
    if not seed.values.any():
        raise DatasetError(f"{seed.name} is zero everywhere; a seed needs a value > 0")
    return seed


def _place(region: Array) -> str:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return f" at {rows[0]}, {columns[0]}"


def _rectangle(dataset: Dataset, top: int, left: int, height: int, width: int) -> Array:
    shape = dataset.grid or dataset.image_shape
    region = np.zeros(shape, bool)
    if not (height and width and top + height <= shape[0] and left + width <= shape[1]):
        raise DatasetError(
            f"region:{top},{left},{height}x{width} leaves the {shape[0]} x {shape[1]} pixels; accepted are "
            "region:TOP,LEFT,HxW inside of these, counted from 0"
        )
    region[top : top + height, left : left + width] = True
    return region
