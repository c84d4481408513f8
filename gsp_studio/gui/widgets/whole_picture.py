"""An image that was cut into patches beside what the basis makes of them, both put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.controls import ElidedLabel, canvas, label_row
from gsp_studio.gui.widgets.image_plates import Plate, Plates, grey_table, residual_words, signed_table

if TYPE_CHECKING:
    from gsp_studio.gui.state import DisplayedBasis
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.patches import Picture

_WAIT = "Putting the patches together..."
#: Milliseconds between two requests while the basis keeps changing.
_REST_MS = 300
_GREY, _SIGNED = grey_table(), signed_table()


class _PicturePlates(Plates):
    """Plates of a picture; pixels in no patch have no reconstruction."""

    covered: Array

    def words_of(self, row: int, column: int) -> str:
        """Describe a pixel."""
        values = residual_words(*(plate.image[row, column] for plate in self.plates))
        return f"row {row + 1}, column {column + 1}  ·  {values if self.covered[row, column] else 'in no patch'}"


class WholePicture(QFrame):
    """Three plates; `requested(patch)` wants `set_picture` with the image that this patch was cut from."""

    requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plates = _PicturePlates("The whole picture: original, reconstruction and residual")
        self._facts = ElidedLabel()
        self._count = 0
        self._wanted: tuple[DisplayedBasis | None, int] = (None, -1)
        self._asked: tuple[DisplayedBasis | None, int] = (None, -1)
        self._picture: Picture | None = None
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._ask)
        box = canvas(self, "plot")
        box.addLayout(label_row(self._facts, self.plates.pixel_words))
        box.addWidget(self.plates, 1)
        box.addSpacing(8)

    def set_dataset(self, dataset: Dataset) -> None:
        """Show pictures of these patches; there is none yet."""
        self._count = 0 if dataset.whole is None else dataset.whole[0]
        self._timer.stop()
        self._wanted = self._asked = (None, -1)
        self._picture = None
        self.plates.set_plates(())
        self._facts.setText(_WAIT)

    def show_patch(self, shown: DisplayedBasis, patch: int) -> None:
        """Show the image that a patch was cut from, with this basis; the former stays until it is there."""
        self._wanted = (shown, patch)
        if self._wanted != self._asked and not self._timer.isActive():
            self._timer.start(0 if self._picture is None or patch != self._asked[1] else _REST_MS)

    def set_picture(self, shown: DisplayedBasis, image: int, picture: Picture) -> None:
        """The answer to `requested`: image number `image`, from 0."""
        self._picture = picture
        self.plates.covered = picture.covered
        white = float(picture.original.max(initial=0.0)) or 1.0
        left = picture.residual
        left = left.mean(axis=2) if left.ndim == 3 else left  # its sign is what it tells
        spread = float(np.abs(left).max(initial=0.0)) or 1.0
        ends = ("0", f"{white:.3g}")
        self.plates.set_plates(
            (
                Plate("Original", picture.original, _GREY, 0.0, white, ends),
                Plate("Reconstruction", picture.reconstruction, _GREY, 0.0, white, ends),
                Plate("Residual", left, _SIGNED, -spread, spread, (f"−{spread:.3g}", f"+{spread:.3g}")),
            )
        )
        height, width = picture.covered.shape
        number = f"image {image + 1} of {self._count}  ·  " if self._count > 1 else ""
        covered = (
            "all of its pixels lie" if picture.covered.all() else f"{100 * picture.coverage:.1f} % of its pixels lie"
        )
        self._facts.setText(
            f"{number}{height} × {width}  ·  error {percent(picture.error)}, overlapping patches averaged  ·  "
            f"{covered} in patches"
        )

    def _ask(self) -> None:
        if self._wanted != self._asked and self.isVisible():
            self._asked = self._wanted
            self.requested.emit(self._wanted[1])
