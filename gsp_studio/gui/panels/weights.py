"""The weights of the weighted projection, painted by hand, with what they do to the basis beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from gsp_studio.arrays import Array
from gsp_studio.core import weighting
from gsp_studio.core.weighting import Box
from gsp_studio.gui.state import DisplayedBasis
from gsp_studio.gui.theme import Themed, icon
from gsp_studio.gui.widgets.basis_pair import BasisPair
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, label
from gsp_studio.gui.widgets.load_button import LoadButton
from gsp_studio.gui.widgets.paint_history import PaintHistory, edit_between
from gsp_studio.gui.widgets.preset_bar import Preset, PresetBar
from gsp_studio.gui.widgets.view_panel import ViewPanel
from gsp_studio.gui.widgets.weight_surface import WeightSurface
from gsp_studio.gui.widgets.worded import Worded, word_tip

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.mask_text import KeptMask


_OPEN = "Open your images to say which pixels matter"
_TEACH = (
    "The cost of a pixel to a basis image. Paint high weights where the basis should have no pixels;\n"
    "erase to lower them again. The right button does the other of the two.\n"
    "Ctrl + wheel or + and -: size. B brush, E eraser, M mirror. Arrows move the brush, Enter dabs. Esc drops a stroke."
)


class WeightsPanel(Themed, ViewPanel):
    """Edits one weight a pixel, or a band; `weightsChanged` brings them in the data's order, None where all are equal.

    Only the user's hand makes signals. Edits can be undone until a setter brings other weights than an edit back or on,
    or another data set.
    """

    weightsChanged = Signal(object)  # ndarray (m,), float64 in [0, 1], read-only; or None: all equal
    strokeEnded = Signal()  # the mouse was released
    basisPicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, parent=parent)
        self.surface, self.pair = WeightSurface(), BasisPair()
        self.canvas, self.bar = self.surface.canvas, self.surface.bar
        self.undo_button, self.redo_button = Button(), Button()
        self.presets, self.load = PresetBar(), LoadButton()
        self.mean_button, self.residual_button = Button(), Button("Residual")
        Worded(self.mean_button, Button.setText, "Mean image")
        self._under_pointer, self._help = ElidedLabel(self.surface.hint), label("Keys", muted=True)
        self._mask_words = label(muted=True)
        self._dataset: Dataset | None = None
        self._mean: Array | None = None
        self._residual: Array | None = None
        self._history = PaintHistory()
        self._sent: Array | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._send)
        self._build_buttons()
        self._lay_out()
        self._wire()
        self.follow_theme()
        self._show_history()

    # Parts

    def _build_buttons(self) -> None:
        for button, name in ((self.undo_button, "Undo"), (self.redo_button, "Redo")):
            button.setFlat(True)
            button.setToolTip(f"{name} a stroke")
            button.setAccessibleName(f"{name} a stroke")
        grounds = QButtonGroup(self)
        for button, said in (
            (self.mean_button, "Paint on the mean image"),
            (self.residual_button, "Paint on the mean squared residual of the basis: bright is where the error is"),
        ):
            button.setCheckable(True)
            word_tip(button, said)
            grounds.addButton(button)
        self.mean_button.setChecked(True)
        Worded(self.surface.painting, QWidget.setAccessibleDescription, _TEACH)
        word_tip(self._help, _TEACH)

    def _lay_out(self) -> None:
        tools = _row(self.bar, self.surface.curve_bar)
        tools.addStretch()
        tools.addWidget(self._help)
        starts = _row(self.presets)
        starts.addStretch()
        starts.addWidget(self.undo_button)
        starts.addWidget(self.redo_button)
        ground = _row(self.mean_button, self.residual_button)
        ground.addStretch()
        ground.addWidget(self.surface.legend)
        left, right = QWidget(), self.pair
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.surface, 1)
        column.addLayout(ground)
        below = _row(self._under_pointer, self._mask_words, self.load)
        below.setStretch(0, 1)
        column.addLayout(below)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(8)
        for k, side in enumerate((left, right)):
            split.addWidget(side)
            split.setStretchFactor(k, 1)
        split.setSizes([1000, 1000])  # halves, whatever the width
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(12, 8, 12, 8)
        box.setSpacing(8)
        box.addLayout(tools)
        box.addLayout(starts)
        box.addWidget(split, 1)
        self._stack.addWidget(full)
        self.setFocusProxy(self.canvas)

    def _wire(self) -> None:
        self.surface.painted.connect(self._later.start)
        self.surface.strokeEnded.connect(self._keep_stroke)
        self.surface.hovered.connect(self._tell_pixel)
        self.undo_button.clicked.connect(self.undo)
        self.redo_button.clicked.connect(self.redo)
        self.mean_button.clicked.connect(self._show_ground)
        self.residual_button.clicked.connect(self._show_ground)
        self.presets.chosen.connect(self._apply)
        self.pair.basisPicked.connect(self.basisPicked)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.display.selectionChanged.connect(self.set_selected)
        session.settings.weightsChanged.connect(self.set_weights)
        session.analyses.pairChanged.connect(self.set_bases)
        session.analyses.meanFound.connect(self.set_mean_image)
        session.analyses.errorsFound.connect(lambda _, found: self.set_residual_image(found and found.pixels))
        self.basisPicked.connect(session.display.select)
        self.weightsChanged.connect(session.settings.set_weights)
        self.strokeEnded.connect(session.settings.settle_weights)
        session.entries.maskChanged.connect(self.set_mask)
        self.load.weightsAsked.connect(session.entries.load_weights)
        self.load.maskAsked.connect(session.entries.load_mask)

    def tint(self) -> None:
        """Take the colours of the theme in force."""
        for button, name in ((self.undo_button, "undo"), (self.redo_button, "redo")):
            button.setIcon(icon(name))
            button.setIconSize(QSize(16, 16))

    # What is shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Weights for these images from now on, all equal; what is shown below them comes next."""
        self._dataset = dataset
        self._mean = self._residual = None
        self._later.stop()
        self.surface.set_dataset(dataset)
        self.canvas = self.surface.canvas
        self._under_pointer.setText(self.surface.hint)
        self._help.setVisible(dataset.grid is None)
        self.presets.set_is_row(dataset.grid is not None)
        self.load.set_dataset(dataset)
        self.canvas.set_weights(np.full(dataset.image_shape, weighting.FLOOR))
        self._sent = None
        self._history.clear()
        self.pair.set_dataset(dataset)
        self._show_ground()
        self._show_history()
        self._stack.setCurrentIndex(1)

    def set_mean_image(self, mean: Array | None) -> None:
        """The mean of all images (m,) to paint on; None while it is not known."""
        self._mean = mean
        self._show_ground()

    def set_residual_image(self, squares: Array | None) -> None:
        """The mean squared residual of each pixel (m,); None where there is none."""
        self._residual = squares
        self._show_ground()

    def set_weights(self, weights: Array | None) -> None:
        """Show these weights (m,); None: all equal. Those that the panel has sent itself change nothing in it.

        Weights of which the largest is above 1 are shown divided by it: the projection does not know their scale.
        """
        if self._dataset is None or _same(weights, self._sent) or _same(weights, self.weights):
            return
        self._later.stop()
        if weights is None:
            image = np.full(self._shape(), weighting.FLOOR)
        else:
            top = float(np.max(weights))
            image = self._image_of(np.asarray(weights, np.float64) / (top if top > 1.0 else 1.0))
        if not self._history.follow(self.canvas.weights, image):  # the window's Undo takes strokes back, too
            self._history.clear()
        self.canvas.set_weights(image)
        self._sent = weights
        self._show_history()

    def set_mask(self, mask: KeptMask | None) -> None:
        """Say which entries the next runs leave out; None: none."""
        self.load.set_mask(mask)
        self._mask_words.setText("" if mask is None else f"mask {mask.name}: {100 * mask.share:.3g} % of the entries")
        self._mask_words.setToolTip("The next runs leave these entries out; the slider's own fits see all")

    def set_bases(self, plain: DisplayedBasis | None, weighted: DisplayedBasis | None) -> None:
        """Show what the plain and the weighted projection make of the same basis; None for none yet.

        The weighted one's `sparsities` are the weighted ones, which are what its target is about.
        """
        self.pair.set_bases(plain, weighted)

    def set_selected(self, basis: int) -> None:
        """Frame a basis image on both sides; -1 for none."""
        self.pair.set_selected(basis)

    @property
    def weights(self) -> Array | None:
        """The weights (m,) as they are on the screen, in the data set's pixel order; None where all are equal."""
        image = self.canvas.weights
        if self._dataset is None or np.ptp(image) == 0:
            return None
        vector = self._dataset.from_map(image)
        vector.flags.writeable = False
        return vector

    def _shape(self) -> tuple[int, int]:
        assert self._dataset is not None
        return self._dataset.image_shape

    def _image_of(self, vector: Array) -> Array:
        assert self._dataset is not None
        return self._dataset.as_map(np.asarray(vector))

    def _show_ground(self) -> None:
        self.residual_button.setEnabled(self._residual is not None)
        if self._residual is None:
            self.mean_button.setChecked(True)
        images = [None if vector is None else self._image_of(vector) for vector in (self._mean, self._residual)]
        self.presets.set_images(*images)
        if self._dataset is not None:
            self.canvas.set_background(images[self.residual_button.isChecked()])

    def _tell_pixel(self, row: int, column: int) -> None:
        if row < 0 or self._dataset is None:
            self._under_pointer.setText(self.surface.hint)
        else:
            weight = self.canvas.weights[row, column]
            place = self.surface.place_words(self._dataset, row, column)
            self._under_pointer.setText(f"{place}  ·  weight {weight:.3f}")

    # Edits

    def _keep_stroke(self, box: Box, before: Array) -> None:
        edit = edit_between(box, before, self.canvas.weights[box])
        if edit is not None:
            self._history.add(edit)
            self._edited()

    def _apply(self, preset: Preset) -> None:
        weights = preset(self.canvas.weights)
        height, width = weights.shape
        whole = slice(0, height), slice(0, width)
        edit = edit_between(whole, self.canvas.weights, weights)
        if edit is not None and not self.canvas.is_painting:
            self._history.add(edit)
            self.canvas.set_patch(whole, weights)
            self._edited()

    def undo(self) -> None:
        """Take the last stroke or preset back."""
        self._go(self._history.undo)

    def redo(self) -> None:
        """Do again what was taken back."""
        self._go(self._history.redo)

    def _go(self, step: Callable[[], tuple[Box, Array] | None]) -> None:
        patch = None if self.canvas.is_painting else step()
        if patch is not None:
            self.canvas.set_patch(*patch)
            self._edited()

    def _edited(self) -> None:
        self._send()
        self._show_history()
        self.strokeEnded.emit()

    def _send(self) -> None:
        self._later.stop()
        weights = self.weights
        if not _same(weights, self._sent):
            self._sent = weights
            self.weightsChanged.emit(weights)

    def _show_history(self) -> None:
        self.undo_button.setEnabled(self._history.can_undo)
        self.redo_button.setEnabled(self._history.can_redo)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Undo and redo, where the window has no keys of its own for them."""
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo()
        elif event.matches(QKeySequence.StandardKey.Redo):
            self.redo()
        else:
            super().keyPressEvent(event)


def _same(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for part in parts:
        row.addWidget(part)
    return row
