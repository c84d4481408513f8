"""The data set: what it is, how it is read, and some of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gsp_studio.backends.blocks import BlockMatrix
from gsp_studio.gui.texts import grouped, memory, plural
from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, label, plain
from gsp_studio.gui.widgets.dataset_pictures import pictures_of
from gsp_studio.gui.widgets.picture import Picture
from gsp_studio.gui.widgets.worded import word_label
from gsp_studio.io.axis_text import describe_axis

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_THUMBNAILS = 5


class DataPanel(Themed, QWidget):
    """Shows a `Dataset`; asks for another reading of it."""

    layoutRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layout_button = Button("Layout...")
        self._name = ElidedLabel("no data yet")
        self._facts: dict[str, QLabel] = {key: label() for key in ("images", "shape", "values")}
        self._facts["axes"] = self._axes = ElidedLabel()
        self._pictures = Picture(48)
        self._rows = QFormLayout()
        self._lay_out()
        self.layout_button.clicked.connect(self.layoutRequested)
        self.follow_theme()
        self._set_filled(False)

    def _lay_out(self) -> None:
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        rows = self._rows
        rows.setHorizontalSpacing(12)
        rows.setVerticalSpacing(4)
        for key, title in (("images", "Images"), ("shape", "Shape"), ("axes", "Axes"), ("values", "Values")):
            head = word_label(QLabel(), title)
            head.setProperty("muted", True)
            rows.addRow(head, self._facts[key])
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.layout_button)
        buttons.addStretch()
        self._pictures.setFixedHeight(52)
        self._name.setFixedHeight(self._name.fontMetrics().height() + 4)  # else it takes what is left of the panel
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 8, 12, 8)
        box.setSpacing(8)
        box.addWidget(self._name)
        box.addLayout(rows)
        box.addWidget(self._pictures)
        box.addLayout(buttons)
        box.addStretch()

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.layoutRequested.connect(window.change_layout)
        session.datasetChanged.connect(self.set_dataset)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        self.layout_button.setIcon(icon("settings"))
        self.layout_button.setToolTip("Image shape, row or column order, which array, grey or colour, negative values")

    def _set_filled(self, filled: bool) -> None:
        for row in range(self._rows.rowCount()):
            self._rows.setRowVisible(row, filled)
        self._pictures.setVisible(filled)
        self.layout_button.setVisible(filled)

    def set_dataset(self, dataset: Dataset) -> None:
        """Show this one."""
        m, n = dataset.X.shape
        height, width = dataset.image_shape
        self._name.setText(dataset.name)
        self._name.tip = dataset.source
        size = memory(dataset.X.nbytes)
        if isinstance(dataset.X, BlockMatrix):
            size = f"{memory(dataset.X.source_bytes)} on the disk"
        self._facts["images"].setText(f"{grouped(n)}  ({size})")
        colour = "in colour, " if dataset.channels == 3 else ""
        order = "by rows" if dataset.order == "C" else "by columns"
        if dataset.grid is not None:
            height, width = dataset.grid
        self._facts["shape"].setText(f"{height} × {width}, {colour}{order}")
        if dataset.grid is not None:
            self._facts["shape"].setText(f"{m} bands, {height} × {width} pixels")
        self._facts["shape"].setToolTip(f"{plural(m // dataset.channels, 'pixel')}, order {dataset.order}")
        told = [describe_axis(axis, dataset.places(axis.dimension)) for axis in reversed(dataset.axes)]
        self._axes.setText("; ".join(told))
        self._axes.tip = "\n".join(told)
        self._facts["values"].setText(dataset.X.dtype.name)
        self._facts["values"].setToolTip(plain("\n".join(dataset.steps) or "as they are"))
        chosen = np.unique(np.linspace(0, n - 1, min(n, _THUMBNAILS)).astype(int))
        if dataset.grid is None:
            self._pictures.set_images(pictures_of(dataset, chosen))
        else:  # the picture that the pixels make, at all bands together
            self._pictures.set_images(list(dataset.maps(np.mean(dataset.X, axis=0)[None])))
        self._set_filled(True)
        self._rows.setRowVisible(self._axes, bool(told))
