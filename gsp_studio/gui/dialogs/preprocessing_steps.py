"""Steps in an order: an eye switches one off, dragging moves it, a double-click opens its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QKeySequence, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.dialogs.preprocessing_step import StepDialog
from gsp_studio.gui.theme import Themed, current_theme, icon
from gsp_studio.gui.widgets.controls import Button
from gsp_studio.io.steps import (
    LARGEST_SIDE,
    Background,
    Bin,
    Crop,
    Flip,
    Mask,
    Nonnegative,
    Normalize,
    Patches,
    RelativeChange,
    Resize,
    Rotate,
    Step,
    StepError,
    Subtract,
    shape_after,
    text_of,
)

#: Pixels: side of an eye, and what lies beside it and the text in a row.
_EYE, _BESIDE = 18, 24
_STEP = Qt.ItemDataRole.UserRole
_TITLES = {
    "crop": "Crop",
    "resize": "Resize",
    "rotate": "Rotate",
    "flip": "Flip",
    "bin": "Bin",
    "patches": "Patches",
    "subtract": "Subtract",
    "background": "Background of a movie",
    "dff": "dF/F of a movie",
    "normalize": "Normalize",
    "mask": "Mask",
    "nonnegative": "Negative values",
}


def new_step(kind: str, shape: tuple[int, int]) -> Step:
    """A step to begin with, for images of that shape."""
    height, width = shape
    made: dict[str, Step] = {
        "crop": Crop(0, 0, height, width),
        "resize": Resize(max(1, height // 2), max(1, width // 2)),
        "rotate": Rotate(),
        "flip": Flip(),
        "bin": Bin(),
        "patches": Patches(min(8, height), min(8, width), 10_000),
        "subtract": Subtract("minimum"),
        "background": Background(),
        "dff": RelativeChange(),
        "normalize": Normalize(),
        "mask": Mask(""),
        "nonnegative": Nonnegative(),
    }
    return made[kind]


class _WithoutBox(QStyledItemDelegate):
    """Draws no box for an item that can be switched off: the eye says it. All lines of its text have room."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Style the row as usual, but for the box."""
        super().initStyleOption(option, index)
        option.features &= ~QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Size of a row: the style sheet's padding is not counted where Qt breaks lines."""
        size, view = super().sizeHint(option, index), self.parent()
        assert isinstance(view, QListWidget)
        room = QRect(0, 0, view.viewport().width() - _EYE - _BESIDE, 1000)
        lines = view.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, index.data())
        return QSize(size.width(), max(size.height(), lines.height() + 4))


class _Eyes(Themed, QListWidget):
    """A list whose items are switched off and on by an eye in front of them, or by Space."""

    def __init__(self) -> None:
        super().__init__()
        self.setItemDelegate(_WithoutBox(self))
        self.setIconSize(QSize(_EYE, _EYE))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)  # a scroll bar that comes leaves texts less room
        self.itemChanged.connect(self.show_eye)
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for row in range(self.count()):
            self.show_eye(self.item(row))

    def show_eye(self, item: QListWidgetItem) -> None:
        """The eye that goes with an item's state."""
        is_on = item.checkState() is Qt.CheckState.Checked
        self.blockSignals(True)
        item.setIcon(icon("eye" if is_on else "eye_off"))
        item.setForeground(QColor(current_theme().text if is_on else current_theme().text_disabled))
        self.blockSignals(False)

    def eye_of(self, row: int) -> QRect:
        """Return the place of a row's eye, in the viewport's coordinates."""
        place = self.visualItemRect(self.item(row))
        return QRect(place.left(), place.top(), _EYE + 12, place.height())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on an eye."""
        super().mouseReleaseEvent(event)
        item = self.itemAt(event.position().toPoint())
        if item is None or not self.eye_of(self.row(item)).contains(event.position().toPoint()):
            return
        is_on = item.checkState() is Qt.CheckState.Checked
        item.setCheckState(Qt.CheckState.Unchecked if is_on else Qt.CheckState.Checked)


class StepsList(QWidget):
    """Edits a sequence of steps; emits `changed(steps)`."""

    changed = Signal(object)  # tuple of Step

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = _Eyes()
        self.list.setAccessibleName("Steps")
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.list.setToolTip("Done to every image, from top to bottom: drag to move, close the eye to leave out")
        self.list.setWordWrap(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.list.setMinimumWidth(260)
        self.list.setFixedHeight(5 * (self.list.fontMetrics().height() + 8))
        self.add_button, self.edit_button, self.remove_button = Button("Add"), Button("Edit..."), Button("Remove")
        self._shape = (1, 1)
        self._raw_shape = (LARGEST_SIDE, LARGEST_SIDE)
        menu = QMenu(self)
        for kind, title in _TITLES.items():
            action = QAction(f"{title}...", menu)
            action.triggered.connect(lambda _=False, kind=kind: self.ask_for(kind))
            menu.addAction(action)
        self.add_button.setMenu(menu)
        buttons = QHBoxLayout()
        for button in (self.add_button, self.edit_button, self.remove_button):
            buttons.addWidget(button)
        buttons.addStretch()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addWidget(self.list)
        box.addLayout(buttons)
        self.list.itemChanged.connect(lambda _: self._tell())
        self.list.model().rowsMoved.connect(lambda *_: self._tell())
        self.list.itemDoubleClicked.connect(lambda _: self.edit())
        self.list.currentRowChanged.connect(lambda _: self._offer())
        self.edit_button.clicked.connect(self.edit)
        self.remove_button.clicked.connect(self.remove)
        for keys, slot in (("Del", self.remove), ("Alt+Up", self.move_up), ("Alt+Down", self.move_down)):
            action = QAction(self.list)
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.triggered.connect(lambda _=False, slot=slot: slot())
            self.list.addAction(action)
        self._offer()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps as they are listed, those that are off too."""
        found = []
        for row in range(self.list.count()):
            item = self.list.item(row)
            is_on = item.checkState() is Qt.CheckState.Checked
            found.append(replace(item.data(_STEP), is_on=is_on))
        return tuple(found)

    def set_steps(
        self, steps: Sequence[Step], shape: tuple[int, int], raw_shape: tuple[int, int] | None = None
    ) -> None:
        """List these; `shape`: of the images that come to the next step, `raw_shape`: to the first. Emits nothing."""
        self._shape = shape
        self._raw_shape = raw_shape or self._raw_shape
        if tuple(steps) == self.steps:
            return
        row = self.list.currentRow()
        self.list.blockSignals(True)
        self.list.clear()
        for step in steps:
            self._append(step)
        self.list.setCurrentRow(min(row, len(steps) - 1))
        self.list.blockSignals(False)
        self._offer()

    def ask_for(self, kind: str) -> None:
        """Ask for the numbers of a new step."""
        self._ask(_TITLES[kind], new_step(kind, self._shape), self._add, self._shape)

    def edit(self) -> None:
        """Ask for the numbers of the selected step anew."""
        row = self.list.currentRow()
        if row >= 0:
            step = self.steps[row]
            self._ask(_TITLES[step.kind], step, lambda new: self._set(row, new), self._shape_before(row))

    def remove(self) -> None:
        """Take the selected step out."""
        row = self.list.currentRow()
        if row >= 0:
            self._replace([step for k, step in enumerate(self.steps) if k != row], row)

    def move_up(self) -> None:
        """The selected step one earlier."""
        self._move(-1)

    def move_down(self) -> None:
        """The selected step one later."""
        self._move(1)

    def _move(self, by: int) -> None:
        row, steps = self.list.currentRow(), list(self.steps)
        if row >= 0 and 0 <= row + by < len(steps):
            steps.insert(row + by, steps.pop(row))
            self._replace(steps, row + by)

    def _add(self, step: Step) -> None:
        self._replace([*self.steps, step], self.list.count())

    def _set(self, row: int, step: Step) -> None:
        steps = list(self.steps)
        if row < len(steps):
            steps[row] = step
            self._replace(steps, row)

    def _replace(self, steps: Sequence[Step], row: int) -> None:
        self.set_steps(steps, self._shape)
        self.list.setCurrentRow(min(row, len(steps) - 1))
        self._tell()

    def _append(self, step: Step) -> None:
        item = QListWidgetItem(text_of(step))
        item.setData(_STEP, step)
        item.setToolTip(text_of(step))
        item.setFlags((item.flags() | Qt.ItemFlag.ItemIsUserCheckable) & ~Qt.ItemFlag.ItemIsDropEnabled)
        item.setCheckState(Qt.CheckState.Checked if step.is_on else Qt.CheckState.Unchecked)
        self.list.show_eye(item)
        self.list.addItem(item)

    def _shape_before(self, row: int) -> tuple[int, int]:
        """Shape of the images that come to a step, as far as the steps before it fit."""
        with suppress(StepError):
            return shape_after(self.steps[:row], self._raw_shape, 2)[0]
        return self._raw_shape

    def _ask(self, title: str, step: Step, then: object, shape: tuple[int, int]) -> None:
        dialog = StepDialog(title, step, self.window(), shape)
        dialog.stepAccepted.connect(then)
        dialog.show()
        dialog.activateWindow()

    def _offer(self) -> None:
        for button in (self.edit_button, self.remove_button):
            button.setEnabled(self.list.currentRow() >= 0)

    def _tell(self) -> None:
        self._offer()
        self.changed.emit(self.steps)
