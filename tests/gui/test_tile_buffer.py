"""The buffer that all tiles are written into."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import dataset, shown

from gsp_studio.gui.widgets.tile_buffer import GAP, Contrast, TileBuffer


def tile(buffer: TileBuffer, k: int) -> np.ndarray:
    x, y = buffer.origin_of(k)
    return buffer.pixels[y : y + buffer.height, x : x + buffer.width]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rank", [1, 4, 5, 7, 12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_are_the_images_upright_each_to_its_white(order: str, rank: int, dtype: type) -> None:
    data = dataset(5, 3, order=order)
    basis = shown(data, rank)
    W = basis.W.astype(dtype)
    buffer = TileBuffer(rank, 5, 3)
    buffer.fill(W, basis.order, order == "F")
    images = data.as_images(W)
    for k, column in enumerate(basis.order):
        expected = images[column] * (254 / images[column].max())
        np.testing.assert_allclose(tile(buffer, k), expected, atol=1.0)
        assert tile(buffer, k).max() == 254


def test_between_tiles_and_after_the_last_one_is_the_gap() -> None:
    buffer = TileBuffer(5, 4, 3, gap=2)
    buffer.fill(np.ones((12, 5), np.float32), np.arange(5), False)
    assert buffer.pixels.shape == (2 * 4 + 2, 3 * 3 + 2 * 2)
    covered = np.zeros(buffer.pixels.shape, bool)
    for k in range(5):
        x, y = buffer.origin_of(k)
        covered[y : y + 4, x : x + 3] = True
    assert (buffer.pixels[covered] == 254).all()
    assert (buffer.pixels[~covered] == GAP).all()


def test_fill_does_not_change_the_basis() -> None:
    W = np.random.default_rng(0).random((12, 4)).astype(np.float32)
    kept = W.copy()
    TileBuffer(4, 4, 3).fill(W, np.arange(4), True, Contrast.SHARED)
    np.testing.assert_array_equal(W, kept)


def test_zeros_stay_black_in_every_contrast() -> None:
    W = np.zeros((12, 2), np.float32)
    for contrast in Contrast:
        buffer = TileBuffer(2, 4, 3)
        buffer.fill(W, np.arange(2), False, contrast)
        assert not tile(buffer, 0).any()
        assert not tile(buffer, 1).any()


def test_one_black_image_among_others_stays_black() -> None:
    W = np.random.default_rng(0).random((12, 3)).astype(np.float32)
    W[:, 1] = 0
    for contrast in Contrast:
        buffer = TileBuffer(3, 4, 3)
        buffer.fill(W, np.arange(3), False, contrast)
        assert not tile(buffer, 1).any()
        assert tile(buffer, 0).any()


def test_shared_white_keeps_what_is_brighter_brighter() -> None:
    W = np.ones((12, 3), np.float32) * np.array([1.0, 0.5, 0.25], np.float32)
    buffer = TileBuffer(3, 4, 3)
    buffer.fill(W, np.arange(3), False, Contrast.SHARED)
    assert [int(tile(buffer, k)[0, 0]) for k in range(3)] == [254, 127, 63]
    buffer.fill(W, np.arange(3), False, Contrast.TILE)
    assert [int(tile(buffer, k)[0, 0]) for k in range(3)] == [254, 254, 254]


def test_shared_white_is_held_while_it_suffices() -> None:
    W = np.ones((12, 1), np.float32)
    buffer = TileBuffer(1, 4, 3)
    levels = []
    for height in (1.0, 0.5, 2.0, 1.0):
        buffer.fill(height * W, np.arange(1), False, Contrast.SHARED)
        levels.append(int(buffer.pixels[0, 0]))
    assert levels == [254, 127, 254, 127]
    buffer.reset_levels()
    buffer.fill(W, np.arange(1), False, Contrast.SHARED)
    assert buffer.pixels[0, 0] == 254


def test_percentile_white_clips_what_lies_above() -> None:
    W = np.linspace(0.001, 1, 1200, dtype=np.float32).reshape(-1, 1)
    W[-1] = 50.0
    buffer = TileBuffer(1, 40, 30)
    buffer.fill(W, np.arange(1), False, Contrast.PERCENTILE)
    assert buffer.pixels.max() == 254
    assert int(buffer.pixels.ravel()[600]) == pytest.approx(127, abs=4)


def test_places_and_pixels_under_a_point() -> None:
    buffer = TileBuffer(5, 4, 3, gap=2)  # 3 columns, 2 rows, pitch 5 by 6
    assert buffer.tile_at(0, 0) == 0
    assert buffer.tile_at(5.5, 6.5) == 4
    assert buffer.pixel_at(5.5, 7.5) == (1, 0)
    assert buffer.pixel_at(3.5, 1) is None  # between two tiles
    assert buffer.tile_at(10.5, 6.5) == -1  # where a sixth would be
    for x, y in ((-0.1, 0), (0, -0.1), (15.1, 0), (0, 12.1)):
        assert buffer.tile_at(x, y) == -1
        assert buffer.pixel_at(x, y) is None


def test_fits_tells_when_another_one_is_needed() -> None:
    buffer = TileBuffer(5, 4, 3)
    assert buffer.fits(5, 4, 3)
    assert not buffer.fits(6, 4, 3)
    assert not buffer.fits(5, 3, 4)


def test_cells_that_the_last_row_leaves_empty() -> None:
    buffer = TileBuffer(7, 4, 3, columns=3)  # a row of three, three, and one
    assert buffer.empty == (3, 10, 8, 4)
    buffer.lay_out(7)
    assert buffer.empty[2] == 0, "nothing is left of a full row"
