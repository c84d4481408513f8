"""Values that NMF cannot use: counted, refused, or changed as the user chose, and always told."""

import numpy as np
import pytest

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset
from gsp_studio.io.values import make_finite, make_nonnegative, unit_scale


@pytest.fixture
def spoiled(tmp_path):
    """12 images with a NaN, an Inf and a -Inf in images 3, 4 and 5."""
    values = np.random.default_rng(0).random((12, 8, 6)).astype(np.float32)
    values[2, 1, 1], values[3, 0, 5], values[4, 7, 2] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "a.npy", values)
    return tmp_path / "a.npy", values


def test_nan_and_infinite_values_are_counted_and_refused(spoiled):
    with pytest.raises(DatasetError, match="holds 3 NaN or infinite values, in images 3, 4, 5; NMF needs finite"):
        load_dataset(spoiled[0])


def test_nan_and_infinite_values_become_zero(spoiled):
    path, values = spoiled
    data = load_dataset(path, nonfinite="zero")
    assert np.array_equal(data.images(), np.nan_to_num(values, posinf=0, neginf=0))
    assert data.steps == ("3 NaN or infinite values set to 0, in images 3, 4, 5",)
    assert data.notes[-1:] == data.steps
    assert data.options.nonfinite == "zero"


def test_images_with_nan_and_infinite_values_are_left_out(spoiled):
    path, values = spoiled
    data = load_dataset(path, nonfinite="drop")
    assert np.array_equal(data.images(), np.delete(values, [2, 3, 4], axis=0))
    assert data.names == tuple(f"image {k}" for k in (1, 2, *range(6, 13)))
    assert data.steps == ("left out for 3 NaN or infinite values: images 3, 4, 5",)
    assert load_dataset(path, data.options).fingerprint == data.fingerprint


def test_at_least_two_images_must_be_left(tmp_path):
    values = np.ones((3, 4, 4))
    values[:2, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DatasetError, match="1 of 3 images are without NaN and infinite values; 2 are needed"):
        load_dataset(tmp_path / "a.npy", nonfinite="drop")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_finite_values_are_no_infinite_ones(dtype):
    X = np.full((5, 4), np.finfo(dtype).max, dtype, order="F")
    kept, step = make_finite(X, None, "X")
    assert kept.all()
    assert step == ""


def negatives():
    return np.asfortranarray(np.array([[1.0, -2.0], [-0.5, 3.0]]))


@pytest.mark.parametrize(
    ("choice", "wanted", "told"),
    [
        ("clip", [[1, 0], [0, 3]], "2 negative values set to 0"),
        ("shift", [[3, 0], [1.5, 5]], "shifted by 2 so that the smallest value is 0"),
        ("abs", [[1, 2], [0.5, 3]], "absolute value taken of 2 negative values"),
    ],
)
def test_negative_values_are_changed_as_chosen(tmp_path, choice, wanted, told):
    X = negatives()
    assert make_nonnegative(X, choice, "X") == told
    assert np.array_equal(X, wanted)
    np.save(tmp_path / "a.npy", negatives().reshape(2, 1, 2))
    data = load_dataset(tmp_path / "a.npy", negative=choice)
    assert data.X.min() >= 0
    assert told in data.steps
    assert data.options.negative == choice


def test_negative_values_need_a_choice():
    with pytest.raises(DatasetError, match=r"a.npy holds 2 negative values \(smallest -2\); choose clip, shift or abs"):
        make_nonnegative(negatives(), None, "a.npy")
    X = np.abs(negatives())
    assert make_nonnegative(X, "shift", "X") == ""
    assert X.min() == 0.5


def test_a_shift_that_overflows_is_refused(tmp_path):
    top = np.finfo(np.float32).max
    np.save(tmp_path / "a.npy", np.array([[[-top, top]], [[0, 1]]], np.float32))
    with pytest.raises(DatasetError, match="infinite"):
        load_dataset(tmp_path / "a.npy", negative="shift")


def test_only_grey_levels_have_a_full_scale():
    assert unit_scale(np.dtype("uint8")) == (255.0, "uint8 divided by 255")
    assert unit_scale(np.dtype(">u2"))[0] == 65535.0
    assert unit_scale(np.dtype("int64")) == (1.0, "int64 values as they are")
    assert unit_scale(np.dtype("float32")) == (1.0, "")
