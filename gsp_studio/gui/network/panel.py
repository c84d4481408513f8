"""The Networks view: a trained network's layers pruned by the slider; empty, opening, refused or open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QStackedLayout, QWidget

from gsp_studio.gui.widgets.controls import EmptyState

if TYPE_CHECKING:
    from gsp_studio.gui.network.view import NetworkView

_OPEN = "Open a trained network to prune it with one slider"
_HINT = "or drop a .safetensors, .pt, .pth, .th, .npz or .onnx file here; nothing in it is run"


class NetworksPanel(QWidget):
    """The states of the view; what shows an open network is made when the first one comes."""

    openRequested = Signal()
    cancelRequested = Signal()
    fileDropped = Signal(object)  # Path
    viewMade = Signal(object)  # NetworkView, to be wired

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = EmptyState(_OPEN, _HINT, {"open": "Open a network..."}, wraps=True)
        self.busy = EmptyState("", "", {"cancel": "Cancel"})
        self.view: NetworkView | None = None
        self.setAcceptDrops(True)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.busy)
        self.empty.chosen.connect(lambda _: self.openRequested.emit())
        self.busy.chosen.connect(lambda _: self.cancelRequested.emit())

    def made_view(self) -> NetworkView:
        """The part that shows an open network."""
        if self.view is None:
            from gsp_studio.gui.network.view import NetworkView

            self.view = NetworkView()
            self.view.openRequested.connect(self.openRequested)
            self._stack.addWidget(self.view)
            self.setFocusProxy(self.view.tree)
            self.viewMade.emit(self.view)
        return self.view

    def minimumSizeHint(self) -> QSize:
        """Little: behind another tab, what an open network needs must not make the window larger."""
        return QSize(320, 240)

    def set_opening(self, name: str) -> None:
        """Say that a file is being opened; "" when it is no more."""
        if name:
            self.busy.set_text(f"Opening {name}...")
            self._stack.setCurrentWidget(self.busy)
        else:
            self._stack.setCurrentWidget(self.view or self.empty)

    def set_problem(self, path: Path, sentence: str) -> None:
        """Say why a file is not opened, where no other network is shown."""
        self.empty.set_text(f"{path.name} is not opened", f"⚠ {sentence}")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A file is welcome."""
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped, as a network."""
        self.fileDropped.emit(Path(event.mimeData().urls()[0].toLocalFile()))
        event.acceptProposedAction()
