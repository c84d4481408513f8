"""Two widgets that share a place: one below the other, or side by side where the place is wide and low."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

#: From how many times as wide as high on they are side by side.
_WIDE = 3.0
#: Their shares of the width then.
_SHARES = (5, 3)
_MOST = (1 << 24) - 1  # Qt's "as large as it likes"


class AdaptiveSplit(QWidget):
    """A large widget, and a small one that is a strip as high as its size hint while it is below."""

    def __init__(self, large: QWidget, small: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._large, self._small = large, small
        self._box = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(0)
        self._box.addWidget(large)
        self._box.addWidget(small)
        self._turn(beside=False)

    @property
    def is_beside(self) -> bool:
        """Whether they are side by side."""
        return self._box.direction() == QBoxLayout.Direction.LeftToRight

    def minimumSizeHint(self) -> QSize:
        """Return their joint minimum."""
        large, small = self._large.minimumSizeHint(), self._small.minimumSizeHint()
        return QSize(large.width() + small.width(), max(large.height(), small.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn where that gives both more room."""
        super().resizeEvent(event)
        beside = self.width() > _WIDE * self.height()
        if beside != self.is_beside:
            self._turn(beside)

    def _turn(self, beside: bool) -> None:
        direction = QBoxLayout.Direction
        self._box.setDirection(direction.LeftToRight if beside else direction.TopToBottom)
        self._box.setStretch(0, _SHARES[0] if beside else 1)
        self._box.setStretch(1, _SHARES[1] if beside else 0)
        self._small.setMaximumHeight(_MOST if beside else self._small.sizeHint().height())
