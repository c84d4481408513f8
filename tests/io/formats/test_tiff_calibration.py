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


def gdal(path, pages, scale, offset, *, bands=(0,), more=()):
    """Pages with the metadata of GDAL: a scale and an offset for each of some bands."""
    with tifffile.TiffWriter(path) as file:
        for k, page in enumerate(pages):
            items = "".join(
                f'<Item name="SCALE" sample="{band}" role="scale">{scale * (k + 1)}</Item>'
                f'<Item name="OFFSET" sample="{band}" role="offset">{offset}</Item>'
                for band in bands
            )
            text = f"<GDALMetadata>\n{items}</GDALMetadata>"
            tags = [(42112, "s", 0, text, True), *more]
            planes = {"planarconfig": "contig"} if page.ndim == 3 else {}
            file.write(page, photometric="minisblack", metadata=None, extratags=tags, contiguous=False, **planes)


def test_scale_and_offset_of_gdal_are_applied_page_by_page(tmp_path):
    gdal(tmp_path / "a.tif", TRUE.astype(np.int16), 0.25, 8)
    data = gs.load_dataset(tmp_path / "a.tif")
    assert np.array_equal(data.images(), 8 + 0.25 * np.array([1, 2, 3])[:, None, None] * TRUE)
    assert any("as GDAL says: 8 + 0.25 times the stored value" in note for note in data.notes)


def test_no_data_of_calibrated_integers_are_missing(tmp_path):
    stored = TRUE.astype(np.int16)
    stored[1, 2, 3] = -32768
    gdal(tmp_path / "a.tif", stored, 0.25, 8, more=[(42113, "s", 0, "-32768", True)])
    with pytest.raises(gs.DatasetError, match="1 NaN"):
        gs.load_dataset(tmp_path / "a.tif")
    images = gs.load_dataset(tmp_path / "a.tif", nonfinite="zero").images()
    assert images[1, 2, 3] == 0
    assert np.array_equal(images[0], 8 + 0.25 * TRUE[0])


def test_bands_of_gdal_on_unlike_lines_are_told(tmp_path):
    page = np.moveaxis(TRUE, 0, -1)[np.newaxis].astype(np.int16)
    gdal(tmp_path / "alike.tif", page, 0.25, 8, bands=(0, 1, 2))
    assert np.array_equal(gs.load_dataset(tmp_path / "alike.tif").images(), 8 + 0.25 * TRUE)
    gdal(tmp_path / "a.tif", page, 0.25, 8, bands=(0, 2))
    data = gs.load_dataset(tmp_path / "a.tif")
    assert np.allclose(data.images(), TRUE / 32767)
    assert any("of GDAL not applied: its scales and offsets differ over the bands" in note for note in data.notes)
