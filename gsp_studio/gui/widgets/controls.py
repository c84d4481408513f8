"""Small things that several panels are made of."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.widgets.number_field import leave

_OF_TEXT = (
    *(QKeySequence.StandardKey.Copy, QKeySequence.StandardKey.Cut, QKeySequence.StandardKey.Paste),
    *(QKeySequence.StandardKey.SelectAll, QKeySequence.StandardKey.MoveToNextWord),
    *(QKeySequence.StandardKey.MoveToPreviousWord, QKeySequence.StandardKey.DeleteStartOfWord),
)


class Button(QPushButton):
    """A button that the mouse presses without taking the keyboard's focus, and that Space presses when it has it.

    In a dialog, Enter in a field beside it does not press it.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoDefault(False)

    def event(self, event: QEvent) -> bool:
        """Space is this button's key before it is the window's."""
        return _takes_space(event) or super().event(event)


class ToolButton(QToolButton):
    """A tool button with the manners of `Button`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def event(self, event: QEvent) -> bool:
        """Space is this button's key before it is the window's."""
        return _takes_space(event) or super().event(event)


class Slider(QSlider):
    """A horizontal slider that the wheel moves with the focus only."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A step a notch, with the focus: a scroll that passes by must not change a value."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class CheckBox(QCheckBox):
    """A check box with the manners of `Button`."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def event(self, event: QEvent) -> bool:
        """Space is this box's key before it is the window's."""
        return _takes_space(event) or super().event(event)


class LineEdit(QLineEdit):
    """A line of text that leaves the keys of the menus to the window, and steps back in its own text while it has any.

    The keys that some systems give to lines of text besides (Ctrl+E: to the end of the line) are the window's, and
    Enter gives it all of them back.
    """

    def event(self, event: QEvent) -> bool:
        """Claim the keys of editing alone."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo):
                is_ours = self.isModified()
            else:
                held = event.modifiers() & Qt.KeyboardModifier.ControlModifier
                is_ours = not held or any(event.matches(key) for key in _OF_TEXT)
            if not is_ours:
                event.ignore()
                return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter takes the text and leaves the field, so that the next key is not typed into it."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and leave(self):
            event.accept()


class ComboBox(QComboBox):
    """A choice that the wheel turns with the focus only: a scroll that passes by must not change a result.

    Space opens it where the keyboard has come to it; after a choice by mouse Space is the window's. A text that has no
    room is shortened in its middle, as names begin with numbers and end with settings.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._is_by_key = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Remember whether the keyboard has come here; not when its own list closes."""
        if event.reason() not in (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason):
            self._is_by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def event(self, event: QEvent) -> bool:
        """Claim Space before it is the window's key."""
        return (self._is_by_key and _takes_space(event)) or super().event(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """An entry a notch, with the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def shown_text(self) -> str:
        """Return the text in the field, shortened to its room."""
        return self._shortened(self._option())

    def _option(self) -> QStyleOptionComboBox:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        return option

    def _shortened(self, option: QStyleOptionComboBox) -> str:
        control, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(control, option, field, self).width() - 4
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideMiddle, room)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the field with as much of its text as it has room for."""
        option, painter = self._option(), QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self._shortened(option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def _takes_space(event: QEvent) -> bool:
    """Claim Space if the window asks for it; return whether it did."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    if event.key() != Qt.Key.Key_Space:
        return False
    event.accept()
    return True


def label(text: str = "", *, muted: bool = False, caution: bool = False, wrap: bool = False) -> QLabel:
    """A label; muted for what explains, not for what is measured. Names of files go into it, so it takes no mark-up.

    The theme colours it, so that it follows a change of the theme; `caution`: it warns.
    """
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("muted", muted)
    made.setProperty("caution", caution)
    made.setWordWrap(wrap)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return made


def plain(text: str) -> str:
    """A text for tool tips and messages, where Qt takes what looks like mark-up for mark-up: shown as it is."""
    if "<" not in text and "&" not in text:
        return text
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>'


class ElidedLabel(QLabel):
    """A line that gives way: what has no room ends in "…" and is told by the tool tip, and nothing beside it moves.

    A new text is painted alone: a QLabel would have all that it stands in laid out anew, thirty times a second where
    it tells what is measured.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text
        self.tip = ""  #: Told in place of the text.
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def setText(self, text: str) -> None:
        """Say something else."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.update()

    def sizeHint(self) -> QSize:
        """Return the height of a line."""
        return QSize(240, self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the height of a line."""
        margins = self.contentsMargins()
        return QSize(0, self.fontMetrics().height() + margins.top() + margins.bottom())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text, shortened to the room."""
        text = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        told = plain(self.tip or ("" if text == self._text else self._text))
        if told != self.toolTip():
            self.setToolTip(told)
        painter = QPainter(self)
        align, enabled = Qt.AlignmentFlag.AlignVCenter, self.isEnabled()
        self.style().drawItemText(painter, self.rect(), align, self.palette(), enabled, text, self.foregroundRole())


def reserve(made: QLabel, widest: str) -> QLabel:
    """Keep room for the widest text, so that nothing beside the label moves when it changes."""
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance(widest) + 2)
    return made


def canvas(frame: QFrame, name: str = "canvas") -> QVBoxLayout:
    """A column that fills a frame on the dark ground of basis images; `name` "plot" for the theme's ground of plots."""
    frame.setObjectName(name)
    box = QVBoxLayout(frame)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(0)
    return box


def label_row(left: QLabel, right: QLabel) -> QHBoxLayout:
    """A line of words at both ends; the left one takes what is free."""
    row = QHBoxLayout()
    row.setContentsMargins(12, 6, 12, 6)
    row.setSpacing(16)
    row.addWidget(left, 1)
    row.addWidget(right)
    return row


def elastic(made: QLabel) -> QLabel:
    """Take what room there is: a long text is cut off rather than making the window wider."""
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return made


class EmptyState(QFrame):
    """One line that says what to do next, with the buttons for it; `chosen(key)` tells which was pressed.

    `wraps`: whether hints may be longer than a line.
    """

    chosen = Signal(str)

    def __init__(
        self, line: str, hint: str, buttons: dict[str, str], wraps: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("plot")
        box = QVBoxLayout(self)
        box.setSpacing(16)
        box.addStretch()
        self._line = label(line)
        self._line.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self._line.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        self._line.setFont(font)
        box.addWidget(self._line)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch()
        self.buttons: dict[str, QPushButton] = {}
        for key, text in buttons.items():
            button = Button(text)
            button.setProperty("primary", not self.buttons)
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, key=key: self.chosen.emit(key))
            self.buttons[key] = button
            row.addWidget(button)
        row.addStretch()
        box.addLayout(row)
        self._hint = label(hint, muted=True, wrap=wraps)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        box.addWidget(self._hint)
        box.addStretch()

    def set_text(self, line: str, hint: str = "", offers: bool = True) -> None:
        """Other words for another state; `offers`: whether the buttons are there."""
        self._line.setText(line)
        self._hint.setText(hint)
        for button in self.buttons.values():
            button.setVisible(offers)

    def text(self) -> tuple[str, str]:
        """The words."""
        return self._line.text(), self._hint.text()
