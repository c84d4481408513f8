"""What is chosen when a source is read: a part of its images, one of three colours, labels, pixels as samples."""

import gzip

import h5py
import numpy as np
import pytest
import scipy.io
from making import pictures, save_all
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.dataset import DatasetError, LoadOptions
from gsp_studio.io.images.names import NumberedNames, Places
from gsp_studio.io.readers import load_dataset, peek, thumbnails

N, H, W = 12, 9, 7


@pytest.fixture
def stack(tmp_path):
    np.save(tmp_path / "x.npy", pictures(N, H, W))
    return tmp_path / "x.npy"


# A part of the images


@pytest.mark.parametrize("subset", [(0, 12, 1), (3, 9, 1), (1, 12, 4), (0, 99, 5)])
@pytest.mark.parametrize("kind", ["npy", "folder", "gif", "mat"])
def test_a_part_is_what_a_slice_is(kind, subset, tmp_path):
    images = pictures(N, H, W)
    if kind == "npy":
        np.save(tmp_path / "x.npy", images)
        path = tmp_path / "x.npy"
    elif kind == "folder":
        save_all(images, tmp_path / "x")
        path = tmp_path / "x"
    elif kind == "mat":
        path = tmp_path / "x.mat"
        scipy.io.savemat(path, {"x": images.transpose(1, 2, 0)})
    else:
        path = tmp_path / "x.gif"
        first, *rest = map(Image.fromarray, images)
        first.save(path, save_all=True, append_images=rest)
    whole, part = load_dataset(path), load_dataset(path, subset=subset)
    chosen = slice(*subset)
    assert np.array_equal(part.X, whole.X[:, chosen])
    assert list(part.names) == list(whole.names)[chosen]
    found = peek(path, subset=subset)
    assert (found.n_images, found.n_held) == (part.X.shape[1], N)
    assert thumbnails(found).shape[0] == min(8, found.n_images)
    assert load_dataset(path, part.options).fingerprint == part.fingerprint


@pytest.mark.parametrize(
    ("subset", "told"),
    [
        ((5, 5, 1), r"subset is \(5, 5, 1\); accepted are three whole numbers: start >= 0, stop > start, step >= 1"),
        ((0, 5, 0), "subset is"),
        ((-1, 5, 1), "subset is"),
        ((0, 5), "subset is"),
        ("all", "subset is all"),
        ((12, 20, 1), "begins at image 12, counted from 0, of 12"),
        ((11, 20, 1), "1 image"),
    ],
)
def test_parts_that_cannot_be_get_one_sentence(stack, subset, told):
    with pytest.raises(DatasetError, match=told):
        load_dataset(stack, subset=subset)


def test_a_part_needs_less_memory(stack, tmp_path):
    assert peek(stack, subset=(0, 6, 1)).nbytes < 0.6 * peek(stack).nbytes
    save_all(pictures(N, H, W), tmp_path / "x")
    assert peek(tmp_path / "x", subset=(0, 3, 1)).nbytes < peek(tmp_path / "x").nbytes


# One of three colours


@pytest.mark.parametrize("plane", ["red", "green", "blue"])
def test_one_colour_alone(plane, tmp_path):
    colours = np.stack([pictures(N, H, W, seed) for seed in range(3)], axis=-1)
    k = ["red", "green", "blue"].index(plane)
    wanted = colours[..., k].reshape(N, -1).T.astype(np.float32) / np.float32(255)
    save_all(colours, tmp_path / "folder")
    np.save(tmp_path / "stack.npy", colours)
    np.save(tmp_path / "rows.npy", colours.transpose(0, 3, 1, 2).reshape(N, -1))
    for name, more in (("folder", {}), ("stack.npy", {}), ("rows.npy", {"image_shape": (H, W), "images_in": "rows"})):
        data = load_dataset(tmp_path / name, colour=plane, **more)
        assert np.array_equal(data.X, wanted), name
        assert data.channels == 1
        assert f"{plane} of red, green and blue" in data.steps
        assert load_dataset(tmp_path / name, data.options).fingerprint == data.fingerprint
        found = peek(tmp_path / name, colour=plane, **more)
        assert thumbnails(found).ndim == 3


def test_grey_files_have_no_colours(tmp_path):
    save_all(pictures(N, H, W), tmp_path / "x")
    with pytest.raises(DatasetError, match="no image is stored in colour; accepted is grey"):
        load_dataset(tmp_path / "x", colour="blue")


# Labels


def test_an_array_beside_the_images_labels_them(tmp_path):
    images, kinds = pictures(N, H, W), np.arange(N) % 3
    np.savez(
        tmp_path / "x.npz", images=images, labels=kinds, names=np.array([f"n{k}" for k in range(N)]), other=np.eye(3)
    )
    scipy.io.savemat(tmp_path / "x.mat", {"images": images.transpose(1, 2, 0), "gnd": kinds.astype(float)[:, None] + 1})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/images"], file["a/target"] = images, kinds
        file["a/words"] = np.array([b"cat", b"dog", b"owl"])[kinds]
    wanted = tuple(map(str, kinds))
    assert load_dataset(tmp_path / "x.npz").labels == wanted
    assert load_dataset(tmp_path / "x.npz", labels="names").labels == tuple(f"n{k}" for k in range(N))
    assert load_dataset(tmp_path / "x.npz", labels="").labels is None
    assert load_dataset(tmp_path / "x.mat").labels == tuple(str(k + 1) for k in kinds), "whole numbers, though doubles"
    assert load_dataset(tmp_path / "x.h5").labels == wanted
    words = load_dataset(tmp_path / "x.h5", labels="a/words", subset=(0, 3, 1))
    assert words.labels == ("cat", "dog", "owl")
    assert load_dataset(tmp_path / "x.h5", words.options).labels == words.labels
    found = peek(tmp_path / "x.npz")
    assert (found.label_source, found.label_keys) == ("labels", ("labels", "names"))
    with pytest.raises(DatasetError, match='"other" does not label the 12 images; accepted for labels: labels, names'):
        load_dataset(tmp_path / "x.npz", labels="other")


def test_labels_of_folders_and_of_files_can_be_left_out(tmp_path):
    for kind in ("a", "b"):
        save_all(pictures(3, H, W), tmp_path / "x" / kind)
    assert peek(tmp_path / "x").label_source == "folders"
    assert load_dataset(tmp_path / "x").labels == ("a",) * 3 + ("b",) * 3
    assert load_dataset(tmp_path / "x", labels="").labels is None
    images = bytes([0, 0, 8, 3]) + np.array([N, H, W], ">u4").tobytes() + pictures(N, H, W).tobytes()
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    labels = bytes([0, 0, 8, 1]) + np.array([N], ">u4").tobytes() + bytes(range(N))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    assert load_dataset(path).labels == tuple(map(str, range(N)))
    assert load_dataset(path, labels="").labels is None


# Pixels as samples


def test_pixels_are_samples_with_a_spectrum_each(stack):
    bands = load_dataset(stack)
    data = load_dataset(stack, samples="pixels")
    assert np.array_equal(data.X, bands.X.T)
    assert data.X.flags.f_contiguous
    assert (data.image_shape, data.grid) == ((1, N), (H, W))
    assert data.names[W + 2] == "row 2, column 3"
    assert data.steps[-1] == "9 x 7 pixels are samples, their values in 12 images a spectrum each"
    assert np.array_equal(data.maps(data.X[:2]), bands.images([0, 1])), "a row of X is a band's image"
    again = load_dataset(stack, data.options)
    assert again.fingerprint == data.fingerprint
    found = peek(stack, samples="pixels")
    assert (found.shape_after, found.count_after) == ((1, N), H * W)


def test_spectra_come_after_the_steps(stack):
    data = load_dataset(stack, samples="pixels", steps=(gs.Crop(1, 1, 4, 5),), subset=(2, 10, 2))
    assert (data.grid, data.X.shape) == ((4, 5), (4, 20))


def test_images_in_colour_have_no_spectra(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([pictures(N, H, W)] * 3, axis=-1))
    with pytest.raises(DatasetError, match="images in colour have no spectra of their pixels; accepted is grey"):
        load_dataset(tmp_path / "x.npy", samples="pixels")
    assert load_dataset(tmp_path / "x.npy", samples="pixels", colour="grey").grid == (H, W)


def test_curves_have_the_value_as_their_height(stack):
    data = load_dataset(stack, samples="pixels")
    X = data.X[:, :3].copy()
    X[4, 0] = 0
    curves = data.pictures(X)
    count, height, width = curves.shape
    assert (count, width % N) == (3, 0)
    each = width // N
    for k in range(3):
        for band in range(N):
            column = curves[k, :, band * each + each // 2]
            reach = height - int(np.argmax(column > 0))
            assert abs(reach - 1 - X[band, k] / X[:, k].max() * (height - 1)) <= 1 or column.any()
    assert curves[0, -1].all(), "even a zero has its line at the bottom"
    tops = [height - int(np.argmax(curves[1, :, band * each] > 0)) for band in range(N)]
    assert np.argmax(tops) in (int(X[:, 1].argmax()), int(X[:, 1].argmax()) + 1)
    low = data.pictures(X, white=2 * float(X.max()))
    assert not low[:, : height // 3].any(), "half of the white is half the height"


def test_a_picture_of_another_size_is_refused(stack):
    data = load_dataset(stack, samples="pixels")
    with pytest.raises(DatasetError, match="a picture of 3 x 3 does not have 63 spectra"):
        gs.Dataset(data.X, data.image_shape, "C", "x", data.names, grid=(3, 3))


# Names


def test_names_are_made_when_they_are_asked_for():
    names = NumberedNames("image {}", range(10**9))
    assert (len(names), names[0], names[-1]) == (10**9, "image 1", "image 1000000000")
    assert list(names[5:7]) == ["image 6", "image 7"]
    by_rows, by_columns = Places((3, 4), "C"), Places((3, 4), "F")
    assert (by_rows[5], by_columns[5]) == ("row 2, column 2", "row 3, column 2")
    assert by_rows[1:3] == ["row 1, column 2", "row 1, column 3"]
    with pytest.raises(IndexError):
        by_rows[12]


# Steps


def test_a_mask_takes_pixels_out(stack, tmp_path, monkeypatch):
    keep = np.zeros((H, W), np.uint8)
    keep[2:6, 1:5] = 255
    Image.fromarray(keep).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", keep > 0)
    whole = load_dataset(stack)
    for name in ("mask.png", "mask.npy"):
        data = load_dataset(stack, steps=(gs.Mask(str(tmp_path / name)),))
        assert np.array_equal(data.X, whole.X * (keep.ravel() > 0)[:, None])
        assert data.steps[-1] == f"masked by {tmp_path / name}"
    monkeypatch.chdir(tmp_path)
    relative = load_dataset(stack, steps=(gs.Mask("mask.png"),))
    assert relative.options.steps == (gs.Mask(str(tmp_path / "mask.png")),), "a run repeats from any folder"
    colours = np.stack([pictures(N, H, W)] * 3, axis=-1)
    np.save(tmp_path / "c.npy", colours)
    masked = load_dataset(tmp_path / "c.npy", steps=(gs.Mask("mask.png"),))
    assert masked.X.any(axis=1).sum() == 3 * (keep > 0).sum()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.png", "none.png does not exist|none.png cannot be read: No such file"),
        ("small.png", r"small.png has shape \(3, 3\); accepted is that of the images, \(9, 7\)"),
        ("broken.png", "broken.png"),
        ("", "mask: the path is empty; accepted is that of a grey image or a .npy"),
    ],
)
def test_masks_that_cannot_be(stack, tmp_path, name, told):
    Image.fromarray(np.ones((3, 3), np.uint8)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DatasetError, match=told):
        load_dataset(stack, steps=(gs.Mask(str(tmp_path / name) if name else ""),))


@pytest.mark.parametrize("how", ["clip", "shift", "abs"])
def test_negative_values_in_mid_way(stack, how):
    data = load_dataset(stack, steps=(gs.Subtract("mean"), gs.Nonnegative(how), gs.Normalize()))
    raw = load_dataset(stack).X.T
    left = raw - raw.mean(axis=1, keepdims=True)
    made = {"clip": np.maximum(left, 0), "shift": left - left.min(), "abs": np.abs(left)}[how]
    np.testing.assert_allclose(data.X.T, made / made.max(axis=1, keepdims=True), atol=1e-6)
    with pytest.raises(DatasetError, match='nonnegative: negative is "drop"; accepted are clip, shift, abs'):
        LoadOptions(steps=(gs.Nonnegative("drop"),))
