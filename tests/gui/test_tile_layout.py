"""Rows and columns of tiles: no other choice shows them larger."""

from __future__ import annotations

from collections.abc import Callable

import fakes
import numpy as np
import pytest
from handling import pixel_size, settle, turn_wheel
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.tile_buffer import TileBuffer
from gsp_studio.gui.widgets.tile_layout import best_columns

SIZES = st.integers(1, 600)


def scale(columns: int, count: int, pitch: tuple[int, int], gap: int, room: tuple[float, float]) -> float:
    """Screen pixels a pixel of the tiles."""
    rows = -(-count // columns)
    return min(room[0] / (columns * pitch[0] - gap), room[1] / (rows * pitch[1] - gap))


def test_a_wide_panel_takes_49_faces_in_four_rows() -> None:
    room = (1350, 493)
    columns = best_columns(49, (20, 20), 1, room)
    assert columns == 13
    assert 19 * scale(13, 49, (20, 20), 1, room) > 98 > 71 > 19 * scale(7, 49, (20, 20), 1, room) - 3


@given(
    count=st.integers(1, 300),
    tile=st.tuples(SIZES, SIZES),
    gap=st.integers(1, 2),
    room=st.tuples(st.floats(1, 4000), st.floats(1, 4000)),
)
def test_no_other_choice_shows_larger_tiles(
    count: int, tile: tuple[int, int], gap: int, room: tuple[float, float]
) -> None:
    pitch = (tile[0] + gap, tile[1] + gap)
    chosen = best_columns(count, pitch, gap, room)
    assert 1 <= chosen <= count
    of = [scale(columns, count, pitch, gap, room) for columns in range(1, count + 1)]
    assert scale(chosen, count, pitch, gap, room) >= max(of) * (1 - 1e-6)


def test_of_equal_layouts_the_fullest_and_then_the_widest_is_chosen() -> None:
    assert best_columns(6, (10, 10), 1, (1000, 19)) == 6
    assert best_columns(7, (10, 10), 1, (69, 29)) == 4
    # In a room of three rows three or four columns show tiles of the same size: with three two places are empty.
    assert scale(3, 7, (10, 10), 1, (39, 29)) == scale(3, 9, (10, 10), 1, (39, 29))
    assert best_columns(6, (10, 10), 1, (19.0, 29.0)) == 2


@pytest.mark.parametrize("room", [(0, 0), (-8, 100), (100, -8)])
def test_no_room_is_one_column(room: tuple[int, int]) -> None:
    assert best_columns(49, (20, 20), 1, room) == 1
    assert best_columns(0, (20, 20), 1, (100, 100)) == 1


@pytest.mark.parametrize(("strip", "channels"), [(0, 1), (1, 3)])
def test_other_columns_keep_order_and_pixels(strip: int, channels: int) -> None:
    buffer = TileBuffer(7, 3, 4, channels=channels, strip=strip)
    W = np.random.default_rng(0).random((12 * channels, 7), np.float32)
    buffer.fill(W, np.arange(7), False)
    tiles = [_tile(buffer, k).copy() for k in range(7)]
    for columns in (7, 1, 5, 3):
        buffer.lay_out(columns)
        assert (buffer.columns, buffer.rows) == (columns, -(-7 // columns))
        for k in range(7):
            np.testing.assert_array_equal(_tile(buffer, k), tiles[k])
            x, y = buffer.origin_of(k)
            assert buffer.tile_at(x + 0.5, y + 0.5) == k


def _tile(buffer: TileBuffer, k: int) -> np.ndarray:
    x, y = buffer.origin_of(k)
    return buffer.pixels[y : y + buffer.height, x : x + buffer.width]


def test_the_strip_under_a_tile_is_its_own() -> None:
    buffer = TileBuffer(4, 5, 5, columns=2, strip=2)
    assert [buffer.is_in_strip(y + 0.5) for y in range(8)] == [False] * 5 + [True] * 3
    assert buffer.tile_at(1, 6) == 0
    assert buffer.pixel_at(1, 6) is None
    assert buffer.origin_of(2) == (0, 8)
    assert not TileBuffer(4, 5, 5).is_in_strip(5.5)


@pytest.mark.parametrize("shape", [(6, 4), (1, 30), (30, 1), (4, 40)])
def test_montage_fills_its_panel_as_it_is_resized(show: Callable[..., QWidget], shape: tuple[int, int]) -> None:
    data = fakes.dataset(*shape)
    panel = MontagePanel()
    show(panel, 900, 300)
    panel.set_dataset(data)
    panel.set_shown(fakes.shown(data, 20))
    seen: set[int] = set()
    for size in ((900, 300), (300, 700), (500, 500), (1200, 160), (2000, 40)):
        panel.resize(*size)
        settle()
        buffer, room = panel._buffer, panel.view.viewport().size()
        seen.add(buffer.columns)
        inside = (room.width() - 8, room.height() - 8)
        assert buffer.columns == best_columns(20, buffer.pitch, buffer.gap, inside)
        drawn, _ = pixel_size(panel.view)
        assert drawn == pytest.approx(scale(buffer.columns, 20, buffer.pitch, buffer.gap, inside), rel=0.03)
    assert len(seen) > 1 or shape == (30, 1)  # twenty lines stand beside each other everywhere


def test_what_was_zoomed_stays_until_all_is_shown_again(show: Callable[..., QWidget]) -> None:
    data = fakes.dataset(6, 4)
    panel = MontagePanel()
    show(panel, 900, 300)
    panel.set_dataset(data)
    panel.set_shown(fakes.shown(data, 20))
    before = panel._buffer.columns
    turn_wheel(panel.view.viewport(), 3)
    panel.resize(300, 700)
    settle()
    assert panel._buffer.columns == before
    panel.reset_view()
    assert panel._buffer.columns < before


def test_views_with_one_zoom_keep_one_grid(show: Callable[..., QWidget]) -> None:
    """That of the first, which fills its room, however often it changes."""
    first, second = BasisTiles("first"), BasisTiles("second")
    second.link_zoom(first)
    data = fakes.dataset(6, 4)
    shown = fakes.shown(data, 20)
    for view, width in ((first, 800), (second, 300)):
        show(view, width, 200)
        view.set_dataset(data)
        view.set_basis(shown.W, shown.order)
    wide = first._buffer.columns
    assert second._buffer.columns == wide > 5
    first.resize(200, 500)
    settle()
    assert second._buffer.columns == first._buffer.columns < wide
    turn_wheel(second.viewport(), 3)
    part = first.visible_part
    first.resize(500, 200)
    settle()
    assert second._buffer.columns < wide, "what was zoomed stays"
    QTest.mouseDClick(second.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 20))
    assert second._buffer.columns == first._buffer.columns > 5
    assert first.visible_part.width() > part.width(), "all of it is in sight again"
