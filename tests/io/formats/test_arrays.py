""".npy, .npz and .mat files: read as they are, and refused in one sentence when they are damaged, lie or hold code."""

import contextlib
import pickle
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from making import lying_npz, mat_bytes, npy_bytes, pictures

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset, peek


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def refused(path, **choices):
    """The sentence with which a file is refused."""
    with pytest.raises(DatasetError) as error:
        load_dataset(path, **choices)
    sentence = str(error.value)
    assert len(sentence.splitlines()) == 1
    assert path.name in sentence
    return sentence


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "uint16", "int32", "uint64", "float16", "float32", "float64", ">f4", ">u2"]
)
def test_values_of_every_type(tmp_path, dtype):
    values = (pictures(5) // 2).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    data = load_dataset(tmp_path / "a.npy")
    dtype = np.dtype(dtype)
    top = np.iinfo(dtype).max if dtype.kind in "iu" and dtype.itemsize <= 2 else 1
    assert data.X.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert np.allclose(data.images(), values.astype(float) / top, rtol=1e-6)
    assert data.steps or dtype.kind == "f"


def test_the_type_to_compute_in_can_be_chosen(tmp_path):
    np.save(tmp_path / "a.npy", pictures() / 255)
    assert load_dataset(tmp_path / "a.npy").X.dtype == np.float64
    data = load_dataset(tmp_path / "a.npy", dtype="float32")
    assert data.X.dtype == np.float32
    assert data.steps == ("float64 values as float32",)
    np.save(tmp_path / "b.npy", np.full((3, 4, 5), 1e300))
    assert "b.npy as float32 holds 60 NaN or infinite" in refused(tmp_path / "b.npy", dtype="float32")


def test_fortran_order_on_disk(tmp_path):
    images = pictures()
    np.save(tmp_path / "a.npy", np.asfortranarray(images))
    assert np.array_equal(load_dataset(tmp_path / "a.npy").images(), images / np.float32(255))


def test_an_archive_of_several_arrays(tmp_path):
    images = pictures()
    path = tmp_path / "several.npz"
    np.savez(path, small=images[:2], labels=np.arange(6), images=images, words=np.array(["a"]))
    found = peek(path)
    assert found.key == "images"
    assert found.keys == ("small", "images")
    data = load_dataset(path)
    assert data.name == "several.npz : images"
    assert load_dataset(path, key="small").X.shape == (63, 2)
    assert 'has no array "other"; it holds small (2 x 9 x 7, uint8)' in refused(path, key="other")
    assert "1 dimension" in refused(path, key="labels")
    assert "accepted are arrays of real numbers" in refused(path, key="words")


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia"])
def test_a_sparse_matrix_of_scipy_is_called_sparse(tmp_path, kind):
    matrix = scipy.sparse.random(20, 30, 0.2, format=kind, random_state=0)
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix)
    assert "is a sparse matrix of SciPy; accepted are dense arrays" in refused(tmp_path / "a.npz")


def test_what_lies_in_an_archive_decides_not_its_name(tmp_path):
    np.savez(tmp_path / "a.npz", images=pictures())
    (tmp_path / "a.npz").rename(tmp_path / "a.dat")
    assert peek(tmp_path / "a.dat").kind == "npz"
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "holds no array" in refused(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.float32(3), "0 dimensions"),
        (np.arange(5.0), "1 dimension"),
        (np.zeros((2, 2, 2, 2)), "4 dimensions"),
        (np.zeros((0, 16, 16)), "contains no images"),
        (np.zeros((3, 4), complex), "complex128"),
        (np.zeros((3, 4), "datetime64[s]"), "datetime64"),
        (np.zeros(3, [("a", "f4")]), "accepted are arrays of real numbers"),
        (np.zeros((3, 4), "U3"), "<U3"),
        (np.ones((1, 5, 5)), "holds 1 image of 5 x 5; a factorization needs at least 2"),
        (np.zeros((3, 4, 5)), "every value is zero"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, values, told):
    np.save(tmp_path / "bad.npy", values)
    assert told in refused(tmp_path / "bad.npy")


def test_no_code_from_a_file_runs(tmp_path):
    trap = Trap(tmp_path / "sprung")
    objects = np.empty((2, 3), object)
    objects[:] = trap
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", images=objects)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(trap))
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("images.npy", pickle.dumps(trap))
    assert "Python objects" in refused(tmp_path / "a.npy")
    assert "Python objects" in refused(tmp_path / "b.npz")
    refused(tmp_path / "c.npy")
    refused(tmp_path / "d.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("shape", [(2**30, 2**10, 2**10), (100, 10), (2**62, 2**62)])
def test_a_npy_with_less_than_it_declares_is_refused_before_memory_is_taken(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy_bytes(shape, body=bytes(100)))
    sentence = refused(tmp_path / "a.npy")
    assert "its header declares" in sentence
    assert "100 bytes follow" in sentence


@pytest.mark.parametrize("shape", [(-3, -4), (-3, 4), (0, 0)])
def test_a_npy_of_negative_shape(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy_bytes(shape, body=bytes(100)))
    assert "contains no images" in refused(tmp_path / "a.npy")


def test_an_archive_that_lies_about_its_sizes(tmp_path):
    lying_npz(tmp_path / "a.npz", npy_bytes((2**20, 2**20), body=bytes(1000)), 2**31)
    assert "declares images" in refused(tmp_path / "a.npz")
    lying_npz(tmp_path / "b.npz", npy_bytes((50, 50), body=bytes(10000)), 100)
    refused(tmp_path / "b.npz")


def test_truncated_files(tmp_path):
    images = np.random.default_rng(0).random((20, 9, 7))
    np.save(tmp_path / "a.npy", images)
    np.savez_compressed(tmp_path / "a.npz", images=images)
    scipy.io.savemat(tmp_path / "a.mat", {"X": images}, do_compression=True)
    scipy.io.savemat(tmp_path / "b.mat", {"X": images})
    for name in ("a.npy", "a.npz", "a.mat", "b.mat"):
        path = tmp_path / name
        content = path.read_bytes()
        for keep in (len(content) - 9, 700, 130, 60, 7):
            path.write_bytes(content[:keep])
            refused(path)


def test_damage_inside_an_archive_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=pictures(20))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_matlab_matrices_stacks_and_logicals(tmp_path):
    images = pictures()
    stack = np.moveaxis(images, 0, 2)
    columns = images.transpose(0, 2, 1).reshape(6, -1).T  # filled by columns
    scipy.io.savemat(tmp_path / "a.mat", {"X": stack})
    scipy.io.savemat(tmp_path / "b.mat", {"X": columns.astype(float)})
    scipy.io.savemat(tmp_path / "c.mat", {"X": stack > 100})
    scipy.io.savemat(tmp_path / "d.mat", {"X": columns.astype(float)}, format="4")
    assert np.array_equal(load_dataset(tmp_path / "a.mat").images(), images / np.float32(255))
    data = load_dataset(tmp_path / "b.mat", image_shape=(9, 7))
    assert data.order == "F"
    assert data.X.dtype == np.float64
    assert np.array_equal(data.images(), images)  # doubles keep their values, though MATLAB packs them into bytes
    assert np.array_equal(load_dataset(tmp_path / "c.mat").images(), images > 100)
    assert np.array_equal(load_dataset(tmp_path / "d.mat", image_shape=(9, 7)).images(), images)


def test_what_else_a_matlab_file_may_hold(tmp_path):
    cell = np.empty((1, 12), object)
    cell[0, :] = [pictures(1)[0]] * 11 + ["text"]
    content = {"cell": cell, "text": "abc", "struct": {"a": 1.0}, "complex": np.ones((4, 4)) * 1j}
    for name, value in content.items():
        scipy.io.savemat(tmp_path / f"{name}.mat", {name: value})
        assert name in refused(tmp_path / f"{name}.mat")
    assert "is a cell array (1 x 12); accepted are arrays of real numbers" in refused(tmp_path / "cell.mat")
    assert "is a complex array (4 x 4)" in refused(tmp_path / "complex.mat")
    scipy.io.savemat(tmp_path / "old.mat", {"old": np.eye(4) * 1j}, format="4")
    assert "is a complex array (4 x 4)" in refused(tmp_path / "old.mat")


def test_a_damaged_matlab_7_3_file(tmp_path):
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(head.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    assert "is not a readable .mat file, or is damaged" in refused(tmp_path / "a.mat")


def test_a_matlab_file_that_declares_too_much(tmp_path):
    (tmp_path / "a.mat").write_bytes(mat_bytes(2**20, 2**20, bytes(64)))
    assert "declares X (1048576 x 1048576, float64)" in refused(tmp_path / "a.mat")
    (tmp_path / "b.mat").write_bytes(mat_bytes(100, 100, bytes(64)))
    assert "b.mat" in refused(tmp_path / "b.mat")
    (tmp_path / "c.mat").write_text("this is text")
    assert "is not a readable .mat file" in refused(tmp_path / "c.mat")


def test_random_damage_never_becomes_another_error(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", pictures(4))
    np.savez_compressed(tmp_path / "a.npz", images=pictures(4))
    wholes = [(name, (tmp_path / name).read_bytes()) for name in ("a.npy", "a.npz")]
    for k in range(200):
        name, content = wholes[k % 2]
        spoiled = bytearray(content)
        for _ in range(int(rng.integers(1, 6))):
            spoiled[rng.integers(6, len(spoiled))] = rng.integers(256)
        path = tmp_path / ("spoiled" + name)
        path.write_bytes(spoiled[: rng.integers(12, len(spoiled) + 1)])
        with contextlib.suppress(DatasetError):
            load_dataset(path)


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    head = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", head + b" " * 10_000_000)
    (tmp_path / "x.npy").write_bytes(head + b" " * 1000)
    tracemalloc.start()
    for name in ("x.npz", "x.npy"):
        assert "its header has 4294967295 bytes; accepted are at most 10000" in refused(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_are_stored_or_deflated(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("images.npy", npy_bytes((4, 9, 7), body=bytes(4 * 9 * 7 * 4)))
    assert "accepted are stored and deflated members" in refused(tmp_path / "x.npz")


def test_members_of_one_name_are_refused(tmp_path):
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        warnings.simplefilter("ignore")  # of zipfile, about the name
        archive.writestr("X.npy", npy_bytes((4, 5, 6), body=bytes(range(120)) * 8))
        archive.writestr("X.npy", npy_bytes((4, 5, 3), body=bytes(range(120)) * 4))
    assert "has several members X.npy; accepted is one of each name" in refused(tmp_path / "x.npz")


def test_previews_are_not_taken_for_the_data(tmp_path):
    images = pictures()
    np.savez(tmp_path / "x.npz", thumbnails=np.ones((200, 20, 20)), times=np.ones((90_000, 1)), scan=images)
    assert np.array_equal(load_dataset(tmp_path / "x.npz").images(), images.astype(np.float32) / np.float32(255))
