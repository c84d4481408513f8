"""Units and coordinates of rows, columns and bands, one axis at a time in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gsp_studio.gui.widgets.controls import ComboBox, LineEdit
from gsp_studio.gui.widgets.number_field import read_decimal
from gsp_studio.io.axes import Axis, AxisError, Dimension, axis_of

_TEXTS: dict[Dimension, str] = {"x": "columns", "y": "rows", "band": "bands"}


class AxesEditor(QWidget):
    """Edits axes of a source; emits `changed(axes)`, those that the user gives, or `refused(why)`."""

    changed = Signal(object)
    refused = Signal(str)  # why what is typed cannot be

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.dimension = ComboBox()
        for dimension, text in _TEXTS.items():
            self.dimension.addItem(text, dimension)
        self.name, self.unit, self.offset, self.scale = (LineEdit() for _ in range(4))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.dimension)
        for field, text, told, width in (
            (self.name, "", "name", 84),
            (self.unit, "in", "unit", 52),
            (self.offset, "from", "first", 56),
            (self.scale, "every", "step", 56),
        ):
            if text:
                row.addWidget(QLabel(text))
            field.setPlaceholderText(told)
            field.setAccessibleName(f"Axis {told}")
            field.setMinimumWidth(width)
            field.editingFinished.connect(self._tell)
            row.addWidget(field, 1)
        self._axes: tuple[Axis, ...] = ()
        self._given: tuple[Axis, ...] = ()
        self.dimension.activated.connect(lambda _: self._show())

    def set_axes(self, axes: Sequence[Axis], given: Sequence[Axis]) -> None:
        """Show the axes of the images, and remember which of them the user gave. Emits nothing."""
        self._axes, self._given = tuple(axes), tuple(given)
        self._show()

    @property
    def axis(self) -> Axis:
        """The axis that is edited, as it is in force."""
        dimension: Dimension = self.dimension.currentData()
        return axis_of(self._axes, dimension)

    def _show(self) -> None:
        axis = self.axis
        self.name.setText(axis.name)
        self.unit.setText(axis.unit)
        is_listed = bool(axis.values)
        for field, value in ((self.offset, axis.offset), (self.scale, axis.scale)):
            field.setText("" if is_listed or not axis.is_calibrated else f"{value:.10g}")
            field.setCursorPosition(0)  # of a number that has no room its first digits are in view
            field.setToolTip(f"{len(axis.values)} coordinates are listed in the file" if is_listed else "")

    def _tell(self) -> None:
        axis = self.axis
        changes: dict[str, object] = {"name": self.name.text(), "unit": self.unit.text()}
        for name, field in (("offset", self.offset), ("scale", self.scale)):
            text = field.text().strip()
            if text:
                changes |= {name: read_decimal(text), "values": ()}
        if axis.values and "values" in changes:
            changes = {"scale": 1.0, "offset": 0.0, **changes}
        try:
            new = replace(axis, **changes)  # type: ignore[arg-type]
        except AxisError as error:
            self.refused.emit(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            return
        if new != axis:
            self._given = (*(one for one in self._given if one.dimension != new.dimension), new)
            self.changed.emit(self._given)
