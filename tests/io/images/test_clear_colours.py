"""PNG files in which one grey level or colour is transparent, in units of the file's own bits."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from gsp_studio.io.images.image_file import look, read_image

GREY, RGB = 0, 2
HEIGHT, WIDTH = 5, 8


def png(path, depth, kind, clear, values):
    """Write values (height, width, sample) of so many bits, of which `clear` is transparent."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = values.shape[:2]
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + chunk(b"tRNS", np.array(clear, ">u2").tobytes())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )
    return path


def cleared(values, clear, depth):
    """What the values mean: 0 where they are transparent."""
    is_clear = (values == np.array(clear)).all(axis=-1, keepdims=True)
    return np.where(is_clear, 0, values) / (2**depth - 1)


def read(path, colour="grey"):
    steps = []
    return read_image(path, steps.append, colour), steps


def levels(depth, clear):
    """Levels of so many bits, a third of them transparent."""
    rng = np.random.default_rng(depth)
    values = rng.integers(0, 2**depth, (HEIGHT, WIDTH, len(clear)))
    values[:, ::3] = clear
    return values


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("is_top", [True, False])
def test_a_clear_grey_level_of_few_bits_is_black(tmp_path, depth, is_top):
    clear = 2**depth - 1 if is_top else 1
    values = levels(depth, (clear,))
    grey, steps = read(png(tmp_path / "a.png", depth, GREY, [clear], values))
    assert np.allclose(grey, cleared(values, clear, depth)[..., 0], atol=1e-6)
    assert "transparency put on black" in steps


@pytest.mark.parametrize("clear", [50000, 200])
def test_a_clear_grey_level_of_sixteen_bits_is_black(tmp_path, clear):
    values = levels(16, (clear,))
    grey, steps = read(png(tmp_path / "a.png", 16, GREY, [clear], values))
    assert np.allclose(grey, cleared(values, clear, 16)[..., 0], atol=1e-7)
    assert steps == ["transparency put on black", "uint16 divided by 65535"]
    assert look(tmp_path / "a.png").dtype == "uint16"


def test_a_clear_colour_of_sixteen_bits_is_black_and_the_others_keep_their_bits(tmp_path):
    clear = (50000, 1000, 200)
    values = levels(16, clear)
    values[1, 1] = (50000, 1000, 201)  # the same in the upper 8 bits
    colours, steps = read(png(tmp_path / "a.png", 16, RGB, clear, values), "rgb")
    assert np.allclose(colours, cleared(values, clear, 16), atol=1e-7)
    assert steps == ["transparency put on black", "uint16 divided by 65535"]
