"""What is told from the first bytes of an image is what Pillow tells."""

import io

import numpy as np
import pytest
from PIL import Image

from gsp_studio.io.images import image_file
from gsp_studio.io.images.headers import gif_frames, quick_header

RNG = np.random.default_rng(0)
PLAIN = {
    "PNG": [("L", {}), ("RGB", {}), ("RGBA", {}), ("LA", {}), ("P", {}), ("I;16", {}), ("L", {"dpi": (72, 72)})],
    "JPEG": [("L", {}), ("RGB", {}), ("RGB", {"progressive": True}), ("RGB", {"dpi": (72, 72), "comment": b"a text"})],
}


def encoded(kind, mode, options, size=(23, 11)):
    values = RNG.integers(0, 255, (size[1], size[0], 4), np.uint8)
    image = Image.fromarray(values).convert(mode if mode != "I;16" else "L").resize(size)
    if mode == "I;16":
        image = Image.fromarray(RNG.integers(0, 60000, size[::-1], np.uint16))
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "options"), [(kind, *case) for kind, cases in PLAIN.items() for case in cases]
)
def test_plain_images_are_told_at_once(tmp_path, kind, mode, options):
    content = encoded(kind, mode, options)
    path = tmp_path / "x"
    path.write_bytes(content)
    with path.open("rb") as stream:
        slow = image_file._header(stream, path)
    assert quick_header(content[:2048]) == (kind, 11, 23, slow.is_colour, slow.dtype)
    assert (slow.format, slow.size, slow.frames) == (kind, (11, 23), 1)
    assert image_file.look(path) == slow


def test_what_is_unusual_is_left_to_pillow():
    exif = Image.Exif()
    exif[0x0112] = 6
    for content in (
        encoded("JPEG", "RGB", {"exif": exif}),
        encoded("PNG", "RGB", {"exif": exif}),
        encoded("JPEG", "CMYK", {}),
        encoded("PNG", "1", {}),
        encoded("GIF", "L", {}),
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
    ):
        assert quick_header(content[:2048]) is None
    animated = io.BytesIO()
    Image.new("L", (5, 4)).save(animated, "PNG", save_all=True, append_images=[Image.new("L", (5, 4), 9)])
    assert quick_header(animated.getvalue()) is None


def test_pictures_of_an_animation_are_counted_without_decoding_them(tmp_path):
    content = io.BytesIO()
    frames = [Image.fromarray(RNG.integers(0, 255, (40, 50), np.uint8)) for _ in range(7)]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], comment=b"a text", loop=0)
    assert gif_frames(content.getvalue(), 100) == 7
    assert gif_frames(content.getvalue(), 3) == 4
    control, picture = b"!\xf9\4\0\5\0\0\0", b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    many = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + (control + picture) * 40_000 + b";"
    (tmp_path / "many.gif").write_bytes(many)
    large = bytearray(content.getvalue())
    large[6:10] = b"\x28\x23" * 2  # the canvas, of which frames take a corner
    (tmp_path / "large.gif").write_bytes(large)
    with pytest.raises(image_file.DatasetError, match="declares 7 images of 9000 x 9000, more than its"):
        image_file.look(tmp_path / "large.gif")
    with pytest.raises(image_file.DatasetError, match=r"many\.gif holds more than 32768 images"):
        image_file.look(tmp_path / "many.gif")


@pytest.mark.parametrize("kind", PLAIN)
def test_damaged_images_are_told_as_pillow_tells_them(tmp_path, kind):
    content = encoded(kind, "RGB", {})
    path = tmp_path / "x.png"
    told = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        spoiled = bytearray(content)
        spoiled[rng.integers(0, 200)] = rng.integers(0, 256)
        path.write_bytes(spoiled)
        quick = quick_header(bytes(spoiled[:2048]))
        if quick is None:
            continue
        told += 1
        try:
            with path.open("rb") as stream:
                slow = image_file._header(stream, path)
        except image_file.DatasetError:
            continue  # it is refused when it is read
        assert (slow.format, *slow.size, slow.is_colour, slow.dtype) == quick
    assert told > 100
