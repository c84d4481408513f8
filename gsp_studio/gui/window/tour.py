"""The tour for newcomers: five hints in one place, each with a ring around its widget. All goes on working below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QDialog, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import Button, label
from gsp_studio.nouns import Nouns

_NEXT = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Right)
_KEYS = (*_NEXT, Qt.Key.Key_Left, Qt.Key.Key_Escape)
_WIDTH = 320
#: Steps across the window in which a place for the hints is looked for.
_STEPS = 12
_GAP = 12


@dataclass(frozen=True)
class Hint:
    """A hint about a widget."""

    about: Callable[[], QWidget]
    title: str
    text: str


class _Ring(QWidget):
    """A line around what a hint is about; the mouse goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(current_theme().accent), 2))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 6, 6)


def hints_of(
    opening: QWidget, run: QWidget, slider: QWidget, bars: QWidget, views: QWidget, nouns: Nouns
) -> tuple[Hint, ...]:
    """Return the hints, and their widgets, with the words for the data that are open."""
    return (
        Hint(
            lambda: opening,
            "Open your images",
            "A folder of images or a file: TIFF, NumPy, MATLAB, HDF5 and more. Dropping them on the window does "
            "the same. The sample faces are a quick start.",
        ),
        Hint(
            lambda: run,
            "Run, pause, cancel",
            nouns.of(
                "Run (Space) factorizes the images into basis images and their coefficients. Cancel (Esc) keeps the "
                "best iterate."
            ),
        ),
        Hint(
            lambda: slider,
            "One slider for the whole basis",
            nouns.of(
                "It sets the average sparsity of the basis; the sparsity of each image is free. Drag it: the basis "
                "follows at once, and so does a run that is going."
            ),
        ),
        Hint(
            lambda: bars,
            nouns.of("Sparsity per basis image"),
            nouns.of(
                "Each basis image has a bar. Double-click it to lock that sparsity (key L): the others share the rest."
            ),
        ),
        Hint(
            lambda: views,
            "Other views",
            nouns.of(
                "Compare runs, inspect single images, see the error at every sparsity, paint weights of pixels, prune "
                "a trained network (keys 1 to 7). "
            )
            + "Everything else is in the command palette: Ctrl+Shift+P.",
        ),
    )


class Tour(QFrame):
    """Shows one hint after another over a window; `ended` when the last was read or the tour was left."""

    ended = Signal()

    def __init__(self, hints: tuple[Hint, ...], window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("tour")
        self.setAccessibleName("Tour")
        self._hints, self._window = hints, window
        self.index = 0
        self._ring = _Ring(window)
        self._title, self._text = label(), label(wrap=True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._count = label(muted=True)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self.leave, self.back, self.next = Button("Leave the tour"), Button("Back"), Button("Next")
        for button in (self.leave, self.back, self.next):  # the tour has the keys
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.next.setProperty("primary", True)
        self.leave.setFlat(True)
        self.leave.clicked.connect(self.end)
        self.back.clicked.connect(lambda: self.show_hint(self.index - 1))
        self.next.clicked.connect(lambda: self.show_hint(self.index + 1))
        self._lay_out()
        window.installEventFilter(self)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.leave)
        row.addStretch()
        row.addWidget(self._count)
        row.addWidget(self.back)
        row.addWidget(self.next)
        self._box = box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 12)
        box.setSpacing(8)
        box.addWidget(self._title)
        box.addWidget(self._text, 1)
        box.addLayout(row)
        self.setFixedWidth(_WIDTH + 32)
        self.next.setFixedWidth(max(self.next.sizeHint().width(), Button("Done").sizeHint().width()))

    def pass_opening(self) -> None:
        """Go on from the first hint: there are images now. What has the focus keeps it."""
        if self.index == 0 and self.isVisible():
            self.show_hint(1, takes_keys=self.hasFocus())

    def show_hint(self, index: int, *, takes_keys: bool = True) -> None:
        """Show a hint; after the last one the tour ends."""
        if index >= len(self._hints):
            self.end()
            return
        self.index = max(0, index)
        hint = self._hints[self.index]
        self._title.setText(hint.title)
        self._text.setText(hint.text)
        self._count.setText(f"{self.index + 1} of {len(self._hints)}")
        self.back.setEnabled(self.index > 0)
        self.next.setText("Done" if self.index == len(self._hints) - 1 else "Next")
        self.place()
        if takes_keys and not isinstance(QApplication.activeWindow(), QDialog):
            self.setFocus(Qt.FocusReason.OtherFocusReason)

    def place(self) -> None:
        """Put the ring around its widget, and the hint where it covers none that a hint is about."""
        self.setFixedHeight(max(self._height_of(hint) for hint in self._hints))
        targets = [self._target(hint) for hint in self._hints]
        self._ring.setGeometry(targets[self.index])
        inside = self._window.rect().adjusted(_GAP, _GAP, -_GAP, -_GAP)
        across, down = max(0, inside.width() - self.width()), max(0, inside.height() - self.height())
        middle = QPoint(across // 2, down // 2)
        places = [
            QPoint(across * i // _STEPS, down * k // _STEPS) for i in range(_STEPS + 1) for k in range(_STEPS + 1)
        ]
        places.sort(key=lambda place: (place - middle).manhattanLength())
        free = (
            place
            for place in (middle, *places)
            if not any(QRect(inside.topLeft() + place, self.size()).intersects(target) for target in targets)
        )
        self.move(inside.topLeft() + next(free, middle))
        for part in (self._ring, self):
            part.show()
            part.raise_()

    def _target(self, hint: Hint) -> QRect:
        about = hint.about()
        return QRect(about.mapTo(self._window, QPoint(0, 0)), about.size()).adjusted(-4, -4, 4, 4)

    def _height_of(self, hint: Hint) -> int:
        margins = self._box.contentsMargins()
        lines = self._text.fontMetrics().boundingRect(
            QRect(0, 0, self.width() - margins.left() - margins.right(), 10_000), Qt.TextFlag.TextWordWrap, hint.text
        )
        parts = self._title.sizeHint().height() + lines.height() + self.next.sizeHint().height()
        return parts + 2 * self._box.spacing() + margins.top() + margins.bottom() + 4

    def end(self) -> None:
        """Leave."""
        self._window.removeEventFilter(self)
        self._ring.hide()
        self._ring.deleteLater()
        had_focus = self.hasFocus()
        self.hide()
        self.deleteLater()
        if had_focus:
            self._window.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ended.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay beside it when the window's size changes."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest) and self.isVisible():
            self.place()
        return False

    def event(self, event: QEvent) -> bool:
        """With the focus here these keys are the tour's before they are the window's."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _KEYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves, Enter and the right arrow go on, the left one back."""
        key = event.key()
        if key == Qt.Key.Key_Escape:
            self.end()
        elif key in _NEXT:
            self.show_hint(self.index + 1)
        elif key == Qt.Key.Key_Left:
            self.show_hint(self.index - 1)
        else:
            super().keyPressEvent(event)
