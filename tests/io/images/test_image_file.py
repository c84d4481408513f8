"""One image file: formats and depths, transparency and orientation, and every kind of damage."""

import contextlib
import io

import numpy as np
import pytest
from making import pictures, png_header, save_all
from PIL import Image

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.images.image_file import look, read_image, sniff
from gsp_studio.io.readers import load_dataset, peek, thumbnails


def read(path):
    """The grey values of a file, and the steps."""
    steps = []
    return read_image(path, steps.append), steps


def test_sixteen_bits_keep_all_of_them(tmp_path):
    values = np.array([[0, 1, 256], [1000, 40000, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    (tmp_path / "b.pgm").write_bytes(b"P5\n# 16 bits\n3 2\n65535\n" + values.astype(">u2").tobytes())
    Image.fromarray(values).save(tmp_path / "c.tif")
    for name in ("a.png", "b.pgm", "c.tif"):
        grey, steps = read(tmp_path / name)
        assert grey.dtype == np.float32
        assert np.array_equal(grey, values.astype(np.float32) / np.float32(65535)), name
        assert steps == ["uint16 divided by 65535"]


def test_pgm_as_text_and_of_few_levels(tmp_path):
    (tmp_path / "a.pgm").write_text("P2\n# a comment\n4 2\n15\n0 5 10 15\n15 10 5 0\n")
    grey, _ = read(tmp_path / "a.pgm")
    assert np.allclose(grey, np.array([[0, 5, 10, 15], [15, 10, 5, 0]]) / 15, atol=1e-6)


@pytest.mark.parametrize(("kind", "samples"), [("P5", 1), ("P6", 3)])
@pytest.mark.parametrize("top", [100, 4095])
def test_values_above_the_largest_that_a_pgm_declares_are_refused(tmp_path, kind, samples, top):
    values = np.arange(6 * samples) % top
    dtype = ">u2" if top > 255 else "u1"
    for name, last in (("a.pgm", top), ("b.pgm", top + 1)):
        values[-1] = last
        (tmp_path / name).write_bytes(f"{kind}\n3 2\n{top}\n".encode() + values.astype(dtype).tobytes())
    assert look(tmp_path / "a.pgm").dtype == ("uint16" if top > 255 else "uint8")
    assert read(tmp_path / "a.pgm")[0][0, 0] <= 2 / top
    with pytest.raises(DatasetError, match=r"b\.pgm is damaged .*its header declares"):
        read(tmp_path / "b.pgm")


def test_bits_floats_and_wide_integers(tmp_path):
    Image.fromarray(np.eye(3) > 0).save(tmp_path / "a.png")
    Image.fromarray(np.array([[0.5, 2.5]], np.float32)).save(tmp_path / "b.tif")
    Image.fromarray(np.array([[7, 70000]], np.int32)).save(tmp_path / "c.tif")
    assert np.array_equal(read(tmp_path / "a.png")[0], np.eye(3))
    assert np.array_equal(read(tmp_path / "b.tif")[0], [[0.5, 2.5]])
    assert np.array_equal(read(tmp_path / "c.tif")[0], [[7, 70000]])


def test_palettes_are_applied_and_transparency_is_put_on_black(tmp_path):
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    palette.putpalette([255, 255, 255, 0, 0, 0, 255, 255, 255])
    palette.save(tmp_path / "a.png")
    palette.save(tmp_path / "b.png", transparency=2)
    grey, steps = read(tmp_path / "a.png")
    assert np.allclose(grey, [[1, 0, 1]], atol=1e-6)
    assert steps[0] == "palette applied"
    grey, steps = read(tmp_path / "b.png")
    assert np.allclose(grey, [[1, 0, 0]], atol=1e-6)
    assert "transparency put on black" in steps
    half = np.zeros((1, 2, 2), np.uint8)
    half[0, :, 0], half[0, :, 1] = 200, (255, 0)
    channels = [Image.fromarray(half[..., k]) for k in range(2)]
    Image.merge("LA", channels).save(tmp_path / "c.png")
    assert np.allclose(read(tmp_path / "c.png")[0], [[200 / 255, 0]], atol=1e-6)


def test_photographs_are_turned_upright(tmp_path):
    image = Image.fromarray(pictures(1, 16, 24)[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert look(tmp_path / "a.jpg").size == (24, 16)
    grey, steps = read(tmp_path / "a.jpg")
    assert grey.shape == (24, 16)
    assert np.abs(grey - np.rot90(np.asarray(image), -1) / 255).max() < 0.05
    assert "turned upright as EXIF says" in steps


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_tiff_files_are_turned_once(tmp_path, compression, orientation, quarters):
    image = pictures(1, 16, 24)[0]
    Image.fromarray(image).save(tmp_path / "a.tif", tiffinfo={274: orientation}, compression=compression)
    wanted = np.rot90(image, quarters)
    assert look(tmp_path / "a.tif").size == wanted.shape
    assert np.array_equal(read(tmp_path / "a.tif")[0], wanted / np.float32(255))


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_every_frame_of_a_file_is_an_image(tmp_path, suffix):
    every = [pictures(3), pictures(2, seed=1)]
    for k, images in enumerate(every):
        first, *rest = (Image.fromarray(image) for image in images)
        first.save(
            tmp_path / f"{k}.{suffix}",
            save_all=True,
            append_images=rest,
            **({"lossless": True} if suffix == "webp" else {}),
        )
    Image.fromarray(every[0][0]).save(tmp_path / "still.png")
    data = load_dataset(tmp_path)
    names = [f"0.{suffix} {k}" for k in (1, 2, 3)] + [f"1.{suffix} {k}" for k in (1, 2)]
    assert data.names == (*names, "still.png")
    assert np.array_equal(data.images()[:5], np.concatenate(every) / np.float32(255))
    assert "6 images of 9 x 7" in peek(tmp_path).note


def test_an_animation_is_a_data_set(tmp_path):
    images = pictures(5)
    first, *rest = (Image.fromarray(image) for image in images)
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest)
    data = load_dataset(tmp_path / "a.gif")
    assert np.array_equal(data.images(), images / np.float32(255))
    assert data.names[:2] == ("image 1", "image 2")
    assert thumbnails(peek(tmp_path / "a.gif")).shape == (5, 9, 7)
    content = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"cut\.gif"):
        load_dataset(tmp_path / "cut.gif")


@pytest.mark.parametrize(("head", "row"), [(b"P5\n# a film\n7 9\n255\n", 7), (b"P6 7 9 4095\n", 42), (b"P4\n7 9\n", 1)])
def test_pictures_behind_the_first_of_a_pgm_are_told(tmp_path, head, row):
    rows = np.random.default_rng(0).integers(0, 16, (4, 9 * row), np.uint8)  # of 16 bits: up to 3855
    for k in range(3):
        films = (head + rows[j].tobytes() for j in range(k, k + (1 if k == 2 else 2)))
        (tmp_path / f"{k}.pgm").write_bytes(b"".join(films) + b"\n")
    data = load_dataset(tmp_path)
    assert data.X.shape[1] == 3
    assert "the first of 2 pictures in a file is read, in 2 of 3 files: 0.pgm, 1.pgm" in data.notes
    with pytest.raises(DatasetError, match=r"holds 1 image .*the first of 2 pictures in a file is read"):
        load_dataset(tmp_path / "0.pgm")


def test_pictures_behind_the_first_of_a_jpeg_are_told(tmp_path):
    first, *rest = (Image.fromarray(image).convert("RGB") for image in pictures(3))
    for k in range(2):
        first.save(tmp_path / f"{k}.jpg", "MPO", save_all=True, append_images=rest)
    data = load_dataset(tmp_path)
    assert data.X.shape[1] == 2
    assert "the first of 3 pictures in a file is read" in data.notes


def test_content_decides_not_the_name(tmp_path):
    image = Image.fromarray(pictures(1)[0])
    image.save(tmp_path / "a.jpg", format="PNG")
    image.save(tmp_path / "no suffix", format="PNG")
    assert look(tmp_path / "a.jpg") is not None
    assert look(tmp_path / "no suffix").format == "PNG"
    assert sniff(b"BMW cars are images of", ".txt") is None
    assert sniff(b"BM\0\0\0\0", ".bmp") == "BMP"
    assert sniff(b"RIFF1234WEBPVP8 ") == "WEBP"


def test_text_and_nothing_under_the_name_of_an_image(tmp_path):
    save_all(pictures(2), tmp_path)
    bad = tmp_path / "bad.png"
    bad.write_text("this is not an image")
    with pytest.raises(DatasetError, match=r'bad.png is named like an image but is none \(its content starts "this'):
        load_dataset(tmp_path)
    bad.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"bad.png is named like an image but is none \(it is empty\)"):
        load_dataset(tmp_path)
    bad.write_bytes(b"\xff\x00\xfe" * 20)
    with pytest.raises(DatasetError, match="its content is of another kind"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "pgm", "tif", "bmp", "gif", "webp"])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_truncated_files_are_refused_and_named(tmp_path, suffix, keep):
    save_all(np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8), tmp_path, "{}." + suffix)
    broken = tmp_path / f"2.{suffix}"
    content = broken.read_bytes()
    broken.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DatasetError, match=rf"2\.{suffix} is damaged"):
        load_dataset(tmp_path)


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path):
    path, _ = save_all(np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8), tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"image 1.png is damaged"):
        load_dataset(tmp_path)


def test_huge_images_are_refused_from_their_headers(tmp_path):
    for k in range(2):
        (tmp_path / f"{k}.png").write_bytes(png_header(60000, 60000))
    with pytest.raises(DatasetError, match=r"0.png is too large to be decoded safely"):
        peek(tmp_path)


def test_images_without_pixels_are_refused(tmp_path):
    for k in range(2):
        (tmp_path / f"{k}.png").write_bytes(png_header(0, 5))
    with pytest.raises(DatasetError, match=r"0\.png"):
        load_dataset(tmp_path)


def test_a_tiff_whose_pages_go_round_does_not_hang(tmp_path):
    for k in range(2):
        buffer = io.BytesIO()
        Image.fromarray(pictures(1, seed=k)[0]).save(buffer, format="TIFF")
        content = bytearray(buffer.getvalue())
        first = int.from_bytes(content[4:8], "little")
        entries = int.from_bytes(content[first : first + 2], "little")
        after = first + 2 + 12 * entries
        content[after : after + 4] = first.to_bytes(4, "little")
        (tmp_path / f"{k}.tif").write_bytes(content)
    assert load_dataset(tmp_path).X.shape[1] == 2


def test_a_tiff_with_fewer_strips_than_it_declares_is_not_filled_up(tmp_path):
    for path in save_all(pictures(2, 16, 16), tmp_path, "{}.tif"):
        content = bytearray(path.read_bytes())
        height = content.index((257).to_bytes(2, "little")) + 8  # behind its tag
        assert content[height] == 16
        content[height] = 20
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"1.tif is damaged or truncated \(256 of 320 pixels are there\)"):
        load_dataset(tmp_path)


def test_random_damage_never_becomes_another_error(tmp_path):
    rng = np.random.default_rng(0)
    samples = []
    for suffix in ("png", "jpg", "pgm", "tif", "bmp", "gif", "webp"):
        (path,) = save_all(pictures(1, 12, 10), tmp_path, "whole." + suffix)
        samples.append((suffix, path.read_bytes()))
    for k in range(350):
        suffix, content = samples[k % len(samples)]
        spoiled = bytearray(content)
        for _ in range(int(rng.integers(1, 6))):
            spoiled[rng.integers(len(spoiled))] = rng.integers(256)
        path = tmp_path / f"spoiled.{suffix}"
        path.write_bytes(spoiled[: rng.integers(4, len(spoiled) + 1)])
        with contextlib.suppress(DatasetError):
            if look(path) is not None:
                assert look(path).size == read(path)[0].shape
