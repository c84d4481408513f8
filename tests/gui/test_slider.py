"""The slider widget by itself: mouse, keys, wheel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from handling import Listener, settle, turn_wheel
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from gsp_studio.gui.widgets.slider import SparsitySlider

Key, Shift = Qt.Key, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def slider(show: Callable[..., QWidget]) -> SparsitySlider:
    """A slider 524 pixels wide, so that its groove is 500, at 0.5, with another field beside it."""
    frame = QWidget()
    made = SparsitySlider()
    made.setFixedWidth(524)
    row = QHBoxLayout(frame)
    row.addWidget(made)
    row.addWidget(QLineEdit())
    made.setValue(0.5)
    show(frame)
    made.setFocus()
    settle()
    assert made.hasFocus()
    return made


def at(slider: SparsitySlider, value: float) -> QPoint:
    """Where a value lies."""
    return QPoint(round(12 + 500 * value), round(slider.handle_position().y()))


def test_set_value_never_emits_and_stays_between_0_and_1(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged", "resetRequested")
    for value, expected in ((0.7, 0.7), (-1.0, 0.0), (2.0, 1.0), (0.123456, 0.123456)):
        slider.setValue(value)
        assert slider.value() == expected
    slider.setMark(0.4)
    assert heard.is_silent


@pytest.mark.parametrize(
    ("key", "modifier", "expected"),
    [
        (Key.Key_Right, Qt.KeyboardModifier.NoModifier, 0.51),
        (Key.Key_Up, Qt.KeyboardModifier.NoModifier, 0.51),
        (Key.Key_Left, Qt.KeyboardModifier.NoModifier, 0.49),
        (Key.Key_Down, Qt.KeyboardModifier.NoModifier, 0.49),
        (Key.Key_Right, Shift, 0.501),
        (Key.Key_Left, Shift, 0.499),
        (Key.Key_Home, Qt.KeyboardModifier.NoModifier, 0.0),
        (Key.Key_End, Qt.KeyboardModifier.NoModifier, 1.0),
    ],
)
def test_keys_step(slider: SparsitySlider, key: Key, modifier: Qt.KeyboardModifier, expected: float) -> None:
    heard = Listener(slider, "valueChanged")
    QTest.keyClick(slider, key, modifier)
    assert heard["valueChanged"] == [expected]
    assert slider.value() == expected


def test_keys_stop_at_the_ends_without_a_signal(slider: SparsitySlider) -> None:
    slider.setValue(1.0)
    heard = Listener(slider, "valueChanged")
    QTest.keyClick(slider, Key.Key_Right)
    slider.setValue(0.0)
    QTest.keyClick(slider, Key.Key_Left)
    assert heard.is_silent


def test_wheel_turns_it_with_the_focus_only(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged")
    assert turn_wheel(slider, 2)
    assert heard["valueChanged"] == [0.52]
    slider.clearFocus()
    assert not turn_wheel(slider, 1), "a scroll that passes by belongs to what lies below"
    assert heard["valueChanged"] == [0.52]
    assert slider.value() == 0.52


def test_press_on_the_groove_jumps_and_a_drag_follows(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged")
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=at(slider, 0.8))
    assert heard["valueChanged"] == [0.8]
    QTest.mouseMove(slider, at(slider, 0.9))
    QTest.mouseMove(slider, at(slider, 0.2))
    QTest.mouseMove(slider, QPoint(-400, 0))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(-400, 0))
    QTest.mouseMove(slider, at(slider, 0.6))
    assert heard["valueChanged"] == [0.8, 0.9, 0.2, 0.0]


def test_press_on_the_handle_moves_nothing(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged")
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=at(slider, 0.5) + QPoint(3, 2))
    assert heard.is_silent


def test_other_buttons_do_nothing(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged", "resetRequested")
    QTest.mousePress(slider, Qt.MouseButton.RightButton, pos=at(slider, 0.9))
    QTest.mouseMove(slider, at(slider, 0.3))
    QTest.mouseRelease(slider, Qt.MouseButton.RightButton, pos=at(slider, 0.3))
    assert heard.is_silent


def test_double_click_asks_for_the_reset(slider: SparsitySlider) -> None:
    heard = Listener(slider, "valueChanged", "resetRequested")
    QTest.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=at(slider, 0.5))
    assert len(heard["resetRequested"]) == 1
    assert heard["valueChanged"] == []
    QTest.mouseMove(slider, at(slider, 0.9))
    assert heard["valueChanged"] == [], "the drag of the first click goes on"


def test_handle_is_painted_where_the_value_is(slider: SparsitySlider) -> None:
    slider.clearFocus()
    for value in (0.1, 0.9):
        slider.setValue(value)
        image = slider.grab().toImage()
        here, there = (image.pixel(at(slider, v)) for v in (value, 1.0 - value))
        assert here != there
        assert slider.handle_position().toPoint() == at(slider, value)


def test_mark_is_painted_left_of_it_hatched(slider: SparsitySlider) -> None:
    slider.setValue(0.9)
    plain = slider.grab().toImage()
    slider.setMark(0.4)
    marked = slider.grab().toImage()
    y = round(slider.handle_position().y())
    x = at(slider, 0.4).x()
    assert marked.pixel(x, y - 9) != plain.pixel(x, y - 9), "the mark"
    left = {marked.pixel(k, y) for k in range(60, 100)}
    assert len(left) > 1, "the part that cannot be reached is hatched"
    slider.setMark(float("nan"))
    assert slider.grab().toImage() == plain
