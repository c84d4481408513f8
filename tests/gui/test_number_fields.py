"""Number fields by hand: a decimal comma, text that is no number, keys of the menus, Enter, Esc and the wheel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from handling import Listener, settle, wait_until
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QSlider, QToolTip, QWidget

from gsp_studio import gui
from gsp_studio.gui.state import Phase
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.number_field import DecimalNumber, WholeNumber, read_decimal
from gsp_studio.gui.window.main_window import MainWindow

Key, Ctrl, LEFT = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.MouseButton.LeftButton


def type_into(field: QAbstractSpinBox, text: str, end: Qt.Key | None = Key.Key_Return) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    if end is not None:
        QTest.keyClick(field, end)
    settle()


def turn_wheel(widget: QWidget, notches: int = 1) -> None:
    """Turn the wheel over a widget, as the window system sends it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(widget.rect().center())),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    settle()


@pytest.fixture
def fraction(show: Callable[..., QWidget]) -> DecimalNumber:
    made = DecimalNumber()
    made.setRange(0.0, 1.0)
    made.setDecimals(4)
    made.setKeyboardTracking(False)
    made.setValue(0.5)
    show(made, 120, 28)
    return made


@pytest.mark.parametrize(
    ("text", "value"), [("0,65", 0.65), ("0.65", 0.65), (",5", 0.5), (" 1 ", 1.0), ("1e-1", 0.1), ("2,5e-1", 0.25)]
)
def test_a_decimal_comma_is_a_decimal_point(fraction: DecimalNumber, text: str, value: float) -> None:
    assert read_decimal(text) == value
    type_into(fraction, text)
    assert fraction.value() == value
    assert fraction.text() == f"{value:.4f}"


@pytest.mark.parametrize("text", ["abc", "", "1.5", "-0,1", "0,6,5", "0.6.5", "nan", "inf", "1_0", "--", "0x1"])
@pytest.mark.parametrize("end", [Key.Key_Return, Key.Key_Tab])
def test_what_is_no_number_is_refused_visibly(fraction: DecimalNumber, text: str, end: Qt.Key) -> None:
    heard = Listener(fraction, "valueChanged")
    type_into(fraction, text or " ", end)
    if end is Key.Key_Tab:
        fraction.clearFocus()
        settle()
    assert (fraction.value(), fraction.text()) == (0.5, "0.5000")
    assert heard.is_silent
    assert "a number from 0.0000 to 1.0000. 0.5000 stays" in fraction.refusal
    assert QToolTip.text() == fraction.refusal
    image = fraction.grab().toImage()
    assert image.pixelColor(1, image.height() // 2).name() == current_theme().red
    type_into(fraction, "0.7")
    assert (fraction.value(), fraction.refusal) == (0.7, "")


def test_the_mark_of_a_refusal_goes_with_the_next_number(fraction: DecimalNumber) -> None:
    type_into(fraction, "0.5[")
    assert fraction.refusal
    fraction.setValue(0.62)  # as the slider beside it does
    assert fraction.refusal == ""
    image = fraction.grab().toImage()
    assert image.pixelColor(1, image.height() // 2).name() != current_theme().red


@pytest.mark.parametrize("text", ["3000", "1,000", "12.5", "1 0", "1e2", "x"])
def test_a_whole_number_is_not_cut_to_fit(show: Callable[..., QWidget], text: str) -> None:
    field = WholeNumber()
    field.setRange(1, 2000)
    field.setValue(40)
    show(field, 120, 28)
    type_into(field, text)
    assert field.value() == 40
    assert "a whole number from 1 to 2000" in field.refusal
    type_into(field, "300")
    assert field.value() == 300


def test_esc_brings_the_former_number_back(fraction: DecimalNumber) -> None:
    heard = Listener(fraction, "valueChanged")
    type_into(fraction, "0.9", Key.Key_Escape)
    assert fraction.text() == "0.5000"
    fraction.clearFocus()
    assert heard.is_silent


def test_every_number_field_of_the_window_has_these_manners(faces_window: MainWindow) -> None:
    fields = faces_window.findChildren(QAbstractSpinBox)
    assert len(fields) >= 5
    assert all(isinstance(field, (WholeNumber, DecimalNumber)) for field in fields)


def test_no_module_makes_a_field_of_qt_s_own() -> None:
    """Those change under a wheel that passes by, or refuse a decimal comma."""
    made = re.compile(r"(?<!class )\b(QSlider|QSpinBox|QDoubleSpinBox|QComboBox|QToolButton)\((?!Qt)")
    for path in sorted(Path(gui.__file__).parent.rglob("*.py")):
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if made.search(line)]
        assert [line for line in found if not line.startswith("class ")] == [], path.name


def test_the_wheel_needs_the_focus(faces_window: MainWindow) -> None:
    window = faces_window
    window.montage.view.setFocus()
    choice = window.session.settings.choice
    for slider in window.findChildren(QSlider):
        before = slider.value()
        turn_wheel(slider, -1)
        turn_wheel(slider, -1)
        assert slider.value() == before
    window.centre.show_view("Weights")
    bar = window.weights.bar
    bar.strength.setFocus()
    before = bar.strength.value()
    turn_wheel(bar.strength, -1)
    assert bar.strength.value() < before
    window.centre.show_view("Basis")
    window.montage.view.setFocus()
    fields = [*window.model.findChildren(QAbstractSpinBox), *window.model.findChildren(QComboBox)]
    for field in (*fields, window.sparsity.number, window.sparsity.number_h):
        turn_wheel(field, -1)
        turn_wheel(field, 1)
        assert not field.hasFocus()
    assert window.session.settings.choice == choice
    window.model.rank.setFocus()
    turn_wheel(window.model.rank, 1)
    assert window.session.settings.params.rank == choice.params.rank + 1


def test_after_enter_the_keys_are_the_windows_again(faces_window: MainWindow) -> None:
    window = faces_window
    type_into(window.model.iterations, "40")
    assert window.session.settings.params.max_iter == 40
    assert window.montage.view.hasFocus()
    QTest.keyClick(QApplication.focusWidget(), Key.Key_4)
    assert window.centre.current == "Path"
    QTest.keyClick(QApplication.focusWidget() or window, Key.Key_1)
    assert window.centre.current == "Basis"
    assert window.session.settings.params.max_iter == 40
    type_into(window.sparsity.number, "0,9")
    assert window.session.settings.params.sparsity == 0.9
    assert window.montage.view.hasFocus()


def click(window: MainWindow, button: QWidget) -> None:
    """As the mouse does: the window gets the press first, and hands it on."""
    handle = window.windowHandle()
    QTest.mouseClick(handle, LEFT, pos=button.mapTo(window, button.rect().center()))


def test_a_number_that_is_typed_is_the_one_that_a_click_begins_with(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    type_into(window.model.rank, "7", None)
    assert window.model.rank.hasFocus()
    click(window, window.run.run)
    wait_until(lambda: session.runs.entries)
    assert session.runs.entries[0].choice.params.rank == 7
    assert session.settings.params.rank == 7
    type_into(window.model.rank, "abc", None)
    click(window, window.sparsity.refine)
    assert "“abc” is not accepted" in window.model.rank.refusal
    assert (window.model.rank.text(), session.settings.params.rank) == ("7", 7)


def test_a_number_that_is_typed_is_the_one_that_a_key_of_the_menus_begins_with(faces_window: MainWindow) -> None:
    window, settings = faces_window, faces_window.session.settings
    seen: list[float] = []
    window.session_menu.save = lambda: seen.append(settings.params.sparsity)  # type: ignore[method-assign]
    type_into(window.sparsity.number, "0,91", None)
    QTest.keyClick(window.sparsity.number, Key.Key_Control)
    assert settings.params.sparsity != 0.91, "a key that is held is none yet"
    QTest.keyClick(window.sparsity.number, Key.Key_S, Ctrl)
    assert seen == [0.91]


def test_space_is_that_of_the_field_that_has_the_focus(faces_window: MainWindow) -> None:
    window = faces_window
    window.model.method.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(window.model.method, Key.Key_Space)
    assert window.model.method.view().isVisible()
    QTest.keyClick(window.model.method.view(), Key.Key_Escape)
    window.model.more.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(window.model.more, Key.Key_Space)
    assert window.model.more.isChecked()
    assert window.session.phase is Phase.IDLE
    window.model.method.setFocus(Qt.FocusReason.MouseFocusReason)
    QTest.keyClick(window.model.method, Key.Key_Space)
    assert window.session.phase.is_run, "after a choice by mouse Space runs, as from anywhere"


def test_menu_keys_work_while_a_field_has_the_focus(faces_window: MainWindow) -> None:
    window, settings = faces_window, faces_window.session.settings
    before = settings.params.sparsity
    type_into(window.sparsity.number, "0.95")
    number = window.sparsity.number
    number.setFocus()
    QTest.keyClick(number, Key.Key_Z, Ctrl)
    assert settings.params.sparsity == before
    QTest.keyClick(number, Key.Key_Z, Ctrl | Qt.KeyboardModifier.ShiftModifier)
    assert settings.params.sparsity == 0.95
    heard = Listener(window.actions_by_name["export"], "triggered")
    window.actions_by_name["export"].setEnabled(True)
    window.prompts.export = lambda: None  # type: ignore[method-assign]
    QTest.keyClick(number, Key.Key_E, Ctrl)
    assert len(heard["triggered"]) == 1
    # What is being typed has an undo of its own, and text is copied from a field.
    number.selectAll()
    QTest.keyClicks(number, "0.1")
    QTest.keyClick(number, Key.Key_Z, Ctrl)
    assert settings.params.sparsity == 0.95
    assert number.lineEdit().text() != "0.1"
    QTest.keyClick(number, Key.Key_Escape)
    number.selectAll()
    QTest.keyClick(number, Key.Key_C, Ctrl)
    assert QGuiApplication.clipboard().text() == "0.9500"


def test_a_view_that_comes_by_its_key_takes_the_keys(faces_window: MainWindow) -> None:
    window = faces_window
    window.montage.view.setFocus()
    fields = (QAbstractSpinBox, QComboBox, QLineEdit, QSlider)
    for key, title in (
        *((Key.Key_2, "Compare"), (Key.Key_3, "Inspector"), (Key.Key_4, "Path"), (Key.Key_5, "Weights")),
        *((Key.Key_6, "Networks"), (Key.Key_7, "Spectra"), (Key.Key_1, "Basis")),
    ):
        QTest.keyClick(QApplication.focusWidget() or window, key)
        settle()
        assert window.centre.current == title
        now = QApplication.focusWidget()
        assert now is None or window.centre.isAncestorOf(now), title
        assert not isinstance(now, fields), "it would take the next key for its own"
    assert window.montage.view.hasFocus()
    QTest.mouseClick(window.centre.bar, LEFT, pos=window.centre.bar.tabRect(2).center())
    assert window.inspector.strip.hasFocus()
    type_into(window.sparsity.number, "0,9")
    assert window.inspector.strip.hasFocus(), "the view in front has the keys after a number"


def test_menu_keys_work_in_the_filter_of_the_runs(faces_window: MainWindow) -> None:
    window, settings = faces_window, faces_window.session.settings
    before = settings.params.sparsity
    type_into(window.sparsity.number, "0.95")
    line = window.runs.filter
    line.setFocus()
    QTest.keyClicks(line, "ab")
    QTest.keyClick(line, Key.Key_Z, Ctrl)
    assert (line.text(), settings.params.sparsity) == ("", 0.95)
    line.setModified(False)
    QTest.keyClick(line, Key.Key_Z, Ctrl)
    assert settings.params.sparsity == before
    heard = Listener(window.actions_by_name["export"], "triggered")
    window.actions_by_name["export"].setEnabled(True)
    window.prompts.export = lambda: None  # type: ignore[method-assign]
    QTest.keyClick(line, Key.Key_E, Ctrl)
    assert len(heard["triggered"]) == 1


def test_enter_gives_the_keys_back_from_the_filter_of_the_runs(faces_window: MainWindow) -> None:
    line = faces_window.runs.filter
    line.setFocus()
    QTest.keyClicks(line, "ab")
    QTest.keyClick(line, Key.Key_Return)
    assert faces_window.montage.view.hasFocus()
    QTest.keyClick(QApplication.focusWidget(), Key.Key_4)
    assert (line.text(), faces_window.centre.current) == ("ab", "Path")
