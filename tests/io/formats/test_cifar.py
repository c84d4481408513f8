"""CIFAR's binary files and Python batches, of which nothing is run, and which may be hostile."""

import os
import pickle

import numpy as np
import pytest

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import pickles
from gsp_studio.io.readers import load_dataset


def unit(images):
    return images / np.float32(255)


def refused(path, **choices):
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, **choices)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 600
    return told


def cifar(n=6):
    return np.random.default_rng(0).integers(0, 256, (n, 3072), np.uint8)


@pytest.mark.parametrize("labels", [1, 2])
def test_cifar_binary(tmp_path, labels):
    values = cifar()
    marks = np.tile(np.arange(6, dtype=np.uint8)[:, None], (1, labels))
    (tmp_path / "data_batch_1.bin").write_bytes(np.hstack([marks, values]).tobytes())
    data = load_dataset(tmp_path / "data_batch_1.bin")
    assert (data.channels, data.image_shape) == (3, (32, 32))
    assert np.array_equal(data.images(), unit(values).reshape(6, 3, 32, 32).transpose(0, 2, 3, 1))
    assert data.labels == tuple("012345")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cifar_batches(tmp_path, protocol):
    batch = {b"data": cifar(), b"labels": list(range(6)), b"batch_label": b"testing", "names": ["a"]}
    (tmp_path / "batch").write_bytes(pickle.dumps(batch, protocol))
    if protocol < 2:  # has no mark that tells it from text
        assert "batch" in refused(tmp_path / "batch")
        return
    data = load_dataset(tmp_path / "batch")
    assert np.array_equal(data.images(), unit(cifar()).reshape(6, 3, 32, 32).transpose(0, 2, 3, 1))
    assert data.labels == tuple("012345")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_pickles_run_nothing(tmp_path):
    for k, content in enumerate((Evil(str(tmp_path / "made")), {b"data": Evil(str(tmp_path / "made"))})):
        (tmp_path / f"{k}").write_bytes(pickle.dumps(content))
        assert "is a pickle that asks for posix.mkdir" in refused(tmp_path / f"{k}")
    assert not (tmp_path / "made").exists()
    np.save(tmp_path / "x.npy", np.array([Evil(str(tmp_path / "made"))], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(tmp_path / "x.npy")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ({b"data": np.zeros((3, 3071), np.uint8)}, "rows are 3071 bytes, expected are 3072"),
        ({b"data": "text"}, 'without a uint8 array under "data"'),
        ({b"data": np.zeros((3, 3072))}, 'without a uint8 array under "data"'),
        ({b"data": np.zeros((0, 3072), np.uint8)}, "contains no images"),
        ([1, 2, 3], 'without a uint8 array under "data"'),
    ],
)
def test_pickles_that_are_no_batches(tmp_path, batch, told):
    (tmp_path / "batch").write_bytes(pickle.dumps(batch))
    assert told in refused(tmp_path / "batch")
    content = pickle.dumps({b"data": cifar()})
    (tmp_path / "cut").write_bytes(content[:5000])
    assert "is a pickle that ends too early" in refused(tmp_path / "cut")


def batch_of(labels, data=None):
    """A batch with labels that are pickled as they are given."""
    whole = pickle.dumps({b"data": cifar(3) if data is None else data, b"labels": 0}, 2)
    assert whole.endswith(b"K\x00u.")
    return whole[:-4] + labels + b"u."


def test_a_batch_that_is_nested_too_deep(tmp_path):
    (tmp_path / "batch").write_bytes(b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.")
    assert "is a pickle that nests values more than 100 deep; accepted are CIFAR batches" in refused(tmp_path / "batch")


@pytest.mark.parametrize(
    "label",
    [
        pickle.dumps(10**60, 2)[2:-1],
        b"](K\x01K\x02e",
        b"X" + (2000).to_bytes(4, "little") + b"a" * 2000,
        b"G" + bytes(8),
    ],
)
def test_labels_that_are_none(tmp_path, label):
    (tmp_path / "batch").write_bytes(batch_of(b"](K\x01" + label + b"K\x03e"))
    assert "the label of image 2 is neither a whole number" in refused(tmp_path / "batch")
    data = load_dataset(tmp_path / "batch", labels="")
    assert np.array_equal(data.X[:, 0], unit(cifar(3))[0])
    assert data.labels is None


def test_a_label_of_thousands_of_digits(tmp_path):
    (tmp_path / "batch").write_bytes(batch_of(b"](K\x01" + pickle.dumps(10**6000, 2)[2:-1] + b"K\x03e"))
    assert "is a pickle that holds an integer of more than 100 digits" in refused(tmp_path / "batch")


def test_labels_of_texts(tmp_path):
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": cifar(3), "fine_labels": ["cat", b"dog", -3]}))
    assert load_dataset(tmp_path / "batch").labels == ("cat", "dog", "-3")


def test_a_batch_that_makes_more_than_it_holds(tmp_path):
    text = b"c_codecs\nencode\nq\x01X" + (10_000).to_bytes(4, "little") + b"a" * 10_000 + b"\x85q\x02"
    (tmp_path / "batch").write_bytes(b"\x80\x02](" + text + b"h\x01h\x02R" * 1000 + b"e.")
    assert "is a pickle that makes more of itself than it holds" in refused(tmp_path / "batch")


def test_a_batch_cannot_change_what_it_calls(tmp_path):
    for state in (b"}X\x01\x00\x00\x00aK\x01s", b"}}X\x01\x00\x00\x00aK\x01s\x86"):
        (tmp_path / "batch").write_bytes(b"\x80\x02c_codecs\nencode\n" + state + b"b.")
        assert "is a pickle that changes what it calls" in refused(tmp_path / "batch")


def test_a_batch_of_too_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MOST_OPCODES", 1000)
    (tmp_path / "batch").write_bytes(b"\x80\x02(" + b"]" * 1200 + b"l.")
    assert "is a pickle that has more than 1,000 opcodes" in refused(tmp_path / "batch")


def test_a_batch_that_takes_for_ever_to_hash(tmp_path):
    shared = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60  # a pair of the pair before, sixty times
    (tmp_path / "batch").write_bytes(b"\x80\x02}" + shared + b"h\x00K\x01s.")
    assert "is a pickle that repeats values within values too often" in refused(tmp_path / "batch")


def write_binary(path, count=40):
    values = cifar(count)
    marks = np.arange(count, dtype=np.uint8)[:, None] % 10
    path.write_bytes(np.hstack([marks, values]).tobytes())
    return path, values.reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)


def test_a_binary_file_that_stays_on_the_disk(tmp_path):
    path, images = write_binary(tmp_path / "x.bin")
    data = load_dataset(path, storage="disk")
    assert np.array_equal(data.images(np.arange(40)), unit(images))
    assert data.labels == load_dataset(path).labels == tuple(str(k % 10) for k in range(40))
    assert np.array_equal(load_dataset(path, subset=(3, 30, 4)).images(), unit(images[3:30:4]))


@pytest.mark.parametrize("left", [0, 10, 20])
def test_a_binary_file_that_shrinks(tmp_path, left):
    path, _ = write_binary(tmp_path / "x.bin")
    data = load_dataset(path, storage="disk")
    os.truncate(path, left * 3073)  # a memory map would end the process here
    with pytest.raises(DatasetError, match=r"x\.bin has changed since it was looked into; open it again"):
        data.images(np.arange(40))
