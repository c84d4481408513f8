"""Montage: every pixel where it belongs, black is zero, nothing is stretched that has no contrast."""

import numpy as np
import pytest

from gsp_studio.io.montage import GAP_LEVEL, grid_shape, montage_image, to_grey


def test_each_tile_has_its_own_white_or_all_share_one():
    images = np.array([[[0.0, 1.0]], [[0.0, 4.0]], [[0.0, 0.0]], [[2.0, 2.0]]])
    assert to_grey(images).tolist() == [[[0, 255]], [[0, 255]], [[0, 0]], [[255, 255]]]
    assert to_grey(images, "shared").tolist() == [[[0, 64]], [[0, 255]], [[0, 0]], [[128, 128]]]
    assert to_grey(images * 1e-30).tolist() == to_grey(images).tolist()  # small values are not black
    assert to_grey(np.zeros((0, 3, 4))).shape == (0, 3, 4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10, 49, 100, 101])
def test_the_grid_is_near_square_and_has_room(count):
    rows, columns = grid_shape(count)
    assert (rows - 1) * columns < count <= rows * columns
    assert 0 <= columns - rows <= 1


def test_tiles_lie_row_by_row_with_gaps_between():
    images = np.random.default_rng(0).random((5, 4, 3))
    canvas = montage_image(images, columns=3, gap=2, zoom=2)
    assert canvas.shape == (2 * 8 + 2, 3 * 6 + 2 * 2)
    grey = to_grey(images)
    for k in range(5):
        y, x = (k // 3) * 10, (k % 3) * 8
        assert np.array_equal(canvas[y : y + 8, x : x + 6], grey[k].repeat(2, 0).repeat(2, 1))
    assert (canvas[8:10] == GAP_LEVEL).all()
    assert (canvas[10:, 16:] == GAP_LEVEL).all()


def test_one_image_needs_no_gap():
    assert montage_image(np.ones((1, 4, 3))).tolist() == np.full((4, 3), 255).tolist()
