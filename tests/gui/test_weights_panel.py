"""The weights panel with no session: strokes of a real mouse, undo, presets, what is seen and what is told."""

from __future__ import annotations

from collections.abc import Callable

import fakes
import numpy as np
import pytest
from handling import Listener, change_theme, settle
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QContextMenuEvent, QKeySequence, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QSlider, QWidget

from gsp_studio.core import weighting
from gsp_studio.core.weighting import FLOOR
from gsp_studio.gui.panels.weights import WeightsPanel
from gsp_studio.gui.widgets.paint_history import PaintHistory, edit_between
from gsp_studio.gui.widgets.paint_view import Brush, PaintView, weight_colours
from gsp_studio.io.dataset import Dataset

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
Key = Qt.Key
SIGNALS = ("weightsChanged", "strokeEnded", "basisPicked", "asked")
HEIGHT, WIDTH = 12, 10


def data_of(order: str = "C") -> Dataset:
    return fakes.dataset(HEIGHT, WIDTH, order=order)


@pytest.fixture(params=["C", "F"])
def data(request: pytest.FixtureRequest) -> Dataset:
    """Images of 12 x 10 in either order of their pixels."""
    return data_of(request.param)


@pytest.fixture
def panel(show: Callable[..., QWidget], data: Dataset) -> WeightsPanel:
    """A panel with data, a mean image and a residual, and a brush of one pixel."""
    made = show(WeightsPanel(), 900, 600)
    made.set_dataset(data)
    made.set_mean_image(data.X.mean(axis=1))
    made.set_residual_image(data.X.var(axis=1))
    set_brush(made, diameter=1)
    settle()
    return made


def set_brush(panel: WeightsPanel, diameter: int = 1, strength: int = 100, erases: bool = False) -> None:
    panel.bar.diameter.setValue(diameter)
    panel.bar.strength.setValue(strength)
    (panel.bar.erases if erases else panel.bar.paints).click()


def place(panel: WeightsPanel, row: int, column: int) -> QPoint:
    return panel.canvas.place_of(row + 0.5, column + 0.5).toPoint()


def drag(panel: WeightsPanel, *pixels: tuple[int, int], button: Qt.MouseButton = LEFT) -> None:
    """A stroke through the middles of some pixels."""
    places = [place(panel, *pixel) for pixel in pixels]
    QTest.mousePress(panel.canvas, button, pos=places[0])
    for there in places[1:]:
        QTest.mouseMove(panel.canvas, there)
    QTest.mouseRelease(panel.canvas, button, pos=places[-1])


def images_of(panel: WeightsPanel, heard: Listener) -> list[object]:
    """What was sent, as images; None for all equal."""
    data = panel._dataset
    return [None if w is None else data.as_images(w[:, None])[0] for w in heard["weightsChanged"]]


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def colour_at(panel: WeightsPanel, row: int, column: int) -> tuple[int, int, int]:
    settle()
    colour = panel.canvas.grab().toImage().pixelColor(place(panel, row, column))
    return colour.red(), colour.green(), colour.blue()


def test_set_methods_never_emit(panel: WeightsPanel, data: Dataset) -> None:
    heard = Listener(panel, *SIGNALS)
    ramp = weighting.ramp((HEIGHT, WIDTH)).flatten(data.order)
    for weights in (ramp, 7 * ramp, None, np.ones(data.X.shape[0]), ramp):
        panel.set_weights(weights)
        settle()
    panel.set_bases(fakes.shown(data), fakes.shown(data, seed=4))
    panel.set_selected(2)
    panel.set_selected(-1)
    panel.set_bases(None, None)
    panel.set_residual_image(None)
    panel.set_mean_image(None)
    panel.set_activity("opening things")
    panel.set_activity("")
    change_theme()
    panel.set_dataset(fakes.dataset(5, 5))
    settle()
    assert heard.is_silent


def test_drag_paints_the_pixels_under_it_dear(panel: WeightsPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    drag(panel, (3, 1), (3, 4), (6, 4))
    expected = np.full((HEIGHT, WIDTH), FLOOR)
    expected[3, 1:5] = expected[3:7, 4] = 1.0
    np.testing.assert_allclose(images_of(panel, heard)[-1], expected)
    assert len(heard["strokeEnded"]) == 1
    np.testing.assert_array_equal(panel.weights, heard["weightsChanged"][-1])
    assert not heard["weightsChanged"][-1].flags.writeable


def test_mirror_paints_the_other_side_too(panel: WeightsPanel) -> None:
    panel.bar.mirror.click()
    heard = Listener(panel, "weightsChanged")
    drag(panel, (3, 1), (5, 1))
    image = images_of(panel, heard)[-1]
    assert (image[3:6, [1, WIDTH - 2]] == 1.0).all()
    assert np.count_nonzero(image > FLOOR) == 6
    np.testing.assert_array_equal(image, image[:, ::-1])


def test_eraser_and_the_right_button_make_cheap_again(panel: WeightsPanel) -> None:
    panel.set_weights(np.ones(HEIGHT * WIDTH))
    panel.presets.buttons["centre"].click()
    heard = Listener(panel, "weightsChanged")
    drag(panel, (0, 0), (0, 3), button=RIGHT)
    assert (images_of(panel, heard)[-1][0, :4] == FLOOR).all()
    set_brush(panel, erases=True)
    drag(panel, (11, 0), (11, 3))
    assert (images_of(panel, heard)[-1][11, :4] == FLOOR).all()
    drag(panel, (0, 1), button=RIGHT)
    assert images_of(panel, heard)[-1][0, 1] == 1.0


def test_strength_says_how_far(panel: WeightsPanel) -> None:
    set_brush(panel, strength=50)
    heard = Listener(panel, "weightsChanged")
    drag(panel, (3, 3), (3, 5), (3, 3))
    assert images_of(panel, heard)[-1][3, 4] == pytest.approx((FLOOR + 1) / 2)


def test_many_moves_of_one_turn_are_told_once(panel: WeightsPanel) -> None:
    heard = Listener(panel, "weightsChanged", "strokeEnded")
    QTest.mousePress(panel.canvas, LEFT, pos=place(panel, 2, 1))
    settle()
    before = len(heard["weightsChanged"])
    for column in range(2, 8):
        panel.canvas._extend((2.5, column + 0.5))
    assert len(heard["weightsChanged"]) == before
    settle()
    assert len(heard["weightsChanged"]) == before + 1
    assert heard["strokeEnded"] == []
    QTest.mouseRelease(panel.canvas, LEFT, pos=place(panel, 2, 7))
    assert len(heard["weightsChanged"]) == before + 1
    assert len(heard["strokeEnded"]) == 1


def test_undo_and_redo_take_whole_strokes(panel: WeightsPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    drag(panel, (1, 1), (1, 6))
    first = panel.weights
    drag(panel, (1, 5), (9, 5))
    second = panel.weights
    assert panel.undo_button.isEnabled()
    panel.undo()
    np.testing.assert_array_equal(panel.weights, first)
    panel.undo_button.click()
    assert panel.weights is None
    assert heard["weightsChanged"][-1] is None
    assert not panel.undo_button.isEnabled()
    panel.undo()
    panel.redo()
    panel.redo_button.click()
    np.testing.assert_array_equal(panel.weights, second)
    np.testing.assert_array_equal(heard["weightsChanged"][-1], second)
    assert panel.undo_button.isEnabled()
    assert not panel.redo_button.isEnabled()


def test_new_stroke_after_undo_forgets_what_was_undone(panel: WeightsPanel) -> None:
    drag(panel, (1, 1), (1, 6))
    panel.undo()
    assert panel.redo_button.isEnabled()
    drag(panel, (5, 5), (5, 6))
    assert not panel.redo_button.isEnabled()
    panel.redo()
    assert np.count_nonzero(panel.weights > FLOOR) == 2


def test_undo_keys(panel: WeightsPanel) -> None:
    drag(panel, (1, 1), (1, 6))
    QTest.keyClick(panel.canvas, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panel.weights is None
    QTest.keySequence(panel.canvas, "Ctrl+Shift+Z")
    assert panel.weights is not None


def test_presets(panel: WeightsPanel, data: Dataset) -> None:
    shape = (HEIGHT, WIDTH)
    mean, squares = (data.as_images(v[:, None])[0] for v in (data.X.mean(axis=1), data.X.var(axis=1)))
    heard = Listener(panel, "weightsChanged", "strokeEnded")
    for key, expected in {
        "centre": weighting.centre(shape),
        "border": weighting.border(shape),
        "image": weighting.from_image(mean),
        "residual": weighting.from_residual(squares),
        "invert": weighting.invert(weighting.from_residual(squares)),
    }.items():
        panel.presets.buttons[key].click()
        np.testing.assert_allclose(images_of(panel, heard)[-1], expected, err_msg=key)
    panel.presets.buttons["ramp"].menu().actions()[2].trigger()
    np.testing.assert_allclose(images_of(panel, heard)[-1], weighting.ramp(shape, "bottom"))
    panel.presets.buttons["clear"].click()
    assert heard["weightsChanged"][-1] is None
    assert len(heard["strokeEnded"]) == 7
    panel.presets.buttons["clear"].click()
    assert len(heard["strokeEnded"]) == 7
    panel.undo()
    np.testing.assert_allclose(images_of(panel, heard)[-1], weighting.ramp(shape, "bottom"))


def test_weights_from_elsewhere_are_shown_in_the_pixels_order(panel: WeightsPanel, data: Dataset) -> None:
    image = weighting.ramp((HEIGHT, WIDTH), "bottom")
    drag(panel, (1, 1))
    panel.set_weights(3 * image.flatten(data.order))
    np.testing.assert_allclose(panel.canvas.weights, image)
    assert not panel.undo_button.isEnabled()


def test_echo_of_what_was_sent_changes_nothing(panel: WeightsPanel) -> None:
    panel.weightsChanged.connect(panel.set_weights)
    drag(panel, (1, 1), (4, 4))
    drag(panel, (8, 8), (4, 4))
    sent = panel.weights.copy()
    panel.set_weights(sent)
    assert panel.undo_button.isEnabled()
    panel.undo()
    panel.undo()
    assert panel.weights is None


def test_echo_in_the_middle_of_a_stroke_does_not_end_it(panel: WeightsPanel) -> None:
    panel.weightsChanged.connect(panel.set_weights)
    QTest.mousePress(panel.canvas, LEFT, pos=place(panel, 2, 1))
    settle()
    QTest.mouseMove(panel.canvas, place(panel, 2, 3))
    settle()
    QTest.mouseRelease(panel.canvas, LEFT, pos=place(panel, 2, 3))
    assert np.count_nonzero(panel.weights > FLOOR) == 3
    panel.undo()
    assert panel.weights is None


def test_escape_drops_the_stroke(panel: WeightsPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    panel.canvas.setFocus()
    QTest.mousePress(panel.canvas, LEFT, pos=place(panel, 2, 1))
    QTest.mouseMove(panel.canvas, place(panel, 2, 8))
    settle()
    QTest.keyClick(panel.canvas, Key.Key_Escape)
    QTest.mouseRelease(panel.canvas, LEFT, pos=place(panel, 2, 8))
    settle()
    assert panel.weights is None
    assert heard["weightsChanged"][-1] is None
    assert heard["strokeEnded"] == []
    assert not panel.undo_button.isEnabled()


def test_keyboard_alone_paints(panel: WeightsPanel) -> None:
    panel.canvas.setFocus()
    for key in (Key.Key_Up, Key.Key_Left, Key.Key_Left):
        QTest.keyClick(panel.canvas, key)
    QTest.keyClick(panel.canvas, Key.Key_Return)
    image = panel.canvas.weights
    assert image[HEIGHT // 2 - 1, WIDTH // 2 - 2] == 1.0
    assert np.count_nonzero(image > FLOOR) == 1
    assert f"row {HEIGHT // 2}, column {WIDTH // 2 - 1}  ·  weight 1.000" in words(panel)


def test_keys_and_wheel_change_the_brush(panel: WeightsPanel) -> None:
    canvas = panel.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Key.Key_E)
    QTest.keyClick(canvas, Key.Key_M)
    QTest.keyClick(canvas, Key.Key_Plus)
    QTest.keyClick(canvas, Key.Key_Plus)
    assert canvas.brush == Brush(3, 1.0, erases=True, mirror=True)
    assert panel.bar.erases.isChecked()
    assert panel.bar.mirror.isChecked()
    assert panel.bar.diameter.value() == 3
    assert "3 px" in words(panel)
    QTest.keyClick(canvas, Key.Key_B)
    QTest.keyClick(canvas, Key.Key_Minus)
    wheel(canvas, 120, Qt.KeyboardModifier.NoModifier)
    assert canvas.brush == Brush(2, 1.0, mirror=True)
    wheel(canvas, 120, Qt.KeyboardModifier.ControlModifier)
    assert canvas.brush.diameter == 3
    for _ in range(30):
        wheel(canvas, 120, Qt.KeyboardModifier.ControlModifier)
    assert canvas.brush.diameter == HEIGHT
    for _ in range(30):
        wheel(canvas, -120, Qt.KeyboardModifier.ControlModifier)
    assert canvas.brush.diameter == 1


def wheel(canvas: PaintView, turn: int, held: Qt.KeyboardModifier) -> None:
    middle = QPointF(canvas.rect().center())
    event = QWheelEvent(
        middle,
        canvas.mapToGlobal(middle),
        QPoint(),
        QPoint(0, turn),
        Qt.MouseButton.NoButton,
        held,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def test_screen_shows_grey_under_cividis_at_forty_per_cent(panel: WeightsPanel, data: Dataset) -> None:
    mean = data.as_images(data.X.mean(axis=1)[:, None])[0]
    panel.presets.buttons["ramp"].menu().actions()[0].trigger()
    colours = weight_colours().astype(float)
    for row, column in ((0, 0), (5, 3), (11, 9), (2, 8)):
        weight = panel.canvas.weights[row, column]
        expected = 0.6 * 255 * mean[row, column] / mean.max() + 0.4 * colours[round(255 * weight)]
        assert colour_at(panel, row, column) == pytest.approx(tuple(expected), abs=2.5)


def test_ground_is_the_mean_or_the_residual(panel: WeightsPanel, data: Dataset) -> None:
    seen = panel.canvas._grey.copy()
    panel.residual_button.click()
    squares = data.as_images(data.X.var(axis=1)[:, None])[0]
    np.testing.assert_allclose(panel.canvas._grey, 255 * squares / squares.max(), atol=1)
    panel.set_residual_image(None)
    np.testing.assert_array_equal(panel.canvas._grey, seen)
    assert panel.mean_button.isChecked()
    assert not panel.residual_button.isEnabled()
    assert not panel.presets.buttons["residual"].isEnabled()


def test_partial_repaint_shows_what_a_full_one_shows(panel: WeightsPanel) -> None:
    panel.bar.mirror.click()
    set_brush(panel, diameter=4)
    drag(panel, (2, 2), (9, 3), (5, 6))
    words_of_strokes = panel.canvas._words.copy()
    panel.canvas.set_weights(panel.canvas.weights)
    np.testing.assert_array_equal(panel.canvas._words, words_of_strokes)


def test_strokes_outside_of_the_image_change_nothing(panel: WeightsPanel) -> None:
    heard = Listener(panel, *SIGNALS)
    outside = panel.canvas.place_of(0, 0).toPoint() - QPoint(30, 0)
    QTest.mouseClick(panel.canvas, LEFT, pos=QPoint(max(1, outside.x()), 2))
    QTest.mouseClick(panel.canvas, Qt.MouseButton.MiddleButton, pos=place(panel, 3, 3))
    settle()
    assert heard.is_silent


def test_right_button_opens_no_menu_of_the_window(panel: WeightsPanel) -> None:
    heard = Listener(panel, "weightsChanged")
    panel.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    asked = Listener(panel, "customContextMenuRequested")
    there = place(panel, 3, 3)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, there, panel.canvas.mapToGlobal(there))
    QApplication.sendEvent(panel.canvas, event)
    assert asked.is_silent
    assert heard.is_silent


def test_read_out_follows_the_pointer(panel: WeightsPanel) -> None:
    QTest.mouseMove(panel.canvas, place(panel, 4, 7))
    settle()
    assert f"row 5, column 8  ·  weight {FLOOR:.3f}" in words(panel)


def test_bases_share_their_order(panel: WeightsPanel, data: Dataset) -> None:
    plain, weighted = fakes.shown(data, seed=3), fakes.shown(data, seed=4, error=0.25)
    panel.set_bases(plain, weighted)
    settle()
    heard = Listener(panel, "basisPicked")
    for view in panel.pair.views:
        view.picked.emit(1)
    assert heard["basisPicked"] == [int(plain.order[1])] * 2
    assert "projected 12.500 %" in words(panel)
    assert "projected 25.000 %" in words(panel)
    assert f"weighted sparsity {weighted.attained:.4f}" in words(panel)
    images = data.as_images(weighted.W)[plain.order]
    for k, buffer in enumerate(panel.pair._buffers):
        tile = buffer._tiles[0, 1]
        wanted = images[1] if k else data.as_images(plain.W)[plain.order][1]
        np.testing.assert_allclose(tile, 254 * wanted / wanted.max(), atol=1)
    panel.set_bases(plain, None)
    assert "Paint, and the weighted basis comes here" in words(panel)


def test_behind_another_tab_bases_are_not_drawn(panel: WeightsPanel, data: Dataset) -> None:
    panel.hide()
    panel.set_bases(fakes.shown(data), fakes.shown(data))
    assert panel.pair._buffers == [None, None]
    panel.show()
    settle()
    assert None not in panel.pair._buffers


def test_empty_says_what_to_do(show: Callable[..., QWidget]) -> None:
    panel = show(WeightsPanel(), 900, 600)
    heard = Listener(panel, *SIGNALS)
    assert "Open your images" in words(panel)
    panel.set_activity("opening things")
    assert "Opening things..." in words(panel)
    panel.set_activity("")
    panel.empty.buttons["sample"].click()
    assert heard["asked"] == ["sample"]
    panel.undo()
    panel.set_weights(None)
    assert panel.weights is None


def test_everything_has_a_name_and_a_tooltip(panel: WeightsPanel) -> None:
    for part in (*panel.findChildren(QPushButton), *panel.findChildren(QSlider)):
        if part.isVisible():
            assert part.toolTip()
            assert part.accessibleName() or part.text()
    assert panel.canvas.accessibleName()


def test_history_keeps_the_newest_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    from gsp_studio.gui.widgets import paint_history

    box = slice(0, 2), slice(0, 2)
    assert edit_between(box, np.zeros((2, 2)), np.zeros((2, 2))) is None
    monkeypatch.setattr(paint_history, "_BYTES", 150)
    history = PaintHistory()
    for k in range(5):
        history.add(edit_between(box, np.full((2, 2), k), np.full((2, 2), k + 1.0)))
    undone = []
    while (step := history.undo()) is not None:
        undone.append(step[1][0, 0])
    assert undone == [4, 3]


def test_canvas_takes_its_keys_from_the_window_and_leaves_the_others(panel: WeightsPanel) -> None:
    pressed: list[str] = []
    for keys in ("E", "M", "Space", "]", "Esc"):
        action = QAction(panel)
        action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda _=False, keys=keys: pressed.append(keys))
        panel.addAction(action)
    panel.activateWindow()
    panel.canvas.setFocus()
    settle()
    for key in (Key.Key_E, Key.Key_M, Key.Key_Space, Key.Key_BracketRight, Key.Key_Escape):
        QTest.keyClick(panel.canvas, key)
    assert pressed == ["Space", "]", "Esc"]
    assert panel.canvas.brush == Brush(1, 1.0, erases=True, mirror=True)


def test_other_data_leave_nothing_to_undo(panel: WeightsPanel) -> None:
    drag(panel, (1, 1), (3, 3))
    heard = Listener(panel, *SIGNALS)
    QTest.mousePress(panel.canvas, LEFT, pos=place(panel, 5, 5))
    panel.set_dataset(fakes.dataset(7, 6))
    QTest.mouseRelease(panel.canvas, LEFT, pos=QPoint(5, 5))
    settle()
    assert not panel.undo_button.isEnabled()
    assert heard["weightsChanged"] == heard["strokeEnded"] == []
    panel.undo()
    assert panel.weights is None
    assert panel.canvas.weights.shape == (7, 6)


def test_retint_and_small_sizes_draw_without_a_word(panel: WeightsPanel) -> None:
    panel.bar.mirror.click()
    panel.canvas.setFocus()
    for width, height in ((300, 200), (1600, 300), (700, 1000)):
        panel.resize(width, height)
        settle()
        panel.grab()
    single = fakes.dataset(1, 9)
    panel.set_dataset(single)
    panel.set_mean_image(single.X.mean(axis=1))
    drag(panel, (0, 2), (0, 4))
    panel.grab()
    assert np.count_nonzero(panel.weights > FLOOR) >= 3
