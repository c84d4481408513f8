"""TIFF by its tags: a stack and a folder, on the disk and in memory, give the values that tifffile decodes."""

from __future__ import annotations

import json
import struct
import zipfile

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import grey_tags, pictures, tiff_bytes
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.readers import load_dataset, peek

RNG = np.random.default_rng(0)
H, W, N = 16, 24, 3
TYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float16", "float32", "float64")
LOSSLESS = (None, "zlib", "lzw", "zstd", "lzma", "packbits")
#: Values upright, of what is stored under an orientation.
UPRIGHT = {
    1: lambda v: v,
    2: lambda v: v[:, ::-1],
    3: lambda v: v[::-1, ::-1],
    4: lambda v: v[::-1],
    5: lambda v: v.swapaxes(0, 1),
    6: lambda v: np.rot90(v, -1),
    7: lambda v: np.rot90(v, 2).swapaxes(0, 1),
    8: lambda v: np.rot90(v),
}


def values_of(dtype, *shape):
    """Values of a type, over all of its range where it has a full scale, the negative ones among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return RNG.random(shape) > 0.5
    if dtype.kind == "f":
        return RNG.random(shape).astype(dtype)
    top = min(np.iinfo(dtype).max, 2**31)
    return RNG.integers(max(np.iinfo(dtype).min, -(2**31)), top, shape, endpoint=True).astype(dtype)


def scaled(stored):
    """What values of a type mean: a full scale of up to 16 bits, else the values, and what is negative 0."""
    made = np.asarray(stored, np.float64)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        made = made / np.iinfo(stored.dtype).max
    return np.maximum(made, 0)


def load(path, **choices):
    return load_dataset(path, negative="clip", **choices)


def every_way(folder, write, count=N, **choices):
    """The data set as a stack, a folder and a ZIP of single pages, in memory and on the disk."""
    (folder / "pages").mkdir()
    write(folder / "stack.tif", range(count))
    with zipfile.ZipFile(folder / "pages.zip", "w") as archive:
        for k in range(count):
            write(folder / "pages" / f"{k}.tif", [k])
            archive.write(folder / "pages" / f"{k}.tif", f"{k}.tif")
    for path in ("stack.tif", "pages", "pages.zip"):
        yield path, load(folder / path, **choices)
        if path != "pages.zip":
            yield f"{path} on the disk", load(folder / path, storage="disk", **choices)


@st.composite
def layouts(draw):
    colour = draw(st.sampled_from(["minisblack", "miniswhite", "rgb", "palette", "rgba", "cmyk"]))
    types = {"palette": ("uint8",), "cmyk": ("uint8", "uint16"), "rgba": ("uint8", "uint16")}.get(colour, TYPES)
    if colour == "rgb":
        types = TYPES[1:]
    return {
        "colour": colour,
        "dtype": draw(st.sampled_from(types)),
        "compression": draw(st.sampled_from(LOSSLESS)),
        "orientation": draw(st.integers(1, 8)),
        "planar": draw(st.booleans()),
        "order": draw(st.sampled_from("<>")),
        "is_big": draw(st.booleans()),
        "rows": draw(st.sampled_from([None, 5])),
        "tile": draw(st.sampled_from([None, (16, 16)])),
        "predictor": draw(st.booleans()),
    }


PALETTE = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(layouts())
def test_a_stack_and_a_folder_of_any_layout_have_the_same_values(tmp_path_factory, layout):
    folder = tmp_path_factory.mktemp("tiff")
    colour, dtype = layout["colour"], layout["dtype"]
    samples = {"rgb": 3, "rgba": 4, "cmyk": 4}.get(colour, 1)
    planar = layout["planar"] and samples > 1
    images = values_of(dtype, N, H, W, *([samples] if samples > 1 else []))
    bits = {"bitspersample": 1} if dtype == "bool" else {}
    compression = layout["compression"]
    if dtype == "bool" and compression not in (None, "packbits"):
        compression = None
    predictor = {}
    if layout["predictor"] and compression in ("zlib", "lzw", "zstd") and np.dtype(dtype).kind in "iu":
        predictor = {"predictor": 2}

    def write(path, chosen):
        with tifffile.TiffWriter(path, bigtiff=layout["is_big"], byteorder=layout["order"]) as file:
            for k in chosen:
                page = images[k].transpose(2, 0, 1) if planar else images[k]
                file.write(
                    page,
                    photometric={"rgba": "rgb", "cmyk": "separated"}.get(colour, colour),
                    planarconfig=("separate" if planar else "contig") if samples > 1 else None,
                    compression=compression,
                    rowsperstrip=None if layout["tile"] else layout["rows"],
                    tile=layout["tile"],
                    extrasamples=["unassalpha"] if colour == "rgba" else None,
                    colormap=PALETTE if colour == "palette" else None,
                    extratags=[(274, 3, 1, layout["orientation"], True)],
                    metadata=None,
                    contiguous=False,
                    **bits,
                    **predictor,
                )

    def meant(k):
        """By tifffile's own decoding, and the meaning of the tags written out here once more."""
        write(folder / "one.tif", [k])
        page = tifffile.imread(folder / "one.tif")
        page = page.transpose(1, 2, 0) if planar else page
        assert np.array_equal(page, images[k])
        top = 1 if page.dtype.kind == "b" else np.iinfo(page.dtype).max if page.dtype.kind in "iu" else 1
        if colour == "miniswhite" and (page.dtype.kind == "b" or page.dtype.name in ("uint8", "uint16")):
            page = ~page if page.dtype.kind == "b" else top - page
        elif colour == "palette":
            page = PALETTE.T[page]
        elif colour == "rgba":
            page = np.rint(page[..., :3].astype(float) * page[..., 3:] / top).astype(page.dtype)
        elif colour == "cmyk":
            light = top - page.astype(float)
            page = np.rint(light[..., :3] * light[..., 3:] / top).astype(page.dtype)
        return scaled(UPRIGHT[layout["orientation"]](page))

    truth = np.stack([meant(k) for k in range(N)])
    choices = {"colour": "rgb"} if truth.ndim == 4 else {}
    first = None
    for way, data in every_way(folder, write, **choices):
        found = data.images(np.arange(N))
        assert found.dtype == (np.float64 if dtype == "float64" else np.float32), way
        assert np.allclose(found, truth, rtol=1e-6, atol=1e-9), way
        first = found if first is None else first
        assert np.array_equal(found, first), way
    if choices:
        grey = [data.images(np.arange(N)) for _, data in every_way_again(folder)]
        assert all(np.array_equal(one, grey[0]) for one in grey)


def every_way_again(folder):
    for path in ("stack.tif", "pages", "pages.zip"):
        yield path, load(folder / path, colour="grey")
        if path != "pages.zip":
            yield path, load(folder / path, colour="grey", storage="disk")


def packed(rows, bits):
    """Rows of whole numbers with so many bits each, every row from a new byte on."""
    each = ((rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
    return np.packbits(each.reshape(len(rows), -1), axis=1).tobytes()


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 12, 14])
@pytest.mark.parametrize("photometric", [0, 1])
def test_levels_of_few_bits_have_their_own_full_scale(tmp_path, bits, photometric):
    top = 2**bits - 1
    stored = RNG.integers(0, top, (N, 9, 10), endpoint=True)
    stored[:, 0, :2] = 0, top
    pages = [(packed(image, bits), grey_tags(9, 10, bits, _262=(3, (photometric,)))) for image in stored]
    (tmp_path / "stack.tif").write_bytes(tiff_bytes(pages))
    (tmp_path / "pages").mkdir()
    for k, page in enumerate(pages):
        (tmp_path / "pages" / f"{k}.tif").write_bytes(tiff_bytes([page]))
    assert np.array_equal(tifffile.imread(tmp_path / "pages" / "0.tif"), stored[0])
    truth = (top - stored if photometric == 0 else stored) / top
    for name in ("stack.tif", "pages"):
        data = load_dataset(tmp_path / name)
        assert np.allclose(data.images(), truth, atol=1e-6)
        if bits == 12:
            assert any("uint12 divided by 4095" in text for text in (*data.steps, *data.notes))


def lab_of(rgb):
    """CIE Lab of sRGB in [0, 1] by the formulas of CIE 15, with the white D50 of ICC profiles."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    )
    t = linear @ to_xyz.T / [0.9642, 1.0, 0.8249]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), axis=-1)


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_lab_is_colour(tmp_path, photometric, dtype):
    y, x = np.mgrid[:H, :W]
    rgb = np.stack((y / H, x / W, 0.3 + 0 * x), axis=-1) * 0.8 + 0.1
    lab, top, unit = lab_of(rgb), np.iinfo(dtype).max, 1 if dtype == "uint8" else 256
    stored = np.rint(lab * [top / 100, unit, unit]).astype(np.int64)
    stored[..., 1:] += 0 if photometric == "cielab" else 128 * unit
    stored = (stored % (top + 1)).astype(dtype)
    for k in range(2):
        tifffile.imwrite(tmp_path / f"{k}.tif", stored, photometric=photometric, planarconfig="contig")
    data = load_dataset(tmp_path, colour="rgb")
    assert np.abs(data.images() - rgb).max() < (0.05 if dtype == "uint8" else 0.001)


@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_ycbcr_is_colour_as_pillow_has_it(tmp_path, compression):
    image = Image.fromarray(np.stack([pictures(1, H, W, seed=k)[0] for k in range(3)], axis=-1))
    if compression is None:
        image.convert("YCbCr").save(tmp_path / "0.tif")
        image.convert("YCbCr").save(tmp_path / "1.tif")
    else:
        for k in range(2):
            tifffile.imwrite(tmp_path / f"{k}.tif", np.asarray(image), photometric="ycbcr", compression="jpeg",
                             compressionargs={"level": 95}, subsampling=(2, 2))  # fmt: skip
    with tifffile.TiffFile(tmp_path / "0.tif") as file:
        assert file.pages[0].photometric == 6
    with Image.open(tmp_path / "0.tif") as opened:
        truth = np.asarray(opened.convert("RGB")) / 255
    found = load_dataset(tmp_path, colour="rgb").images()
    assert np.ptp(truth) > 0.5
    assert np.abs(found - truth).max() < 0.012


@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (4, 2)])
def test_colours_at_a_lower_resolution(tmp_path, compression, across, down):
    height, width, rows = 10, 14, 8  # neither is a multiple of the blocks
    y, x = np.mgrid[: height + 6, : width + 6]
    rgb = np.stack([60 + 4 * y, 50 + 5 * x, 90 + 2 * (x + y)], axis=-1).astype(np.uint8)
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    parts = []
    for top, bottom in ((0, rows), (rows, height)):
        blocks = []
        for a in range(top, bottom, down):
            for b in range(0, width, across):
                unit = ycbcr[a : a + down, b : b + across]
                blocks += [*unit[..., 0].ravel(), *np.rint(unit[..., 1:].reshape(-1, 2).mean(axis=0))]
        parts.append(bytes(int(value) for value in blocks))
    encode = {1: bytes, 5: imagecodecs.lzw_encode, 8: imagecodecs.zlib_encode}[compression]
    packed_parts = [bytes(encode(part)) for part in parts]
    for k in range(2):
        tags = grey_tags(height, width, _258=(3, (8, 8, 8)), _277=(3, (3,)), _262=(3, (6,)), _278=(4, (rows,)))
        tags |= {259: (3, (compression,)), 530: (3, (across, down)), 273: (4, (8, 8 + len(packed_parts[0])))}
        tags |= {279: (4, tuple(map(len, packed_parts)))}
        (tmp_path / f"{k}.tif").write_bytes(tiff_bytes([(b"".join(packed_parts), tags)]))
    found = load_dataset(tmp_path, colour="rgb").images()
    assert np.abs(found - rgb[:height, :width] / 255).max() < 0.06
    if compression == 5:
        with Image.open(tmp_path / "0.tif") as opened:
            assert np.abs(found[0] - np.asarray(opened.convert("RGB")) / 255).max() < 0.06


@pytest.mark.parametrize(("samples", "extra", "bands"), [(5, None, 5), (3, None, 3), (2, ["unassalpha"], 1)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_grey_samples_of_a_pixel_are_bands_and_transparency_is_on_black(tmp_path, samples, extra, bands, planar):
    stored = values_of("uint8", N, H, W, samples)
    (tmp_path / "pages").mkdir()
    with tifffile.TiffWriter(tmp_path / "stack.tif") as file:
        for k in range(N):
            page = stored[k] if planar == "contig" else stored[k].transpose(2, 0, 1)
            how = {"photometric": "minisblack", "planarconfig": planar, "extrasamples": extra, "metadata": None}
            file.write(page, contiguous=False, **how)
            tifffile.imwrite(tmp_path / "pages" / f"{k}.tif", page, **how)
    if bands == 1:
        truth = np.rint(stored[..., 0] * (stored[..., 1] / 255))
    else:
        truth = stored.transpose(0, 3, 1, 2).reshape(-1, H, W)
    for name in ("stack.tif", "pages"):
        data = load_dataset(tmp_path / name)
        assert np.allclose(data.images(), truth / 255, atol=1e-6)
        said = " ".join((*data.steps, *data.notes))
        assert ("transparency put on black" in said) if bands == 1 else (f"{bands} samples a pixel" in said)
    if bands == 5:
        assert load_dataset(tmp_path / "stack.tif").names[6] == "page 2, band 2"
        tifffile.imwrite(tmp_path / "one.tif", stored[0], photometric="minisblack", planarconfig="contig")
        assert load_dataset(tmp_path / "one.tif").names == tuple(f"band {k}" for k in range(1, 6))


def test_a_sample_beside_colours_that_is_no_transparency_is_told(tmp_path):
    stored = values_of("uint16", 2, H, W, 4)
    for k in range(2):
        tifffile.imwrite(tmp_path / f"{k}.tif", stored[k], photometric="rgb", extrasamples=[0])
    data = load_dataset(tmp_path, colour="rgb")
    assert np.allclose(data.images(), stored[..., :3] / 65535)
    assert any("1 of 4 samples a pixel left out" in text for text in data.notes)


def test_pages_of_other_strips_and_compression_are_images_of_the_stack(tmp_path):
    images = values_of("uint16", 6, H, W)
    how = [{}, {"compression": "zlib"}, {"rowsperstrip": 3}, {"tile": (16, 16)}, {"compression": "lzw"}, {}]
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for image, layout in zip(images, how, strict=True):
            file.write(image, photometric="minisblack", metadata=None, contiguous=False, **layout)
    for storage in ("memory", "disk"):
        data = load_dataset(tmp_path / "x.tif", storage=storage)
        assert np.allclose(data.images(np.arange(6)), images / 65535)


@pytest.mark.parametrize("subfiletype", [1, 4])
def test_previews_and_masks_are_no_images(tmp_path, subfiletype):
    images = values_of("uint8", N, H, W)
    (tmp_path / "pages").mkdir()
    for path, chosen in [(tmp_path / "x.tif", range(N))] + [(tmp_path / "pages" / f"{k}.tif", [k]) for k in range(N)]:
        with tifffile.TiffWriter(path) as file:
            for k in chosen:
                file.write(images[k], photometric="minisblack", metadata=None, subifds=1)
                file.write(images[k, ::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
                aside = images[k] > 99 if subfiletype == 4 else images[k]
                kind = "mask" if subfiletype == 4 else "minisblack"
                file.write(aside, photometric=kind, subfiletype=subfiletype, metadata=None)
    for name in ("x.tif", "pages"):
        data = load_dataset(tmp_path / name)
        assert np.array_equal(data.images(), images / np.float32(255))
        assert any("previews, overviews or masks left out" in note for note in data.notes)


def test_pages_of_another_size_in_a_folder_are_told(tmp_path):
    images = values_of("uint8", N, H, W)
    for k in range(N):
        with tifffile.TiffWriter(tmp_path / f"{k}.tif") as file:
            file.write(images[k], photometric="minisblack", metadata=None)
            file.write(images[k, ::2, ::2], photometric="minisblack", metadata=None)
    data = load_dataset(tmp_path)
    assert np.array_equal(data.images(), images / np.float32(255))
    assert any("1 of 16 x 24 (uint8), 1 of 8 x 12 (uint8)" in note for note in data.notes)


def test_planes_that_a_header_announces_and_the_file_lacks_are_told(tmp_path):
    images = values_of("uint16", 6, H, W)
    tifffile.imwrite(tmp_path / "x.ome.tif", images, metadata={"axes": "TYX"}, photometric="minisblack")
    content = (tmp_path / "x.ome.tif").read_bytes()
    (tmp_path / "x.ome.tif").write_bytes(content.replace(b'SizeT="6"', b'SizeT="9"', 1))
    data = load_dataset(tmp_path / "x.ome.tif")
    assert np.allclose(data.images(), images / 65535)
    assert data.names[-1] == "time 6"
    assert "3 of the 9 planes that its OME header announces are missing" in data.notes


def ome_file(path, images, planes, identity="urn:uuid:1"):
    """A file of an OME set: of each plane the file and the page that hold it."""
    data = "".join(
        f'<TiffData IFD="{page}" FirstT="{k}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for k, (name, page) in enumerate(planes)
    )
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{identity}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{W}" '
        f'SizeY="{H}" SizeZ="1" SizeC="1" SizeT="{len(planes)}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        f"{data}</Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(path) as file:
        for k, image in enumerate(images):
            file.write(
                image, photometric="minisblack", metadata=None, contiguous=False, description=text if not k else None
            )


def test_an_ome_header_without_places_means_all_pages_in_order(tmp_path):
    images = values_of("uint16", 4, H, W)
    ome_file(tmp_path / "x.ome.tif", images, [("x.ome.tif", k) for k in range(4)])
    content = (tmp_path / "x.ome.tif").read_bytes()
    (tmp_path / "x.ome.tif").write_bytes(content.replace(b"TiffData", b"OtherOne"))
    data = load_dataset(tmp_path / "x.ome.tif")
    assert np.allclose(data.images(), images / 65535)
    assert data.names[-1] == "time 4"


def test_files_of_an_ome_set_are_read_where_their_folder_is_opened(tmp_path):
    images = values_of("uint16", 6, H, W)
    planes = [("a.ome.tif", k) for k in range(3)] + [("b.ome.tif", k) for k in range(3)]
    for name, some in (("a.ome.tif", images[:3]), ("b.ome.tif", images[3:])):
        ome_file(tmp_path / name, some, planes, f"urn:uuid:{name}")
    with pytest.raises(
        gs.DatasetError, match=r"one file of an OME data set of 6 planes, others of which are in b\.ome"
    ):
        load_dataset(tmp_path / "a.ome.tif")
    assert np.allclose(load_dataset(tmp_path).images(), images / 65535)


def test_planes_are_in_the_order_of_their_header(tmp_path):
    images = values_of("uint16", 4, H, W)
    ome_file(tmp_path / "x.ome.tif", images, [("x.ome.tif", k) for k in (2, 0, 3, 1)], "urn:uuid:x.ome.tif")
    data = load_dataset(tmp_path / "x.ome.tif")
    assert np.allclose(data.images(), images[[2, 0, 3, 1]] / 65535)
    assert data.names[0] == "time 1"
    (tmp_path / "x.ome.tif").rename(tmp_path / "renamed.tif")
    assert np.allclose(load_dataset(tmp_path / "renamed.tif").images(), images[[2, 0, 3, 1]] / 65535)


@pytest.mark.parametrize(("announced", "held"), [(9, 6), (4, 6)])
def test_counts_of_imagej_that_disagree_with_the_pages(tmp_path, announced, held):
    images = values_of("uint16", held, H, W)
    text = f"ImageJ=1.53t\nimages={announced}\nframes={announced}\nhyperstack=true\n"
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for k, image in enumerate(images):
            file.write(
                image, metadata=None, contiguous=False, photometric="minisblack", description=text if not k else None
            )
    data = load_dataset(tmp_path / "x.tif")
    assert np.allclose(data.images(), images / 65535)
    assert any(f"announces {announced} images, and it has {held} pages" in note for note in data.notes)


def test_a_stack_of_imagej_with_one_page_holds_what_is_there(tmp_path):
    images = values_of("uint16", 6, H, W)
    text = "ImageJ=1.53t\nimages=9\nslices=9\n"
    tags = grey_tags(H, W, 16, _270=(2, tuple(text.encode() + b"\0")))
    whole = tiff_bytes([(images[:1].tobytes(), tags)])
    place = len(whole)
    content = bytearray(whole + images.tobytes())
    at = content.index(struct.pack("<HHI", 273, 4, 1)) + 8
    content[at : at + 4] = struct.pack("<I", place)
    (tmp_path / "x.tif").write_bytes(content)
    data = load_dataset(tmp_path / "x.tif")
    assert np.allclose(data.images(), images / 65535)
    assert "its ImageJ header announces 9 images, 6 are there" in data.notes
    assert data.names[-1] == "z 6"


def test_no_file_beside_a_tiff_is_read(tmp_path, monkeypatch):
    images = values_of("uint16", N, H, W)
    tags = {51123: (2, tuple(json.dumps({"Axes": {}}).encode()))}
    pages = [(image.tobytes(), grey_tags(H, W, 16) | tags) for image in images]
    (tmp_path / "x_NDTiffStack.tif").write_bytes(tiff_bytes(pages))
    (tmp_path / "NDTiff.index").write_bytes(b"\xff" * 200)
    opened = []
    real = tifffile.FileHandle.open
    monkeypatch.setattr(tifffile.FileHandle, "open", lambda self: (opened.append(self._file), real(self))[1])
    assert np.allclose(load_dataset(tmp_path / "x_NDTiffStack.tif").images(), images / 65535)
    assert not any(isinstance(one, str) for one in opened)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    images = values_of("uint16", 300, H, W)
    tifffile.imwrite(tmp_path / "x.tif", images, photometric="minisblack")
    data = load_dataset(tmp_path / "x.tif", storage="disk")
    with (tmp_path / "x.tif").open("r+b") as file:
        file.truncate(20 * H * W)
    with pytest.raises(gs.DatasetError, match=r"x\.tif"):
        data.images(np.arange(300))


@pytest.mark.parametrize("compression", ["zlib", "lzma", "zstd", "lzw"])
def test_a_page_that_declares_more_than_it_can_hold_is_refused_before_it_is_decoded(tmp_path, compression):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((64, 64), np.uint8), compression=compression, metadata=None)
    content = bytearray((tmp_path / "x.tif").read_bytes())
    for tag in (256, 257, 278):
        at = next(
            k for k in range(len(content)) if content[k : k + 2] == struct.pack("<H", tag) and content[k + 3] == 0
        )
        content[at + 2 : at + 4] = b"\4\0"
        content[at + 8 : at + 12] = struct.pack("<I", 200_000)
    (tmp_path / "x.tif").write_bytes(content)
    (tmp_path / "y.tif").write_bytes(content)
    with pytest.raises(gs.DatasetError, match=r"declares [\d.]+ GiB, more than it can hold|needs|declares"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg2k", "png"])
def test_a_tile_whose_own_header_declares_more_than_the_page_is_refused(tmp_path, kind):
    code, encode = {"jpeg": (7, imagecodecs.jpeg_encode), "jpeg2k": (34712, imagecodecs.jpeg2k_encode),
                    "png": (34933, imagecodecs.png_encode)}[kind]  # fmt: skip
    image = pictures(1, 16, 16)[0]
    content = bytearray(encode(image, codecformat="j2k") if kind == "jpeg2k" else encode(image))
    page = (bytes(content), grey_tags(16, 16, 8, _259=(3, (code,))))
    (tmp_path / "true.tif").write_bytes(tiff_bytes([page] * 2))
    assert np.abs(load_dataset(tmp_path / "true.tif").images() - image / 255).max() < 0.05
    mark, offset, size = {
        "jpeg": (b"\xff\xc0", 5, ">HH"), "jpeg2k": (b"\xff\x51", 6, ">II"), "png": (b"IHDR", 4, ">II"),
    }[kind]  # fmt: skip
    at = content.index(mark) + offset
    content[at : at + struct.calcsize(size)] = struct.pack(size, 60000, 60000)
    (tmp_path / "x.tif").write_bytes(tiff_bytes([(bytes(content), page[1])] * 2))
    with pytest.raises(gs.DatasetError, match="a strip or tile of it declares 3600000000 pixels"):
        load_dataset(tmp_path / "x.tif")


def test_many_pages_are_counted_and_not_described_one_by_one(tmp_path, monkeypatch):
    count, described = 3000, []
    (tmp_path / "x.tif").write_bytes(tiff_bytes([(bytes([1 + k % 200] * 12), grey_tags(3, 4)) for k in range(count)]))
    real = tifffile.TiffPage.__init__
    monkeypatch.setattr(tifffile.TiffPage, "__init__", lambda *a, **b: (described.append(1), real(*a, **b))[1])
    found = peek(tmp_path / "x.tif")
    assert found.n_images == count
    assert len(described) < 50
    values = load_dataset(tmp_path / "x.tif").images()
    assert np.allclose(values[:, 0, 0] * 255, 1 + np.arange(count) % 200)


def test_what_no_pixel_can_be_made_of_is_refused_with_the_reason(tmp_path):
    for name, page, how, reason in (
        ("complex", np.zeros((H, W), np.complex64), {}, "complex"),
        ("logluv", np.zeros((H, W), np.uint16), {"photometric": 32844}, "photometric interpretation is LOGL"),
    ):
        (tmp_path / name).mkdir()
        for k in range(2):
            tifffile.imwrite(tmp_path / name / f"{k}.tif", page, **how)
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for _ in range(2):
                file.write(page, metadata=None, contiguous=False, **how)
        for path in (tmp_path / name, tmp_path / f"{name}.tif"):
            with pytest.raises(gs.DatasetError, match=f"cannot be read: .*{reason}"):
                load_dataset(path)


def test_a_value_for_no_data_is_missing(tmp_path):
    images = values_of("float32", 2, H, W)
    images[0, 3, 4] = -9999
    text = [(42113, 2, 6, "-9999", True)]
    for k in range(2):
        tifffile.imwrite(tmp_path / f"{k}.tif", images[k], photometric="minisblack", metadata=None, extratags=text)
    with pytest.raises(gs.DatasetError, match="NaN"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, nonfinite="zero").images()[0, 3, 4] == 0


def test_types_on_unlike_scales_are_refused_together(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values_of("uint16", H, W), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", values_of("float32", H, W), photometric="minisblack")
    with pytest.raises(gs.DatasetError, match=r"mixes types .*1 of uint16 \(a\.tif\), 1 of float32 \(b\.tif\)"):
        load_dataset(tmp_path)


def test_signed_beside_unsigned_values_share_their_scale(tmp_path):
    picture = RNG.integers(0, 16000, (H, W))
    for k, dtype in enumerate(("uint16", "int16")):
        tifffile.imwrite(tmp_path / f"{k}.tif", picture.astype(dtype), photometric="minisblack")
    tifffile.imwrite(tmp_path / "2.tif", (picture // 256).astype(np.uint8), photometric="minisblack")
    data = load_dataset(tmp_path)
    assert np.array_equal(data.X[:, 0], data.X[:, 1])
    assert np.allclose(data.images()[0], picture / 65535)
    assert np.allclose(data.images()[2], picture // 256 / 255)
    assert any("unlike types: 1 of uint16 (0.tif), 1 of int16 (1.tif), 1 of uint8 (2.tif)" in n for n in data.notes)


@pytest.mark.parametrize("kind", ["png", "ppm", "plain"])
def test_pictures_in_colour_keep_their_sixteen_bits(tmp_path, kind):
    values = values_of("uint16", 2, H, W, 3)
    for k in range(2):
        if kind == "png":
            (tmp_path / f"{k}.png").write_bytes(imagecodecs.png_encode(values[k]))
        else:
            head = f"{'P6' if kind == 'ppm' else 'P3'}\n# a comment\n{W} {H}\n65535\n".encode()
            text = "\n".join(map(str, values[k].ravel())).encode()
            (tmp_path / f"{k}.ppm").write_bytes(head + (values[k].astype(">u2").tobytes() if kind == "ppm" else text))
    data = load_dataset(tmp_path, colour="rgb")
    assert np.allclose(data.images(), values / 65535)
    assert "uint16 divided by 65535" in data.steps
