"""HDF5 files as programs write them: which array is the data, its axes, missing values, links and odd chunks."""

import zlib

import h5py
import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.io.formats import hdf5
from gsp_studio.io.readers import load_dataset, peek, thumbnails

N, H, W = 12, 9, 7
IMAGES = pictures(N, H, W)
UNIT = IMAGES.astype(np.float32) / np.float32(255)
STORAGES = ("memory", "disk")


def refused(path, **choices):
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(path, **choices).images()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [(N, 1, 1, H, W), (N, 1, H, W, 1), (1, 1, N, H, W), (1, N, 1, 1, H, W)])
def test_axes_of_length_1_are_left_out_and_that_is_said(tmp_path, shape, storage):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = IMAGES.reshape(shape)
    data = load_dataset(tmp_path / "x.h5", storage=storage)
    assert np.array_equal(data.images(), UNIT)
    told = " x ".join(map(str, shape))
    assert f"axes of length 1 are left out: {told} is read as 12 x 9 x 7" in data.notes


def test_all_images_of_a_file_that_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    assert np.array_equal(load_dataset(tmp_path / "x.npy", storage="disk").images(), UNIT)


def test_colours_can_be_looked_at_before_they_are_loaded(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    values[0, 0, 0], values[-1, -1, -1] = 0, 255
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["first"] = values
        file["last"] = values.transpose(1, 2, 3, 0)
    for key, way in (("first", "rows"), ("last", "columns")):
        small = thumbnails(peek(tmp_path / "x.h5", key=key, images_in=way, colour="rgb"), 20)
        assert np.allclose(small, values / 255, atol=1e-6)


def test_previews_and_metadata_are_not_taken_for_the_data(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:  # as instruments for cathodoluminescence write them
        file["Preview/Image"] = np.ones((300, 300, 3), np.uint8)
        file["Acquisition0/ImageData/Image"] = IMAGES.reshape(N, 1, 1, H, W)
        file["Acquisition0/Metadata"] = np.ones((9000, 4), np.uint8)
        file["times"] = np.arange(5000.0)[:, None]
    found = peek(tmp_path / "scan.h5")
    assert found.key == "Acquisition0/ImageData/Image"
    assert set(found.keys) >= {"Preview/Image", "Acquisition0/Metadata"}
    assert np.array_equal(load_dataset(tmp_path / "scan.h5").images(), UNIT)
    with h5py.File(tmp_path / "only.h5", "w") as file:
        file["Preview/Image"] = IMAGES
        file["silicon"] = IMAGES[:4]  # a word with "icon" in it
    assert peek(tmp_path / "only.h5").key == "silicon"
    assert np.array_equal(load_dataset(tmp_path / "only.h5", key="Preview/Image").images(), UNIT)


@pytest.mark.parametrize("storage", STORAGES)
def test_frames_of_velox_are_the_last_axis(tmp_path, storage):
    with h5py.File(tmp_path / "x.emd", "w") as file:
        file["Data/Image/0a1b/Data"] = IMAGES.transpose(1, 2, 0)
        file["Data/Image/0a1b/Metadata"] = np.random.default_rng(0).integers(0, 255, (70000, N), np.uint8)
        file["Data/SpectrumStream/2c/Data"] = np.arange(60000, dtype=np.uint16)[:, None]
    data = load_dataset(tmp_path / "x.emd", storage=storage)
    assert np.array_equal(data.images(), UNIT)
    assert any("Velox" in note for note in data.notes)


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("storage", STORAGES)
def test_fill_values_are_missing_values(tmp_path, name, storage):
    values = IMAGES.astype(np.int16)
    values[3, 2, 2] = -999
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = values
        file["x"].attrs[name] = np.array([-999], np.int16)
    if storage == "memory":
        told = refused(tmp_path / "x.nc")
        assert f"stored numbers of -999 are missing values ({name}), read as NaN" in told
        assert "accepted for nonfinite: zero, drop" in told
    found = load_dataset(tmp_path / "x.nc", nonfinite="zero", storage=storage)
    expected = values.astype(np.float32)
    expected[3, 2, 2] = 0
    assert np.array_equal(found.images(), expected)
    assert any(name in note for note in found.notes)


@pytest.mark.parametrize(
    ("kind", "code"), [("i8", -(2**63) + 2), ("u8", 2**64 - 2), ("i8", 2**63 - 1)]
)  # the first two are what NetCDF fills with
def test_codes_of_64_bits_are_not_rounded(tmp_path, kind, code):
    values = IMAGES.astype(kind)
    values[3, 2, 2] = code
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = values
        file["x"].attrs["_FillValue"] = np.array([code], kind)
    assert f"stored numbers of {code} are missing values" in refused(tmp_path / "x.nc")
    expected = IMAGES.astype(np.float64)
    expected[3, 2, 2] = 0
    assert np.array_equal(load_dataset(tmp_path / "x.nc", nonfinite="zero").images(), expected)


def test_codes_that_the_type_cannot_hold_mark_nothing(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = IMAGES
        file["x"].attrs["_FillValue"] = -1.0
        file["x"].attrs["missing_value"] = "none"
    assert np.array_equal(load_dataset(tmp_path / "x.h5").images(), UNIT)


@pytest.mark.parametrize("storage", STORAGES)
def test_scale_and_offset_of_cf_are_applied(tmp_path, storage):
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = IMAGES.astype(np.int16)
        file["x"].attrs.update({"scale_factor": 0.5, "add_offset": 3.0})
    data = load_dataset(tmp_path / "x.nc", storage=storage)
    assert np.array_equal(data.images(), IMAGES.astype(np.float32) * 0.5 + 3)
    assert "stored numbers times 0.5 plus 3 are the values, as the file says" in data.notes


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("size", [1, 2])
def test_signed_numbers_can_be_unsigned(tmp_path, size, storage):
    values = IMAGES.astype(f">u{size}") * (1 if size == 1 else 257)
    top = 2 ** (8 * size) - 1
    values[3, 2, 2] = top
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = values.view(f">i{size}" if size > 1 else "i1")
        file["x"].attrs.update({"_Unsigned": "true"})
        file["y"] = values.view(f">i{size}" if size > 1 else "i1")
        file["y"].attrs.update({"_Unsigned": np.bytes_("true"), "_FillValue": np.array([-1], f"i{size}")})
    plain = load_dataset(tmp_path / "x.nc", key="x", storage=storage)
    masked = load_dataset(tmp_path / "x.nc", key="y", storage=storage, nonfinite="zero")
    assert np.allclose(plain.images(), values / np.float32(top))
    assert "whole numbers are read as unsigned ones, as the file says" in plain.notes
    assert np.array_equal(masked.images(), np.where(values == top, 0, values).astype(np.float32))
    assert f"stored numbers of {top} are missing values (_FillValue), read as NaN" in masked.notes


@pytest.mark.parametrize("storage", STORAGES)
def test_white_that_is_zero_is_turned_round(tmp_path, storage):
    white = {"CLASS": np.bytes_("IMAGE"), "IMAGE_WHITE_IS_ZERO": np.uint8(1)}
    values = IMAGES.copy()
    values[3, 2, 2] = 200
    for name, kind, more in (
        ("x", "u1", {}),
        ("y", "i4", {}),
        ("z", "u1", {"_FillValue": np.uint8(200), "scale_factor": 2.0}),
        ("colour", "u1", {"IMAGE_SUBCLASS": "IMAGE_INDEXED"}),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = values.astype(kind)
            file["x"].attrs.update(white | more)
    data = load_dataset(tmp_path / "x.h5", storage=storage)
    assert np.array_equal(data.images(), (255 - values) / np.float32(255))
    assert "0 is white: turned round" in data.notes
    data = load_dataset(tmp_path / "y.h5", storage=storage)
    assert np.array_equal(data.images(), values)
    assert "0 is white by IMAGE_WHITE_IS_ZERO, which int32 values have no largest one for: as stored" in data.notes
    data = load_dataset(tmp_path / "z.h5", storage=storage, nonfinite="zero")
    assert np.array_equal(data.images(), np.where(values == 200, 0, 2 * (255 - values.astype(np.float32))))
    assert np.array_equal(load_dataset(tmp_path / "colour.h5", storage=storage).images(), values / np.float32(255))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("kind", "told", "outside"),
    [
        ("u1", {"valid_range": np.array([10, 200], "u1")}, "below 10 and above 200"),
        ("i2", {"valid_min": np.int16(10), "valid_max": 200.5}, "below 10 and above 200"),
        ("i1", {"valid_range": np.array([10, -56], "i1"), "_Unsigned": "true"}, "below 10 and above 200"),
        ("f4", {"valid_max": np.float32(200)}, "above 200.0"),
        ("u2", {"valid_range": np.array([0, 200], "u2"), "scale_factor": 1.0}, "above 200"),
    ],
)
def test_numbers_that_are_not_valid_are_missing(tmp_path, kind, told, outside, storage):
    values = IMAGES.clip(10, 200)
    values[3, 2, 2], values[4, 1, 1], values[5, 0, 0] = 250, 10, 200
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = values.view("i1") if kind == "i1" else values.astype(kind)
        file["x"].attrs.update(told)
    if storage == "memory":
        assert f"stored numbers {outside} are not valid by the file, read as NaN" in refused(tmp_path / "x.nc")
    data = load_dataset(tmp_path / "x.nc", nonfinite="zero", storage=storage)
    assert np.array_equal(data.images(), np.where(values == 250, 0, values).astype(np.float32))


@pytest.mark.parametrize(
    ("told", "note"),
    [
        ({"valid_range": np.array([0, 255], "u1")}, ""),
        ({"valid_range": np.array([np.nan, np.inf])}, ""),
        ({"valid_range": np.array([20, 10], "u1")}, "not followed: 20 is more than 10"),
        ({"valid_range": np.array([0.0, 0.5]), "scale_factor": 0.01}, "not followed: they are of floating point"),
    ],
)
def test_limits_that_mark_nothing(tmp_path, told, note):
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = IMAGES
        file["x"].attrs.update(told)
    data = load_dataset(tmp_path / "x.nc")
    assert np.allclose(data.images(), IMAGES * np.float32(0.01) if "scale_factor" in told else UNIT)
    told_of_limits = [one for one in data.notes if "valid" in one]
    assert len(told_of_limits) == bool(note)
    assert all(note in one for one in told_of_limits)


def test_numbers_of_the_coding_can_be_text(tmp_path):
    values = IMAGES.astype(np.int16)
    values[3, 2, 2] = -999
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["x"] = values
        file["x"].attrs.update({"scale_factor": "0.5", "_FillValue": np.bytes_("-999"), "add_offset": "half"})
    data = load_dataset(tmp_path / "x.nc", nonfinite="zero")
    expected = IMAGES.astype(np.float32) / 2
    expected[3, 2, 2] = 0
    assert np.array_equal(data.images(), expected)
    assert '"add_offset" of the file is not followed: it is "half", which is no number' in data.notes


def test_chunks_that_were_never_written_are_told(tmp_path):
    with h5py.File(tmp_path / "half.h5", "w") as file:
        item = file.create_dataset("x", (N, H, W), np.uint8, chunks=(1, H, W), fillvalue=3)
        item[: N // 2] = IMAGES[: N // 2]
    told = "6 of 12 chunks were never written; their values are 3, the fill value"
    assert told in load_dataset(tmp_path / "half.h5").notes
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file.create_dataset("x", (N, H, W), np.uint8)
    assert "every value is zero" in refused(tmp_path / "none.h5")
    assert "its values were never written" in refused(tmp_path / "none.h5")


def test_arrays_that_are_not_listed_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_MOST", 2)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in "abc":
            file[name] = IMAGES
    assert "the file has more arrays than the 2 that are listed" in load_dataset(tmp_path / "x.h5").notes
    with h5py.File(tmp_path / "x.h5", "a") as file:
        del file["c"]
    assert not any("listed" in note for note in load_dataset(tmp_path / "x.h5").notes)


def test_names_that_lead_to_an_array_by_links(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/b/x"] = IMAGES
        file["larger"] = np.ones((50, H, W))
        file["soft"] = h5py.SoftLink("/a/b/x")
        file["group"] = h5py.SoftLink("a/b")
        file["hard"] = file["a/b/x"]
        file["circle"] = h5py.SoftLink("circle")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        file["around"] = h5py.SoftLink("/outside/x")
    for key in ("soft", "group/x", "/a/b/x", "a/b/x", "hard"):
        assert np.array_equal(load_dataset(tmp_path / "x.h5", key=key).images(), UNIT)
    for key in ("outside", "around"):
        assert f'"{key}" in {tmp_path / "x.h5"} is a link to another file' in refused(tmp_path / "x.h5", key=key)
    for key in ("circle", "nothing", "a"):
        assert f'has no array "{key}"' in refused(tmp_path / "x.h5", key=key)


@pytest.mark.parametrize("storage", STORAGES)
def test_names_that_are_not_utf_8(tmp_path, storage):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group(b"gr\xfcn")[b"b\xe4r"] = IMAGES
    data = load_dataset(tmp_path / "x.h5", storage=storage)
    assert np.array_equal(data.images(), UNIT)
    assert data.options.key.isascii()
    assert np.array_equal(load_dataset(tmp_path / "x.h5", data.options).images(), UNIT)


def test_a_file_with_a_user_block(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=2048) as file:
        file["x"] = IMAGES
    assert np.array_equal(load_dataset(tmp_path / "x.h5").images(), UNIT)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("how", [{"shuffle": True}, {"fletcher32": True}, {"shuffle": True, "fletcher32": True}, {}])
def test_large_compressed_chunks_are_looked_at_and_read(tmp_path, how, storage):
    values = np.random.default_rng(0).random((4, 128, 200))  # 0.8 MB, so that a chunk could become large
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=values.shape, compression="gzip", **how)
    assert np.array_equal(load_dataset(tmp_path / "x.h5", storage=storage).images(), values)


@pytest.mark.parametrize("storage", STORAGES)
def test_a_chunk_that_holds_more_than_it_declares(tmp_path, storage, monkeypatch):
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    with h5py.File(tmp_path / "x.h5", "w") as file:
        item = file.create_dataset("x", (N, H, W), np.uint8, chunks=(N, H, W), compression="gzip")
        item.id.write_direct_chunk((0, 0, 0), body)
    assert "a chunk declares 756 B and holds more than that" in refused(tmp_path / "x.h5", storage=storage)


def test_filters_that_are_not_known_are_named(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((N, H, W))
        plist.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((N, H, W))
        item = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, plist)
        item.write_direct_chunk((0, 0, 0), IMAGES.tobytes())
    assert "is compressed by filter 32999" in refused(tmp_path / "x.h5")


def test_values_behind_the_end_of_the_file_are_not_zeros(tmp_path):
    for name, how in (("plain", {}), ("chunks", {"chunks": (1, 50, 50)})):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=np.ones((100, 50, 50)), **how)
        content = bytearray(path.read_bytes()[:1_500_000])
        end = path.stat().st_size.to_bytes(8, "little")
        assert end in content[:96]
        path.write_bytes(content.replace(end, len(content).to_bytes(8, "little"), 1))  # which its header then believes
        assert "damaged" in refused(path)


def test_a_file_that_shrinks_is_told(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.random.default_rng(0).random((100, 50, 50))
    data = load_dataset(tmp_path / "x.h5", storage="disk")
    data.X[:, :2]
    with (tmp_path / "x.h5").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(gs.DatasetError, match="has changed since it was looked into; open it again"):
        data.X[:, :]
