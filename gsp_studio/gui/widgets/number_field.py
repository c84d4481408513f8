"""Fields for numbers: a decimal comma is read, what cannot be read is refused visibly, and the wheel needs the focus.

While such a field has the focus, the keys of the menus still are the window's; Enter takes the number and gives the
focus back to the window, so that the next key is not typed into the number. A click elsewhere and a key of the menus
take the number first: what they start begins with the number that is written here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QValidator,
    QWheelEvent,
    QWindow,
)
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDialog,
    QDockWidget,
    QDoubleSpinBox,
    QSpinBox,
    QToolTip,
    QWidget,
)

from gsp_studio.gui.theme import current_theme

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?")
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_OF_TEXT = (QKeySequence.StandardKey.Copy, QKeySequence.StandardKey.Cut, QKeySequence.StandardKey.Paste)
_UNDO = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)
#: Keys that mean nothing by themselves.
_HELD = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_AltGr, Qt.Key.Key_Meta)


def read_decimal(text: str) -> float:
    """Read a number with a decimal point or a decimal comma; NaN where the text is none."""
    text = text.strip()
    return float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else math.nan


if TYPE_CHECKING:

    class _SpinBox(QAbstractSpinBox):
        """Methods that both kinds of spin boxes have."""

        minimum: Callable[[], Any]
        maximum: Callable[[], Any]
        value: Callable[[], Any]
        setValue: Callable[[Any], None]
        valueChanged: Any
        prefix: Callable[[], str]
        suffix: Callable[[], str]
else:
    _SpinBox = object


class _Manners(_SpinBox):
    """The manners of both kinds of fields; stands before the spin box.

    Attributes
    ----------
    refusal : str
        Why the last text was not taken, "" where it was.
    """

    refusal = ""
    _kind = ""
    _taken: Any = None
    _handle: QWindow | None = None

    if TYPE_CHECKING:  # of each kind its own; Qt's classes cannot be abstract

        def _read(self, text: str) -> float: ...

        def _write(self, value: float) -> str: ...

    # Text

    def _bare(self, text: str) -> str:
        """A text without prefix and suffix."""
        return text.removeprefix(self.prefix()).removesuffix(self.suffix()).strip()

    def _is_read(self, text: str) -> bool:
        if self.specialValueText() and text.strip() == self.specialValueText():
            return True
        value = self._read(self._bare(text))
        return bool(self.minimum() <= value <= self.maximum())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Anything may be typed; it is looked at when it is complete."""
        state = QValidator.State.Acceptable if self._is_read(text) else QValidator.State.Intermediate
        return state, text, position

    def _refuse(self) -> bool:
        """Bring the former number back where the text is not accepted, and say why; return whether it is so."""
        text = self.lineEdit().text()
        if self._is_read(text):
            self.refusal = ""
            self.update()
            return False
        if self._taken is not None and self.keyboardTracking():  # what it began with was taken while it was typed
            self.setValue(self._taken)
        kept = self.specialValueText() if self.specialValueText() and self.value() == self.minimum() else ""
        kept = kept or f"{self.prefix()}{self._write(self.value())}{self.suffix()}"
        self.lineEdit().setText(kept)
        self.refusal = f"“{self._bare(text)}” is not accepted: {self.words}. {kept} stays."
        self.update()
        QTimer.singleShot(0, self, self._tell_refusal)  # the press that takes the focus away would hide it at once
        return True

    def _tell_refusal(self) -> None:
        if self.refusal and self.isVisible():
            QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), self.refusal, self)

    @property
    def words(self) -> str:
        """Accepted numbers, for people."""
        return f"{self._kind} from {self._write(self.minimum())} to {self._write(self.maximum())}"

    # Keys

    def event(self, event: QEvent) -> bool:
        """Claim the keys of editing, and leave those of the menus to the window."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and not self._claims(event):
            if event.key() not in _HELD:
                self._take_typed()
            event.ignore()
            return False
        return bool(super().event(event))

    def _claims(self, event: QKeyEvent) -> bool:
        is_changed = self.lineEdit().isModified()
        if event.key() == Qt.Key.Key_Escape:
            if is_changed:
                event.accept()
            return is_changed
        if any(event.matches(key) for key in _UNDO):
            return is_changed  # of the text while it is being typed, of the window's steps else
        held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        of_text = event.matches(QKeySequence.StandardKey.SelectAll) or any(event.matches(key) for key in _OF_TEXT)
        if event.matches(QKeySequence.StandardKey.Copy):
            return self.lineEdit().hasSelectedText()
        return not held or of_text or event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter takes the number and leaves the field; Esc brings the former one back."""
        if event.key() == Qt.Key.Key_Escape and self.lineEdit().isModified():
            if self._taken is not None and self.keyboardTracking():
                self.setValue(self._taken)
            self.lineEdit().setText(f"{self.prefix()}{self._write(self.value())}{self.suffix()}")
            self.selectAll()
            event.accept()
            return
        is_enter = event.key() in _ENTER
        if is_enter and self._refuse():
            self.selectAll()
            event.accept()  # the button that Enter means would go on with another number than the one typed
            return
        super().keyPressEvent(event)
        if is_enter:
            self.lineEdit().setModified(False)
            self._taken = self.value()
            if leave(self):
                event.accept()

    def _take_typed(self) -> None:
        """Take the number as far as it is typed, or refuse it."""
        if self.lineEdit().isModified():
            if not self._refuse():
                self.interpretText()
                self._taken = self.value()
            self.lineEdit().setModified(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the number before a click elsewhere does anything: most buttons leave the focus where it is."""
        if event.type() == QEvent.Type.MouseButtonPress and isinstance(event, QMouseEvent):
            under = self.window().childAt(event.position().toPoint())
            if under is not self and (under is None or not self.isAncestorOf(under)):
                self._take_typed()
        return False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Remember the number that a refusal brings back, and look out for clicks elsewhere.

        All of it is selected, so that typing replaces it, unless the mouse says where to type.
        """
        self._taken = self.value()
        # Of the window alone: a filter of the application gets every event of every object, half-made ones too.
        self._handle = self.window().windowHandle()
        if self._handle is not None:
            self._handle.installEventFilter(self)
        super().focusInEvent(event)
        is_elsewhere = event.reason() in (Qt.FocusReason.MouseFocusReason, Qt.FocusReason.PopupFocusReason)
        if not is_elsewhere and not self.lineEdit().isModified():
            self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the number, or refuse it."""
        handle, self._handle = self._handle, None
        if handle is not None and shiboken6.isValid(handle):
            handle.removeEventFilter(self)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._refuse()
            self.lineEdit().setModified(False)
        super().focusOutEvent(event)

    def stepBy(self, steps: int) -> None:
        """Step from the number that is written here."""
        self._refuse()
        super().stepBy(steps)
        self._taken = self.value()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A step a notch, with the focus only: a scroll that passes by must not change a result."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The field, in a red frame where the last text was refused."""
        super().paintEvent(event)
        if self.refusal:
            painter = QPainter(self)
            painter.setPen(QPen(QColor(current_theme().red), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
            painter.end()

    def _forget_refusal(self) -> None:
        if self.refusal:
            self.refusal = ""
            self.update()

    def _take_manners(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().textEdited.connect(lambda _: self._forget_refusal())
        self.valueChanged.connect(lambda _: self._forget_refusal())


class WholeNumber(_Manners, QSpinBox):
    """Edits a whole number; one with a separator of thousands or decimals is refused."""

    _kind = "a whole number"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._take_manners()

    def _read(self, text: str) -> float:
        return float(text) if _WHOLE.fullmatch(text) else math.nan

    def _write(self, value: float) -> str:
        return str(round(value))

    def valueFromText(self, text: str) -> int:
        """Read the text of the field."""
        value = self._read(self._bare(text))
        return self.minimum() if math.isnan(value) else int(value)

    def textFromValue(self, value: int) -> str:
        """Digits alone."""
        return self._write(value)


class DecimalNumber(_Manners, QDoubleSpinBox):
    """Edits a number; `is_short` writes no more digits than it needs, and steps by tens."""

    _kind = "a number"

    def __init__(self, parent: QWidget | None = None, *, is_short: bool = False) -> None:
        super().__init__(parent)
        self._is_short = is_short
        if is_short:
            self.setDecimals(12)
        self._take_manners()

    def _read(self, text: str) -> float:
        return read_decimal(text)

    def _write(self, value: float) -> str:
        return f"{value:.12g}" if self._is_short else f"{value:.{self.decimals()}f}"

    def valueFromText(self, text: str) -> float:
        """Read the text of the field."""
        value = self._read(self._bare(text))
        return self.minimum() if math.isnan(value) else value

    def textFromValue(self, value: float) -> str:
        """Write with a decimal point, as everywhere in the window."""
        return self._write(value)

    def stepBy(self, steps: int) -> None:
        """Step from the number that is written here."""
        if self._is_short and self.value() > 0:
            self._refuse()
            self.setValue(self.value() * 10.0**steps)
        else:
            super().stepBy(steps)


def leave(field: QWidget) -> bool:
    """Give the focus back to the main window around a field; return whether there is one."""
    top = field.window()
    around = top.parentWidget() if isinstance(top, QDockWidget) else None  # floating
    top = top if around is None else around.window()
    if isinstance(top, QDialog):
        return False
    field.clearFocus()
    top.setFocus(Qt.FocusReason.OtherFocusReason)
    return True
