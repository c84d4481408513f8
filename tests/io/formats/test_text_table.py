"""Tables of numbers as text, as programs write them: what is a pixel, what is a label, and what is neither."""

from dataclasses import replace

import numpy as np
import pytest
from making import pictures

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import text_table
from gsp_studio.io.readers import load_dataset

N, W = 6, 16
VALUES = np.random.default_rng(0).random((N, W)).round(3)
ROWS = [",".join(map(str, row)) for row in VALUES.tolist()]
P = [f"p{k}" for k in range(W)]
COUNT = [str(k) for k in range(W)]


def opened(tmp_path, lines, encoding="utf-8", **choices):
    """The data set of a table of these lines, with the notes that the reader of tables made."""
    text = lines if isinstance(lines, str) else "\n".join(lines) + "\n"
    (tmp_path / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    text_table._cached.cache_clear()  # two files within a tick of the clock
    data = load_dataset(tmp_path / "x.csv", **{"images_in": "rows", "image_shape": (4, 4), **choices})
    return replace(data, notes=tuple(note for note in data.notes if not note.startswith("not said by the file")))


def refused(tmp_path, lines, **choices):
    """The one sentence in which a table is refused."""
    with pytest.raises(DatasetError) as caught:
        opened(tmp_path, lines, **choices)
    told = str(caught.value)
    assert told.startswith(str(tmp_path / "x.csv"))
    assert "\n" not in told
    return told


def written(separator, write):
    """The rows with a separator, each number as `write` has it."""
    return [separator.join(write(value) for value in row) for row in VALUES]


@pytest.mark.parametrize(
    ("separator", "comma"), [(",", False), (";", False), (";", True), ("\t", False), ("\t", True), (" ", False)]
)
@pytest.mark.parametrize("header", [False, True])
def test_separators(tmp_path, separator, comma, header):
    lines = written(separator, lambda v: f"{v:.3f}".replace(".", "," if comma else "."))
    if header:
        lines.insert(0, separator.join(P))
    data = opened(tmp_path, "\ufeff" + "\r\n".join(lines) + "\r\n")
    assert np.array_equal(data.X.T, VALUES)
    assert (data.labels, data.notes) == (None, ())


def numbered(rows, first=0):
    return [f"{k + first},{row}" for k, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([",".join(COUNT), *ROWS], ['line 1, "0" to "15", is taken for a header']),
        ([",".join(str(k + 1) for k in range(W)), *ROWS], ['line 1, "1" to "16", is taken for a header']),
        ([",".join(f"{400.5 + 3.1 * k:.2f}" for k in range(W)), *ROWS], ['line 1, "400.50" to "447.00"']),
        ([",".join(f"{4000 - 3.1 * k:.2f}" for k in range(W)), *ROWS], ["is taken for a header"]),
        ([",".join(["", *COUNT]), *numbered(ROWS)], ["for a header", "column 1, 0 to 5, numbers the rows"]),
        ([",".join(["", *P]), *numbered(ROWS, 17)], ["column 1, 17 to 22, numbers the rows and is left out"]),
        ([",".join(["Unnamed: 0", *P]), *numbered(ROWS)], ["column 1, 0 to 5, numbers the rows and is left out"]),
        ([",".join(["id", *COUNT]), *numbered(ROWS, 1)], ["for a header", "column 1, 1 to 6, numbers the rows"]),
        (numbered(ROWS), ["column 1, 0 to 5, numbers the rows and is left out"]),
        ([",".join(P), ",".join(["nm"] * W), *ROWS], ["lines 1 to 2 are taken for a header"]),
        (["made by,me", "day,today", ",".join(P), *ROWS], ["lines 1 to 3 are taken for a header"]),
        ([",".join(str(k // 4) for k in range(W)), ",".join(str(k % 4) for k in range(W)), *ROWS], ["lines 1 to 2"]),
    ],
)
def test_headers_and_indices_are_no_pixels(tmp_path, lines, told):
    data = opened(tmp_path, lines)
    assert np.array_equal(data.X.T, VALUES)
    assert len(data.notes) == len(told)
    for word, note in zip(told, data.notes, strict=True):
        assert word in note


def test_rows_that_look_like_a_header_and_are_none(tmp_path):
    ramps = np.arange(64).reshape(4, 16)  # each goes on where the one above ends
    assert np.array_equal(opened(tmp_path, [",".join(map(str, row)) for row in ramps]).X.T, ramps)
    same = np.tile(np.arange(16), (4, 1))
    assert opened(tmp_path, [",".join(map(str, row)) for row in same]).X.shape == (16, 4)
    under_names = [",".join(P), *(",".join(map(str, row)) for row in [range(16), *VALUES])]
    assert opened(tmp_path, under_names).X.shape == (16, 7)


def test_as_R_writes_it(tmp_path):
    lines = [" ".join(f'"V{k}"' for k in range(W)), *(f'"{k + 1}" {row}' for k, row in enumerate(written(" ", str)))]
    data = opened(tmp_path, lines)
    assert np.array_equal(data.X.T, VALUES)
    assert data.notes == ("column 1, 1 to 6, numbers the rows and is left out",)


@pytest.mark.parametrize("place", [0, 5, W])
@pytest.mark.parametrize("names", [P, COUNT])
@pytest.mark.parametrize("label", ["label", "Class", "target"])
def test_a_column_of_labels_anywhere(tmp_path, place, names, label):
    marks = ["cat", "dog", "cat", "owl", "dog", "cat"] if label == "Class" else ["0", "1", "2", "0", "1", "2"]
    cells = [[*names], *(row.split(",") for row in ROWS)]
    for row, mark in zip(cells, [label, *marks], strict=True):
        row.insert(place, mark)
    data = opened(tmp_path, [",".join(row) for row in cells])
    assert np.array_equal(data.X.T, VALUES)
    assert data.labels == tuple(marks)


@pytest.mark.parametrize("place", [1, 9, W + 1])
def test_an_index_and_labels_as_pandas_writes_them(tmp_path, place):
    cells = [["", *COUNT], *([str(k), *row.split(",")] for k, row in enumerate(ROWS))]
    for row, mark in zip(cells, ["label", *"abcabc"], strict=True):
        row.insert(place, mark)
    data = opened(tmp_path, [",".join(row) for row in cells])
    assert np.array_equal(data.X.T, VALUES)
    assert data.labels == tuple("abcabc")


@pytest.mark.parametrize(
    ("title", "name", "unit"),
    [
        ("wavelength", "Wavelength", ""),
        ("Wavelength [um]", "Wavelength", "µm"),
        ("Raman shift (cm-1)", "Raman shift", "cm⁻¹"),
    ],
)
@pytest.mark.parametrize("step", [2.0, -2.0])
def test_wavelengths_beside_spectra_are_their_axis(tmp_path, title, name, unit, step):
    """A column a spectrum: the first one is no image."""
    at = 500 + step * np.arange(len(VALUES))
    lines = [f"{x},{','.join(map(str, row))}" for x, row in zip(at, VALUES, strict=True)]
    data = opened(tmp_path, [",".join([title, *P]), *lines])
    assert np.array_equal(data.X.T, VALUES)
    assert data.notes == (f"column 1, {title.lower()}, {at[0]:g} to {at[-1]:g}, is the axis of the rows",)
    [axis] = [axis for axis in data.axes if axis.dimension == "band"]
    assert (axis.name, axis.unit) == (name, unit)
    np.testing.assert_allclose(axis.coordinates(len(at)), at)


def test_a_column_called_wavelength_that_goes_up_and_down_is_a_pixel(tmp_path):
    data = opened(tmp_path, ["wavelength,b,c,d", "1,2,3,4", "5,6,7,8", "2,3,4,5"], image_shape=(2, 2))
    assert data.X[0].tolist() == [1, 5, 2]


def test_a_second_column_of_labels_is_no_pixel(tmp_path):
    lines = [f"{k % 2},{k % 3},{','.join(map(str, row))}" for k, row in enumerate(VALUES)]
    data = opened(tmp_path, [",".join(["label", "class", *P]), *lines])
    assert np.array_equal(data.X.T, VALUES)
    assert data.labels[:3] == ("0", "1", "0")
    assert data.notes == ("column 2, class, labels them, too, and is left out",)


def test_a_last_column_without_values_is_one_where_it_has_a_name(tmp_path):
    lines = [",".join(map(str, row[:-1])) + "," for row in VALUES]
    assert opened(tmp_path, lines, image_shape=(3, 5)).X.shape[0] == 15
    data = opened(tmp_path, [",".join(P), *lines], nonfinite="zero")
    assert np.array_equal(data.X.T[:, :-1], VALUES[:, :-1])
    assert not data.X[-1].any()


def test_rows_of_empty_cells_are_missing_values(tmp_path):
    data = opened(tmp_path, [",".join("1" * 16), *[",".join([""] * 16)] * 5], nonfinite="zero")
    assert data.X.sum(axis=0).tolist() == [16, 0, 0, 0, 0, 0]


def test_texts_name_or_label_the_images(tmp_path):
    marked = [f"{row},{'ab'[k % 2]}" for k, row in enumerate(ROWS)]
    data = opened(tmp_path, marked)
    assert (data.labels, data.names[1], data.notes) == (
        ("a", "b") * 3, "image 2", ("column 17, texts, labels the images",)
    )  # fmt: skip
    named = [",".join(["file", *P, "kind"]), *(f"{k}.png,{row}" for k, row in enumerate(marked))]
    data = opened(tmp_path, named)
    assert np.array_equal(data.X.T, VALUES)
    assert (data.labels, data.names[1]) == (("a", "b") * 3, "1.png")
    assert opened(tmp_path, named, labels="").labels is None


@pytest.mark.parametrize("column", [0, 2, W - 1])
@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("cell", ["", "NA", "nan"])
def test_a_cell_without_a_value_is_missing_and_drops_no_image(tmp_path, column, row, cell):
    cells = [line.split(",") for line in ROWS]
    cells[row][column] = cell
    lines = [",".join(line) for line in cells]
    told = refused(tmp_path, lines)
    assert f"in image {row + 1}; NMF needs finite values (accepted for nonfinite: zero, drop)" in told
    assert (f"the first in line {row + 1}, column {column + 1}" in told) == (cell != "nan")
    data = opened(tmp_path, lines, nonfinite="zero")
    expected = VALUES.copy()
    expected[row, column] = 0
    assert np.array_equal(data.X.T, expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_encodings_and_ends_of_lines(tmp_path, encoding, end):
    names = [*P[:-1], "größe" if encoding != "utf-16-le" else "groesse"]
    text = end.join([",".join(names), *ROWS]) + end
    assert np.array_equal(opened(tmp_path, text, encoding).X.T, VALUES)


def test_quotes_comments_and_declared_separators(tmp_path):
    quoted = [",".join(f'"{cell}"' for cell in row.split(",")) for row in ROWS]
    commented = ["# by hand", "#" + ",".join(P), *ROWS[:2], "", "% half", *ROWS[2:], "// the end"]
    behind = [f"{row} # {k}" for k, row in enumerate(ROWS)]
    ended = [f"{row}," for row in ROWS]
    declared = ["sep=|", *(row.replace(",", "|") for row in ROWS)]
    for lines in (quoted, commented, behind, ended, [",".join(P), *ended], declared):
        assert np.array_equal(opened(tmp_path, lines).X.T, VALUES)
    labelled = ["# " + ",".join([*P, "label"]), *(f"{row},{k % 2}" for k, row in enumerate(ROWS))]
    assert opened(tmp_path, labelled).labels == ("0", "1") * 3


@pytest.mark.parametrize(
    ("separator", "thousands", "decimal"),
    [(",", ",", "."), (";", ",", "."), (";", ".", ","), ("\t", "'", "."), (";", " ", ","), (";", "\u202f", ",")],
)
def test_separators_of_thousands(tmp_path, separator, thousands, decimal):
    values = (VALUES * 2e6).round(2)

    def write(value):
        told = f"{value:,.2f}".replace(",", "_").replace(".", decimal).replace("_", thousands)
        return f'"{told}"' if separator == "," else told

    lines = [separator.join(map(write, row)) for row in values]
    data = opened(tmp_path, lines)
    np.testing.assert_allclose(data.X.T, values, rtol=1e-15)
    thousands = thousands.replace("\u202f", " ")
    assert data.notes == (f'"{thousands}" in numbers is taken for a separator of thousands',)


def test_a_comma_that_can_be_either_is_refused(tmp_path):
    lines = [";".join(f"{1000 + int(value * 1000):,}" for value in row) for row in VALUES]
    assert 'the comma in "1,637" can be a decimal sign or stand between thousands' in refused(tmp_path, lines)


def test_what_the_first_lines_do_not_show(tmp_path):
    lines = ["1;2;3;4"] * 60 + ["1,5;2;3;4"] + ["5;6;7;8"] * 3
    data = opened(tmp_path, lines, image_shape=(2, 2))
    assert data.X.shape == (4, 64)
    assert data.X[0, 60] == 1.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,first\nalice,bob\ncarol,dave\n", 'column 1 is "carol", which is not a number'),
        ("1,2,3\n4,5,6\n7,8\n", "lines differ in length"),
        ("1,2,3\n" * 30 + "4,five,6\n", 'line 31, column 2 is "five", which is not a number'),
        ("1,2,3\n" * 99 + "4,five,6\n", 'line 100, column 2 is "five", which is not a number'),
        ("1,2,3\n" * 30 + "4,5\n", "line 31 has 2 values, the first line of numbers has 3"),
        ("1,2,3\n" * 99 + "4,5\n", "line 100 has 2 values, the first line of numbers has 3"),
        ("1,2,x,4\n" + "5,6,7,8\n" * 5, 'line 1, column 3 is "x", which is not a number'),
        ("1,2\n" + "5,6,7,8\n" * 5, "line 1 has 2 values"),
        ("1\n2\n3\n", "lines of one value; accepted are several numbers a line"),
        ('1,2,3\n4,"5,6\n7,8,9\n1,2,3\n', "line 2 has a quotation mark that is not closed"),
        ("1,2,3\n" * 60 + '"4,5,6\n', "line 61 has a quotation mark that is not closed"),
        ("1_000,2,3\n4,5,6\n7,8,9\n1,2,3\n", 'line 1, column 1 is "1_000", which is not a number'),
        ("\n\n", "contains no numbers"),
        ("# nothing\n", "contains no numbers"),
        ("\ufeff", "contains no numbers"),
    ],
)
def test_tables_that_are_none(tmp_path, text, told):
    assert told in refused(tmp_path, text)


def test_text_that_is_not_as_its_mark_says(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe" + "1,2\n3,4\n".encode("utf-16-le") + b"\x00\xd8")
    with pytest.raises(DatasetError, match=r"x\.csv is no UTF-16 text, as its first bytes say"):
        load_dataset(tmp_path / "x.csv")


def test_long_cells_and_lines_are_bounded(tmp_path, monkeypatch):
    # A pattern that goes back over its digits would take hours here.
    for cell in ("9" * 200_000, "9" * 200_000 + "x", "1 " * 99_999 + "x", "1,234," * 30_000 + "x"):
        told = refused(tmp_path, ["1;2;3"] * 3 + [f"{cell};1;2"])
        assert len(told) < 300
    monkeypatch.setattr(text_table, "_LONGEST_LINE", 1000)
    assert "line 2 is longer than 1000 characters" in refused(tmp_path, ["1,2,3", "1," * 900])


def test_numbers_are_a_table_whatever_their_file_is_called(tmp_path):
    values = np.random.default_rng(0).random((8, 16))
    np.savetxt(tmp_path / "numbers", values)
    data = load_dataset(tmp_path / "numbers", images_in="rows", image_shape=(4, 4))
    np.testing.assert_allclose(data.X.T, values)


def test_images_as_columns(tmp_path):
    images = pictures(5, 4, 4)
    lines = [",".join(f"im{k}" for k in range(5)), *(",".join(map(str, row)) for row in images.reshape(5, 16).T)]
    assert np.array_equal(opened(tmp_path, lines, images_in="columns").images(), images)


def test_large_tables_keep_their_memory(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(text_table, "require_memory", lambda needed, what: asked.append((needed, what)))
    opened(tmp_path, ROWS)
    size = (tmp_path / "x.csv").stat().st_size
    assert asked[0] == (6 * size, f"{tmp_path / 'x.csv'}, a table of {size} bytes of text,")
