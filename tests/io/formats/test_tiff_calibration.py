"""Straight lines from stored to true values in the headers of TIFF files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import gsp_studio as gs

TRUE = np.random.default_rng(0).integers(1, 3000, (3, 8, 10))


def imagej(path, stored, **calibration):
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "ZYX", **calibration})


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_signed_values_of_imagej_are_what_they_were(tmp_path, storage):
    imagej(tmp_path / "a.tif", (TRUE + 32768).astype(np.uint16), cf=0, c0=-32768.0, c1=1.0)
    data = gs.load_dataset(tmp_path / "a.tif", storage=storage)
    assert np.array_equal(data.images(), TRUE)
    assert any("as ImageJ says: -32768 + 1 times the stored value" in note for note in data.notes)


def test_negative_values_of_a_calibration_need_a_choice(tmp_path):
    signed = TRUE - 1000
    imagej(tmp_path / "a.tif", (signed + 32768).astype(np.uint16), cf=0, c0=-32768.0, c1=1.0)
    with pytest.raises(gs.DatasetError, match="negative values"):
        gs.load_dataset(tmp_path / "a.tif")
    assert np.array_equal(gs.load_dataset(tmp_path / "a.tif", negative="clip").images(), np.maximum(signed, 0))


def test_a_folder_of_calibrated_files_is_as_their_stack(tmp_path):
    for k, image in enumerate(TRUE):
        imagej(tmp_path / f"{k}.tif", image[np.newaxis].astype(np.uint16), cf=0, c0=0.5, c1=0.25)
    data = gs.load_dataset(tmp_path)
    assert np.array_equal(data.images(), 0.5 + 0.25 * TRUE)
    tifffile.imwrite(tmp_path / "9.tif", TRUE[0].astype(np.uint16), photometric="minisblack")
    with pytest.raises(gs.DatasetError, match="mixes types"):  # a full scale beside true values
        gs.load_dataset(tmp_path)


def test_other_functions_of_imagej_are_told(tmp_path):
    imagej(tmp_path / "a.tif", TRUE.astype(np.uint16), cf=8, c0=1.0, c1=2.0, c2=3.0)
    data = gs.load_dataset(tmp_path / "a.tif")
    assert np.allclose(data.images(), TRUE / 65535)
    assert any("not applied: its function is 8 (cf)" in note for note in data.notes)
