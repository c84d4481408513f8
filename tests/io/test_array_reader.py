"""Matrices and stacks: where the images are, what shape they have, and what can be said instead of guessed."""

import numpy as np
import pytest
import scipy.io
from making import pictures

from gsp_studio.io import shape_guess
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset, peek, thumbnails

SHAPE = (24, 18)


@pytest.fixture(scope="module")
def images():
    """50 images of 24 x 18: 432 pixels."""
    return pictures(50, *SHAPE)


def vectors(images, order):
    """Images as rows (k, m), filled by rows or by columns."""
    return (images if order == "C" else images.transpose(0, 2, 1)).reshape(len(images), -1)


@pytest.mark.parametrize("images_in", ["rows", "columns"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", ["npy", "mat"])
def test_every_layout_can_be_given(tmp_path, images, images_in, order, suffix):
    rows = vectors(images, order)
    values = rows if images_in == "rows" else rows.T
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    else:
        scipy.io.savemat(path, {"X": values})
    data = load_dataset(path, image_shape=SHAPE, order=order, images_in=images_in)
    assert data.image_shape == SHAPE
    assert data.order == order
    assert np.array_equal(data.images(), images / np.float32(255))
    assert np.array_equal(data.X, rows.T / np.float32(255))
    assert load_dataset(path, image_shape=SHAPE, order=order).X.shape == (432, 50)


@pytest.mark.parametrize(("suffix", "order"), [("npy", "C"), ("mat", "F")])
def test_the_usual_layout_is_found_without_help(tmp_path, images, suffix, order):
    rows = vectors(images, order)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, rows)
    else:
        scipy.io.savemat(path, {"X": rows.T})
    found = peek(path)
    assert found.is_guess
    assert found.order == order
    assert found.image_shape == SHAPE
    assert found.shapes[0] == SHAPE
    assert (18, 24) in found.shapes
    assert "shape guessed" in found.note
    assert load_dataset(path, found.options).image_shape == SHAPE


def test_what_is_seen_is_what_is_loaded(tmp_path, images):
    np.save(tmp_path / "a.npy", vectors(images, "C"))
    found = peek(tmp_path / "a.npy")
    seen = thumbnails(found, 5)
    data = load_dataset(tmp_path / "a.npy", found.options)
    assert data.options == found.options
    shown = data.images(np.linspace(0, 49, 5).astype(int))
    assert np.allclose(seen, (shown - shown.min()) / (shown.max() - shown.min()), atol=1e-6)


def test_images_in_the_unusual_axis_are_found_by_their_smoothness(tmp_path):
    images = pictures(400, 12, 9)  # 108 and 400 could both be pixels
    np.save(tmp_path / "a.npy", vectors(images, "C").T)
    found = peek(tmp_path / "a.npy")
    assert (found.images_in, found.n_images, found.image_shape) == ("columns", 400, (12, 9))
    assert "much smoother" in found.note


def test_stacks(tmp_path, images):
    np.save(tmp_path / "a.npy", images)
    found = peek(tmp_path / "a.npy")
    assert (found.images_in, found.image_shape, found.is_guess) == ("first axis", SHAPE, False)
    np.save(tmp_path / "b.npy", np.moveaxis(images, 0, 2))
    last = load_dataset(tmp_path / "b.npy", images_in="columns")
    assert np.array_equal(last.images(), images / np.float32(255))
    with pytest.raises(DatasetError, match="image shape 18x24 does not fit the stack's images of 24x18"):
        load_dataset(tmp_path / "a.npy", image_shape=(18, 24))


@pytest.mark.parametrize("shape", [(50, *SHAPE), (50, SHAPE[0] * SHAPE[1])])
def test_arrays_of_one_size_are_told_of_until_one_is_chosen(tmp_path, images, shape):
    np.savez(tmp_path / "a.npz", train=images.reshape(shape), preview=images, test=images.reshape(shape)[::-1])
    found = peek(tmp_path / "a.npz")
    assert found.is_guess  # so the window asks
    told = '"train" is read; the file also holds "test", which is as large: choose it by its key'
    assert told in found.notes
    assert told in load_dataset(tmp_path / "a.npz").notes
    chosen = peek(tmp_path / "a.npz", key="test")
    assert not any("as large" in note for note in chosen.notes)
    assert chosen.key == "test"


def test_a_small_image_is_never_transposed(tmp_path):
    values = np.array([[[0.0, 1.0]], [[1.0, 0.5]], [[0.2, 0.0]]])
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(load_dataset(tmp_path / "a.npy").images(), values)


def test_a_shape_that_does_not_fit_lists_what_does(tmp_path, images):
    np.save(tmp_path / "a.npy", vectors(images, "C"))
    with pytest.raises(DatasetError, match=r"image shape 7x7 has 49 pixels, but an image here has 432 \(18x24, 24x18"):
        load_dataset(tmp_path / "a.npy", image_shape=(7, 7))


def test_a_shape_with_a_prime_number_of_pixels(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((30, 13)))
    data = load_dataset(tmp_path / "a.npy", images_in="rows")
    assert data.image_shape in ((1, 13), (13, 1))


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"image_shape": (0, 5)}, "two whole numbers >= 1"),
        ({"image_shape": (2.5, 4)}, "two whole numbers >= 1"),
        ({"image_shape": (1, 2, 3)}, "two whole numbers >= 1"),
        ({"image_shape": 9}, "two whole numbers >= 1"),
        ({"order": "A"}, 'order is "A"; accepted are C, F'),
        ({"images_in": "files"}, 'images_in is "files"'),
        ({"negative": "ignore"}, 'negative is "ignore"; accepted are clip, shift, abs'),
        ({"nonfinite": "keep"}, 'nonfinite is "keep"; accepted are zero, drop'),
        ({"dtype": "int8"}, 'dtype is "int8"; accepted are float32, float64'),
    ],
)
def test_choices_that_are_not_accepted(tmp_path, images, choice, told):
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(DatasetError) as refused:
        load_dataset(tmp_path / "a.npy", **choice)
    assert told in str(refused.value)


def test_cbcl(shared_data):
    found = peek(shared_data / "CBCL.mat")
    assert (found.n_images, found.image_shape, found.order) == (2429, (19, 19), "F")
    data = load_dataset(shared_data / "CBCL.mat", dtype="float32")
    assert data.X.shape == (361, 2429)
    faces = data.images()
    # Upright faces are alike left and right, not top and bottom.
    mirrored = np.abs(faces - faces[:, :, ::-1]).mean()
    upside_down = np.abs(faces - faces[:, ::-1]).mean()
    assert mirrored < 0.8 * upside_down


@pytest.mark.parametrize("pixels", [1, 2, 13, 361, 1024, 32256])
def test_candidate_shapes_have_the_pixels_and_begin_with_the_squarest(pixels):
    shapes = shape_guess.candidate_shapes(pixels)
    assert all(h * w == pixels for h, w in shapes)
    longest = [max(shape) / min(shape) for shape in shapes]
    assert longest == sorted(longest)
    assert len(set(shapes)) == len(shapes)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(19, 19), (24, 18), (18, 24), (32, 16)])
def test_the_true_shape_is_ranked_first(shape, order):
    columns = vectors(pictures(20, *shape), order).T.astype(float)
    assert shape_guess.rank_shapes(columns, order)[0] == shape


def test_grain_tells_images_from_noise():
    rng = np.random.default_rng(0)
    assert shape_guess.grain(vectors(pictures(20, 16, 16), "C").T.astype(float), (16, 16), "C") < 0.6
    assert 0.9 < shape_guess.grain(rng.random((256, 20)), (16, 16), "C") < 1.1
    assert shape_guess.grain(np.ones((256, 20)), (16, 16), "C") == 1.0
