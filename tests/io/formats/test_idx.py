"""IDX files and the labels beside them."""

import gzip
import struct

import numpy as np
import pytest
from making import pictures

from gsp_studio.io.images.names import natural_key
from gsp_studio.io.readers import load_dataset

N, H, W = 12, 9, 7
IMAGES, LABELS = "t-images-idx3-ubyte", "t-labels-idx1-ubyte"


def idx_bytes(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def beside(tmp_path):
    """A file of images in a folder; its path."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / IMAGES).write_bytes(idx_bytes(pictures(N, H, W)))
    return tmp_path / "a" / IMAGES


def test_labels_that_are_a_link_are_not_followed(tmp_path, beside):
    secret = tmp_path / "secret"
    secret.write_bytes(idx_bytes(np.arange(N, dtype=np.uint8)))
    beside.with_name(LABELS).symlink_to(secret)
    data = load_dataset(beside)
    assert data.labels is None
    assert data.notes == (f"{LABELS} is a link to another place, and its labels are not read",)
    beside.with_name(LABELS).unlink()
    beside.with_name(LABELS).write_bytes(secret.read_bytes())
    data = load_dataset(beside)
    assert (data.labels, data.notes) == (tuple(map(str, range(N))), ())


@pytest.mark.parametrize("content", [idx_bytes(np.arange(N - 1, dtype=np.uint8)), b"text", b"\x1f\x8b\x08damaged"])
def test_labels_that_do_not_fit_are_told(beside, content):
    beside.with_name(LABELS).write_bytes(content)
    data = load_dataset(beside)
    assert data.labels is None
    assert data.notes == (f"{LABELS} does not hold a label for each image, and is not read",)


def test_bytes_behind_the_values_are_told(beside):
    whole = beside.read_bytes()
    beside.write_bytes(whole + b"more")
    data = load_dataset(beside)
    assert np.array_equal(data.images(), pictures(N, H, W) / np.float32(255))
    assert data.notes == ("4 bytes behind the values are not read",)
    beside.write_bytes(gzip.compress(whole))
    assert load_dataset(beside).notes == ()


def test_names_of_many_digits_have_an_order():
    names = ["im 10", "im 9", "im 010", "im 9" + "0" * 5000, "im 9" + "0" * 4999 + "1", "im 0", "im"]
    ordered = sorted(names, key=natural_key)
    assert ordered == ["im", "im 0", "im 9", "im 010", "im 10", names[3], names[4]]
