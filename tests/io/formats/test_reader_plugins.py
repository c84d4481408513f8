"""Readers of other packages: found by their entry point, and never trusted."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.io.axes import Axis
from gsp_studio.io.formats import plugins
from gsp_studio.io.formats.array_entry import ArrayEntry, Format
from gsp_studio.io.readers import load_dataset

VALUES = np.random.default_rng(0).random((6, 5, 4))
GOOD = {
    "name": "Toy",
    "recognises": lambda path, head: head.startswith(b"TOY"),
    "suffixes": (".toy",),
    "list": lambda path: [ArrayEntry("", (6, 5, 4), np.dtype("f8"), is_certain=True)],
    "read": lambda path, entry: VALUES,
    "axes": lambda path, entry: ((Axis("band", "Energy", "eV", 2.0), None, Axis("x", unit="nm")), ("a note",)),
}


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open a file of the toy format while a package offers a reader."""

    def work(row, content=b"TOY, of bytes"):
        module = ModuleType("toy_reader")
        module.row = row
        monkeypatch.setitem(sys.modules, "toy_reader", module)
        entry = EntryPoint("toy", "toy_reader:row", plugins.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
        plugins.plugin_formats.cache_clear()
        (tmp_path / "a.toy").write_bytes(content)
        return load_dataset(tmp_path / "a.toy")

    yield work
    plugins.plugin_formats.cache_clear()


@pytest.mark.parametrize("offer", [lambda row: row, lambda row: lambda: row])
def test_a_reader_of_another_package_opens_its_files(opened, offer):
    data = opened(offer(Format(**GOOD)))
    assert np.array_equal(data.images(), VALUES)
    assert data.axes == (Axis("x", unit="nm"), Axis("band", "Energy", "eV", 2.0))
    assert "a note" in data.notes
    assert data.names[1] == "2 eV"


def _fail(*arguments):
    raise RuntimeError("no way\nof doing this")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"list": _fail}, 'the reader "toy" of the package toy_reader: list fails (no way)'),
        ({"list": lambda path: ["x"]}, "list gives a list, which is not accepted"),
        ({"read": _fail}, "read fails (no way)"),
        ({"read": lambda path, entry: [1, 2]}, "read gives a list"),
        ({"read": lambda path, entry: VALUES[1:]}, "holds shape (5, 5, 4)"),
        ({"read": lambda path, entry: VALUES.astype(complex)}, "holds complex128 values; accepted are real numbers"),
        ({"axes": lambda path, entry: "xyz"}, "axes gives a str"),
        ({"axes": lambda path, entry: (("x",), ())}, "axes gives a tuple"),
        ({"names": lambda path, entry: (1, 2)}, "names gives a tuple"),
    ],
)
def test_what_fails_is_one_sentence(opened, changes, told):
    with pytest.raises(gs.DatasetError) as error:
        opened(Format(**(GOOD | changes)))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_readers_that_cannot_be_loaded_are_told_where_nothing_else_opens_a_file_and_by_info(opened, capsys):
    for row, told in (
        ("text", "cannot be loaded: it is a str; accepted is a Format"),
        (_fail, 'the reader "toy" of the package toy_reader cannot be loaded: no way'),
        (Format(**(GOOD | {"suffixes": ("toy",)})), "texts that begin with a dot"),
    ):
        with pytest.raises(gs.DatasetError) as error:
            opened(row, b"TOY\x00\x01\x02")
        assert told in str(error.value)
        assert main(["info"]) == 0
        assert told in capsys.readouterr().out
    with pytest.raises(gs.DatasetError, match="is not a data set"):
        opened(Format(**(GOOD | {"recognises": _fail})), b"TOY\x00\x01\x02")
