"""All recent sessions: each can be opened, and taken off the list when the user says so twice."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.gui.dialogs.question import is_confirmed
from gsp_studio.gui.session_file.recent import RecentSession, RecentSessions
from gsp_studio.gui.texts import plural
from gsp_studio.gui.widgets.controls import plain

_HEADS = ("Data", "Runs", "Time", "Where")
_LISTED = 5
#: Height of a row, in pixels.
_ROW = 28
#: Of a column, in pixels: a long name gives way, its end stays.
_WIDEST = 240


class RecentDialog(QDialog):
    """A table of them; `opened(path)` when one is to be opened."""

    opened = Signal(object)  # Path
    removed = Signal()

    def __init__(self, sessions: RecentSessions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Recent sessions")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sessions = sessions
        self._entries: list[RecentSession] = []
        self.table = QTreeWidget()
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAllColumnsShowFocus(True)
        self.table.setHeaderLabels(_HEADS)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.open_button, self.remove_button = QPushButton("Open"), QPushButton("Remove...")
        self.close_button = QPushButton("Close")
        self.open_button.setProperty("primary", True)
        self.open_button.setDefault(True)
        for button in (self.remove_button, self.close_button):
            button.setAutoDefault(False)
        buttons = QHBoxLayout()
        buttons.addWidget(self.remove_button)
        buttons.addStretch()
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.open_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(24, 24, 24, 16)
        box.setSpacing(16)
        box.addWidget(self.table)
        box.addLayout(buttons)
        self.resize(760, 360)
        self.table.itemSelectionChanged.connect(self._offer)
        self.table.itemActivated.connect(lambda *_: self._open())
        self.open_button.clicked.connect(self._open)
        self.remove_button.clicked.connect(self._remove)
        self.close_button.clicked.connect(self.reject)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.table, self._remove)
        self.fill()

    def fill(self) -> None:
        """List what is there now."""
        self._entries = self._sessions.entries()
        self.table.clear()
        for entry in self._entries:
            item = QTreeWidgetItem([*entry.facts, str(entry.path) if entry.is_file else "not saved"])
            item.setSizeHint(len(_HEADS) - 1, QSize(0, _ROW))
            item.setToolTip(len(_HEADS) - 1, plain(str(entry.path)))
            self.table.addTopLevelItem(item)
        for column in range(len(_HEADS) - 1):
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(self.table.columnWidth(column) + 8, _WIDEST))
        first = self.table.topLevelItem(0)
        if first is not None:
            self.table.setCurrentItem(first)
        self._offer()

    def _chosen(self) -> list[RecentSession]:
        items = self.table.selectedItems()
        return [self._entries[self.table.indexOfTopLevelItem(item)] for item in items]

    def _offer(self) -> None:
        count = len(self._chosen())
        self.open_button.setEnabled(count == 1)
        self.remove_button.setEnabled(count > 0)

    def _open(self) -> None:
        chosen = self._chosen()
        if len(chosen) == 1:
            self.accept()
            self.opened.emit(chosen[0].path)

    def _remove(self) -> None:
        chosen = self._chosen()
        kept = [entry for entry in chosen if not entry.is_file]
        if not chosen:
            return
        listed = "\n".join(entry.text for entry in chosen[:_LISTED])
        more = f"\nand {len(chosen) - _LISTED} more" if len(chosen) > _LISTED else ""
        if kept:
            runs = sum(max(0, entry.runs) for entry in kept)
            text = f"Delete {plural(runs, 'run')} that {'is' if runs == 1 else 'are'} in no file?"
            told = "Files stay where they are. " if len(kept) < len(chosen) else ""
            is_wanted = is_confirmed(self, text, f"{listed}{more}\n\n{told}This cannot be undone.", "Delete")
        else:
            text = f"Take {plural(len(chosen), 'session')} off the list?"
            is_wanted = is_confirmed(self, text, f"{listed}{more}\n\nFiles stay where they are.", "Take off")
        if is_wanted:
            for entry in chosen:
                self._sessions.remove(entry)
            self.fill()
            self.removed.emit()
