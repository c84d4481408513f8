"""ENVI cubes as programs write them: names, comments, encodings, frames, bad bands, missing values, libraries."""

import os

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io.axes import Axis
from gsp_studio.io.readers import load_dataset

CUBE = np.random.default_rng(0).integers(1, 60000, (7, 9, 11)).astype("<u2")
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}
STORAGES = ("memory", "disk")


def text(interleave="bsq", end="\n", **more):
    fields = {"samples": 11, "lines": 9, "bands": 7, "data type": 12, "interleave": interleave, "byte order": 0, **more}
    return end.join(["ENVI", *(f"{key} = {value}" for key, value in fields.items()), ""])


def unit(values):
    return values.astype(np.float32) / np.float32(65535)


def written(folder, header, data, said, values=None, encoding="utf-8"):
    (folder / header).write_bytes(said.encode(encoding))
    (folder / data).write_bytes(CUBE.tobytes() if values is None else values)
    return folder / header, folder / data


def loads(paths, expected=CUBE):
    for path in paths:
        for storage in STORAGES:
            assert np.array_equal(load_dataset(path, storage=storage).images(), unit(expected)), (path, storage)


def refused(path, **choices):
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(path, **choices)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ("C.HDR", "C.IMG"),
        ("c.hdr", "c.rad"),
        ("c.img.hdr", "c.img"),
        ("C.HDR", "c.raw"),
        ("c.hdr", "c"),
        ("c", "c.dat"),
    ],
)
def test_names_in_any_case_and_other_suffixes(tmp_path, header, data):
    paths = written(tmp_path, header, data, text())
    loads(paths if (header, data) not in (("C.HDR", "c.raw"), ("c", "c.dat")) else paths[:1])


def test_a_stranger_beside_the_header_is_not_its_values(tmp_path):
    written(tmp_path, "c.hdr", "c.avi", text(), CUBE.tobytes() + bytes(100_000))
    assert "the file with the values is not beside it; tried were c, c.raw, c.img" in refused(tmp_path / "c.hdr")
    (tmp_path / "c").write_bytes(b"too short")
    written(tmp_path, "c.hdr", "c.dat", text())
    loads([tmp_path / "c.hdr"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, encoding):
    loads(written(tmp_path, "c.hdr", "c.img", text(description="{ Fläche }"), encoding=encoding))


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends(tmp_path, end):
    loads(written(tmp_path, "c.hdr", "c.img", text(end=end, lines="{9}")))


def test_comments(tmp_path):
    said = text().replace("lines = 9", "; made by hand = 3\nlines = 9 ; rows") + (
        "band names = {a, b, c,\n; not a name\n d, e, f, g}\n"
    )
    written(tmp_path, "c.hdr", "c.img", said)
    loads([tmp_path / "c.hdr"])
    assert load_dataset(tmp_path / "c.hdr").names == tuple("abcdefg")


@pytest.mark.parametrize("interleave", AXES)
def test_bytes_before_and_after_frames_are_skipped(tmp_path, interleave):
    parts = [b"offset"]
    for frame in CUBE.transpose(AXES[interleave]):
        parts += [b"MMM", *(b"five." + minor.tobytes() + b"2." for minor in frame), b"four"]
    more = {"header offset": 6, "major frame offsets": "{3, 4}", "minor frame offsets": "{5, 2}"}
    loads(written(tmp_path, "c.hdr", "c.img", text(interleave, **more), b"".join(parts)))
    said = text(**{"major frame offsets": 0, "minor frame offsets": "{0, 0}"})
    loads(written(tmp_path, "c.hdr", "c.img", said))
    said = text(**{"major frame offsets": 128})
    written(tmp_path, "c.hdr", "c.img", said)
    assert '"major frame offsets" is "128"; accepted are two whole numbers' in refused(tmp_path / "c.hdr")


@pytest.mark.parametrize("storage", STORAGES)
def test_bad_bands_are_left_out(tmp_path, storage):
    said = text(bbl="{1, 0, 1,\n 1, ; good\n 1, 0, 1}", wavelength="{1, 2, 3, 4, 5, 6, 7}")
    header, _ = written(tmp_path, "c.hdr", "c.img", said)
    data = load_dataset(header, storage=storage)
    assert np.array_equal(data.images(), unit(CUBE[[0, 2, 3, 4, 6]]))
    assert data.names == ("1", "3", "4", "5", "7")
    assert "2 bands left out as bad by the header (bbl): 2, 6" in data.notes
    written(tmp_path, "c.hdr", "c.img", text(bbl="{1, 0}"))
    data = load_dataset(header, storage=storage)
    assert np.array_equal(data.images(), unit(CUBE))
    assert any("has 2 entries for 7 bands" in note for note in data.notes)


@pytest.mark.parametrize("storage", STORAGES)
def test_the_ignored_value_is_missing(tmp_path, storage):
    header, _ = written(tmp_path, "c.hdr", "c.img", text(**{"data ignore value": CUBE[2, 3, 4]}))
    assert f"stored numbers of {CUBE[2, 3, 4]} are missing values (data ignore value), read as NaN" in refused(header)
    found = load_dataset(header, nonfinite="zero", storage=storage).images()
    assert np.array_equal(found, np.where(CUBE == CUBE[2, 3, 4], 0, CUBE).astype(np.float32))
    written(tmp_path, "c.hdr", "c.img", text(**{"data ignore value": -9999}))  # which uint16 cannot hold
    loads([header])


@pytest.mark.parametrize(("code", "kind", "data_type"), [(-(2**63) + 2, "<i8", 14), (2**64 - 2, "<u8", 15)])
def test_ignored_values_of_64_bits_are_not_rounded(tmp_path, code, kind, data_type):
    values = CUBE.astype(kind)
    values[2, 3, 4] = code
    said = text(**{"data type": data_type, "data ignore value": code})
    header, _ = written(tmp_path, "c.hdr", "c.img", said, values.tobytes())
    assert f"stored numbers of {code} are missing values" in refused(header)
    expected = CUBE.astype(np.float64)
    expected[2, 3, 4] = 0
    assert np.array_equal(load_dataset(header, nonfinite="zero").images(), expected)


@pytest.mark.parametrize("storage", STORAGES)
def test_spectral_libraries(tmp_path, storage):
    said = text(samples=63, lines=11, bands=1, **{"file type": "ENVI Spectral Library"})
    names = "abcdefghijk"
    written(tmp_path, "c.hdr", "c.sli", said + "spectra names = {" + ", ".join(names) + "}\n")
    data = load_dataset(tmp_path / "c.sli", storage=storage)
    assert np.array_equal(data.images(), unit(CUBE).reshape(11, 1, 63))
    assert data.names == tuple(names)
    assert "a spectral library: each spectrum is an image of 1 x 63" in data.notes


def test_gains_are_said_to_be_left_alone(tmp_path):
    header, _ = written(tmp_path, "c.hdr", "c.img", text(**{"data gain values": "{1, 2, 3, 4, 5, 6, 7}"}))
    assert any("data gain values of the header are not applied" in note for note in load_dataset(header).notes)


@pytest.mark.parametrize(("factor", "is_told"), [(10000, True), (1.0, False)])
def test_a_reflectance_scale_factor_is_said_to_be_left_alone(tmp_path, factor, is_told):
    paths = written(tmp_path, "c.hdr", "c.img", text(**{"reflectance scale factor": factor}))
    told = "values are read as they are stored: reflectance scale factor of the header is not applied"
    assert (told in load_dataset(paths[0]).notes) == is_told
    loads(paths)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"file type": "ENVI Virtual Mosaic"}, "whose values are in other files"),
        ({"file compression": 1}, "its values are compressed; accepted are plain ones"),
        ({"byte order": 2}, "byte order is 2; accepted are 0, little-endian, and 1, big-endian"),
        ({"lines": "9" * 5000}, '"lines" is "9999999999999999999999999999999999999..."; accepted is a whole number'),
        ({"lines": 10**17}, "bytes follow"),
    ],
)
def test_headers_that_cannot_be_followed(tmp_path, more, told):
    header, _ = written(tmp_path, "c.hdr", "c.img", text(**more))
    assert told in refused(header)


def test_headers_that_would_keep_a_search_busy(tmp_path):
    spaces = " " * 200_000
    for said in (f"x{spaces}=\n{spaces}y{spaces}", "x = {" + "{" * 1_000_000, "a = {,\n" * 100_000, "=" * 1_000_000):
        loads(written(tmp_path, "c.hdr", "c.img", text() + said)[:1])


def test_values_elsewhere_are_not_read(tmp_path):
    (tmp_path / "here").mkdir()
    header, data = written(tmp_path / "here", "c.hdr", "c.img", text())
    data.rename(tmp_path / "far")
    data.symlink_to(tmp_path / "far")
    assert "c.img, the file with the values, is a link to another folder" in refused(header)
    loads([data])  # which was asked for by its own name
    data.unlink()
    os.mkfifo(data)
    assert "the file with the values is not beside it" in refused(header)


@pytest.mark.parametrize("interleave", AXES)
def test_a_cube_that_shrinks_is_told(tmp_path, interleave):
    values = CUBE.transpose(AXES[interleave]).tobytes()
    header, data = written(tmp_path, "c.hdr", "c.img", text(interleave), values)
    found = load_dataset(header, storage="disk")
    os.truncate(data, 500)
    with pytest.raises(gs.DatasetError, match="has changed since it was looked into; open it again"):
        found.X[:, :]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"band names": "{a, b}"}, '"band names" of the header is not used: it has 2 entries for 7'),
        ({"wavelength": "{400, 410}"}, '"wavelength" of the header is not used: it has 2 entries for 7'),
        (
            {"wavelength": "{400 nm, 1 nm, 2 nm, 3 nm, 4 nm, 5 nm, 6 nm}"},
            '"wavelength" of the header is not used: it holds "400 nm"',
        ),
        (
            {"wavelength": "{0, 0, 0, 0, 0, 0, 0}"},
            "what the file says of its bands is not used: all of its coordinates are 0",
        ),
        ({"bbl": "{1, x, 1, 1, 1, 1, 1}"}, 'all bands are read: "bbl" of the header is not used: it holds "x"'),
        ({"lines": 8}, "more than its header describes"),
    ],
)
def test_what_does_not_fit_is_noted(tmp_path, more, told):
    data = load_dataset(written(tmp_path, "c.hdr", "c.img", text(**more))[0])
    assert any(told in note for note in data.notes), data.notes


@pytest.mark.parametrize(
    "listed",
    ["{400 410 420 430 440 450 460}", "{400\n410\n420\n430\n440\n450\n460\n}", "{400, 410, 420, 430, 440, 450, 460,}"],
)
def test_lists_by_spaces_by_lines_and_with_a_last_comma(tmp_path, listed):
    said = text(wavelength=listed, **{"wavelength units": "nanometer (nm)"})
    data = load_dataset(written(tmp_path, "c.hdr", "c.img", said)[0])
    assert data.axis("band") == Axis("band", "Wavelength", "nm", scale=10, offset=400)
    assert data.notes == ()


def test_a_list_without_an_end_is_named(tmp_path):
    said = text().replace("ENVI\n", "ENVI\nband names = {a, b\n")
    told = refused(written(tmp_path, "c.hdr", "c.img", said)[0])
    assert '"bands" is missing, and the list of "band names" has no closing brace' in told


def test_compressed_values_are_named_and_not_read_as_noise(tmp_path):
    path, _ = written(tmp_path, "c.hdr", "c.img.gz", text(), CUBE.tobytes() + bytes(3))
    assert "its values are compressed in c.img.gz" in refused(path)


def test_an_archive_of_another_name_is_not_taken_for_compressed_values(tmp_path):
    path, data = written(tmp_path, "scan1.hdr", "scan10.zip", text(), bytes(10))
    assert "the file with the values is not beside it; tried were scan1" in refused(path)
    data.rename(tmp_path / "scan1.zip")
    assert "its values are compressed in scan1.zip" in refused(path)


def test_the_largest_number_of_32_bits_is_a_missing_value_though_the_header_rounds_it(tmp_path):
    values = CUBE.astype("<f4")
    values[1, 0, :] = np.finfo(np.float32).min
    said = text(**{"data type": 4, "data ignore value": "-3.40282e+038"})
    path, _ = written(tmp_path, "c.hdr", "c.img", said, values.tobytes())
    data = load_dataset(path, nonfinite="drop")
    assert np.array_equal(data.images(), np.delete(values, 1, axis=0))
