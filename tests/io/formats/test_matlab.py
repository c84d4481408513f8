"""Our reader of MATLAB's version 5 against SciPy's, and against files that would end a process."""

import contextlib
import struct
import warnings
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from making import mat_bytes, pictures

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats import matlab as mat_file
from gsp_studio.io.formats import matlab5 as matlab
from gsp_studio.io.readers import load_dataset


def both(path, name):
    """A variable as we read it and as SciPy does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy 1.18, about classes of sparse arrays
        theirs = scipy.io.loadmat(path, mat_dtype=True)[name]
    return matlab.read_variable(path, name), theirs


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "bool"])
def test_all_types_as_scipy_reads_them(tmp_path, dtype, compressed):
    rng = np.random.default_rng(0)
    values = {"a": rng.integers(0, 100, (5, 7)).astype(dtype), "long_name_of_it": (pictures(3) // 2).astype(dtype)}
    values |= {"one": np.ones((1, 1), dtype), "none": np.ones((0, 3), dtype), "text": "abc"}
    scipy.io.savemat(tmp_path / "a.mat", values, do_compression=compressed, long_field_names=True)
    found = {variable.name: variable for variable in matlab.list_variables(tmp_path / "a.mat")}
    assert list(found) == list(values)
    assert found["text"].kind == "char array"
    for name in ("a", "long_name_of_it", "one", "none"):
        own, scipys = both(tmp_path / "a.mat", name)
        assert own.dtype == np.dtype(dtype)
        assert own.dtype == found[name].dtype
        assert own.shape == found[name].shape == scipys.shape
        assert np.array_equal(own, scipys)
        assert np.array_equal(own, values[name])


def test_doubles_that_were_packed_into_bytes(tmp_path):
    content = mat_bytes(2, 3)
    packed = content.replace(
        content[-8:], (2).to_bytes(4, "little") + (6).to_bytes(4, "little") + bytes([1, 2, 3, 4, 5, 250, 0, 0])
    )
    packed = packed[:132] + (len(packed) - 136).to_bytes(4, "little") + packed[136:]
    (tmp_path / "a.mat").write_bytes(packed)
    own, scipys = both(tmp_path / "a.mat", "X")
    assert own.dtype == np.float64
    assert np.array_equal(own, [[1, 3, 5], [2, 4, 250]])
    assert np.array_equal(own, scipys)


def test_both_orders_of_bytes(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    for order in "<>":
        (tmp_path / "a.mat").write_bytes(mat_bytes(2, 3, values.astype(order + "f8").tobytes("F"), order))
        own, scipys = both(tmp_path / "a.mat", "X")
        assert own.dtype == np.float64
        assert own.dtype.isnative
        assert np.array_equal(own, values)
        assert np.array_equal(scipys, values)


def test_a_wrong_checksum_is_noticed(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"X": np.random.default_rng(0).random((9, 9))}, do_compression=True)
    content = bytearray((tmp_path / "a.mat").read_bytes())
    content[-1] ^= 1
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(zlib.error):
        matlab.read_variable(tmp_path / "a.mat", "X")
    (tmp_path / "b.mat").write_text("no header")
    with pytest.raises(ValueError, match="its header is not one of version 5"):
        matlab.list_variables(tmp_path / "b.mat")


def test_damage_is_an_exception_and_nothing_worse(tmp_path):
    rng = np.random.default_rng(0)
    cell = np.empty((1, 2), object)
    cell[0, :] = [np.eye(3), "text"]
    wholes = []
    for compressed in (False, True):
        content = {"X": pictures(3).astype(float), "c": cell, "s": {"a": 1}, "b": np.eye(4) > 0}
        scipy.io.savemat(tmp_path / "a.mat", content, do_compression=compressed)
        wholes.append((tmp_path / "a.mat").read_bytes())
    for k in range(2000):
        spoiled = bytearray(wholes[k % 2])
        for _ in range(int(rng.integers(1, 8))):
            spoiled[rng.integers(len(spoiled))] = rng.choice([0, 255, 128, rng.integers(256)])
        path = tmp_path / "spoiled.mat"
        path.write_bytes(spoiled[: rng.integers(100, len(spoiled) + 1)] if k % 5 == 0 else spoiled)
        with contextlib.suppress(ValueError, zlib.error):
            for variable in matlab.list_variables(path):
                matlab.read_variable(path, variable.name)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int16])
def test_a_cell_of_equal_images_is_a_stack(tmp_path, compressed, dtype):
    images = pictures(7, 5, 3).astype(dtype)  # their bytes end anywhere: what follows is aligned
    cell = np.empty((7, 1), object)
    for k in range(7):
        cell[k, 0] = images[k]
    scipy.io.savemat(tmp_path / "a.mat", {"n": np.eye(2), "faces": cell}, do_compression=compressed)
    [_, variable] = matlab.list_variables(tmp_path / "a.mat")
    assert (variable.shape, variable.dtype, variable.kind) == ((5, 3, 7), np.dtype(dtype), "")
    assert np.array_equal(matlab.read_variable(tmp_path / "a.mat", "faces"), images.transpose(1, 2, 0))


def element(*parts, compressed=False):
    """An element of version 5 from its parts, each a type and its content."""
    body = b"".join(struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in parts)
    made = struct.pack("<II", 14, len(body)) + body
    packed = zlib.compress(made)
    return struct.pack("<II", 15, len(packed)) + packed if compressed else made


def object_of(name, kind, compressed=False):
    """A variable of one of MATLAB's newer classes, which has no shape in its header."""
    flags, ids = struct.pack("<II", 17, 0), struct.pack("<6I", 0xDD000000, 2, 1, 1, 1, 1)
    array = element((6, struct.pack("<II", 13, 0)), (5, struct.pack("<ii", 6, 1)), (1, b""), (6, ids))
    texts = [(1, text.encode()) for text in (name, "MCOS", kind)]
    return element((6, flags), *texts, (14, array[8:]), compressed=compressed)


def own_part():
    """What MATLAB keeps beside such variables: bytes without a name."""
    return element((6, struct.pack("<II", 9, 0)), (5, struct.pack("<ii", 1, 40)), (1, b""), (2, bytes(40)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_strings_tables_and_dates_leave_the_matrix_readable(tmp_path, compressed, is_first):
    images = pictures(6).transpose(1, 2, 0)
    scipy.io.savemat(tmp_path / "a.mat", {"X": images}, do_compression=compressed)
    whole = (tmp_path / "a.mat").read_bytes()
    kinds = ("string", "table", "datetime")
    more = b"".join(object_of(f"a_{kind}", kind, compressed) for kind in kinds)
    (tmp_path / "a.mat").write_bytes(
        whole[:128] + (more + whole[128:] if is_first else whole[128:] + more) + own_part()
    )
    found = {variable.name: variable.kind for variable in matlab.list_variables(tmp_path / "a.mat")}
    assert found == {"X": "", **{f"a_{kind}": f"{kind} array" for kind in kinds}}
    assert np.array_equal(load_dataset(tmp_path / "a.mat").images(), pictures(6) / np.float32(255))
    with pytest.raises(DatasetError, match=r'"a_table" in .* is a table array'):
        load_dataset(tmp_path / "a.mat", key="a_table")


def test_a_damaged_variable_leaves_the_others_readable(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"X": pictures(6).transpose(1, 2, 0)})
    with (tmp_path / "a.mat").open("ab") as file:
        file.write(element((6, bytes(4)), (5, b"")) + struct.pack("<II", 15, 8) + b"no zlib.")
    found = [variable.kind for variable in matlab.list_variables(tmp_path / "a.mat")]
    assert found[0] == ""
    assert all(kind.startswith("damaged variable: ") for kind in found[1:])
    assert load_dataset(tmp_path / "a.mat").X.shape == (63, 6)


@pytest.mark.parametrize("compressed", [False, True])
def test_fields_of_structs_are_variables(tmp_path, compressed):
    images = pictures(8)
    content = {
        "images": images.transpose(1, 2, 0),
        "labels": np.arange(8.0),
        "what": "abc",
        "deep": {"mean": np.eye(3)},
    }
    scipy.io.savemat(tmp_path / "a.mat", {"data": content, "after": np.eye(2)}, do_compression=compressed)
    found = {variable.name: variable for variable in matlab.list_variables(tmp_path / "a.mat")}
    assert list(found) == ["data.images", "data.labels", "data.what", "data.deep.mean", "after"]
    assert found["data.what"].kind == "char array"
    assert np.array_equal(matlab.read_variable(tmp_path / "a.mat", "data.deep.mean"), np.eye(3))
    data = load_dataset(tmp_path / "a.mat")
    assert np.array_equal(data.images(), images / np.float32(255))
    assert (data.options.key, data.labels) == ("data.images", tuple(map(str, range(8))))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_field_of_a_struct_array_is_a_stack(tmp_path, compressed):
    images = pictures(7, 5, 3)
    records = np.zeros((1, 7), [("name", object), ("image", object), ("n", object)])
    for k in range(7):
        records[0, k] = (f"im{k}", images[k], np.eye(2 + k))
    scipy.io.savemat(tmp_path / "a.mat", {"s": records}, do_compression=compressed)
    found = {variable.name: (variable.kind, variable.shape) for variable in matlab.list_variables(tmp_path / "a.mat")}
    assert found == {"s.name": ("struct array", (1, 7)), "s.image": ("", (5, 3, 7)), "s.n": ("struct array", (1, 7))}
    assert np.array_equal(load_dataset(tmp_path / "a.mat").images(), images / np.float32(255))


def test_cells_of_vectors_and_of_colours(tmp_path):
    images = np.stack([pictures(4), pictures(4, seed=1), pictures(4, seed=2)], axis=-1)
    vectors, colours = np.empty((4, 1), object), np.empty((1, 4), object)
    for k in range(4):
        vectors[k, 0], colours[0, k] = images[k, :, :, 0].ravel(order="F")[:, None], images[k]
    scipy.io.savemat(tmp_path / "v.mat", {"c": vectors})
    scipy.io.savemat(tmp_path / "c.mat", {"c": colours})
    data = load_dataset(tmp_path / "v.mat", image_shape=(9, 7))
    assert np.array_equal(data.images(), images[..., 0] / np.float32(255))
    assert np.array_equal(load_dataset(tmp_path / "c.mat", colour="rgb").images(), images / np.float32(255))


@pytest.mark.filterwarnings("ignore:The default value for `spmatrix`:DeprecationWarning")  # of SciPy's own reader
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [float, bool])
def test_sparse_arrays_are_full(tmp_path, compressed, dtype):
    images = pictures(5)
    matrix = np.where(images > 120, images, 0).reshape(5, -1).T.astype(dtype)
    matrix[:, 2] = 0
    cell = np.empty((1, 5), object)
    for k in range(5):
        cell[0, k] = scipy.sparse.csc_matrix(matrix[:, k].reshape(9, 7).astype(float))
    content = {"X": scipy.sparse.csc_matrix(matrix), "c": cell, "e": scipy.sparse.csc_matrix((3, 4))}
    scipy.io.savemat(tmp_path / "a.mat", content, do_compression=compressed)
    own = matlab.read_variable(tmp_path / "a.mat", "X")
    assert own.dtype == dtype
    assert np.array_equal(own, matrix)
    assert np.array_equal(own, scipy.io.loadmat(tmp_path / "a.mat")["X"].toarray())
    assert not matlab.read_variable(tmp_path / "a.mat", "e").any()
    stack = matlab.read_variable(tmp_path / "a.mat", "c")
    assert np.array_equal(stack.transpose(2, 0, 1).reshape(5, -1).T, matrix.astype(float))
    data = load_dataset(tmp_path / "a.mat", key="X", images_in="columns", image_shape=(9, 7), order="C")
    assert np.array_equal(data.X, matrix)
    assert "stored sparse, read as a full matrix" in data.notes


def test_a_sparse_array_does_not_fill_the_memory(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"X": scipy.sparse.csc_matrix((2**30, 2**16))})
    with pytest.raises(DatasetError, match="of memory, but"):
        load_dataset(tmp_path / "a.mat")


def test_parts_of_parts_are_bounded(tmp_path, monkeypatch):
    value = {"X": np.eye(3)}
    for _ in range(20):
        value = {"s": value}
    scipy.io.savemat(tmp_path / "a.mat", value)
    [found] = matlab.list_variables(tmp_path / "a.mat")
    assert (found.name.count("."), found.kind) == (matlab._DEEPEST, "struct array")
    scipy.io.savemat(tmp_path / "b.mat", {"c": np.full((1, 40), 1.0, object), "X": np.eye(3)})
    monkeypatch.setattr(matlab, "_MOST_PARTS", 30)
    kinds = [variable.kind for variable in matlab.list_variables(tmp_path / "b.mat")]
    assert kinds == ["damaged variable: it has more than 30 parts", ""]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i2", "u2", "u1"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_version_4_as_scipy_reads_it(tmp_path, dtype, order):
    values = np.arange(12).reshape(3, 4).astype(order + dtype)
    code = 1000 * (order == ">") + 10 * ["f8", "f4", "i4", "i2", "u2", "u1"].index(dtype)
    head = struct.pack(order + "5i", code, 3, 4, 0, 3) + b"ab\0"
    text = struct.pack(order + "5i", 1000 * (order == ">") + 51, 1, 3, 0, 2) + b"t\0" + b"abc"
    (tmp_path / "a.mat").write_bytes(text + head + values.tobytes("F"))
    found = mat_file.list_arrays(tmp_path / "a.mat")
    assert [(entry.key, entry.kind) for entry in found] == [("t", "char array"), ("ab", "")]
    own = mat_file.read_array(tmp_path / "a.mat", found[1])
    assert own.dtype == np.float64
    assert np.array_equal(own, scipy.io.loadmat(tmp_path / "a.mat")["ab"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda b: b[:-1], "the file ends early"),
        (lambda b: struct.pack("<i", 4321) + b[4:], "it has the header of no version"),
        (lambda b: b[:4] + struct.pack("<2i", 2**31 - 1, 2**31 - 1) + b[12:], "the file ends early"),
        (lambda b: b[:16] + struct.pack("<i", -5) + b[20:], "the name of a variable is damaged"),
        (lambda b: b + bytes(7), "it has the header of no version"),
    ],
)
def test_version_4_that_is_damaged(tmp_path, spoil, told):
    content = struct.pack("<5i", 0, 3, 4, 0, 2) + b"X\0" + np.ones(12).tobytes()
    (tmp_path / "a.mat").write_bytes(content)
    assert len(mat_file.list_arrays(tmp_path / "a.mat")) == 1
    (tmp_path / "a.mat").write_bytes(spoil(content))
    with pytest.raises(DatasetError, match=told):
        load_dataset(tmp_path / "a.mat")


@pytest.mark.parametrize("version", [0x0101, 0x0000, 0x0200, 0xFFFF])
def test_other_versions_are_refused_by_name(tmp_path, version, monkeypatch):
    scipy.io.savemat(tmp_path / "a.mat", {"X": pictures(6).transpose(1, 2, 0)})
    content = bytearray((tmp_path / "a.mat").read_bytes())
    content[124:126] = struct.pack("<H", version)
    (tmp_path / "a.mat").write_bytes(content)
    monkeypatch.setattr(scipy.io, "whosmat", None)
    monkeypatch.setattr(scipy.io, "loadmat", None)
    with pytest.raises(DatasetError, match=f"the version in its header is 0x{version:04X}; accepted are 0x0100"):
        load_dataset(tmp_path / "a.mat")
