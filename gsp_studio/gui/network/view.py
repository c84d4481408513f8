"""A network that is open: its layers, the selected one as images and as a histogram, curves, and the slider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.network.accuracy_box import AccuracyBox
from gsp_studio.gui.network.controls import NetworkControls
from gsp_studio.gui.network.filter_images import weights_to_draw
from gsp_studio.gui.network.filter_tiles import FilterTiles
from gsp_studio.gui.network.layer_tree import LayerTree
from gsp_studio.gui.network.state import AccuracyCurve, DisplayedNetwork, NetworkSettings, ZerosCurve
from gsp_studio.gui.network.weight_histogram import WeightHistogram
from gsp_studio.gui.texts import plural
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, canvas, elastic, label
from gsp_studio.gui.widgets.growing_plot import GrowingPlot
from gsp_studio.gui.widgets.switch import Switch

if TYPE_CHECKING:
    from gsp_studio.gui.network.compute import LayerPath
    from gsp_studio.pruning.checkpoint import Checkpoint

_DECIMALS = 4
#: Milliseconds after which what need not follow every move is drawn.
_LATE_MS = 33
_TEACH_ZEROS = "Press or drag to go there."
_BUSY = "sorting the weights, which is done once..."
_LARGE = "The selected layer follows the slider; the whole of this network when it rests"


class NetworkView(QWidget):
    """Shows what a `NetworkSession` says."""

    sparsityChanged = Signal(float)
    settled = Signal()
    layerPicked = Signal(str)
    openRequested = Signal()
    saveRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tree, self.tiles, self.histogram = LayerTree(), FilterTiles(), WeightHistogram()
        self.zeros, self.accuracy = GrowingPlot("zeros, %"), AccuracyBox()
        self.zeros.setToolTip(_TEACH_ZEROS)
        self.controls = NetworkControls()
        self.open, self.save = Button("Open..."), Button("Save the pruned network...")
        self.seen = Switch("Which weights are drawn", ("After", "Before"))
        self._title, self._caption, self._pointer = ElidedLabel(), ElidedLabel(), elastic(label())
        self._checkpoint: Checkpoint | None = None
        self._choice = NetworkSettings()
        self._shown: DisplayedNetwork | None = None
        self._layer = ""
        self._curve: ZerosCurve | None = None
        self._is_saving = self._is_sorted = False
        self._late = QTimer(self, interval=_LATE_MS, singleShot=True)
        self._late.timeout.connect(self._draw_late)
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(12, 6, 12, 6)
        top.setSpacing(8)
        top.addWidget(self._title, 1)
        top.addWidget(self.open)
        top.addWidget(self.save)
        self.save.setProperty("primary", True)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.setChildrenCollapsible(False)
        parts.setHandleWidth(2)
        for part, width in ((self.tree, 400), (self._layer_part(), 420), (self._curves_part(), 300)):
            parts.addWidget(part)
            parts.setStretchFactor(parts.count() - 1, width)
        self.tree.setMinimumWidth(240)
        parts.setSizes([400, 420, 300])
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(top)
        box.addWidget(parts, 1)
        box.addWidget(self.controls)

    def _layer_part(self) -> QWidget:
        frame = QFrame()
        box = canvas(frame)
        line = QHBoxLayout()
        line.setContentsMargins(12, 8, 12, 6)
        self._caption.setProperty("muted", True)
        line.addWidget(self._caption, 1)
        box.addLayout(line)
        box.addWidget(self.tiles, 1)
        under = QHBoxLayout()
        under.setContentsMargins(12, 4, 8, 4)
        under.addWidget(self._pointer, 1)
        under.addWidget(self.seen)
        box.addLayout(under)
        frame.setMinimumWidth(160)
        return frame

    def _curves_part(self) -> QWidget:
        frame = QFrame()
        box = canvas(frame, "plot")
        box.addWidget(self.histogram, 2)
        box.addWidget(self.zeros, 3)
        box.addWidget(self.accuracy, 4)
        frame.setMinimumWidth(200)
        return frame

    def _listen(self) -> None:
        controls = self.controls
        controls.sparsityChanged.connect(self.sparsityChanged)
        controls.settled.connect(self.settled)
        controls.layerPicked.connect(self.layerPicked)
        self.tree.layerPicked.connect(self.layerPicked)
        self.open.clicked.connect(self.openRequested)
        self.save.clicked.connect(self.saveRequested)
        self.seen.chosen.connect(lambda _: self._draw_tiles())
        self.tiles.hovered.connect(self._tell_pixel)
        for plot in (self.zeros, self.accuracy.plot):
            plot.scrubbed.connect(lambda s: self.sparsityChanged.emit(round(s, _DECIMALS)))
            plot.released.connect(self.settled)

    # What is shown

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show another network."""
        self._checkpoint, self._shown, self._layer = checkpoint, None, ""
        self.tree.set_checkpoint(checkpoint)
        self.controls.set_checkpoint(checkpoint)
        others = checkpoint.left_alone
        alone = f"  ·  {plural(len(others), 'array')} left alone" if others else ""
        layers, weights = plural(len(checkpoint.layers), "layer"), plural(checkpoint.size, "weight")
        self._title.setText(f"{checkpoint.path.name}  ·  {layers}, {weights}{alone}")
        reasons = sorted({each.reason for each in others})
        self._title.tip = "\n".join([str(checkpoint.path), *(["Left alone: " + ", ".join(reasons)] if others else [])])

    def set_choice(self, choice: NetworkSettings) -> None:
        """Show how the network is pruned."""
        self._choice = choice
        self.controls.set_choice(choice)
        self._draw_soon()

    def set_layer(self, layer: str) -> None:
        """Show this layer."""
        if layer == self._layer or self._checkpoint is None:
            return
        self._layer = layer
        self.tree.set_layer(layer)
        self.controls.set_layer(layer)
        found = self._checkpoint[layer]
        self.tiles.set_layer(found, is_first=bool(found.is_first))
        assert self.tiles.pictures is not None
        zero = "grey = 0" if self.tiles.pictures.channels == 3 else "black = 0, blue below, orange above"
        self._caption.setText(f"{layer}  ·  {self.tiles.pictures.words}  ·  {zero}")
        self.histogram.set_before(weights_to_draw(found))
        self._draw_tiles()
        self._draw_zeros()
        self._draw_soon()

    def set_path(self, path: LayerPath | None, problem: str, start: float) -> None:
        """The weights are sorted, or why they are not: "" while they are being sorted."""
        self.controls.set_start(start)
        self._is_sorted = path is not None
        self._offer_saving()
        if path is None:
            self.controls.set_note(f"⚠ {problem}" if problem else _BUSY)

    def set_large(self, is_large: bool) -> None:
        """Say which part of the network follows the slider."""
        self.controls.set_note(_LARGE if is_large else "")

    def set_saving(self, on: bool) -> None:
        """Show whether the network is being written."""
        self._is_saving = on
        self._offer_saving()
        self.save.setText("Saving..." if on else "Save the pruned network...")

    def _offer_saving(self) -> None:
        self.save.setEnabled(self._is_sorted and not self._is_saving)

    def set_projection(self, shown: DisplayedNetwork) -> None:
        """Show what the target gives."""
        self._shown = shown
        self._draw_tiles()
        self.controls.set_projection(shown)
        self._draw_soon()

    def set_curve(self, curve: ZerosCurve | None) -> None:
        """Draw zeros against s, as far as they are known."""
        self._curve = curve
        self._draw_zeros()

    def set_accuracy(self, curve: AccuracyCurve | None) -> None:
        """Draw accuracy against s, as far as it is known."""
        self.accuracy.set_accuracy(curve)

    # Drawing

    def _weights(self) -> tuple[Array, Array]:
        """Of the selected layer, before and after."""
        assert self._checkpoint is not None
        before = weights_to_draw(self._checkpoint[self._layer])
        return before, before if self._shown is None else self._shown.weights.get(self._layer, before)

    def _draw_tiles(self) -> None:
        if self._layer:
            before, after = self._weights()
            self.tiles.set_values(before if self.seen.index() == 1 else after)

    def _draw_soon(self) -> None:
        """Tree, histogram and lines 30 times a second, while tiles and bars follow every move."""
        if not self._late.isActive():
            self._late.start()

    def _draw_late(self) -> None:
        if self._layer:
            self.histogram.set_after(self._weights()[1])
        if self._shown is not None:
            self.tree.set_projection(self._shown)
        s = self._choice.target_of(self._layer)
        self.zeros.set_value(s)
        self.accuracy.set_sparsity(s)

    def _draw_zeros(self) -> None:
        curve = self._curve
        if curve is None or self._checkpoint is None or len(curve.s) < 2:
            self.zeros.clear_points()
            return
        is_own = self._choice.mode == "own" and self._layer
        names = [layer.name for layer in self._checkpoint.layers]
        found = curve.zeros[:, names.index(self._layer)] if is_own else curve.totals
        self.zeros.setLabel("left", "zeros, %" if not is_own else "its zeros, %")
        self.zeros.set_points(curve.s, 100 * found)
        self.zeros.set_value(self._choice.target_of(self._layer))

    def _tell_pixel(self, tile: int, row: int, column: int) -> None:
        if self._checkpoint is not None and self._layer:
            before = self._checkpoint[self._layer].weights
            self._pointer.setText(self.tiles.words_for(tile, row, column, before))
