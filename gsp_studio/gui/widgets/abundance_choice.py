"""What is known of the abundances of a scene: few materials a pixel, or shares that sum to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.widgets.controls import ComboBox

if TYPE_CHECKING:
    from gsp_studio.core.params import Params

FREE, FEW, SOFT, EXACT = "free", "few", "soft", "exact"
_CHOICES = {
    FREE: ("free", "Coefficients >= 0, without a constraint"),
    FEW: (
        "few materials a pixel",
        "Sparse maps: sets the target of H, which its slider changes, to four fifths of the sparsity of maps\n"
        "in which each pixel has one material",
    ),
    SOFT: ("sum to one, softly", "The coefficients of each pixel are drawn to a sum of one by a penalty"),
    EXACT: ("sum to one, exactly", "The coefficients of each pixel sum to one, as shares of materials do"),
}
#: `Params.sum_to_one` of "softly": a penalty of the mean squared length of a basis spectrum.
_SOFT = 0.5


class AbundanceChoice(ComboBox):
    """Shows and edits two parameters; `edited(dict)` brings their values for the user's hand only."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rank = 1
        for key, (text, said) in _CHOICES.items():
            self.addItem(text, key)
            self.setItemData(self.count() - 1, said, Qt.ItemDataRole.ToolTipRole)
        self.setAccessibleName("Abundances")
        self.activated.connect(lambda _: self.edited.emit(self._values()))

    def set_params(self, params: Params) -> None:
        """Show the choice that these parameters are."""
        self._rank = params.rank
        key = FREE
        if params.sum_to_one > 0:
            key = EXACT if params.sum_to_one == 1 else SOFT
        elif params.sparsity_h:
            key = FEW
        self.setCurrentIndex(self.findData(key))
        self.setToolTip(_CHOICES[key][1])

    def _values(self) -> dict[str, Any]:
        from gsp_studio.engine.proposal import sparsity_of_few

        key = self.currentData()
        return {
            "sparsity_h": sparsity_of_few(self._rank) if key == FEW else None,
            "sum_to_one": {SOFT: _SOFT, EXACT: 1.0}.get(key, 0.0),
        }
