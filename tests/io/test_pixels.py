"""Masks and weights from files: one value a pixel, of one image, and no NaN in a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import gsp_studio as gs
from gsp_studio.arrays import Array
from gsp_studio.io.apply_steps import Images, apply
from gsp_studio.io.dataset import Dataset, DatasetError
from gsp_studio.io.pixels import read_entry_weights, read_mask, read_weights
from gsp_studio.io.steps import Mask

N, H, W = 3, 4, 6


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    """Three images of 4 x 6."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).random((N, H, W)))
    return gs.load_dataset(tmp_path / "images.npy", images_in="rows")


def pages(path: Path) -> Path:
    """A mark in another row of each of three pages."""
    marks = np.zeros((N, H, W), np.uint8)
    marks[np.arange(N), np.arange(N)] = 255
    if path.suffix == ".tif":
        tifffile.imwrite(path, marks, photometric="minisblack")
    else:
        first, *others = map(Image.fromarray, marks)
        first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.parametrize("read", [read_mask, read_weights, read_entry_weights])
@pytest.mark.parametrize("name", ["pages.tif", "pages.gif"])
def test_a_file_of_several_images_is_refused(
    tmp_path: Path, images: Dataset, name: str, read: Callable[[Path, Dataset], Array]
) -> None:
    """Its first one would count for all images."""
    with pytest.raises(DatasetError, match=rf"{name} holds 3 images; accepted is one"):
        read(pages(tmp_path / name), images)


def test_a_page_alone_is_read(tmp_path: Path, images: Dataset) -> None:
    marks = np.zeros((H, W), np.uint8)
    marks[1] = 255
    tifffile.imwrite(tmp_path / "page.tif", marks)
    np.testing.assert_array_equal(read_mask(tmp_path / "page.tif", images)[:, 0], images.from_map(marks != 0))


@pytest.mark.parametrize("shape", [(H, W), (H * W, N)])
def test_nan_is_no_mark(tmp_path: Path, images: Dataset, shape: tuple[int, int]) -> None:
    values = np.zeros(shape)
    values[0] = np.nan
    np.save(tmp_path / "mask.npy", values)
    with pytest.raises(DatasetError, match=r"mask\.npy holds NaN or empty cells; accepted in a mask are numbers"):
        read_mask(tmp_path / "mask.npy", images)


def test_an_empty_cell_is_no_mark(tmp_path: Path, images: Dataset) -> None:
    rows = ["1,1,1,1,1,1", *["0,0,,0,0,0"] * (H - 1)]
    (tmp_path / "mask.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(DatasetError, match="NaN or empty cells"):
        read_mask(tmp_path / "mask.csv", images)


def test_the_mask_of_a_step_neither(tmp_path: Path) -> None:
    np.save(tmp_path / "keep.npy", np.full((H, W), np.nan))
    with pytest.raises(DatasetError, match="NaN or empty cells"):
        apply([Mask(str(tmp_path / "keep.npy"))], Images(np.ones((N, H, W)), ("a", "b", "c"), None))
