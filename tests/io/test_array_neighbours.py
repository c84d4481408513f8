"""Cubes: bands of the right shape, by what lies beside them or by their values, anew where pixels are samples."""

import h5py
import numpy as np
import pytest
import scipy.io

from gsp_studio.io.axes import Axis
from gsp_studio.io.formats.lazy_array import LazyArray, between
from gsp_studio.io.readers import load_dataset, peek, thumbnails


def cube(bands=30, height=15, width=20):
    """Smooth spectra of three materials, each in a place of its own (bands, height, width)."""
    y, x = np.mgrid[:height, :width]
    places = ((0.2, 0.3), (0.7, 0.5), (0.5, 0.8))
    maps = [np.exp(-((y - height * a) ** 2 + (x - width * b) ** 2) / (height * width / 20)) for a, b in places]
    at = np.linspace(0, 1, bands)
    spectra = [np.exp(-(((at - centre) / 0.2) ** 2)) for centre in (0.2, 0.5, 0.8)]
    return np.einsum("khw,kb->bhw", maps, spectra) + 1e-3


CUBE = cube()


def saved(folder, **arrays):
    scipy.io.savemat(folder / "a.mat", arrays)
    return folder / "a.mat"


def by_columns(values):
    """A band a row, filled column by column, as MATLAB has cubes (bands, pixels)."""
    return values.transpose(0, 2, 1).reshape(len(values), -1)


@pytest.mark.parametrize(
    "beside",
    [{"nRow": 15, "nCol": 20}, {"lines": 15.0, "samples": np.array([[20.0]])}, {"imageSize": np.array([[15, 20]])}],
    ids=str,
)
def test_numbers_of_rows_and_columns_beside_a_matrix_say_its_shape(tmp_path, beside):
    noise = np.random.default_rng(0).random((30, 15, 20))  # of which nothing can be guessed
    found = peek(saved(tmp_path, Y=by_columns(noise), **beside))
    assert (found.key, found.n_images, found.image_shape, found.is_guess) == ("Y", 30, (15, 20), False)
    assert "beside it say" in found.note
    assert np.array_equal(load_dataset(found.path).images(), noise)
    data = load_dataset(found.path, samples="pixels")
    assert (data.X.shape, data.grid) == ((30, 300), (15, 20))


@pytest.mark.parametrize("beside", [{"nRow": 15, "nCol": 21}, {"nRow": -15, "nCol": -20}, {"nRow": 7.5, "nCol": 40}])
def test_numbers_that_do_not_fit_are_no_shape(tmp_path, beside):
    assert "beside it" not in peek(saved(tmp_path, Y=by_columns(CUBE), **beside)).note


def test_spectra_in_a_matrix_are_no_images(tmp_path):
    """150 bands of 20 x 20: 150 pixels would make an image of 10 x 15, too."""
    values = cube(150, 20, 20)
    np.save(tmp_path / "a.npy", values.reshape(150, -1).T)
    for path in (saved(tmp_path, Y=by_columns(values)), tmp_path / "a.npy"):
        found = peek(path)
        assert (found.n_images, found.image_shape, found.is_guess) == (150, (20, 20), True)
        assert np.allclose(load_dataset(path).images(), values)


def test_pictures_are_not_taken_for_spectra(tmp_path):
    stack = np.random.default_rng(0).permutation(cube(400, 10, 12))
    np.save(tmp_path / "a.npy", stack.reshape(400, -1))
    assert peek(tmp_path / "a.npy").n_images == 400


@pytest.mark.parametrize("way", ["rows", "columns"])
def test_the_longer_side_counts_the_pixels_where_they_are_samples(tmp_path, way):
    values = np.random.default_rng(0).random((6, 35))  # 35 = 5 x 7, and 6 = 2 x 3
    np.save(tmp_path / "a.npy", values if way == "rows" else values.T)
    data = load_dataset(tmp_path / "a.npy", samples="pixels")
    assert (data.X.shape[0], data.grid[0] * data.grid[1]) == (6, 35)
    assert np.array_equal(data.X, values)
    turned = load_dataset(tmp_path / "a.npy", samples="pixels", images_in="columns" if way == "rows" else "rows")
    assert turned.X.shape == (35, 6)


@pytest.mark.parametrize("shape", [(30, 15, 20), (30, 1, 15, 20), (1, 30, 15, 20), (30, 15, 20, 1)], ids=str)
@pytest.mark.parametrize("is_last", [False, True])
def test_axes_of_length_one_of_a_cube(tmp_path, shape, is_last):
    bands = cube(30, 40, 50)
    values = bands.reshape([{15: 40, 20: 50}.get(side, side) for side in shape])
    values = np.moveaxis(values, shape.index(30), -1) if is_last else values
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = values
    np.save(tmp_path / "a.npy", values)
    for path in (tmp_path / "a.h5", tmp_path / "a.npy"):
        data = load_dataset(path, samples="pixels")
        assert data.grid == (40, 50), path
        assert np.allclose(data.X, bands.reshape(30, -1))


def test_a_matrix_behind_axes_of_length_one(tmp_path):
    values = CUBE.reshape(1, 1, 30, 300)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = values
    found = peek(tmp_path / "a.h5")
    assert (found.n_images, found.image_shape) == (30, (15, 20))
    assert "axes of length 1 are left out: 1 x 1 x 30 x 300 is read as 1 x 30 x 300" in found.notes


def test_a_photograph_has_three_bands_where_pixels_are_samples(tmp_path):
    photo = np.random.default_rng(0).random((8, 9, 3))
    np.save(tmp_path / "a.npy", photo)
    data = load_dataset(tmp_path / "a.npy", samples="pixels")
    assert (data.grid, np.array_equal(data.X, photo.reshape(72, 3).T)) == ((8, 9), True)
    np.save(tmp_path / "a.npy", photo.transpose(2, 0, 1))
    assert load_dataset(tmp_path / "a.npy", samples="pixels").grid == (8, 9)


def test_the_axis_of_wavelengths_is_that_of_bands(tmp_path):
    noise = np.random.default_rng(0).random((12, 10, 11))
    np.savez(tmp_path / "a.npz", cube=noise, wavelength=np.linspace(400, 500, 10))
    found = peek(tmp_path / "a.npz", key="cube")
    assert (found.n_images, found.image_shape, found.is_guess) == (10, (12, 11), False)
    assert found.image_axes == (Axis("band", "Wavelength", scale=100 / 9, offset=400),)
    np.savez(tmp_path / "a.npz", cube=noise.reshape(12, 110), wavelength=np.linspace(400, 500, 110))
    assert peek(tmp_path / "a.npz", key="cube", image_shape=(3, 4)).n_images == 110
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = noise
        file["cube"].dims[2].label = "Energy"
    assert peek(tmp_path / "a.h5").n_images == 11


@pytest.mark.parametrize("shape", [(5, 8, 9, 3), (5, 3, 8, 9), (8, 9, 3)], ids=str)
def test_previews_of_colours_in_hdf5(tmp_path, shape):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.random.default_rng(0).random(shape)
    assert thumbnails(peek(tmp_path / "a.h5", colour="rgb")).shape[1:] == (8, 9, 3)


def _open():
    return lambda axis, start, stop: CUBE[between(axis, start, stop, 3)], lambda: None


def test_lazy_arrays_give_single_places_and_become_arrays():
    lazy = LazyArray(CUBE.shape, CUBE.dtype, _open)
    assert np.array_equal(lazy[3], CUBE[3])
    assert np.array_equal(lazy[np.int64(-1)], CUBE[-1])
    assert np.array_equal(lazy[..., 2], CUBE[..., 2])
    assert np.array_equal(np.moveaxis(lazy, 0, 2), np.moveaxis(CUBE, 0, 2))
    assert np.asarray(lazy, np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        lazy[30]
