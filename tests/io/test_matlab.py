"""Our reader of MATLAB's version 5 against SciPy's, and against files that would end a process."""

import contextlib
import zlib

import numpy as np
import pytest
import scipy.io
from making import mat_bytes, pictures

from gsp_studio.io import matlab


def both(path, name):
    """A variable as we read it and as SciPy does."""
    return matlab.read_variable(path, name), scipy.io.loadmat(path, mat_dtype=True)[name]


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
