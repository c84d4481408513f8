"""Fields that edit parameters of a run, made from their descriptions."""

from __future__ import annotations

from gsp_studio.core.params import PARAMETERS
from gsp_studio.gui.widgets.number_field import DecimalNumber, WholeNumber
from gsp_studio.gui.widgets.worded import word_tip

#: Step of the finest number that a field takes.
_FINEST = 1e-12


def whole_field(name: str) -> WholeNumber:
    """Make a field for a whole number."""
    made = WholeNumber()
    accepted = PARAMETERS[name].range
    assert accepted is not None
    made.setRange(int(accepted.low), int(min(accepted.high, accepted.most)))
    made.setSingleStep(int(accepted.step))
    made.setAccelerated(True)
    _describe(made, name)
    return made


def number_field(name: str, digits: int) -> DecimalNumber:
    """Make a field for a number with so many decimals."""
    made = DecimalNumber()
    accepted = PARAMETERS[name].range
    assert accepted is not None
    made.setRange(accepted.low, min(accepted.high, accepted.most))
    made.setDecimals(digits)
    made.setSingleStep(accepted.step)
    _describe(made, name)
    return made


def short_field(name: str, none: str = "") -> DecimalNumber:
    """Make a field for a number of any size; `none`: the words for 0, which stands for no value."""
    made = DecimalNumber(is_short=True)
    accepted = PARAMETERS[name].range
    assert accepted is not None
    high = min(accepted.high, accepted.most)
    made.setRange(accepted.low, high - _FINEST if accepted.without == "high" else high)
    made.setSpecialValueText(none)
    _describe(made, name)
    return made


def _describe(field: WholeNumber | DecimalNumber, name: str) -> None:
    word_tip(field, PARAMETERS[name].sentence)
    field.setKeyboardTracking(False)
