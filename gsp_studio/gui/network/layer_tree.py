"""The layers of a network as a tree, each with bars of its sparsity and its zeros: thin before, thick after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.controls import plain

if TYPE_CHECKING:
    from gsp_studio.gui.network.state import DisplayedNetwork
    from gsp_studio.pruning.checkpoint import Checkpoint

Index = QModelIndex | QPersistentModelIndex

_NAME, _SHAPE, _SPARSITY, _ZEROS = range(4)
#: Ending of the names of groups, so that they are no layer's.
_GROUP = "/*"
_ROLE = Qt.ItemDataRole.UserRole
_NUMBER = "100.0 %"
#: Pixels under which there is no room for shapes.
_NARROW = 380
#: Ends of names that say nothing, as all layers have them.
_ENDINGS = ("weight", "kernel")


@dataclass(frozen=True)
class Bar:
    """Content of a cell: a fraction before and after, and whether the layer takes part."""

    before: float
    after: float
    is_pruned: bool


class _Bars(QStyledItemDelegate):
    """Paints the `Bar` of a cell."""

    def __init__(self, tree: LayerTree) -> None:
        super().__init__(tree)
        self._tree = tree

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(96, 24)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The cell's ground, two bars, the number after."""
        super().paint(painter, option, index)
        bar = self._tree.bars.get((index.sibling(index.row(), _NAME).data(_ROLE), index.column()))
        if bar is not None:
            self._draw(painter, option, bar, index.column())

    def _draw(self, painter: QPainter, option: QStyleOptionViewItem, found: Bar, column: int) -> None:
        before, after, is_pruned = found.before, found.after, found.is_pruned
        theme, place = current_theme(), QRect(option.rect)
        metrics = painter.fontMetrics()
        room = place.width() - metrics.horizontalAdvance(_NUMBER) - 16.0
        left, top = place.left() + 4.0, place.center().y() - 5.0
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        ground = QColor(theme.accent_text if is_chosen else theme.text_muted)
        bar = QColor(theme.accent_text if is_chosen else theme.accent if is_pruned else theme.text_disabled)
        if after == after:  # no bars for NaN weights
            painter.fillRect(QRectF(left, top, before * room, 3), ground)
            painter.fillRect(QRectF(left, top + 4, after * room, 7), bar)
        painter.fillRect(QRectF(left, top, 1, 11), ground)
        text = f"{after:.3f}" if column == _SPARSITY else f"{100 * after:.1f} %"
        painter.setPen(QColor(theme.accent_text if is_chosen else theme.text if is_pruned else theme.text_disabled))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(place.adjusted(0, 0, -6, 0), right, text)


class LayerTree(QTreeWidget):
    """Shows a `Checkpoint`; `layerPicked(name)` for the user's hand only."""

    layerPicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Layers")
        self.setColumnCount(4)
        self.setHeaderLabels(["Layer", "Shape", "Sparsity", "Zeros"])
        self.headerItem().setToolTip(_SPARSITY, "Average Hoyer sparsity of the filters: thin before, thick after")
        self.headerItem().setToolTip(_ZEROS, "Weights that are 0: thin before, thick after")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformRowHeights(True)
        self.setFrameShape(QTreeWidget.Shape.NoFrame)
        self.setIndentation(14)
        for column in (_SPARSITY, _ZEROS):
            self.setItemDelegateForColumn(column, _Bars(self))
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (_SHAPE, _SPARSITY, _ZEROS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, 116)
        #: By what a row is called and its column; not in the items, which tell of each change and are laid out anew.
        self.bars: dict[tuple[str, int], Bar] = {}
        self._rows: dict[str, QTreeWidgetItem] = {}
        self._groups: dict[str, tuple[QTreeWidgetItem, list[int]]] = {}
        self._before: tuple[Array, Array] = (np.zeros(0), np.zeros(0))
        self._weights: tuple[Array, Array] = (np.zeros(0), np.zeros(0))
        self._is_told = False
        self.currentItemChanged.connect(self._pick)

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show the layers of this network."""
        layers = checkpoint.layers
        self._before = (np.array([each.sparsity for each in layers]), np.array([each.zeros for each in layers]))
        counts = np.array([each.shape[each.output_axis] for each in layers])
        self._weights = (counts, np.array([each.size for each in layers]))
        self._is_told = True
        self.clear()
        self._rows, self._groups, self.bars = {}, {}, {}
        names = short_names([layer.name for layer in layers])
        for number, (layer, (group, text)) in enumerate(zip(layers, names, strict=True)):
            if group and group not in self._groups:
                self._groups[group] = QTreeWidgetItem(self, [group]), []
                self._groups[group][0].setFlags(Qt.ItemFlag.ItemIsEnabled)
                self._groups[group][0].setData(_NAME, _ROLE, f"{group}{_GROUP}")
            parent = self._groups[group][0] if group else self
            item = QTreeWidgetItem(parent, [text, " × ".join(map(str, layer.shape))])
            item.setData(_NAME, _ROLE, layer.name)
            item.setToolTip(_NAME, plain(f"{layer.name}: {layer.kind}, {layer.dtype}"))
            item.setToolTip(_SHAPE, f"{layer.size} weights")
            self._rows[layer.name] = item
            if group:
                self._groups[group][1].append(number)
        self.expandAll()
        self.resizeColumnToContents(_SHAPE)
        self._is_told = False
        self._write(*self._before, np.ones(len(layers), bool))

    def set_projection(self, shown: DisplayedNetwork) -> None:
        """Show what has become of the layers."""
        self._write(shown.sparsities, shown.zeros, shown.is_pruned)

    def _write(self, sparsities: Array, zeros: Array, is_pruned: Array) -> None:
        for column, before, after in zip((_SPARSITY, _ZEROS), self._before, (sparsities, zeros), strict=True):
            rows = zip(self._rows, before.tolist(), after.tolist(), is_pruned.tolist(), strict=True)
            for name, was, now, takes_part in rows:
                self.bars[name, column] = Bar(was, now, takes_part)
            weights = self._weights[column - _SPARSITY]
            for group, (_, members) in self._groups.items():
                was, now = (float(np.average(each[members], weights=weights[members])) for each in (before, after))
                self.bars[f"{group}{_GROUP}", column] = Bar(was, now, bool(is_pruned[members].any()))
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow tree the names go before the shapes."""
        super().resizeEvent(event)
        self.setColumnHidden(_SHAPE, self.width() < _NARROW)

    def set_layer(self, layer: str) -> None:
        """Mark this layer."""
        self._is_told = True
        self.setCurrentItem(self._rows[layer])
        self._is_told = False

    def _pick(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and not self._is_told and item.data(_NAME, _ROLE) in self._rows:
            self.layerPicked.emit(item.data(_NAME, _ROLE))


def short_names(names: list[str]) -> list[tuple[str, str]]:
    """(group, what is left of the name) of layers: what all share is left out, and layers of one block are a group."""
    paths = [name.replace("/", ".").split(".") for name in names]
    shorter = [path[:-1] if len(path) > 1 and path[-1] in _ENDINGS else path for path in paths]
    if len({tuple(path) for path in shorter}) == len(names):
        paths = shorter
    while len(paths) > 1 and all(len(path) > 1 and path[0] == paths[0][0] for path in paths):
        paths = [path[1:] for path in paths]
    firsts = [path[0] for path in paths]
    groups = {first for path, first in zip(paths, firsts, strict=True) if len(path) > 1 and firsts.count(first) > 1}
    alone = {path[0] for path in paths if len(path) == 1}
    return [(path[0], ".".join(path[1:])) if path[0] in groups - alone else ("", ".".join(path)) for path in paths]
