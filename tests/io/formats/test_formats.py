"""HDF5, MATLAB v7.3, IDX, TIFF, ENVI, CSV and CIFAR: read as they were written, and refused in one sentence."""

import gzip
import struct

import h5py
import numpy as np
import pytest
import tifffile
from making import pictures
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.readers import load_dataset, peek, thumbnails

N, H, W = 12, 9, 7


@pytest.fixture
def images():
    return pictures(N, H, W)


def unit(images):
    return images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)


def refused(path, **choices):
    """The one sentence that a source is refused with."""
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(path, **choices)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    return sentence


# HDF5


def test_hdf5_stacks_by_their_paths(tmp_path, images):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["scan/images"] = images
        file["scan/labels"] = np.arange(N) % 3
        file["few"] = images[:4]
        file["text"] = "hello"
    found = peek(tmp_path / "x.h5")
    assert (found.kind, found.key, set(found.keys)) == ("hdf5", "scan/images", {"scan/images", "few"})
    data = load_dataset(tmp_path / "x.h5")
    assert np.array_equal(data.images(), unit(images))
    assert data.labels == tuple(str(k % 3) for k in range(N))
    assert np.array_equal(load_dataset(tmp_path / "x.h5", key="few").images(), unit(images[:4]))
    assert 'has no array "nothing"; it holds' in refused(tmp_path / "x.h5", key="nothing")


def test_hdf5_links_lead_nowhere(tmp_path, images):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = images
    (tmp_path / "raw").write_bytes(bytes(images.tobytes()))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = images
        file["group/again"] = file["images"]  # a hard link
        file["group/circle"] = file["/"]
        file["soft"] = h5py.SoftLink("/")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["outside"] = h5py.ExternalLink("other.h5", "/secret")
        file["gone"] = h5py.ExternalLink("no such file.h5", "/secret")
        file.create_dataset("stored", (N, H, W), np.uint8, external=[(str(tmp_path / "raw"), 0, images.size)])
        layout = h5py.VirtualLayout((N, H, W), np.uint8)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", (N, H, W))
        file.create_virtual_dataset("virtual", layout)
    assert peek(tmp_path / "x.h5").keys in (("images",), ("group/again",))
    assert np.array_equal(load_dataset(tmp_path / "x.h5").images(), unit(images))
    assert "link to another file" in refused(tmp_path / "x.h5", key="outside")
    assert "dataset whose values are in another file" in refused(tmp_path / "x.h5", key="stored")
    assert "virtual dataset" in refused(tmp_path / "x.h5", key="virtual")


def test_hdf5_without_images_and_too_large(tmp_path):
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["name"] = "hello"
    assert "holds no matrix or stack of images" in refused(tmp_path / "none.h5") or "accepted are" in refused(
        tmp_path / "none.h5"
    )
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("x", (2**20, 2**10, 2**10), np.uint8, chunks=True)  # a fill value, and nothing else
    assert "of memory, but" in refused(tmp_path / "bomb.h5")


@pytest.mark.parametrize("cut", [100, 700, 1500])
def test_damaged_hdf5(tmp_path, images, cut):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = images
    content = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:cut])
    assert "cut.h5" in refused(tmp_path / "cut.h5")


# IDX


def idx_bytes(values, code):
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, code, values.ndim]) + shape + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_with_its_labels(tmp_path, images, compressed):
    suffix = ".gz" if compressed else ""
    for name, values in (("t-images-idx3-ubyte", images), ("t-labels-idx1-ubyte", np.arange(N, dtype=np.uint8) % 10)):
        content = idx_bytes(values, 0x08)
        path = tmp_path / (name + suffix)
        path.write_bytes(gzip.compress(content) if compressed else content)
    path = tmp_path / f"t-images-idx3-ubyte{suffix}"
    data = load_dataset(path)
    assert np.array_equal(data.images(), unit(images))
    assert data.labels == tuple(str(k % 10) for k in range(N))
    assert not peek(path).is_guess


def test_idx_of_other_types(tmp_path, images):
    (tmp_path / "d.idx").write_bytes(idx_bytes(images.astype(np.float64), 0x0E))
    data = load_dataset(tmp_path / "d.idx")
    assert data.X.dtype == np.float64
    assert np.array_equal(data.images(), images)


def test_idx_that_lies_or_ends_too_early(tmp_path, images):
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28)
    (tmp_path / "lie.idx").write_bytes(header + bytes(784))
    assert "2147483648 x 28 x 28" in refused(tmp_path / "lie.idx")
    (tmp_path / "lie.idx.gz").write_bytes(gzip.compress(header + bytes(784)))
    assert "2147483648 x 28 x 28" in refused(tmp_path / "lie.idx.gz")
    content = gzip.compress(np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes())
    (tmp_path / "cut-ubyte.gz").write_bytes(
        gzip.compress(idx_bytes(images, 8) + np.random.default_rng(0).bytes(5000))[:300]
    )
    assert "end too early" in refused(tmp_path / "cut-ubyte.gz")
    (tmp_path / "other.gz").write_bytes(content)
    assert "is not a data set (it is a gzip file)" in refused(tmp_path / "other.gz")
    (tmp_path / "short.idx").write_bytes(bytes([0, 0, 8, 3]) + b"\0\0")
    assert "header ends too early" in refused(tmp_path / "short.idx")
    (tmp_path / "empty.idx").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 28, 28))
    assert "contains no images" in refused(tmp_path / "empty.idx")


# TIFF


@pytest.mark.parametrize("compression", [None, "zlib", "tiff_lzw"])
def test_pages_of_a_tiff(tmp_path, images, compression):
    frames = [Image.fromarray(image) for image in images]
    frames[0].save(tmp_path / "x.tif", save_all=True, append_images=frames[1:],
                   compression={"zlib": "tiff_adobe_deflate"}.get(compression, compression))  # fmt: skip
    data = load_dataset(tmp_path / "x.tif")
    assert np.array_equal(data.images(), unit(images))
    assert not peek(tmp_path / "x.tif").is_guess


def test_square_stacks_are_not_turned(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (9, 9, 4), np.uint8)  # 9 images of 9 x 4
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack")
    assert load_dataset(tmp_path / "x.tif").image_shape == (9, 4)


def test_hyperstacks_say_what_their_axes_are(tmp_path):
    values = np.random.default_rng(0).integers(0, 60000, (3, 2, 4, H, W), np.uint16)
    tifffile.imwrite(tmp_path / "imagej.tif", values, imagej=True, metadata={"axes": "TZCYX"})
    data = load_dataset(tmp_path / "imagej.tif")
    assert np.array_equal(data.images(), unit(values).reshape(24, H, W))
    assert data.names[5] == "time 1, z 2, channel 2"
    tifffile.imwrite(tmp_path / "ome.ome.tif", values[:, 0], metadata={"axes": "TCYX"}, ome=True)
    data = load_dataset(tmp_path / "ome.ome.tif")
    assert data.names[-1] == "time 3, channel 4"
    assert np.array_equal(data.images(), unit(values[:, 0]).reshape(12, H, W))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_in_a_tiff_is_colour(tmp_path, planar):
    values = np.random.default_rng(0).integers(0, 255, (5, H, W, 3), np.uint8)
    stored = values if planar == "contig" else values.transpose(0, 3, 1, 2)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page in stored:
            file.write(page, photometric="rgb", planarconfig=planar)
    data = load_dataset(tmp_path / "x.tif")
    assert np.array_equal(data.images(), unit(values))
    tifffile.imwrite(tmp_path / "one.tif", stored[0], photometric="rgb", planarconfig=planar)
    assert f"holds 1 image of {H} x {W}" in refused(tmp_path / "one.tif")


def test_a_float_tiff_with_negative_values_asks(tmp_path, images):
    tifffile.imwrite(tmp_path / "x.tif", images.astype(np.float32) / 255 - 0.5, photometric="minisblack")
    assert "negative" in refused(tmp_path / "x.tif")
    assert load_dataset(tmp_path / "x.tif", negative="clip").X.min() == 0


def test_several_series(tmp_path, images):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(images, photometric="minisblack")
        file.write(np.zeros((3, 30, 30), np.uint8), photometric="minisblack")
    found = peek(tmp_path / "x.tif")
    assert found.keys == ("series 1", "series 2")
    assert np.array_equal(load_dataset(tmp_path / "x.tif", key="series 1").images(), unit(images))


def test_damaged_tiffs_end(tmp_path, images):
    tifffile.imwrite(tmp_path / "x.tif", images, photometric="minisblack")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    (tmp_path / "cut.tif").write_bytes(content[:600])
    assert "cut.tif" in refused(tmp_path / "cut.tif")
    head = struct.unpack("<I", content[4:8])[0]
    count = struct.unpack("<H", content[head : head + 2])[0]
    end = head + 2 + 12 * count
    content[end : end + 4] = struct.pack("<I", head)  # the next page is this one
    (tmp_path / "loop.tif").write_bytes(content)
    assert "its pages lead in a circle" in refused(tmp_path / "loop.tif")
    later = struct.unpack("<I", (tmp_path / "x.tif").read_bytes()[end : end + 4])[0]
    content[end : end + 4] = struct.pack("<I", later)
    count = struct.unpack("<H", content[later : later + 2])[0]
    content[later + 2 + 12 * count : later + 6 + 12 * count] = struct.pack("<I", later)
    (tmp_path / "loop.tif").write_bytes(content)
    assert "its pages lead in a circle" in refused(tmp_path / "loop.tif")
    (tmp_path / "empty.tif").write_bytes(b"")
    assert "is empty" in refused(tmp_path / "empty.tif")


# ENVI


def write_envi(folder, values, interleave, code, order=0, offset=0, name="cube.raw", extra=""):
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    stored = values.transpose(axes).astype(values.dtype.newbyteorder(">" if order else "<"))
    (folder / name).write_bytes(bytes(offset) + stored.tobytes())
    bands, lines, samples = values.shape
    (folder / "cube.hdr").write_text(
        f"ENVI\n; a comment = none\nsamples = {samples}\nlines   = {lines}\nbands = {bands}\n"
        f"header offset = {offset}\ndata type = {code}\ninterleave = {interleave}\nbyte order = {order}\n{extra}"
    )
    return folder / "cube.hdr"


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("order", [0, 1])
def test_envi_cubes(tmp_path, interleave, order):
    values = np.random.default_rng(0).integers(0, 60000, (5, H, W), np.uint16)
    header = write_envi(tmp_path, values, interleave, 12, order, 16, extra="wavelength units = Nanometers\n"
                        "wavelength = {\n 400.5, 410,\n 420, 430, 440 }\n")  # fmt: skip
    for path in (header, tmp_path / "cube.raw"):
        data = load_dataset(path)
        assert np.array_equal(data.images(), unit(values))
        assert data.names[:2] == ("400.5 nm", "410 nm")
        assert thumbnails(peek(path)).shape == (5, H, W)


def test_envi_that_cannot_be(tmp_path):
    values = np.random.default_rng(0).random((4, H, W)).astype(np.float32)
    header = write_envi(tmp_path, values, "bsq", 4)
    text = header.read_text()
    (tmp_path / "cube.raw").rename(tmp_path / "elsewhere")
    assert "tried were cube, cube.raw, cube.img" in refused(header)
    (tmp_path / "cube.raw").write_bytes(bytes(40))
    assert "1008 bytes, but 40 bytes follow" in refused(header)
    for change, told in (
        (("interleave = bsq", "interleave = odd"), 'interleave is "odd"; accepted are bsq, bil, bip'),
        (("data type = 4", "data type = 6"), "data type 6 is no type of real numbers"),
        (("bands = 4", "bands = many"), '"bands" is "many"; accepted is a whole number'),
        (("bands = 4", ""), '"bands" is missing; accepted is a whole number'),
        (("bands = 4", "bands = 0"), "contains no images"),
    ):
        header.write_text(text.replace(*change))
        assert told in refused(header)


# Real files


@pytest.mark.parametrize(
    ("name", "choices", "shape", "count"),
    [
        ("usps/usps.h5", {}, (16, 16), 7291),
        ("mnist/t10k-images-idx3-ubyte.gz", {}, (28, 28), 10000),
        ("envi/corn-kernel-hyperspectral.hdr", {}, (31, 43), 580),
        ("samson/samson_dataset.mat", {"images_in": "rows"}, (95, 95), 156),
        ("calcium/time001.tif", {}, (76, 87), 2),
    ],
)
def test_real_files(shared_data, name, choices, shape, count):
    data = load_dataset(shared_data / name, **choices)
    assert (data.image_shape, data.X.shape[1]) == (shape, count)
    assert (data.labels is not None) == (name.split("/")[0] in ("usps", "mnist"))
