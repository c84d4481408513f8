"""The tools for a curve of weights: what a drag does, and a range at once."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QWidget

from gsp_studio.core.weighting import FLOOR
from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.controls import Button, Slider, label, reserve
from gsp_studio.gui.widgets.weight_curve import BRUSH, DRAW, ERASE, RANGE, CurveTool

_TOOLS = {
    DRAW: ("Draw", "The curve follows the pointer; the right button lowers weights"),
    BRUSH: ("Brush", "Raise weights to 1 around the pointer; the right button lowers them"),
    ERASE: ("Eraser", f"Lower weights to {FLOOR:g} around the pointer"),
    RANGE: ("Range", "Drag over bands, then give all of them the weight 0 or 1"),
}


class CurveBar(Themed, QWidget):
    """Edits a `CurveTool`; `edited(CurveTool)` and `rangeRequested(weight)` for the user's hand only."""

    edited = Signal(object)
    rangeRequested = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools = {name: Button(text) for name, (text, _) in _TOOLS.items()}
        self.diameter, self._diameter_text = Slider(), label()
        self.to_zero, self.to_one = Button("Set to 0"), Button("Set to 1")
        self._tool = CurveTool()
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for name, button in self.tools.items():
            button.setCheckable(True)
            button.setToolTip(_TOOLS[name][1])
            button.clicked.connect(self._take)
            group.addButton(button)
            row.addWidget(button)
        self.tools[DRAW].setChecked(True)
        self.diameter.setRange(1, 1)
        self.diameter.setMinimumWidth(64)
        self.diameter.setMaximumWidth(160)
        self.diameter.setAccessibleName("Size of the brush, in bands")
        self.diameter.setToolTip("Size of brush and eraser, in bands")
        self.diameter.valueChanged.connect(self._take)
        row.addSpacing(8)
        row.addWidget(label("Size"))
        row.addWidget(self.diameter)
        row.addWidget(reserve(self._diameter_text, "8888 bands"))
        for button, weight in ((self.to_zero, 0.0), (self.to_one, 1.0)):
            button.setToolTip(f"Give all bands of the range the weight {weight:g}")
            button.clicked.connect(lambda _=False, weight=weight: self.rangeRequested.emit(weight))
            row.addWidget(button)
        row.addStretch()
        self.set_range(-1, -1)
        self.follow_theme()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for name, drawn in ((BRUSH, "brush"), (ERASE, "eraser")):
            self.tools[name].setIcon(icon(drawn))
            self.tools[name].setIconSize(QSize(16, 16))

    def set_bands(self, count: int) -> CurveTool:
        """Offer brushes for so many bands; return the tool as it is then."""
        self.diameter.blockSignals(True)
        self.diameter.setRange(1, max(1, count))
        self.diameter.setValue(max(1, round(count / 12)))
        self.diameter.blockSignals(False)
        return self._read()

    def set_range(self, first: int, last: int) -> None:
        """Offer a range of bands, from 0; -1 for none."""
        for button in (self.to_zero, self.to_one):
            button.setEnabled(0 <= first <= last)

    def _read(self) -> CurveTool:
        [name] = (name for name, button in self.tools.items() if button.isChecked())
        self._diameter_text.setText(f"{self.diameter.value()} bands")
        return CurveTool(name, float(self.diameter.value()))

    def _take(self) -> None:
        tool = self._read()
        if tool != self._tool:
            self._tool = tool
            self.edited.emit(tool)
