"""Sets with damaged files, which `nonfinite="drop"` leaves out with the reason; and stacks that are resized."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from making import pictures, save_all
from PIL import Image

from gsp_studio.io import memory
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset, peek, thumbnails
from gsp_studio.io.steps import Resize


def cut_off(path):
    """Keep the first half of a file."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def test_the_reason_of_each_damage_is_told(tmp_path):
    paths = save_all(pictures(6, 40, 50), tmp_path)
    cut_off(paths[2])
    paths[4].write_bytes(b"no picture at all")
    (tmp_path / "notes.txt").write_text("text")
    data = load_dataset(tmp_path, nonfinite="drop")
    assert data.names == ("image 1.png", "image 2.png", "image 4.png", "image 6.png")
    [skipped] = [note for note in data.notes if "skipped" in note]
    assert skipped == (
        "1 other file skipped: notes.txt; 1 damaged file skipped: image 5.png is named like an image but is none "
        '(its content starts "no picture at")'
    )
    [told] = [step for step in data.steps if step.startswith("no pixels can be read from image 3.png: ")]
    assert "image 3.png is damaged or truncated (" in told
    assert str(tmp_path) not in told


def test_a_damaged_file_alone_is_refused_with_its_reason(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture at all")
    for path, words in ((tmp_path / "a.png", ""), (tmp_path, r"contains no images \(1 damaged file skipped: ")):
        with pytest.raises(DatasetError, match=words + r".*a\.png is damaged"):
            load_dataset(path, nonfinite="drop")


def test_a_file_that_changes_is_not_taken_for_damaged(tmp_path):
    paths = save_all(pictures(3), tmp_path)
    tifffile.imwrite(tmp_path / "more.tif", pictures(2), photometric="minisblack")
    found = peek(tmp_path, nonfinite="drop")
    tifffile.imwrite(tmp_path / "more.tif", pictures(1), photometric="minisblack")
    with pytest.raises(DatasetError, match=r"more\.tif has changed since it was looked into"):
        thumbnails(found, 5)
    (tmp_path / "more.tif").unlink()
    found = peek(tmp_path, nonfinite="drop")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(paths[1])
    with pytest.raises(DatasetError, match=r"image 2.png has changed since"):
        thumbnails(found, 3)


def test_images_beyond_the_memory_are_not_taken_for_damaged(tmp_path, monkeypatch):
    save_all(pictures(3, 800, 900), tmp_path, "{}.png")
    monkeypatch.setattr(memory, "free_memory", lambda: 1 << 20)
    with pytest.raises(DatasetError, match=r"1\.png, an image of 800 x 900, needs .* of memory, but .* are free"):
        thumbnails(peek(tmp_path, nonfinite="drop"), 3)


def test_a_stack_is_resized_image_by_image(tmp_path):
    count, side = 30, 256
    for name in ("a.tif", "b.tif"):
        values = np.random.default_rng(0).integers(0, 256, (count, side, side), np.uint8)
        tifffile.imwrite(tmp_path / name, values, photometric="minisblack")
    tracemalloc.start()
    try:
        data = load_dataset(tmp_path, steps=(Resize(8, 8),))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.X.shape == (64, 2 * count)
    assert peak < 4 * count * side * side / 2  # a file's images, float32
