"""Dataset: what it promises holds, and the fingerprint names the same values everywhere."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.io.dataset import Dataset, one_line
from gsp_studio.io.fingerprint import fingerprint_of


def dataset(X=None, **changes):
    X = np.asfortranarray(np.arange(12.0).reshape(6, 2)) if X is None else X
    given = {"image_shape": (3, 2), "order": "C", "name": "test", "names": tuple("ab")}
    return Dataset(X, **(given | changes))


def test_columns_become_images_in_both_orders():
    X = np.asfortranarray(np.arange(12.0).reshape(2, 6).T)
    by_rows, by_columns = dataset(X), dataset(X, order="F")
    assert np.array_equal(by_rows.images([0]), [[[0, 1], [2, 3], [4, 5]]])
    assert np.array_equal(by_columns.images(0), [[[0, 3], [1, 4], [2, 5]]])
    assert np.array_equal(by_rows.images(), X.T.reshape(2, 3, 2))
    assert np.shares_memory(by_rows.images(), by_rows.X)
    basis = np.random.default_rng(0).random((6, 4))
    for data in (by_rows, by_columns):
        images = data.as_images(basis)
        assert images.shape == (4, 3, 2)
        assert np.array_equal(images[1].ravel(order=data.order), basis[:, 1])


def test_values_are_read_only_and_the_callers_array_is_not():
    X = np.asfortranarray(np.ones((6, 2)))
    data = dataset(X)
    with pytest.raises(ValueError, match="read-only"):
        data.X[0, 0] = 2
    X[0, 0] = 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"X": np.ones((6, 2))}, "Fortran order"),
        ({"X": np.ones((6, 2), np.int64, order="F")}, "float32 or float64"),
        ({"X": np.ones(6)}, "float32 or float64 matrix"),
        ({"X": np.ones((0, 2), order="F")}, "contains no images"),
        ({"X": np.ones((6, 1), order="F"), "names": ("a",)}, "holds 1 image; a factorization needs at least 2"),
        ({"X": np.full((6, 2), np.nan, order="F")}, "NaN or infinite"),
        ({"X": np.full((6, 2), -1.0, order="F")}, r"negative values \(smallest -1\)"),
        ({"image_shape": (3, 3)}, "images of 3 x 3 have 9 pixels, the data have 6"),
        ({"image_shape": (-3, -2)}, "images of -3 x -2"),
        ({"order": "K"}, 'order is "K"'),
        ({"names": ("a",)}, "2 images need as many names"),
        ({"labels": ("a",)}, "2 images need as many names and labels"),
    ],
)
def test_what_does_not_hold_is_refused(changes, told):
    with pytest.raises(gs.DatasetError, match=told):
        dataset(**changes)


def test_images_without_contrast_are_noted():
    flat = dataset(np.ones((6, 2), order="F"))
    assert flat.notes == ("the images have no contrast: every pixel has the same value, and rank 1 describes them",)
    same = dataset(np.asfortranarray(np.repeat(np.arange(6.0)[:, None], 2, axis=1)))
    assert same.notes == ("all images are the same: rank 1 describes them",)
    assert dataset().notes == ()


def test_the_fingerprint_depends_on_shape_type_and_values_alone():
    X = np.random.default_rng(0).random((6, 4))
    own = fingerprint_of(X)
    assert len(own) == 64
    assert own == fingerprint_of(np.asfortranarray(X)) == fingerprint_of(np.repeat(X, 2, axis=1)[:, ::2])
    changed = X.copy()
    changed[5, 3] = np.nextafter(changed[5, 3], 2)
    others = {fingerprint_of(a) for a in (X.astype(np.float32), X.T, X.reshape(4, 6), changed)}
    assert len(others | {own}) == 5


def test_the_fingerprint_is_the_same_in_another_process(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60, dtype=np.uint8).reshape(5, 4, 3))
    own = gs.load_dataset(tmp_path / "a.npy").fingerprint
    code = "import sys, gsp_studio as gs; print(gs.load_dataset(sys.argv[1]).fingerprint)"
    command = [sys.executable, "-c", code, str(tmp_path / "a.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == own
    # The very digits: a run.json of an older version still knows its data.
    assert own == "a3c7c8cf7d7348036823a2f8f52931b9db21c84a7c83dbf07bda6c2e5ab1b334"


def test_a_dataset_travels_between_processes():
    data = dataset()
    back = pickle.loads(pickle.dumps(data))
    assert np.array_equal(back.X, data.X)
    assert back.fingerprint == data.fingerprint


def test_messages_stay_on_one_line():
    assert one_line("a\nb\tc\udcff\u2028d é 日本") == "a\\nb\\tc\\udcff\\u2028d é 日本"
    error = gs.DatasetError("two\nlines")
    assert str(error) == "two\\nlines"
    assert isinstance(error, ValueError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
