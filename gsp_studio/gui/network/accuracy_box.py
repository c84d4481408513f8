"""Accuracy against sparsity: asked for, growing, whole, cancelled or refused."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QStackedLayout, QVBoxLayout, QWidget

from gsp_studio.gui.network.state import SOURCES, AccuracyCurve
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, label
from gsp_studio.gui.widgets.growing_plot import GrowingPlot

_HINT = "Accuracy against s, on images with labels"
_TEACH = (
    "Evaluated are networks that are known by the names and shapes of their weights, chains of linear layers, and\n"
    "ONNX models. The classes of the images have to be in the order of the network's outputs."
)


class AccuracyBox(QFrame):
    """Shows an `AccuracyCurve`; asks for one by `sourceRequested(key)`."""

    sourceRequested = Signal(str)
    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plot")
        self.setToolTip(_TEACH)
        self.plot = GrowingPlot("accuracy, %", dots=True)
        self.choose, self.cancel = Button("Images..."), Button("Cancel")
        self._menu = QMenu(self)
        self.actions_by_source = {key: self._menu.addAction(text) for key, text in SOURCES.items()}
        for key, action in self.actions_by_source.items():
            action.triggered.connect(lambda _=False, key=key: self.sourceRequested.emit(key))
        self.choose.setMenu(self._menu)
        self._words, self._hint = ElidedLabel(), label(_HINT, muted=True, wrap=True)
        self._where, self._caution = ElidedLabel(), label("", wrap=True)
        self._where.setProperty("muted", True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._curve: AccuracyCurve | None = None
        self._s = 0.0
        self._lay_out()
        self.cancel.clicked.connect(self.cancelRequested)
        self.set_last("")
        self.set_accuracy(None)

    def _lay_out(self) -> None:
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.addStretch()
        column.addWidget(self._hint)
        column.addStretch()
        pages = QWidget()
        self._pages = QStackedLayout(pages)
        self._pages.addWidget(empty)
        self._pages.addWidget(self.plot)
        line = QHBoxLayout()
        line.setContentsMargins(8, 0, 8, 4)
        line.addWidget(self._words, 1)
        line.addWidget(self.cancel)
        line.addWidget(self.choose)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(pages, 1)
        under = QVBoxLayout()
        under.setContentsMargins(8, 2, 8, 0)
        under.setSpacing(2)
        under.addWidget(self._caution)
        under.addWidget(self._where)
        box.addLayout(under)
        box.addLayout(line)

    def set_last(self, name: str) -> None:
        """Offer the images of the last time again; "" where there are none."""
        action = self.actions_by_source["last"]
        action.setText(f"{name.replace('&', '&&')} again")
        action.setVisible(bool(name))

    def set_accuracy(self, curve: AccuracyCurve | None) -> None:
        """Show this; None: nothing has been asked for."""
        self._curve = curve
        caution = "" if curve is None or not curve.caution else f"⚠ {curve.caution}"
        self._caution.setText(caution)
        self._caution.setVisible(bool(caution))
        self._where.setVisible(curve is not None)
        self.cancel.setVisible(curve is not None and curve.state == "going")
        self.choose.setVisible(curve is None or curve.state != "going")
        self._where.setText("")
        has_points = curve is not None and len(curve.s) > 0
        self._pages.setCurrentIndex(1 if has_points else 0)
        if curve is None:
            self._hint.setText(_HINT)
            self._words.setText("")
            return
        if has_points:
            lowest = 100 * float(curve.accuracies.min())
            low = 0.0 if lowest < 60 else 50.0
            self._where.setText(f"{curve.about}, on {curve.images}" if curve.about else f"On {curve.images}")
            self.plot.set_points(curve.s, 100 * curve.accuracies, low, 100 * curve.dense)
            self.plot.set_value(self._s)
        elif curve.state in ("going", "former"):
            self._hint.setText(f"Measuring on {curve.images}...")
        elif curve.state == "failed":
            self._hint.setText(f"⚠ {curve.problem}")
        else:
            self._hint.setText("Cancelled")
        self._tell()

    def set_sparsity(self, s: float) -> None:
        """Put the line at this target."""
        self._s = s
        if self._curve is not None and len(self._curve.s):
            self.plot.set_value(s)
            self._tell()

    def _tell(self) -> None:
        curve = self._curve
        if curve is None:
            return
        dense = "" if np.isnan(curve.dense) else f"as in the file {100 * curve.dense:.1f} %"
        here = ""
        if len(curve.s) > 1 and curve.s[0] <= self._s <= curve.s[-1]:
            here = f"here about {100 * float(np.interp(self._s, curve.s, curve.accuracies)):.1f} %"
        progress = f"{curve.done} of {curve.planned} points" if curve.state == "going" else ""
        problem = f"⚠ {curve.problem}" if curve.state == "failed" and len(curve.s) else ""
        self._words.setText("  ·  ".join(each for each in (problem, progress, here, dense) if each))
        told = [f"On {curve.images}", *([f"Of {curve.about}"] if curve.about else []), self._words.text()]
        self._words.tip = "\n".join([*told, *([curve.caution] if curve.caution else [])])
