"""The constraint, always in view: what was asked for, what is attained, and whether that is enough."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.gui.state import Shown
from gsp_studio.gui.theme import current_theme, pixmap

_WIDEST = "target s 0.8888   attained 0.8888   not met"
_ICON = 16
_PADDING = 12


class ConstraintChip(QWidget):
    """Target, attained sparsity, and met or not: by colour, by icon and by word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._met = True
        self._icon: tuple[object, QPixmap] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_shown(None)

    def set_shown(self, shown: Shown | None) -> None:
        """Tell about this basis."""
        if shown is None:
            self._met, text = True, ""
            self.setToolTip("")
        elif math.isnan(shown.target):
            self._met, text = True, f"no target   sparsity {shown.attained:.4f}"
        else:
            self._met = shown.meets_target
            text = f"target s {shown.target:.4f}   attained {shown.attained:.4f}   {'met' if self._met else 'not met'}"
        if text != self._text:
            self._text = text
            self.setAccessibleName(text or "No basis yet")
            if shown is not None:
                least = float(shown.sparsities.min())
                lines = [text, f"the least sparse basis image has {least:.4f}"]
                if not math.isnan(shown.target_h):
                    lines.append(f"coefficients: target {shown.target_h:.4f}, attained {shown.sparsity_h:.4f}")
                self.setToolTip("\n".join(lines))
            self.update()

    def text(self) -> str:
        """What it says."""
        return self._text

    def sizeHint(self) -> QSize:
        """Room for the longest text, so that the bar beside it never moves."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(_WIDEST) + _ICON + 3 * _PADDING, metrics.height() + 12)

    def _image(self, name: str, colour: str) -> QPixmap:
        """The icon, drawn anew only when it is another one: while the slider moves this is painted at every step."""
        wanted = (name, colour, self.devicePixelRatioF())
        if self._icon is None or self._icon[0] != wanted:
            self._icon = (wanted, pixmap(name, colour, _ICON, self.devicePixelRatioF()))
        return self._icon[1]

    def paintEvent(self, event: QPaintEvent) -> None:
        """A pill."""
        if not self._text:
            return
        theme = current_theme()
        colour = theme.text if self._met else theme.amber
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = painter.fontMetrics()
        width = metrics.horizontalAdvance(self._text) + _ICON + 2.5 * _PADDING
        pill = QRectF(self.width() - width, 1, width - 1, self.height() - 2)
        painter.setPen(QPen(QColor(theme.separator if self._met else theme.amber), 1))
        painter.setBrush(QColor(theme.panel))
        painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
        image = self._image("check" if self._met else "warning", colour)
        painter.drawPixmap(int(pill.left() + _PADDING), int((self.height() - _ICON) / 2), image)
        painter.setPen(QColor(colour))
        text = pill.adjusted(_PADDING + _ICON + _PADDING / 2, 0, 0, 0)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._text)
