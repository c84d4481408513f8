"""A reader is one file and one row of FORMATS: nothing else knows the formats by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.array_entry import ArrayEntry, Format
from gsp_studio.io.formats.lazy_array import LazyArray
from gsp_studio.io.formats.plain_values import PlainArray, plain_strides
from gsp_studio.io.formats.registry import FORMATS
from gsp_studio.io.readers import load_dataset, peek

PACKAGE = Path(gs.__file__).parent
MAGIC = b"DICE"

# A reader as docs/development.md describes one: four bytes, three sizes of 16 bits, values of 8 bits.


def is_dice(path: Path, head: bytes) -> bool:
    return head.startswith(MAGIC)


def list_arrays(path: Path) -> list[ArrayEntry]:
    with path.open("rb") as file:
        shape = tuple(int(n) for n in np.frombuffer(file.read(10)[4:], "<u2"))
    return [ArrayEntry("", shape, np.dtype(np.uint8), is_certain=True)]


def open_array(path: Path, entry: ArrayEntry) -> LazyArray:
    return PlainArray(path, np.uint8, 10, entry.shape, plain_strides(entry.shape, entry.dtype))


@pytest.fixture
def dice(tmp_path: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(5).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    path = tmp_path / "a.dice"
    path.write_bytes(MAGIC + np.array(values.shape, "<u2").tobytes() + values.tobytes())
    return path, values


def test_a_row_of_the_table_is_a_reader(dice: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    path, values = dice
    with pytest.raises(DatasetError, match="is not a data set"):
        load_dataset(path)
    row = Format("DICE", is_dice, (".dice",), list_arrays, is_plain=True, open=open_array, parts="DICE")
    monkeypatch.setitem(FORMATS, "dice", row)
    found = peek(path)
    assert (found.kind, found.n_images, found.image_shape, found.dtype) == ("dice", 6, (5, 4), "uint8")
    for storage in ("memory", "disk"):
        assert np.array_equal(load_dataset(path, storage=storage).images(), values / np.float32(255))
    (path.parent / "b.xyz").write_bytes(b"hello, world")
    with pytest.raises(DatasetError, match="DICE files"):
        load_dataset(path.parent / "b.xyz")


def test_a_format_is_imported_by_the_table_alone() -> None:
    """The files that a new reader touches are its own and registry.py."""
    folder = PACKAGE / "io" / "formats"
    modules = {
        match.group(1)
        for form in FORMATS.values()
        for match in [re.fullmatch(r"gsp_studio\.io\.formats\.(\w+)", form.list.__module__)]
        if match is not None
    }
    assert len(modules) == 9
    knowing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for name in modules
        if path != folder / f"{name}.py"
        and re.search(rf"formats(\.{name}\b| import [^\n]*\b{name}\b)", path.read_text(encoding="utf-8"))
    }
    # MATLAB 7.3 is HDF5, image files hold TIFF pages, and weights of pixels may be a table.
    assert knowing == {
        "io/formats/registry.py",
        "io/formats/matlab.py",
        "io/images/image_file.py",
        "io/pixels.py",
    }
