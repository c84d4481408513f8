"""Zarr folders: every codec, axes and missing values as they say, nothing from elsewhere, chunks that are bounded."""

import base64
import itertools
import json
import os
import shutil
import struct

import numcodecs
import numpy as np
import pytest
import zarr
from making import pictures
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import gsp_studio as gs
from gsp_studio.io.formats import compressed_chunks
from gsp_studio.io.formats import zarr as zarrs
from gsp_studio.io.readers import load_dataset

N, H, W = 12, 9, 7
IMAGES = pictures(N, H, W)
UNIT = IMAGES.astype(np.float32) / np.float32(255)
STORAGES = ("memory", "disk")
#: By version and codec.
CODECS = {
    (2, "blosc"): numcodecs.Blosc(),
    (2, "zstd"): numcodecs.Zstd(),
    (2, "gzip"): numcodecs.GZip(),
    (2, "zlib"): numcodecs.Zlib(),
    (2, "bz2"): numcodecs.BZ2(),
    (2, "lzma"): numcodecs.LZMA(),
    (2, "lz4"): numcodecs.LZ4(),
    (2, "none"): None,
    (3, "blosc"): BloscCodec(),
    (3, "zstd"): ZstdCodec(),
    (3, "gzip"): GzipCodec(),
    (3, "none"): None,
}


def written(path, version=3, values=IMAGES, chunks=(3, H, W), **how):
    item = zarr.create_array(
        path, shape=values.shape, chunks=chunks, dtype=values.dtype, zarr_format=version, **how
    )  # fmt: skip
    item[:] = values
    return path


def chunk_of(path):
    return next(file for file in sorted(path.rglob("*")) if file.is_file() and file.name not in zarrs.METADATA)


def refused(path, **choices):
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(path, **choices).images()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("which", CODECS, ids=str)
def test_codecs(tmp_path, which, storage):
    path = written(tmp_path / "x.zarr", which[0], compressors=CODECS[which])
    data = load_dataset(path, storage=storage)
    assert np.array_equal(data.images(), UNIT)
    assert data.notes == ()


@pytest.mark.parametrize("storage", STORAGES)
def test_shards(tmp_path, storage):
    path = written(tmp_path / "x.zarr", chunks=(3, 3, W), shards=(6, H, W))
    assert np.array_equal(load_dataset(path, storage=storage).images(), UNIT)


@pytest.mark.parametrize("version", [2, 3])
def test_axes_missing_values_and_what_was_never_written(tmp_path, version):
    told = {"_FillValue": int(IMAGES[3, 2, 2]), "scale_factor": 2.0}
    item = zarr.create_array(
        tmp_path / "x.zarr",
        shape=(N, 1, 1, H, W),
        chunks=(3, 1, 1, H, W),
        dtype="int16",
        fill_value=5,
        zarr_format=version,
        attributes=told,
    )
    item[:6] = IMAGES[:6].reshape(6, 1, 1, H, W)
    expected = np.full((N, H, W), 10, np.float32)
    expected[:6] = np.where(IMAGES[:6] == IMAGES[3, 2, 2], 0, 2.0 * IMAGES[:6])
    assert "are missing values (_FillValue), read as NaN" in refused(tmp_path / "x.zarr")
    data = load_dataset(tmp_path / "x.zarr", nonfinite="zero")
    assert np.array_equal(data.images(), expected)
    assert "axes of length 1 are left out: 12 x 1 x 1 x 9 x 7 is read as 12 x 9 x 7" in data.notes
    assert "2 of 4 chunks were never written; their values are 5, the fill value" in data.notes


@pytest.mark.parametrize("storage", STORAGES)
def test_the_fill_value_of_version_2_is_a_missing_value_as_xarray_writes_it(tmp_path, storage):
    values = IMAGES.astype(np.uint16)
    values[3, 2, 2] = 65535
    plain, marked = (written(tmp_path / name, 2, values, fill_value=65535) for name in ("plain.zarr", "x.zarr"))
    zarr.open_array(marked).attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
    assert np.array_equal(load_dataset(plain).images(), values / np.float32(65535))
    if storage == "memory":
        assert "stored numbers of 65535 are missing values (fill_value), read as NaN" in refused(marked)
    expected = IMAGES.astype(np.float32)
    expected[3, 2, 2] = 0
    assert np.array_equal(load_dataset(marked, nonfinite="zero", storage=storage).images(), expected)


@pytest.mark.parametrize("storage", STORAGES)
def test_a_fill_value_of_0_is_a_number_beside_named_dimensions(tmp_path, storage):
    values = IMAGES.astype(np.uint16)
    values[3, 2, 2] = 0
    path = written(tmp_path / "x.zarr", 2, values, fill_value=0)
    zarr.open_array(path).attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
    data = load_dataset(path, storage=storage)
    assert data.images()[3, 2, 2] == 0
    assert not any("missing" in note for note in data.notes)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("size", [1, 2])
def test_signed_numbers_can_be_unsigned(tmp_path, size, storage):
    values = IMAGES.astype(f">u{size}") * (1 if size == 1 else 257)
    top = 2 ** (8 * size) - 1
    values[3, 2, 2] = top
    signed = values.view(f">i{size}" if size > 1 else "i1")
    for name, more in (("x", {}), ("y", {"_FillValue": -1})):
        written(tmp_path / name, 2, signed, attributes={"_Unsigned": "true", **more})
    plain = load_dataset(tmp_path / "x", storage=storage)
    masked = load_dataset(tmp_path / "y", storage=storage, nonfinite="zero")
    assert np.allclose(plain.images(), values / np.float32(top))
    assert "whole numbers are read as unsigned ones, as the file says" in plain.notes
    assert np.array_equal(masked.images(), np.where(values == top, 0, values).astype(np.float32))
    assert f"stored numbers of {top} are missing values (_FillValue), read as NaN" in masked.notes


def test_fill_values_in_base64_as_xarray_writes_them_into_version_3(tmp_path):
    values = IMAGES.astype(np.float64)
    values[3, 2, 2] = 9.96921e36
    told = base64.standard_b64encode(struct.pack("<d", 9.96921e36)).decode()
    path = written(tmp_path / "x.zarr", values=values, attributes={"_FillValue": told})
    assert "stored numbers of 9.96921e+36 are missing values (_FillValue), read as NaN" in refused(path)
    assert load_dataset(path, nonfinite="zero").images()[3, 2, 2] == 0
    zarr.open_array(path).attrs["_FillValue"] = "AAAA="
    assert '"_FillValue" of the file is not followed: it is "AAAA=", which is no number' in load_dataset(path).notes


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("version", [2, 3])
def test_chunks_elsewhere_are_not_read(tmp_path, version, storage):
    path = written(tmp_path / "x.zarr", version)
    chunk = chunk_of(path)
    chunk.rename(tmp_path / "far")
    chunk.symlink_to(tmp_path / "far")
    assert "is a link out of" in refused(path, storage=storage)
    chunk.unlink()
    os.mkfifo(chunk)
    assert "or no file; nothing is read from elsewhere" in refused(path, storage=storage)


def test_folders_elsewhere_are_not_read(tmp_path):
    path = written(tmp_path / "x.zarr")
    shutil.move(path / "c" / "0", tmp_path / "far")
    (path / "c" / "0").symlink_to(tmp_path / "far")
    assert "is a link out of" in refused(path)
    path = written(tmp_path / "y.zarr", 2)
    (path / ".zattrs").unlink(missing_ok=True)
    os.mkfifo(path / ".zattrs")
    assert "nothing is read from elsewhere" in refused(path)
    (tmp_path / "link.zarr").symlink_to(written(tmp_path / "z.zarr"))  # the folder itself may be one
    assert np.array_equal(load_dataset(tmp_path / "link.zarr").images(), UNIT)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("which", [which for which in CODECS if which[1] != "none"], ids=str)
def test_chunks_that_hold_more_than_they_declare(tmp_path, which, storage):
    path = written(tmp_path / "x.zarr", which[0], compressors=CODECS[which])
    codec = CODECS[which] if which[0] == 2 else CODECS[2, which[1]]
    chunk_of(path).write_bytes(codec.encode(bytes(1 << 20)))
    assert "a chunk declares 1.48 KiB and holds more than that" in refused(path, storage=storage)


@pytest.mark.parametrize("storage", STORAGES)
def test_parts_of_shards_that_hold_more_than_they_declare(tmp_path, storage):
    path = written(tmp_path / "x.zarr", shards=(6, H, W), compressors=GzipCodec())
    content = numcodecs.GZip().encode(bytes(1 << 22))
    index = struct.pack("<4Q", 0, len(content), 0, len(content))
    checked = numcodecs.CRC32C().encode(np.frombuffer(index, np.uint8))
    chunk_of(path).write_bytes(content + bytes(checked)[4:] + bytes(checked)[:4])
    told = refused(path, storage=storage)
    assert "holds more than that" in told or "damaged" in told


def test_more_chunks_than_can_be_opened(tmp_path):
    zarr.create_array(tmp_path / "x.zarr", shape=(2_000_000, 4), chunks=(1, 4), dtype="uint8")
    told = refused(tmp_path / "x.zarr", image_shape=(2, 2), images_in="rows")
    assert "is cut into 2000000 chunks; accepted are at most 262144" in told
    zarr.create_array(tmp_path / "y.zarr", shape=(N, H, W), chunks=(10**6, 10**6, W), dtype="uint8")
    assert "a chunk of" in refused(tmp_path / "y.zarr")


def test_many_chunks_are_read_some_at_a_time(tmp_path, monkeypatch):
    path = written(tmp_path / "x.zarr", chunks=(1, 4, 4))
    monkeypatch.setattr(zarrs, "_AT_ONCE", 12)
    for storage in STORAGES:
        assert np.array_equal(load_dataset(path, storage=storage).images(), UNIT)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [12, -9, 7]},
        {"shape": None},
        {"shape": [12, 9]},
        {"data_type": {"name": "odd"}},
        {"data_type": "("},
        {"chunk_grid": {}},
        {"codecs": 7},
        {"codecs": [{"name": "gzip"}, {"name": "gzip"}]},
    ],
)
def test_damaged_descriptions_are_one_sentence_and_the_others_are_read(tmp_path, change):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    for name in ("good", "odd"):
        group.create_array(name, shape=IMAGES.shape, chunks=(3, H, W), dtype="uint8")[:] = IMAGES
    file = tmp_path / "x.zarr" / "odd" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert np.array_equal(load_dataset(tmp_path / "x.zarr").images(), UNIT)
    refused(tmp_path / "x.zarr", key="odd")


@pytest.mark.parametrize("name", ["zlib", "gzip", "bz2", "lzma", "lz4", "blosc", "zstd"])
def test_what_compressed_bytes_hold_is_found_without_expanding_them(name):
    codec = CODECS[2, name]
    content = bytes(codec.encode(np.random.default_rng(0).integers(0, 4, 1 << 21, np.uint8)))
    assert not compressed_chunks.grows_past(content, name, 1 << 21)
    large = bytes(codec.encode(bytes(1 << 22)))
    assert compressed_chunks.grows_past(large, name, 1 << 20)
    for cut, most in itertools.product((0, 3, 17, len(large) // 2), (10, 1 << 30)):
        compressed_chunks.grows_past(large[:cut], name, most)  # damage is left to the library


def test_frames_of_zstandard_that_do_not_say_their_size():
    frame = b"\x28\xb5\x2f\xfd\x00\x58"
    block = ((1 << 17) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"  # 128 KiB of zeros in four bytes
    last = ((1 << 17) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    assert compressed_chunks.grows_past(frame + 1000 * block + last, "zstd", 1 << 20)
    assert not compressed_chunks.grows_past(frame + 3 * block + last, "zstd", 1 << 20)


@pytest.mark.parametrize("version", [2, 3])
def test_a_zipped_folder_is_told_from_an_archive_of_images(tmp_path, version):
    written(tmp_path / "x.zarr", version)
    path = shutil.make_archive(tmp_path / "x.zarr", "zip", tmp_path / "x.zarr")
    assert "x.zarr.zip is a zipped Zarr; accepted is its folder, so unpack it" in refused(path)
