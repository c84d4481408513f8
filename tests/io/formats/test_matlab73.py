"""MATLAB files of version 7.3 as MATLAB writes them: axes reversed, cells of references, sparse matrices in groups."""

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from making import pictures

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset, peek

N, H, W = 12, 9, 7
CLASSES = {"f": "double", "u": "uint8", "i": "int32", "b": "logical"}


def put(group, name, values, kind=None):
    """A variable or field; logicals are stored as bytes."""
    values = np.asarray(values)
    item = group.create_dataset(name, data=(values.astype("u1") if values.dtype == bool else values).T)
    item.attrs["MATLAB_class"] = np.bytes_(kind or CLASSES[values.dtype.kind])
    if values.dtype == bool:
        item.attrs["MATLAB_int_decode"] = np.int32(1)
    return item


def put_cell(group, name, parts, kind="cell"):
    """A cell of references to parts in a group of MATLAB's own; of a struct array's fields the class is not told."""
    refs = group.file.require_group("#refs#")
    made = [put(refs, f"{name}{k}", part).ref for k, part in enumerate(parts)]
    item = group.create_dataset(name, (len(made), 1), h5py.ref_dtype)
    item[:, 0] = made
    if kind:
        item.attrs["MATLAB_class"] = np.bytes_(kind)
    return item


def put_sparse(group, name, matrix):
    """A sparse matrix in columns."""
    matrix = scipy.sparse.csc_matrix(matrix)
    made = group.create_group(name)
    made.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
    made.attrs["MATLAB_class"] = np.bytes_(CLASSES[matrix.dtype.kind])
    made["jc"] = matrix.indptr.astype("u8")
    if matrix.nnz:
        made["ir"], made["data"] = (
            matrix.indices.astype("u8"),
            matrix.data.astype("u1" if matrix.dtype == bool else "f8"),
        )
    return made


@pytest.fixture
def images():
    return pictures(N, H, W)


@pytest.fixture
def written(tmp_path):
    """Write a file with a function of it; its path."""

    def write(fill):
        path = tmp_path / "new.mat"
        with h5py.File(path, "w", userblock_size=512) as file:
            fill(file)
            file.require_group("#refs#")["a"] = np.zeros((200, 200))
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
        return path

    return write


def unit(images):
    return images / np.float32(255)


def refused(path, **choices):
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, **choices)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_axes_come_back(written, images):
    columns = images.transpose(2, 1, 0).reshape(H * W, N)  # an image a column, filled by columns

    def fill(file):
        put(file, "faces", columns)
        put(file, "note", np.zeros((1, 300)), "char")

    data = load_dataset(written(fill), image_shape=(H, W))
    assert (data.order, data.X.shape) == ("F", (H * W, N))
    assert np.array_equal(data.images(), unit(images))
    stack = load_dataset(written(lambda file: put(file, "stack", images.transpose(1, 2, 0))))
    assert np.array_equal(stack.images(), unit(images))


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_logicals_are_0_and_1(written, images, tmp_path, storage):
    path = written(lambda file: put(file, "X", images.transpose(1, 2, 0) > 100))
    scipy.io.savemat(tmp_path / "old.mat", {"X": images.transpose(1, 2, 0) > 100})
    new, old = load_dataset(path, storage=storage), load_dataset(tmp_path / "old.mat")
    assert np.array_equal(new.images(np.arange(N)), images > 100)
    assert np.array_equal(new.images(np.arange(N)), old.images())
    assert peek(path).dtype == "bool"


@pytest.mark.parametrize("kind", ["cell", None])
def test_cells_and_fields_of_equal_images_are_stacks(written, images, kind):
    def fill(file):
        put(file, "n", np.eye(2))
        put_cell(file.create_group("s"), "image", images, kind)

    data = load_dataset(written(fill))
    assert np.array_equal(data.images(), unit(images))
    assert data.options.key == "s.image"
    vectors = load_dataset(
        written(lambda file: put_cell(file, "c", images.reshape(N, -1, 1))), order="C", image_shape=(H, W)
    )
    assert np.array_equal(vectors.images(), unit(images))


def test_structs_and_labels_in_them(written, images):
    def fill(file):
        put(file.create_group("data"), "images", images.transpose(1, 2, 0))
        put(file["data"], "labels", np.arange(float(N))[:, None])
        put(file["data"].create_group("deeper"), "mean", images.mean(axis=0))

    data = load_dataset(written(fill))
    assert data.options.key == "data.images"
    assert data.labels == tuple(map(str, range(N)))
    assert peek(data.source).keys == ("data.images", "data.labels", "data.deeper.mean")


@pytest.mark.parametrize("dtype", [float, bool])
def test_sparse_matrices_are_full(written, images, dtype):
    matrix = np.where(images > 120, images, 0).reshape(N, -1).T.astype(dtype)
    matrix[:, 3] = 0
    data = load_dataset(written(lambda file: put_sparse(file, "X", matrix)), image_shape=(H, W), images_in="columns")
    assert np.array_equal(data.X, matrix)
    assert "stored sparse, read as a full matrix" in data.notes
    assert "every value is zero" in refused(written(lambda file: put_sparse(file, "X", 0.0 * matrix)))


def test_what_is_not_read_is_listed_and_the_rest_opens(written, images, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["jc"] = np.zeros(5, "u8")

    def fill(file):
        put(file, "X", images.transpose(1, 2, 0))
        put(file, "s", np.zeros((1, 6), "u4"), "string")
        put(file, "t", np.zeros((1, 6), "u4"), "table")
        put_cell(file, "c", [np.eye(3), np.eye(2)])
        put_cell(file, "w", [np.eye(3), np.eye(2)])[1, 0] = h5py.Reference()
        nested = put_cell(file, "n", [np.eye(3)])
        nested[0, 0] = nested.ref  # holds itself
        file["z"] = np.zeros((4, 4), [("real", "f8"), ("imag", "f8")])
        file["l"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "jc")
        put_sparse(file, "p", np.eye(4)).pop("jc")
        file["p/jc"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "jc")
        put_sparse(file, "q", np.eye(4))["ir"][:] = 99

    path = written(fill)
    assert np.array_equal(load_dataset(path, key="X").images(), unit(images))
    for key, told in {
        "s": "string array (1 x 6)",
        "t": "table array (1 x 6)",
        "c": "cell array (1 x 2)",
        "w": "cell array (1 x 2)",
        "n": "cell array (1 x 1)",
        "z": "complex array (4 x 4)",
        "l": "link to somewhere else",
        "p": "damaged sparse array",
        "q": "the rows of a sparse array are damaged",
    }.items():
        assert told in refused(path, key=key)


def test_a_sparse_matrix_that_declares_too_much(written):
    def fill(file):
        put_sparse(file, "X", np.eye(5)).attrs["MATLAB_sparse"] = np.uint64(3 << 60)

    assert "of memory, but" in refused(written(fill))
