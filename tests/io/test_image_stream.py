"""Images that stay in their file: what is read is what loading gives, and memory stays small."""

import json
import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from making import npy_bytes, pictures, save_all

import gsp_studio as gs
from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.io import image_stream
from gsp_studio.io.formats import plain_values
from gsp_studio.io.readers import load_dataset, peek

N, H, W = 40, 9, 7


def stack(dtype=np.uint8):
    values = pictures(N, H, W)
    return values if dtype == np.uint8 else (values / 255).astype(dtype)


def colours():
    return np.stack([pictures(N, H, W, seed) for seed in range(3)], axis=-1)


def write_envi(path, interleave):
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    header = (
        f"ENVI\nsamples = {W}\nlines = {H}\nbands = {N}\ndata type = 12\ninterleave = {interleave}\nbyte order = 1\n"
    )
    (path / "cube.hdr").write_text(header)
    (path / "cube.raw").write_bytes(stack().transpose(axes).astype(">u2").tobytes())
    return path / "cube.hdr"


def write_cifar(path):
    rng = np.random.default_rng(0)
    (path / "data_batch_1.bin").write_bytes(rng.integers(0, 10, (N, 3073), np.uint8).tobytes())
    return path / "data_batch_1.bin"


def saved(values):
    def write(path):
        np.save(path / "x.npy", values)
        return path / "x.npy"

    return write


def write_hdf5(path):
    with h5py.File(path / "x.h5", "w") as file:
        file.create_dataset("a/images", data=stack(np.float32), chunks=(7, H, W), compression="gzip")
    return path / "x.h5"


def write_matlab(path):
    with h5py.File(path / "x.mat", "w", userblock_size=512) as file:
        file["X"] = stack(np.float64).transpose(1, 2, 0).T
        file["X"].attrs["MATLAB_class"] = np.bytes_("double")
    with (path / "x.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path / "x.mat"


def write_zarr(version):
    def write(path):
        group = zarr.open_group(path / "x.zarr", mode="w", zarr_format=version)
        group.create_array("inner/images", shape=(N, H, W), chunks=(7, H, 4), dtype="uint8")[:] = stack()
        return path / "x.zarr"

    return write


def write_tiff(**how):
    def write(path):
        tifffile.imwrite(path / "x.tif", how.pop("values", stack()), **{"photometric": "minisblack", **how})
        return path / "x.tif"

    return write


def write_folder(path):
    save_all(stack(), path / "all")
    return path / "all"


def write_folder_in_colour(path):
    save_all(colours(), path / "one")
    save_all(colours()[::-1], path / "two")
    return path


SOURCES = {
    "HDF5": (write_hdf5, {}),
    "HDF5, every third": (write_hdf5, {"subset": (1, 40, 3)}),
    "MATLAB 7.3": (write_matlab, {}),
    "Zarr 2": (write_zarr(2), {}),
    "Zarr 3": (write_zarr(3), {"subset": (2, 30, 1)}),
    "TIFF": (write_tiff(), {}),
    "TIFF of big-endian values": (write_tiff(byteorder=">", values=stack().astype(np.uint16)), {}),
    "TIFF of compressed pages": (write_tiff(compression="zlib"), {}),
    "TIFF in colour": (write_tiff(values=colours(), photometric="rgb", compression="zlib"), {}),
    "folder": (write_folder, {}),
    "folder, resized": (write_folder, {"steps": (gs.Resize(5, 6),)}),
    "folders in colour": (write_folder_in_colour, {"colour": "rgb"}),
    "folders made grey": (write_folder_in_colour, {"subset": (3, 70, 2)}),
    "uint8 stack": (saved(stack()), {}),
    "float32 stack": (saved(stack(np.float32)), {}),
    "float64 stack": (saved(stack(np.float64)), {}),
    "float16 stack": (saved(stack(np.float16)), {}),
    "uint16 stack": (saved(stack().astype(np.uint16)), {}),
    "int32 stack": (saved(stack().astype(np.int32)), {}),
    "stack of Fortran": (saved(np.asfortranarray(stack())), {}),
    "stack along the last axis": (saved(np.moveaxis(stack(), 0, -1).copy()), {"images_in": "columns"}),
    "rows": (saved(stack().reshape(N, -1)), {"image_shape": (H, W)}),
    "columns": (saved(stack().reshape(N, -1).T.copy()), {"image_shape": (H, W), "images_in": "columns", "order": "F"}),
    "columns of Fortran": (saved(stack(np.float32).reshape(N, -1).T), {"image_shape": (H, W), "images_in": "columns"}),
    "colours": (saved(colours()), {}),
    "colours made grey": (saved(colours()), {"colour": "grey"}),
    "green alone": (saved(colours()), {"colour": "green"}),
    "vectors of colours": (
        saved(colours().transpose(0, 3, 1, 2).reshape(N, -1)),
        {"colour": "rgb", "image_shape": (H, W)},
    ),
    "ENVI BSQ": (lambda path: write_envi(path, "bsq"), {}),
    "ENVI BIL": (lambda path: write_envi(path, "bil"), {}),
    "ENVI BIP": (lambda path: write_envi(path, "bip"), {}),
    "CIFAR": (write_cifar, {}),
    "a part": (saved(stack()), {"subset": (3, 30, 1)}),
    "every third": (saved(stack()), {"subset": (1, 40, 3)}),
    "in float64": (saved(stack()), {"dtype": "float64"}),
    "steps": (
        saved(stack(np.float32)),
        {"steps": (gs.Crop(1, 1, 6, 5), gs.Subtract("mean"), gs.Nonnegative("abs"), gs.Normalize("norm"))},
    ),
    "resized colours": (saved(colours()), {"steps": (gs.Resize(4, 4),)}),
    "negative ones": (saved(stack(np.float32) - np.float32(0.5)), {"negative": "clip"}),
    "negative ones made positive": (saved(stack().astype(np.int16) - 100), {"negative": "abs"}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_read_is_what_loading_gives(name, tmp_path, monkeypatch):
    write, choices = SOURCES[name]
    path = write(tmp_path)
    here = load_dataset(path, storage="memory", **choices)
    monkeypatch.setattr(image_stream, "_CHUNK", 3000)  # several to a block
    there = load_dataset(path, storage="disk", **choices)
    assert isinstance(there.X, BlockMatrix)
    assert there.X.dtype == here.X.dtype
    assert np.array_equal(there.X[:, :], here.X)
    assert np.array_equal(there.X[:, 5], here.X[:, 5])
    assert (there.image_shape, there.order, there.channels) == (here.image_shape, here.order, here.channels)
    assert list(there.names) == list(here.names)
    assert there.steps[-1] == "read from the file in blocks"
    assert np.array_equal(there.images([0, 3]), here.images([0, 3]))
    again = load_dataset(path, there.options)
    assert again.fingerprint == there.fingerprint
    stop = min(17, here.X.shape[1])
    elsewhere = pickle.loads(pickle.dumps(there.X.part(3, stop)))  # which is how it goes to a worker
    assert np.array_equal(elsewhere[:, :], here.X[:, 3:stop])
    assert isinstance(again.X, BlockMatrix)


def test_nan_becomes_zero_on_the_way(tmp_path):
    values = stack(np.float32)
    values[3, 2, 2] = np.nan
    np.save(tmp_path / "x.npy", values)
    path = tmp_path / "x.npy"
    assert np.array_equal(
        load_dataset(path, storage="disk", nonfinite="zero").X[:, :],
        load_dataset(path, storage="memory", nonfinite="zero").X,
    )
    with pytest.raises(gs.DatasetError, match="NaN or infinite"):
        gs.factorize(load_dataset(path, storage="disk").X, gs.Params(3, "ahals", max_iter=2))


def test_labels_come_with_them(tmp_path):
    data = load_dataset(write_cifar(tmp_path), storage="disk", subset=(10, 20, 2))
    assert data.labels == load_dataset(write_cifar(tmp_path)).labels[10:20:2]


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"negative": "shift"}, "shifting needs the smallest of all values; accepted for negative: clip, abs"),
        ({"nonfinite": "drop"}, "images cannot be dropped on the way; accepted for nonfinite: zero"),
        ({"samples": "pixels"}, "spectra lie across all images"),
        ({"steps": (gs.Patches(3, 3, 10),)}, '10 patches of 3 x 3, seed 0" needs all images at once'),
        ({"steps": (gs.Subtract("mean", "pixel"),)}, "needs all images at once"),
        ({"steps": (gs.Nonnegative("shift"),)}, "needs all images at once"),
    ],
)
def test_what_needs_all_images_cannot_stay(choices, told, tmp_path):
    np.save(tmp_path / "x.npy", stack())
    with pytest.raises(gs.DatasetError, match=r"x\.npy cannot stay on the disk: .*" + told):
        load_dataset(tmp_path / "x.npy", storage="disk", **choices)


def test_other_formats_cannot_stay(tmp_path):
    np.savez(tmp_path / "x.npz", stack())
    with pytest.raises(gs.DatasetError, match=r"only folders of images and \.npy, .* CIFAR files can be read in part"):
        load_dataset(tmp_path / "x.npz", storage="disk")


def test_large_ones_stay_by_themselves(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", stack())
    assert peek(tmp_path / "x.npy").usual_storage == "memory"
    monkeypatch.setattr("gsp_studio.io.readers._LARGE", 1000)
    assert peek(tmp_path / "x.npy").usual_storage == "disk"
    assert isinstance(load_dataset(tmp_path / "x.npy").X, BlockMatrix)
    assert isinstance(load_dataset(tmp_path / "x.npy", storage="memory").X, np.ndarray)
    assert isinstance(load_dataset(tmp_path / "x.npy", steps=(gs.Patches(3, 3, 10),)).X, np.ndarray)


def test_what_does_not_fit_says_what_can_be_done(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.tile(stack(), (2000, 1, 1)))
    monkeypatch.setattr("gsp_studio.io.memory.free_memory", lambda: 1000)
    with pytest.raises(
        gs.DatasetError, match=r"leave them on the disk \(storage\), read a part of them \(subset\), or"
    ):
        load_dataset(tmp_path / "x.npy")


def test_a_file_that_shrinks_is_told(tmp_path):
    np.save(tmp_path / "x.npy", stack(np.float32))
    data = load_dataset(tmp_path / "x.npy", storage="disk")
    os.truncate(tmp_path / "x.npy", 2000)
    with pytest.raises(gs.DatasetError, match="has changed since it was looked into; open it again"):
        data.X[:, :]


_LIMITED = """
import resource, sys
import numpy as np
import gsp_studio as gs
from gsp_studio.io.readers import peek, thumbnails

gs.factorize(np.random.default_rng(0).random((64, 200), np.float32), gs.Params(3, sparsity=0.5, max_iter=2))
status = open("/proc/self/status").read().split()
used = 1024 * int(status[status.index("VmData:") + 1])
resource.setrlimit(resource.RLIMIT_DATA, (used + 400 * 2**20,) * 2)
path = sys.argv[1]
assert thumbnails(peek(path)).any()
data = gs.load_dataset(path)
result = gs.factorize(data.X, gs.Params(8, sparsity=0.5, max_iter=1))
assert result.H.shape == (8, data.X.shape[1])
status = open("/proc/self/status").read().split()
print(result.error, status[status.index("VmHWM:") + 1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits")
def test_a_gigabyte_is_factorized_in_a_tenth_of_what_its_values_need(tmp_path):
    path = tmp_path / "large.npy"
    count, side = 250_000, 64  # four gigabytes as float32
    header = npy_bytes((count, side, side), descr="|u1")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + count * side * side)  # a hole: it takes no room on the disk
        images = pictures(500, side, side).tobytes()
        for start in (0, count // 2, count - 500):
            file.seek(len(header) + start * side * side)
            file.write(images)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    error, kilobytes = done.stdout.split()
    assert 0 < float(error) < 1
    assert int(kilobytes) < 500 * 1024, "at its height, the libraries included"


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_array_behind_a_codec_that_unpickles_is_refused(version, tmp_path):
    path = write_zarr(version)(tmp_path)
    name = path / "inner" / "images" / ("zarr.json" if version == 3 else ".zarray")
    content = json.loads(name.read_text())
    if version == 3:
        content["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
    else:
        content["filters"] = [{"id": "pickle", "protocol": 5}]
    name.write_text(json.dumps(content))
    with pytest.raises(gs.DatasetError, match='array behind the codec "pickle"'):
        load_dataset(path)


def test_a_zarr_folder_of_damaged_json_is_one_sentence(tmp_path):
    path = write_zarr(3)(tmp_path)
    (path / "inner" / "images" / "zarr.json").write_text("{")
    with pytest.raises(gs.DatasetError, match=r"x\.zarr is not a readable \.zarr file, or is damaged"):
        load_dataset(path)


def test_one_array_may_be_the_whole_zarr_folder(tmp_path):
    zarr.save_array(tmp_path / "x.zarr", stack(np.float64))
    data = load_dataset(tmp_path / "x.zarr")
    assert np.array_equal(data.X.T.reshape(N, H, W), stack(np.float64))


@pytest.mark.parametrize("layout", ["rows", "columns", "columns of Fortran", "last axis"])
def test_a_file_that_shrinks_is_told_whatever_its_layout(tmp_path, layout):
    values = {
        "rows": stack(np.float32).reshape(N, -1),
        "columns": stack(np.float32).reshape(N, -1).T.copy(),
        "columns of Fortran": stack(np.float32).reshape(N, -1).T,
        "last axis": np.moveaxis(stack(np.float32), 0, -1).copy(),
    }[layout]
    how = {} if layout == "last axis" else {"image_shape": (H, W)}
    np.save(tmp_path / "x.npy", values)
    data = load_dataset(tmp_path / "x.npy", storage="disk", images_in="rows" if layout == "rows" else "columns", **how)
    seen = []

    def run():
        for iterate in gs.iterate(data.X, gs.Params(3, "ahals", max_iter=9)):
            seen.append(iterate.n_iter)
            if iterate.n_iter == 2:
                os.truncate(tmp_path / "x.npy", 2000)

    with pytest.raises(gs.DatasetError, match="has changed since it was looked into; open it again"):
        run()
    assert 2 in seen


def test_values_at_even_steps_are_read_as_a_map_would(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "x").write_bytes(rng.bytes(4000))
    for piece, gap in ((1 << 20, 1 << 12), (64, 8), (16, 1)):
        monkeypatch.setattr(plain_values, "_PIECE", piece)
        monkeypatch.setattr(plain_values, "_GAP", gap)
        for _ in range(40):
            shape = tuple(int(n) for n in rng.integers(1, 6, 3))
            dtype = np.dtype(rng.choice(["u1", "<u2", ">i4"]))
            strides, step = [0] * 3, dtype.itemsize
            for axis in rng.permutation(3):
                strides[axis] = step
                step = shape[axis] * step + int(rng.integers(0, 9))
            offset = int(rng.integers(0, 99))
            truth = np.ndarray(shape, dtype, (tmp_path / "x").read_bytes(), offset, strides)
            found = plain_values.PlainArray(tmp_path / "x", dtype, offset, shape, tuple(strides))
            assert np.array_equal(found[:], truth)
            start, stop = sorted(rng.integers(0, shape[0] + 1, 2).tolist())
            assert np.array_equal(found[start:stop], truth[start:stop])
            some = rng.integers(0, shape[2], 4)
            assert np.array_equal(found[..., some], truth[..., some])
            some = rng.integers(0, shape[0], 4)
            assert np.array_equal(pickle.loads(pickle.dumps(found))[some], truth[some])
            assert np.array_equal(found.laid_out((-1, 2, 0, 1))[:], truth.transpose(2, 0, 1)[None])
    with pytest.raises(ValueError, match="leave out more than axes of length 1"):
        plain_values.PlainArray(tmp_path / "x", "u1", 0, (2, 3), (3, 1)).laid_out((0,))
