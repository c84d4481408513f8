"""Damaged tables, MATLAB, CIFAR and IDX files of every flavour end in a data set or in one sentence."""

import gzip
import io
import pickle
import pickletools
import struct
import warnings

import fuzz
import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from test_matlab73 import put, put_cell, put_sparse

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.readers import load_dataset

IMAGES = fuzz.IMAGES
SPARSE = scipy.sparse.csc_matrix(np.where(IMAGES > 128, IMAGES, 0).reshape(5, -1).T.astype(float))
TOKENS = [
    ",",
    ";",
    '"',
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    "#",
    "1e999",
    "-",
    "nan",
    "1,234",
    "1.234.567",
    "9" * 300,
    "label",
    "é",
]
OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]


def tables():
    rows = [",".join(map(str, row)) for row in np.random.default_rng(0).random((6, 12)).round(3).tolist()]
    marked = [f"{k},n{k},{row},{k % 2}" for k, row in enumerate(rows)]
    yield ("x.csv", "\n".join([",".join(["", "a", *map(str, range(12)), "label"]), *marked]).encode())
    yield ("x.csv", "\n".join(f'"1,234.5",{row}' for row in rows).encode())
    yield ("x.csv", ("sep=;\n" + "\n".join(row.replace(",", ";").replace(".", ",") for row in rows)).encode())
    yield ("x.csv", ("# names\n" + "\r".join(rows)).encode("utf-16"))


def matlab():
    cell, records = np.empty((1, 5), object), np.zeros((1, 5), [("name", object), ("image", object)])
    for k in range(5):
        cell[0, k], records[0, k] = IMAGES[k], ("x", IMAGES[k])
    content = {"s": {"X": IMAGES.transpose(1, 2, 0), "y": np.arange(5.0)}, "c": cell, "r": records, "p": SPARSE}
    for how in ({}, {"do_compression": True}):
        stream = io.BytesIO()
        scipy.io.savemat(stream, content, **how)
        yield ("x.mat", stream.getvalue())
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"X": IMAGES[0].astype(float), "t": "abc", "z": SPARSE}, format="4")
    yield ("x.mat", stream.getvalue())
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        put(file, "l", IMAGES > 9)
        put_cell(file, "c", IMAGES)
        put_sparse(file, "p", SPARSE)
        put(file.create_group("s"), "X", IMAGES)
    yield ("x.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + stream.getvalue()[128:])


def cifar():
    values = np.random.default_rng(0).integers(0, 9, (2, 3072), np.uint8)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield ("batch", pickle.dumps({b"data": values, b"labels": [1, 2], "t": (1, (2,))}, protocol))
    yield ("x.bin", bytes(range(1, 4)) * 3073)


def idx():
    whole = bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()
    return [("x.idx", whole), ("x.idx", gzip.compress(whole))]


def spoiled(name, content, rng):
    """A file damaged anywhere, or with words and steps of its own kind in places where they do not belong."""
    data = bytearray(fuzz.damaged(content, rng) if rng.random() < 0.6 else content)
    for _ in range(int(rng.integers(0, 5))):
        at = int(rng.integers(0, min(200, len(data)) + 1))
        if name == "x.csv":
            data[at : at + int(rng.integers(0, 3))] = str(rng.choice(TOKENS)).encode()
        elif name == "batch":
            at = at if rng.random() < 0.5 else max(0, len(data) - at // 2)
            data[at:at] = OPCODES[rng.integers(len(OPCODES))] * int(rng.integers(1, 4))
    return bytes(data)


@pytest.mark.parametrize("kind", [tables, matlab, cifar, idx], ids=lambda kind: kind.__name__)
def test_damage_ends_in_a_data_set_or_in_one_sentence(tmp_path, kind):
    samples = list(kind())
    told = []
    for name, content in samples:
        (tmp_path / name).write_bytes(content)
        assert load_dataset(tmp_path / name, negative="clip").X.size
    for seed in range(200):
        name, content = samples[seed % len(samples)]
        (tmp_path / name).write_bytes(spoiled(name, content, np.random.default_rng(seed)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                load_dataset(tmp_path / name, negative="clip", nonfinite="zero")
        except DatasetError as error:
            told.append((seed, str(error)))
    assert 0 < len(told) < 200
    assert [pair for pair in told if "\n" in pair[1] or len(pair[1]) > 2000] == []
