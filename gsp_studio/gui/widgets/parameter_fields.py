"""Fields that edit parameters of a run, made from their descriptions."""

from __future__ import annotations

from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from gsp_studio.core.params import PARAMETERS


def whole_field(name: str) -> QSpinBox:
    """Make a field for a whole number."""
    made = QSpinBox()
    accepted = PARAMETERS[name].range
    assert accepted is not None
    made.setRange(int(accepted.low), int(min(accepted.high, accepted.most)))
    made.setSingleStep(int(accepted.step))
    made.setAccelerated(True)
    _describe(made, name)
    return made


def number_field(name: str, digits: int) -> QDoubleSpinBox:
    """Make a field for a number with so many decimals."""
    made = QDoubleSpinBox()
    accepted = PARAMETERS[name].range
    assert accepted is not None
    made.setRange(accepted.low, min(accepted.high, accepted.most))
    made.setDecimals(digits)
    made.setSingleStep(accepted.step)
    _describe(made, name)
    return made


def _describe(field: QSpinBox | QDoubleSpinBox, name: str) -> None:
    field.setToolTip(PARAMETERS[name].sentence)
    field.setKeyboardTracking(False)
