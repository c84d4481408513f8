"""Where weights are edited: painted on an image, or drawn as a curve over the bands of spectra."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gsp_studio.gui.widgets.brush_bar import BrushBar
from gsp_studio.gui.widgets.curve_bar import CurveBar
from gsp_studio.gui.widgets.paint_view import Brush, PaintView
from gsp_studio.gui.widgets.weight_curve import WeightCurve
from gsp_studio.gui.widgets.weight_legend import WeightLegend

if TYPE_CHECKING:
    from gsp_studio.io.dataset import Dataset

_HINT = "Paint high weights where the basis should have no pixels"
_HINT_CURVE = "Draw high weights over the bands that the basis should do without"


class WeightSurface(QWidget):
    """Shows one of two canvases of the same manners; `painted`, `strokeEnded` and `hovered` are those of both.

    Attributes
    ----------
    canvas : PaintView or WeightCurve
        That of the data.
    bar, curve_bar : BrushBar, CurveBar
        Their tools; the widget around places them, and the legend.
    """

    painted = Signal()
    strokeEnded = Signal(object, object)
    hovered = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.painting, self.curve = PaintView(), WeightCurve()
        self.canvas: PaintView | WeightCurve = self.painting
        self.bar, self.curve_bar, self.legend = BrushBar(), CurveBar(), WeightLegend()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        for canvas in (self.painting, self.curve):
            box.addWidget(canvas)
            canvas.painted.connect(self.painted)
            canvas.strokeEnded.connect(self.strokeEnded)
            canvas.hovered.connect(self.hovered)
        self.painting.brushRequested.connect(self._show_brush)
        self.bar.edited.connect(self.painting.set_brush)
        self.curve_bar.edited.connect(self.curve.set_tool)
        self.curve_bar.rangeRequested.connect(self.curve.set_range)
        self.curve.rangeChosen.connect(self.curve_bar.set_range)
        for part in (self.curve_bar, self.curve):  # what has no place yet would be a window of its own, were it shown
            part.hide()

    @property
    def hint(self) -> str:
        """What to do next, in a line."""
        return _HINT if self.canvas is self.painting else _HINT_CURVE

    def set_dataset(self, dataset: Dataset) -> None:
        """Paint on images, or draw over the bands of spectra; the weights come next."""
        self.canvas = self.painting if dataset.grid is None else self.curve
        side = max(dataset.image_shape)
        if dataset.grid is None:
            self.bar.set_largest(side)
            self._show_brush(replace(self.painting.brush, diameter=max(1.0, round(side / 6))))
        else:
            from gsp_studio.io.spectra import spectral_axis

            self.curve.set_axis(*spectral_axis(dataset))
            self.curve.set_tool(self.curve_bar.set_bands(side))
        self._show_canvas()

    def place_words(self, dataset: Dataset, row: int, column: int) -> str:
        """Name a pixel, or a band."""
        if dataset.grid is not None:
            return dataset.axis("band").text_at(column)
        return f"row {row + 1}, column {column + 1}"

    def _show_canvas(self) -> None:
        is_curve = self.canvas is self.curve
        of_images: tuple[QWidget, ...] = (self.bar, self.painting, self.legend)
        of_bands: tuple[QWidget, ...] = (self.curve_bar, self.curve)
        for parts, are_seen in ((of_images, not is_curve), (of_bands, is_curve)):
            for part in parts:
                part.setVisible(are_seen)

    def _show_brush(self, brush: Brush) -> None:
        self.painting.set_brush(self.bar.set_brush(brush))
