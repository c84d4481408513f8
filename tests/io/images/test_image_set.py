"""Folders of images: which files are read, in what order, and what is said about the others."""

import os

import numpy as np
import pytest
from making import pictures, save_all
from PIL import Image

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.images.names import natural_key
from gsp_studio.io.readers import load_dataset, peek, thumbnails


def columns_of(images):
    return images.reshape(len(images), -1).T.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("suffix", ["png", "pgm", "bmp", "tif", "gif"])
def test_a_folder_gives_its_images_as_columns(tmp_path, suffix):
    images = pictures()
    save_all(images, tmp_path / "set", "{}." + suffix)
    data = load_dataset(tmp_path / "set")
    assert data.X.dtype == np.float32
    assert data.X.flags.f_contiguous
    assert data.image_shape == (9, 7)
    assert data.order == "C"
    assert np.array_equal(data.X, columns_of(images))
    assert np.array_equal(data.images(), images / np.float32(255))
    assert any("divided by 255" in step for step in data.steps)
    assert data.name == "set"
    assert data.source == str(tmp_path / "set")


def test_jpeg_is_read_to_its_own_accuracy(tmp_path):
    images = pictures(4, 16, 24)
    save_all(images, tmp_path, "{}.jpg")
    data = load_dataset(tmp_path)
    assert data.image_shape == (16, 24)
    assert np.abs(data.images() - images / 255).max() < 0.05


def test_names_are_in_natural_order(tmp_path):
    images = pictures(12)
    save_all(images, tmp_path, "im{}.png")
    data = load_dataset(tmp_path)
    assert data.names == tuple(f"im{k}.png" for k in range(1, 13))
    assert np.array_equal(data.X, columns_of(images))


def test_natural_key_orders_numbers_case_and_ties():
    names = ["b2", "B10", "a", "10", "9", "a01", "a1", "a10b2", "a10b10"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a01", "a1", "a10b2", "a10b10", "b2", "B10"]


def test_class_folders_become_labels(tmp_path):
    save_all(pictures(3), tmp_path / "class 10")
    save_all(pictures(2, seed=1), tmp_path / "class 9")
    data = load_dataset(tmp_path)
    assert data.labels == ("class 9",) * 2 + ("class 10",) * 3
    assert data.names[0] == os.path.join("class 9", "image 1.png")
    assert "in 2 folders" in peek(tmp_path).note


def test_colour_becomes_grey_by_its_luminance(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)
    save_all(colour, tmp_path)
    data = load_dataset(tmp_path)
    luma = colour @ np.array([0.299, 0.587, 0.114]) / 255
    assert np.allclose(data.images(), luma, atol=1e-6)
    assert data.steps == ("uint8 divided by 255", "colour to grey by ITU-R BT.601")


def test_grey_and_coloured_files_together_are_told(tmp_path):
    images = pictures(4)
    save_all(images, tmp_path)
    Image.fromarray(np.repeat(images[0][:, :, None], 3, axis=2)).save(tmp_path / "image 9.png")
    data = load_dataset(tmp_path)
    assert np.array_equal(data.X[:, 4], data.X[:, 0])
    assert "1 of 5 images are stored in colour: image 9.png" in data.notes


def test_one_foreign_file_among_many_is_left_out_and_told(tmp_path):
    images = pictures(40)
    save_all(images, tmp_path, "{}.pgm")
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "target.jpg")
    told = "1 of 41 images left out, unlike the others in format and colour: target.jpg"
    found = peek(tmp_path)
    assert found.n_images == 40
    assert told in found.note
    data = load_dataset(tmp_path)
    assert data.names == tuple(f"{k}.pgm" for k in range(1, 41))
    assert told in data.notes
    assert told in data.steps


def test_images_of_another_size_than_most_are_left_out_and_told(tmp_path):
    save_all(pictures(3), tmp_path)
    save_all(pictures(1, 12, 5), tmp_path, "other.png")
    found = peek(tmp_path)
    assert (found.n_images, found.image_shape) == (3, (9, 7))
    data = load_dataset(tmp_path)
    told = "1 of 4 images left out, not of 9 x 7: 1 of 12 x 5 (other.png)"
    assert found.notes == (told,)
    assert data.notes == (told,)
    assert told in data.steps


def test_without_a_usual_size_the_sizes_are_listed_and_one_can_be_chosen(tmp_path):
    save_all(pictures(2), tmp_path, "a{}.png")
    save_all(pictures(2, 12, 5), tmp_path, "b{}.png")
    with pytest.raises(DatasetError, match=r"differ in size: 2 of 9 x 7 \(a1.png, ...\), 2 of 12 x 5 \(b1.png"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, image_shape=(12, 5)).names == ("b1.png", "b2.png")
    with pytest.raises(DatasetError, match="holds no image of 3 x 3"):
        load_dataset(tmp_path, image_shape=(3, 3))


def test_other_and_hidden_files_are_skipped(tmp_path):
    save_all(pictures(2), tmp_path)
    (tmp_path / "notes.txt").write_text("BM P2 are letters of this text")
    (tmp_path / "Thumbs.db").write_bytes(b"\0\1")
    (tmp_path / ".hidden.png").write_text("no image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").write_text("no image")
    data = load_dataset(tmp_path)
    assert data.X.shape[1] == 2
    assert data.notes == ("2 other files skipped: notes.txt, Thumbs.db",)


def test_links_out_of_the_folder_and_loops_are_not_followed(tmp_path):
    inside = save_all(pictures(2), tmp_path / "set")
    (outside,) = save_all(pictures(1, seed=3), tmp_path, "outside.png")
    try:
        (tmp_path / "set" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
        (tmp_path / "set" / "away.png").symlink_to(outside)
        (tmp_path / "set" / "dangling.png").symlink_to(tmp_path / "nowhere.png")
        (tmp_path / "set" / "self.png").symlink_to(tmp_path / "set" / "self.png")
    except OSError:
        pytest.skip("links cannot be made here")
    data = load_dataset(tmp_path / "set")
    assert data.names == tuple(path.name for path in inside)
    assert data.notes == ("4 other files skipped: away.png, dangling.png, loop, ...",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_among_images_does_not_hang(tmp_path):
    save_all(pictures(2), tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert load_dataset(tmp_path).notes == ("1 other file skipped: pipe.png",)


def test_a_link_within_the_folder_is_an_image(tmp_path):
    first, _ = save_all(pictures(2), tmp_path)
    try:
        (tmp_path / "image 3.png").symlink_to(first)
    except OSError:
        pytest.skip("links cannot be made here")
    data = load_dataset(tmp_path)
    assert np.array_equal(data.X[:, 2], data.X[:, 0])


def test_deeply_nested_folders_are_walked(tmp_path):
    path = tmp_path
    for _ in range(200):
        path = path / "d"
    save_all(pictures(2), path)
    assert load_dataset(tmp_path).X.shape[1] == 2


def test_empty_folders_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="contains no images; accepted are PNG"):
        load_dataset(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DatasetError, match=r"contains no images \(1 other file skipped: a.txt\)"):
        load_dataset(tmp_path)
    save_all(pictures(1), tmp_path)
    with pytest.raises(DatasetError, match="holds 1 image of 9 x 7; a factorization needs at least 2"):
        load_dataset(tmp_path)


def test_folders_with_spaces_and_letters_of_the_world(tmp_path):
    folder = tmp_path / "Bilder für Ö 日本 ☃"
    save_all(pictures(2), folder, "ein bild {} é.png")
    data = load_dataset(folder)
    assert data.name == folder.name
    assert data.names[0] == "ein bild 1 é.png"


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_read_and_can_be_told(tmp_path):
    first, _ = save_all(pictures(2), tmp_path)
    try:
        os.rename(first, os.fsencode(tmp_path) + b"/image\xff\n1.png")
    except OSError:
        pytest.skip("this file system keeps names as text")
    data = load_dataset(tmp_path)
    assert os.fsencode(data.names[1]) == b"image\xff\n1.png"
    (tmp_path / data.names[1]).write_text("no image")
    with pytest.raises(DatasetError) as refused:
        load_dataset(tmp_path)
    assert "image\\udcff\\n1.png is named like an image" in str(refused.value)
    str(refused.value).encode()


def test_one_image_file_says_what_to_open(tmp_path):
    (path,) = save_all(pictures(1), tmp_path)
    with pytest.raises(DatasetError, match="open the folder that holds your images, or add a step that cuts"):
        load_dataset(path)


def test_a_file_that_changes_after_the_look_is_noticed(tmp_path):
    paths = save_all(pictures(3), tmp_path)
    found = peek(tmp_path)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(paths[1])
    with pytest.raises(DatasetError, match=r"image 2.png has changed since"):
        thumbnails(found, 3)
    paths[1].unlink()
    with pytest.raises(DatasetError, match=r"image 2.png"):
        thumbnails(found, 3)


def test_faces_of_orl(shared_data):
    if not (shared_data / "orl").is_dir():
        pytest.skip("needs shared/data/orl")
    found = peek(shared_data / "orl")
    assert (found.n_images, found.image_shape) == (400, (112, 92))
    assert "left out, unlike the others in format and colour: s10/target.jpg" in found.note
    data = load_dataset(shared_data / "orl")
    assert len(set(data.labels)) == 40
    assert data.names[:2] == (os.path.join("s1", "1.pgm"), os.path.join("s1", "2.pgm"))
