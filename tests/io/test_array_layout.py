"""Arrays of three axes and more, and single pictures: read by convention, by their values, and said where guessed."""

import h5py
import numpy as np
import pytest
import scipy.io
from making import pictures

import gsp_studio as gs
from gsp_studio.io import shape_guess
from gsp_studio.io.axis_guess import readings
from gsp_studio.io.formats.lazy_array import LazyArray, between, laid_out
from gsp_studio.io.readers import load_dataset, peek, thumbnails


def scene(height, width, seed=0, power=1.2):
    """A picture (height, width) in [0, 1] whose neighbours are alike as those of photographs are: 1 / f noise."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    f[0, 0] = 1 / max(height, width)
    made = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / f**power, (height, width))
    return (made - made.min()) / np.ptp(made)


def cube(lines=60, samples=50, bands=40):
    """Spectra of four materials, mixed (lines, samples, bands)."""
    shares = np.stack([scene(lines, samples, seed) for seed in range(4)], axis=-1)
    at, peaks = np.arange(bands), np.array([[5.0], [15.0], [25.0], [35.0]])
    return shares @ np.exp(-(((at - peaks) / 8) ** 2))


def read(path, values, **choices):
    np.save(path / "a.npy", values)
    return load_dataset(path / "a.npy", **choices)


@pytest.mark.parametrize(
    ("shape", "count", "image"),
    [
        ((10, 28, 26, 1), 10, (28, 26)),
        ((10, 1, 28, 26), 10, (28, 26)),
        ((1, 10, 28, 26), 10, (28, 26)),
        ((3, 28, 26, 1), 3, (28, 26)),
        ((3, 1, 28, 26), 3, (28, 26)),
        ((28, 26, 1, 10), 10, (28, 26)),
        ((30, 1, 1, 8, 9), 30, (8, 9)),
        ((1, 1, 30, 8, 9), 30, (8, 9)),
        ((30, 8, 9, 1, 1), 30, (8, 9)),
        ((1, 30, 1, 8, 9, 1), 30, (8, 9)),
    ],
)
def test_axes_of_length_one_are_left_out(tmp_path, shape, count, image):
    values = np.random.default_rng(0).random(shape)
    data = read(tmp_path, values)
    flat = values.reshape([side for side in shape if side != 1])
    truth = np.moveaxis(flat, -1, 0) if shape[-1] == count and shape[0] != count else flat
    assert data.images().shape == (count, *image)
    assert np.array_equal(data.images(), truth)
    again = load_dataset(tmp_path / "a.npy", data.options)
    assert again.fingerprint == data.fingerprint
    assert not again.notes


def test_axes_of_length_one_in_other_formats(tmp_path):
    values = np.random.default_rng(0).random((12, 1, 9, 7))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values
    for storage in ("memory", "disk"):
        data = load_dataset(tmp_path / "a.h5", storage=storage)
        assert np.array_equal(data.as_images(data.X[:, :]), values[:, 0])
    scipy.io.savemat(tmp_path / "a.mat", {"x": values[:, 0].transpose(1, 2, 0)[:, :, None]})
    assert np.array_equal(load_dataset(tmp_path / "a.mat").images(), values[:, 0])


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_every_axis_of_a_stack_can_be_that_of_the_images(tmp_path, axes, storage):
    images = pictures(40, 12, 9) / 255.0
    way = {0: "rows", 1: "middle", 2: "columns"}[axes.index(0)] if axes != (2, 0, 1) else "columns"
    moved = {"rows": images, "middle": images.transpose(1, 0, 2), "columns": images.transpose(1, 2, 0)}[way]
    np.save(tmp_path / "a.npy", moved)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = moved
    for name in ("a.npy", "a.h5"):
        for choice in ({"images_in": way}, {}):  # pictures that differ are found by their values, too
            data = load_dataset(tmp_path / name, storage=storage, **choice)
            assert np.array_equal(data.as_images(data.X[:, :]), images)


@pytest.mark.parametrize(("order", "way"), [((0, 1, 2), "columns"), ((2, 0, 1), "rows"), ((0, 2, 1), "middle")])
def test_cubes_are_split_by_bands_whatever_their_interleave(tmp_path, order, way):
    truth = cube()
    np.save(tmp_path / "a.npy", truth.transpose(order))
    found = peek(tmp_path / "a.npy")
    assert (found.options.images_in, found.n_images, found.image_shape) == (way, 40, (60, 50))
    assert found.is_guess == (way != "rows")
    data = load_dataset(tmp_path / "a.npy")
    assert np.array_equal(data.images(), np.moveaxis(truth, -1, 0))
    assert bool(data.notes) == found.is_guess


def test_where_nothing_tells_the_axes_the_usual_one_is_taken_and_it_is_said(tmp_path):
    data = read(tmp_path, np.random.default_rng(0).random((30, 25, 20)))
    assert data.images().shape == (30, 25, 20)
    [note] = data.notes
    assert note.startswith("not said by the file, so guessed: 30 images of 25 x 20")
    assert peek(tmp_path / "a.npy").is_guess
    assert not peek(tmp_path / "a.npy", images_in="rows").is_guess
    assert not peek(tmp_path / "a.npy", image_shape=(25, 20)).is_guess
    assert not load_dataset(tmp_path / "a.npy", images_in="rows").notes
    np.save(tmp_path / "b.npy", np.random.default_rng(0).random((80, 9, 8)))
    assert not peek(tmp_path / "b.npy").is_guess  # along another axis they would be strips


@pytest.mark.parametrize("dtype", ["f8", "u1"])
def test_a_photograph_in_colour_is_one_image(tmp_path, dtype):
    colours = np.stack([scene(48, 64, seed) for seed in range(3)], axis=-1)
    values = (255 * colours).astype(dtype) if dtype == "u1" else colours
    np.save(tmp_path / "a.npy", values)
    found = peek(tmp_path / "a.npy")
    assert (found.n_images, found.image_shape, found.channels, found.is_guess) == (1, (48, 64), 3, True)
    with pytest.raises(gs.DatasetError, match=r"holds 1 image of 48 x 64; .* a step that cuts it into patches"):
        load_dataset(tmp_path / "a.npy")
    data = load_dataset(tmp_path / "a.npy", steps=[gs.Patches(8, 8, stride=8)])
    assert (data.X.shape, data.channels) == ((192, 48), 3)
    top = 255 if dtype == "u1" else 1
    np.testing.assert_allclose(data.images(0)[0], values[:8, :8] / top, rtol=1e-6)
    grey = load_dataset(tmp_path / "a.npy", colour="grey", steps=[gs.Patches(8, 8, stride=8)])
    assert grey.X.shape == (64, 48)
    planes = load_dataset(tmp_path / "a.npy", images_in="columns")
    assert np.allclose(planes.images(), np.moveaxis(values, -1, 0) / top)


@pytest.mark.parametrize("shape", [(1, 40, 50, 3), (1, 3, 40, 50), (40, 50, 3), (3, 40, 50)])
def test_one_photograph_in_each_order_of_axes(tmp_path, shape):
    colours = np.random.default_rng(0).random((40, 50, 3))
    values = (colours if shape[-1] == 3 else colours.transpose(2, 0, 1)).reshape(shape)
    choice = {"images_in": "one"} if shape == (3, 40, 50) else {}
    data = read(tmp_path, values, steps=[gs.Crop(0, 0, 40, 50), gs.Patches(40, 25, stride=25)], **choice)
    assert np.array_equal(np.concatenate(list(data.images()), axis=1), colours)


@pytest.mark.parametrize("shape", [(96, 128), (97, 131), (96, 128, 1), (1, 96, 128), (1, 1, 96, 128)])
def test_a_grey_picture_is_one_image(tmp_path, shape):
    picture = scene(*(side for side in shape if side != 1))
    np.save(tmp_path / "a.npy", picture.reshape(shape))
    found = peek(tmp_path / "a.npy")
    assert (found.n_images, found.image_shape, found.is_guess) == (1, picture.shape, True)
    data = load_dataset(tmp_path / "a.npy", steps=[gs.Patches(16, 16, 50)])
    assert data.whole == (1, *picture.shape)
    assert "1 image of" in data.notes[0]


def test_vectors_are_no_picture(tmp_path):
    images = np.stack([scene(24, 20, seed) for seed in range(70)])
    movie = np.stack([scene(24, 20) + 0.2 * np.roll(scene(24, 20, 3), t, axis=1) for t in range(70)])
    spectra = np.cumsum(np.random.default_rng(0).random((90, 400)), axis=1)
    for values in (images.reshape(70, -1), movie.reshape(70, -1), spectra, np.random.default_rng(0).random((70, 400))):
        for turned in (values, values.T):
            np.save(tmp_path / "a.npy", turned)
            assert peek(tmp_path / "a.npy").n_images > 1


def test_bands_beside_two_long_axes_are_no_width(tmp_path):
    for bands in (2, 4):
        data = read(tmp_path, np.random.default_rng(0).random((40, 50, bands)))
        assert data.images().shape == (bands, 40, 50)
        assert "so they are no strips" in data.notes[0]


def test_what_cannot_be_read_so(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((20, 12, 9)))
    np.save(tmp_path / "b.npy", np.random.default_rng(0).random((20, 108)))
    with pytest.raises(gs.DatasetError, match="have no axis of 3 colours"):
        load_dataset(tmp_path / "a.npy", images_in="one")
    with pytest.raises(gs.DatasetError, match="a matrix has no middle axis of images"):
        load_dataset(tmp_path / "b.npy", images_in="middle")
    with pytest.raises(gs.DatasetError, match="image shape 9x12 does not fit"):
        load_dataset(tmp_path / "a.npy", image_shape=(9, 12))


def test_thumbnails_of_one_image_are_patches_of_it(tmp_path):
    np.save(tmp_path / "a.npy", scene(64, 64))
    assert thumbnails(peek(tmp_path / "a.npy")).shape == (1, 64, 64)
    assert thumbnails(peek(tmp_path / "a.npy", steps=[gs.Patches(8, 8, stride=4)])).shape == (8, 8, 8)


def test_arrays_in_their_file_are_laid_out_like_those_in_memory():
    values = np.random.default_rng(0).random((4, 1, 5, 6))
    parted = LazyArray(values.shape, values.dtype, lambda: (lambda axis, a, b: values[between(axis, a, b, 4)], int))
    for reading in [*readings(values.shape, False), *readings(values.shape, True)]:
        there, here = laid_out(parted, reading.axes), laid_out(values, reading.axes)
        assert there.shape == here.shape == (reading.count, *here.shape[1:])
        assert np.array_equal(there[:], here)
        assert np.array_equal(there[len(here) - 1 :], here[len(here) - 1 :])
    with pytest.raises(ValueError, match="squeeze"):
        laid_out(values, (1, 2, 3))


def test_the_axis_along_which_neighbours_differ_otherwise():
    assert shape_guess.odd_axis([5.0, 1.0, 1.1]) == 0
    assert shape_guess.odd_axis([1.0, 1.1, 0.2]) == 2
    assert shape_guess.odd_axis([1.0, 1.1, 1.05]) is None
    assert shape_guess.odd_axis([1.0, 3.0, 9.0]) is None
    assert shape_guess.odd_axis([0.0, 1.0, 1.0]) is None
