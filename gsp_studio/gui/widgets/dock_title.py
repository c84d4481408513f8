"""The title of a dock: its name, and buttons that collapse it to this title, let it float and close it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QBoxLayout, QDockWidget, QSizePolicy, QWidget

from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import ToolButton

#: Pixels: side of a button, and how thick a title is.
_BUTTON, THICKNESS = 18, 28


class _Name(QWidget):
    """A text along a title, upwards in one that stands upright."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text, self.is_upright = text, False

    def sizeHint(self) -> QSize:
        """Room for the text."""
        size = QSize(self.fontMetrics().horizontalAdvance(self._text) + 4, self.fontMetrics().height())
        return size.transposed() if self.is_upright else size

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text, cut where there is no room."""
        painter = QPainter(self)
        painter.setPen(QColor(current_theme().text_muted))
        size = self.size()
        if self.is_upright:
            painter.translate(0, size.height())
            painter.rotate(-90)
            size = size.transposed()
        text = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, size.width())
        painter.drawText(0, 0, size.width(), size.height(), Qt.AlignmentFlag.AlignVCenter, text)


class DockTitle(QWidget):
    """Emits `collapseToggled` on a double-click and on its button; dragging it moves the dock."""

    collapseToggled = Signal()

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._dock, self._name = dock, _Name(dock.windowTitle())
        self._is_collapsed = self._is_upright = False
        self.collapse, self.float, self.close_button = ToolButton(), ToolButton(), ToolButton()
        self.float.setText("↗")
        self.close_button.setText("×")
        self.float.setToolTip(f"Let {dock.windowTitle()} float, or put it back")
        self.close_button.setToolTip(f"Close {dock.windowTitle()}; the View menu brings it back")
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(8, 4, 4, 4)
        self._box.setSpacing(0)
        self._box.addWidget(self._name, 1)
        for button in (self.collapse, self.float, self.close_button):
            button.setProperty("dock", True)
            button.setFixedSize(_BUTTON, _BUTTON)
            self._box.addWidget(button)
        for button in (self.float, self.close_button):
            button.setAccessibleName(button.toolTip())
        self.collapse.clicked.connect(self.collapseToggled)
        self.float.clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
        self.close_button.clicked.connect(dock.close)
        self.set_collapsed(False, False)

    def set_collapsed(self, on: bool, upright: bool) -> None:
        """Show whether the dock is collapsed, and whether this title stands upright at the window's side."""
        self._is_collapsed, self._is_upright, self._name.is_upright = on, upright, upright
        across, up = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.BottomToTop
        self._box.setDirection(up if upright else across)
        self._box.setContentsMargins(*((4, 4, 4, 8) if upright else (8, 4, 4, 4)))
        preferred, fixed = QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed
        self.setSizePolicy(*((fixed, preferred) if upright else (preferred, fixed)))
        self.collapse.setText("▸" if on else "▾")
        name = self._dock.windowTitle()
        self.collapse.setToolTip(f"Open {name} again" if on else f"Collapse {name} to its title (double-click on it)")
        self.collapse.setAccessibleName(self.collapse.toolTip())
        self._name.updateGeometry()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As thick as a button with some room."""
        name = self._name.sizeHint()
        along = (name.height() if self._is_upright else name.width()) + 3 * _BUTTON + 16
        return QSize(THICKNESS, along) if self._is_upright else QSize(along, THICKNESS)

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Collapse it, or open it again."""
        self.collapseToggled.emit()
