"""The montage with no session: what is painted, what a click and the arrows pick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pytest
from handling import Listener, greys_of, painted, settle, tile_centre, turn_wheel
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.state import DisplayedBasis, View
from gsp_studio.gui.widgets.tile_buffer import Contrast
from gsp_studio.gui.widgets.tile_view import COLOUR_MAPS, TileView, colour_table

DATA = fakes.dataset(6, 4)
BASIS = fakes.shown(DATA, 7, order=[3, 0, 6, 2, 5, 1, 4])
Key = Qt.Key


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> MontagePanel:
    """Seven basis images of 6 x 4 in two rows of four and three, in an order of their own."""
    made = MontagePanel()
    show(made, 640, 480)
    made.set_dataset(DATA)
    made.set_shown(BASIS)
    made.view.clearFocus()  # the line around what has the keyboard
    settle()
    return made


def picture(panel: MontagePanel) -> QImage:
    settle()
    return panel.view.viewport().grab().toImage()


def click(view: TileView, place: QPoint) -> None:
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def centre(panel: MontagePanel, tile: int) -> QPoint:
    return tile_centre(panel.view, tile).toPoint()


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_set_methods_never_emit(panel: MontagePanel) -> None:
    heard = Listener(panel, "basisPicked", "basesPicked", "asked")
    panel.set_shown(fakes.shown(DATA, 3))
    panel.set_selected(1)
    panel.set_selected(-1)
    for contrast in Contrast:
        panel.set_view(View(contrast=contrast.name.lower()))
    for name in COLOUR_MAPS:
        panel.set_view(View(colours=name, labels=True))
    panel.set_marked((0, 2))
    panel.set_view(View())
    panel.set_marked(())
    panel.set_activity("doing something")
    panel.set_activity("")
    panel.reset_view()
    panel.set_dataset(fakes.dataset())
    panel.set_shown(None)
    settle()
    assert heard.is_silent


@pytest.mark.parametrize("order", ["C", "F"])
def test_screen_shows_the_images_upright_in_their_order(panel: MontagePanel, order: str) -> None:
    data = fakes.dataset(6, 4, order=order)
    panel.set_dataset(data)
    panel.set_shown(BASIS)
    settle()
    images = greys_of(data.as_images(BASIS.W)[BASIS.order])
    np.testing.assert_allclose(painted(panel.view, panel._buffer), images, atol=1.0)


def test_another_frame_is_painted_in_place(panel: MontagePanel) -> None:
    buffer = panel._buffer
    other = fakes.shown(DATA, 7, seed=9)
    panel.set_shown(other)
    settle()
    assert panel._buffer is buffer
    images = greys_of(DATA.as_images(other.W)[other.order])
    np.testing.assert_allclose(painted(panel.view, buffer), images, atol=1.0)


def test_another_rank_takes_another_grid(panel: MontagePanel) -> None:
    other = fakes.shown(DATA, 12)
    panel.set_shown(other)
    settle()
    images = greys_of(DATA.as_images(other.W)[other.order])
    np.testing.assert_allclose(painted(panel.view, panel._buffer), images, atol=1.0)
    assert "12 basis images of 6 × 4" in words(panel)


def test_shared_white_and_back(panel: MontagePanel) -> None:
    scale = np.linspace(1.0, 0.2, 7, dtype=np.float32)
    panel.set_shown(replace(BASIS, W=BASIS.W * scale))
    panel.set_view(View(contrast="shared"))
    settle()
    images = DATA.as_images(BASIS.W * scale)[BASIS.order]
    np.testing.assert_allclose(painted(panel.view, panel._buffer), 254 * images / images.max(), atol=1.0)
    assert "white = shared" in words(panel)
    panel.set_view(View())
    settle()
    np.testing.assert_allclose(painted(panel.view, panel._buffer), greys_of(images), atol=1.0)
    assert "white = per tile" in words(panel)


@pytest.mark.parametrize("tile", [0, 2, 5, 6])
def test_click_picks_the_basis_image_of_the_tile(panel: MontagePanel, tile: int) -> None:
    heard = Listener(panel, "basisPicked")
    click(panel.view, centre(panel, tile))
    assert heard["basisPicked"] == [int(BASIS.order[tile])]


def test_click_beside_the_tiles_picks_none(panel: MontagePanel) -> None:
    heard = Listener(panel, "basisPicked")
    click(panel.view, QPoint(2, 2))
    right_of_the_last = centre(panel, 6) + (centre(panel, 6) - centre(panel, 5))
    click(panel.view, right_of_the_last)
    assert heard["basisPicked"] == [-1, -1]


def test_arrows_walk_from_tile_to_tile(panel: MontagePanel) -> None:
    heard = Listener(panel, "basisPicked")
    panel.basisPicked.connect(panel.set_selected)  # as the session does
    panel.view.setFocus()
    walk = (Key.Key_Right, Key.Key_Right, Key.Key_Down, Key.Key_Left, Key.Key_Up, Key.Key_Up, Key.Key_Down)
    for key in walk:
        QTest.keyClick(panel.view, key)
    columns = panel._buffer.columns
    assert columns == 4
    tiles = [0, 1, columns + 1, columns, 0, columns]  # the step up from the first row goes nowhere
    assert heard["basisPicked"] == [int(BASIS.order[tile]) for tile in tiles]


def test_arrows_end_at_the_last_tile(panel: MontagePanel) -> None:
    panel.set_selected(int(BASIS.order[6]))
    heard = Listener(panel, "basisPicked")
    panel.view.setFocus()
    for key in (Key.Key_Right, Key.Key_Down):
        QTest.keyClick(panel.view, key)
    assert heard.is_silent


def test_arrows_with_modifiers_are_left_to_others(panel: MontagePanel) -> None:
    heard = Listener(panel, "basisPicked")
    panel.view.setFocus()
    QTest.keyClick(panel.view, Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert heard.is_silent


def test_selection_is_framed_and_follows_its_basis_image(panel: MontagePanel) -> None:
    plain = picture(panel)
    panel.set_selected(6)  # on tile 2
    framed = picture(panel)
    changed = [
        x for x in range(plain.width()) for y in range(plain.height()) if framed.pixel(x, y) != plain.pixel(x, y)
    ]
    middle = centre(panel, 2).x()
    pitch = centre(panel, 1).x() - centre(panel, 0).x()
    assert changed
    assert min(changed) > middle - 0.6 * pitch
    assert max(changed) < middle + 0.6 * pitch
    order = BASIS.order.copy()
    order[[2, 0]] = order[[0, 2]]
    panel.set_shown(replace(BASIS, order=order))
    moved = picture(panel)
    assert moved.pixel(min(changed), centre(panel, 2).y()) == plain.pixel(min(changed), centre(panel, 2).y())
    panel.set_shown(BASIS)
    panel.set_selected(-1)
    assert picture(panel) == plain


def test_labels_are_drawn_and_taken_away(panel: MontagePanel) -> None:
    plain = picture(panel)
    panel.set_view(View(labels=True))
    labelled = picture(panel)
    assert labelled != plain
    panel.set_shown(replace(BASIS, sparsities=BASIS.sparsities / 2))
    assert picture(panel) != labelled, "the labels are those of the former basis"
    panel.set_view(View())
    panel.set_shown(BASIS)
    assert picture(panel) == plain


def test_labels_that_are_on_come_back_for_another_rank(panel: MontagePanel) -> None:
    other = fakes.shown(DATA, 4)
    panel.set_shown(other)
    plain = picture(panel)
    panel.set_shown(BASIS)
    panel.set_view(View(labels=True))
    panel.set_shown(other)
    assert picture(panel) != plain


@pytest.mark.parametrize("name", [name for name in COLOUR_MAPS if name != "grey"])
def test_colour_maps_colour_and_grey_brings_grey_back(panel: MontagePanel, name: str) -> None:
    plain = picture(panel)
    panel.set_view(View(colours=name))
    coloured = picture(panel)
    middle = coloured.pixelColor(centre(panel, 0))
    assert len({middle.red(), middle.green(), middle.blue()}) > 1
    panel.set_view(View())
    assert picture(panel) == plain


def test_pointer_reads_the_pixel_under_it(panel: MontagePanel) -> None:
    place = centre(panel, 1)
    QTest.mouseMove(panel.view.viewport(), place)
    basis = int(BASIS.order[1])
    told = words(panel)
    assert f"basis {basis + 1}" in told
    found = {
        (row, column): f"row {row + 1}, column {column + 1}  ·  {DATA.as_images(BASIS.W)[basis][row, column]:.4g}"
        for row in (2, 3)
        for column in (1, 2)
    }
    assert any(text in told for text in found.values()), told
    QTest.mouseMove(panel.view.viewport(), QPoint(2, 2))
    assert "row" not in words(panel)


@pytest.mark.parametrize("order", ["C", "F"])
def test_read_out_names_the_value_of_the_picture(panel: MontagePanel, order: str) -> None:
    data = fakes.dataset(6, 4, order=order)
    panel.set_dataset(data)
    panel.set_shown(BASIS)
    panel.view.hovered.emit(2, 4, 1)
    basis = int(BASIS.order[2])
    value = data.as_images(BASIS.W)[basis][4, 1]
    expected = f"basis {basis + 1}  ·  row 5, column 2  ·  {value:.4g}  ·  sparsity {BASIS.sparsities[basis]:.3f}"
    assert expected in words(panel)


def test_double_click_and_reset_show_all_tiles_again(panel: MontagePanel) -> None:
    plain = picture(panel)
    turn_wheel(panel.view.viewport(), 4)
    assert picture(panel) != plain
    panel.reset_view()
    assert picture(panel) == plain
    turn_wheel(panel.view.viewport(), 4)
    places = (QPoint(100, y) for y in range(20, panel.view.viewport().height(), 5))
    inside = next(at for at in places if not panel._buffer.is_in_strip(panel.view.plane_position(QPointF(at)).y()))
    QTest.mouseDClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=inside)
    QTest.mouseMove(panel.view.viewport(), QPoint(1, 1))
    panel.view.clearFocus()
    assert picture(panel) == plain


class TestEmpty:
    """The empty state says what to do next."""

    @pytest.fixture
    def empty(self, show: Callable[..., QWidget]) -> MontagePanel:
        made = MontagePanel()
        show(made, 640, 480)
        return made

    def test_offers_three_ways_to_data(self, empty: MontagePanel) -> None:
        heard = Listener(empty, "asked")
        assert empty.empty.isVisible()
        for key, button in empty.empty.buttons.items():
            assert button.isVisible()
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
            assert heard["asked"][-1] == key
        assert heard["asked"] == ["folder", "files", "sample"]

    def test_says_what_is_being_done(self, empty: MontagePanel) -> None:
        empty.set_activity("opening faces.npz")
        assert "Opening faces.npz..." in words(empty)
        assert not any(button.isVisible() for button in empty.empty.buttons.values())
        empty.set_activity("")
        assert "Open your images" in words(empty)
        assert all(button.isVisible() for button in empty.empty.buttons.values())

    def test_with_data_it_says_run(self, empty: MontagePanel) -> None:
        empty.set_dataset(DATA)
        empty.set_activity("")
        assert "Press Run (Space)" in words(empty)

    def test_gives_way_to_a_basis_and_comes_back(self, empty: MontagePanel) -> None:
        empty.set_dataset(DATA)
        empty.set_shown(BASIS)
        assert not empty.empty.isVisible()
        assert empty.view.isVisible()
        empty.set_shown(None)
        assert empty.empty.isVisible()

    def test_keys_and_clicks_without_a_basis_pick_nothing(self, empty: MontagePanel) -> None:
        heard = Listener(empty, "basisPicked")
        QTest.keyClick(empty.view, Key.Key_Right)
        click(empty.view, QPoint(10, 10))
        QTest.mouseMove(empty.view.viewport(), QPoint(30, 30))
        assert heard.is_silent


def test_order_of_shown_finds_tiles() -> None:
    basis: DisplayedBasis = BASIS
    assert [basis.tile_of(k) for k in range(7)] == [1, 5, 3, 0, 6, 4, 2]
    assert basis.tile_of(-1) == basis.tile_of(7) == -1


def test_a_bar_names_the_values_of_the_colours(panel: MontagePanel) -> None:
    bar, tops = panel.bar, BASIS.W.max(axis=0)
    assert bar.visibleRegion().boundingRect() == bar.rect(), "nothing of it is cut off"
    assert bar.ends == ("0", "max"), "each has its own"
    panel.set_selected(2)
    assert bar.ends == ("0", f"{tops[2]:.3g}")
    panel.set_shown(replace(BASIS, W=2 * BASIS.W))
    assert bar.ends == ("0", f"{2 * tops[2]:.3g}")
    panel.set_view(View(contrast="shared", colours="viridis"))
    assert bar.ends == ("0", f"{2 * tops.max():.3g}")
    drawn = bar.grab().toImage()
    middle = drawn.height() // 2
    seen = {drawn.pixelColor(x, middle).name() for x in range(drawn.width())}
    table = colour_table("viridis")
    assert sum(QColor(*table[level].tolist()).name() in seen for level in range(0, 255, 5)) > 5, "its own colours"
    colours = fakes.dataset(2, 2)
    panel.set_dataset(replace(colours, X=np.asfortranarray(np.vstack([colours.X] * 3)), channels=3))
    panel.set_shown(fakes.shown(fakes.dataset(6, 2), 3))
    assert not bar.isVisible(), "colours are their own values"
