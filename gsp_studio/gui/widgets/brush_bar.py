"""The brush in words and sliders: what a stroke does."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QWidget

from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.controls import Button, CheckBox, Slider, label, reserve
from gsp_studio.gui.widgets.paint_view import Brush
from gsp_studio.gui.widgets.worded import word_tip

_TEACH_FLOOR = "The lowest weight is above 0: a pixel of weight 0 would never leave a basis image."


class BrushBar(Themed, QWidget):
    """Edits a `Brush`: brush or eraser, diameter, strength, mirror; `edited(Brush)` for the user's hand only."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.paints, self.erases = Button("Brush"), Button("Eraser")
        self.diameter, self.strength = Slider(), Slider()
        self.mirror = CheckBox("Mirror")
        self._diameter_text, self._strength_text = label(), label()
        self._build()
        self._lay_out()
        for button in (self.paints, self.erases, self.mirror):
            button.clicked.connect(self._take)
        for slider in (self.diameter, self.strength):
            slider.valueChanged.connect(self._take)
        self.set_brush(Brush(1.0))
        self.follow_theme()

    def _build(self) -> None:
        tools = QButtonGroup(self)
        for button, said in ((self.paints, "Paint high weights (B)"), (self.erases, "Lower the weights again (E)")):
            button.setCheckable(True)
            word_tip(button, f"{said}; the right button does the other\n{_TEACH_FLOOR}")
            tools.addButton(button)
        self.diameter.setRange(1, 1)
        self.diameter.setAccessibleName("Diameter of the brush, in pixels")
        self.diameter.setToolTip("Diameter of the brush in pixels (+ and -, or Ctrl + wheel on the picture)")
        self.strength.setRange(5, 100)
        self.strength.setPageStep(10)
        self.strength.setAccessibleName("Strength of the brush, in percent")
        self.strength.setToolTip("How far one stroke goes to the highest weight, or, erasing, to the lowest")
        self.mirror.setToolTip("Paint left and right alike (M)")
        for slider in (self.diameter, self.strength):
            slider.setMinimumWidth(64)
            slider.setMaximumWidth(160)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.paints)
        row.addWidget(self.erases)
        for name, slider, text, widest in (
            ("Size", self.diameter, self._diameter_text, "888 px"),
            ("Strength", self.strength, self._strength_text, "100 %"),
        ):
            row.addSpacing(8)
            row.addWidget(label(name))
            row.addWidget(slider)
            row.addWidget(reserve(text, widest))
        row.addSpacing(8)
        row.addWidget(self.mirror)
        row.addStretch()

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for button, name in ((self.paints, "brush"), (self.erases, "eraser")):
            button.setIcon(icon(name))
            button.setIconSize(QSize(16, 16))

    def set_largest(self, diameter: int) -> None:
        """The brush may be so large, in pixels."""
        self.diameter.blockSignals(True)
        self.diameter.setRange(1, diameter)
        self.diameter.blockSignals(False)

    def set_brush(self, brush: Brush) -> Brush:
        """Show this brush, no larger than allowed; returns it as shown."""
        brush = replace(brush, diameter=min(brush.diameter, self.diameter.maximum()))
        for slider, value in ((self.diameter, brush.diameter), (self.strength, 100 * brush.strength)):
            slider.blockSignals(True)
            slider.setValue(round(value))
            slider.blockSignals(False)
        (self.erases if brush.erases else self.paints).setChecked(True)
        self.mirror.setChecked(brush.mirror)
        self._tell(brush)
        return brush

    def _tell(self, brush: Brush) -> None:
        self._diameter_text.setText(f"{brush.diameter:.0f} px")
        self._strength_text.setText(f"{100 * brush.strength:.0f} %")

    def _take(self) -> None:
        brush = Brush(
            self.diameter.value(), self.strength.value() / 100, self.erases.isChecked(), self.mirror.isChecked()
        )
        self._tell(brush)
        self.edited.emit(brush)
