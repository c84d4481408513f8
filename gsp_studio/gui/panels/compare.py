"""Runs side by side: what each has found in the cells of what the first has found, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QStackedWidget, QVBoxLayout, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.state import Comparison, RunEntry, View
from gsp_studio.gui.texts import of_entries, percent, points, signed
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.compare_column import CompareColumn
from gsp_studio.gui.widgets.controls import Button, EmptyState, elastic, label
from gsp_studio.gui.widgets.switch import Switch

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset


_EMPTY = "Two runs are needed to compare"
_HINT = "press Run (Space) again with another rank, sparsity, method or seed"
_MATCHED = (
    "Basis images are matched so that all pairs together are as alike as can be (Hungarian method, cosines).\n"
    "1 is the same image up to its scale, 0 has no pixel in common. What has no partner comes last."
)
_SEEN = (
    "Flicker shows the runs in turn, in the same cells; Difference what is left of each pair when one image is taken\n"
    "from the first run's, both of length 1: black where they agree. A cell has one white in all runs."
)
_MODES = ("Side by side", "Flicker", "Difference")
SIDE_BY_SIDE, FLICKER, DIFFERENCE = range(3)
#: Milliseconds that flicker shows each run.
FLICKER_MS = 600
#: Cosines from here on count as the same basis image.
_SAME = 0.999
#: Runs that are compared at least and at most.
_FEWEST, _MOST = 2, 4


class ComparePanel(QWidget):
    """Shows a `Comparison`; asks for one by `compareRequested(places in the list of runs)`."""

    compareRequested = Signal(object)  # tuple of int

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = EmptyState(_EMPTY, _HINT, {})
        self.columns: list[CompareColumn] = []
        self.flicker = BasisTiles("Basis images of the runs in turn")
        self.add = Button("Add a run")
        self.add.setToolTip(f"Compare up to {_MOST} runs")
        self._pair, self._turn = elastic(label(muted=True)), label()
        self._runs: tuple[RunEntry, ...] = ()
        #: The run on the screen, -1 for none; and whether the user has chosen which ones are compared.
        self._index, self._is_chosen = -1, False
        self._comparison: Comparison | None = None
        self._dataset: Dataset | None = None
        self._view = View()
        self.mode = Switch("How runs are compared", _MODES)
        self._timer = QTimer(self, interval=FLICKER_MS)
        self._timer.timeout.connect(self.turn_over)
        self._on_show = 0
        self._lay_out()
        for _ in range(_FEWEST):
            self._add_column()
        self.add.clicked.connect(lambda _=False: self._add_run())
        self.mode.chosen.connect(lambda _: self._show())
        self._wire(self.flicker)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(12, 6, 12, 6)
        top.setSpacing(16)
        top.addWidget(self._pair, 1)
        top.addWidget(self.add)
        top.addWidget(self.mode)
        self.mode.setToolTip(_SEEN)
        self._pair.setToolTip(_MATCHED)
        self._heads, self._tiles = QHBoxLayout(), QHBoxLayout()
        self._tiles.setSpacing(2)
        self._tiles.setContentsMargins(0, 0, 0, 0)
        self._heads.setSpacing(2)
        side_by_side, in_turn = QWidget(), QWidget()
        side_by_side.setLayout(self._tiles)
        turning = QVBoxLayout(in_turn)
        turning.setContentsMargins(0, 0, 0, 0)
        turning.setSpacing(0)
        line = QWidget()
        line.setObjectName("canvasLine")
        words = QHBoxLayout(line)
        words.setContentsMargins(12, 6, 12, 2)
        words.addWidget(self._turn)
        turning.addWidget(line)
        turning.addWidget(self.flicker, 1)
        self._pages = QStackedWidget()
        self._pages.addWidget(side_by_side)
        self._pages.addWidget(in_turn)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(top)
        box.addLayout(self._heads)
        box.addWidget(self._pages, 1)
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(full)

    # Columns

    @property
    def tiles(self) -> tuple[BasisTiles, ...]:
        """The views side by side."""
        return tuple(column.tiles for column in self.columns)

    def _add_column(self) -> None:
        column = CompareColumn(len(self.columns), can_go=len(self.columns) >= _FEWEST)
        column.chosen.connect(self._choose)
        column.removed.connect(lambda: self._remove(column))
        self.columns.append(column)
        self._heads.addWidget(column, 1)
        self._tiles.addWidget(column.tiles, 1)
        if len(self.columns) > 1:
            column.tiles.link_zoom(self.columns[0].tiles)
        self._wire(column.tiles)
        if self._dataset is not None:
            column.tiles.set_dataset(self._dataset)
        column.tiles.set_colour_map(self._view.colours)

    def _wire(self, view: BasisTiles) -> None:
        view.picked.connect(self._mark)
        view.hovered.connect(lambda tile, row, column: self._tell_pair(tile))

    def _choose(self) -> None:
        self._is_chosen = True
        self._ask()

    def _add_run(self) -> None:
        """One more column, of the newest run that has none."""
        taken = self._chosen()
        free = [index for index in range(len(self._runs)) if index not in taken]
        if free and len(self.columns) < _MOST:
            self._add_column()
            self.columns[-1].set_runs(self._runs, free[-1])
            self._offer_more()
            self._choose()

    def _remove(self, column: CompareColumn) -> None:
        self._drop(column)
        self._offer_more()
        self._ask()

    def _drop(self, column: CompareColumn) -> None:
        self.columns.remove(column)
        for widget in (column, column.tiles):
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()

    def _offer_more(self) -> None:
        self.add.setEnabled(len(self.columns) < min(_MOST, len(self._runs)))

    def _chosen(self) -> tuple[int, ...]:
        return tuple(column.chooser.currentIndex() for column in self.columns)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.datasetChanged.connect(self.set_dataset)
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.display.viewChanged.connect(self.set_view)
        session.analyses.comparisonReady.connect(self.set_comparison)
        self.compareRequested.connect(lambda places: session.analyses.compare(session.runs.those(places)))

    # What is shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._comparison, self._dataset = None, dataset
        for view in (*self.tiles, self.flicker):
            view.set_dataset(dataset)

    def set_view(self, view: View) -> None:
        """Draw in this way: what white means, which colours."""
        self._view = view
        for tiles in (*self.tiles, self.flicker):
            tiles.set_colour_map(view.colours)
        self._show()

    def set_runs(self, runs: Sequence[RunEntry], index: int = -1) -> None:
        """Offer these; that on the screen and the newest are compared, until others are chosen or a run comes."""
        is_same = tuple(runs) == self._runs
        if is_same and (index == self._index or self._is_chosen):
            self._index = index
            return
        self._runs, self._index, self._is_chosen = tuple(runs), index, False
        count = len(self._runs)
        for column in self.columns[max(_FEWEST, count) :]:
            self._drop(column)
        proposed = self._proposed(len(self.columns))
        for place, column in enumerate(self.columns):
            column.set_runs(self._runs, proposed[place] if place < len(proposed) else 0)
        self._offer_more()
        self._stack.setCurrentIndex(1 if count >= _FEWEST else 0)
        self._ask()

    def _proposed(self, count: int) -> list[int]:
        """The run on the screen and the newest others, in the order of the list."""
        newest = [index for index in reversed(range(len(self._runs))) if index != self._index]
        on_screen = [self._index] if 0 <= self._index < len(self._runs) else []
        return sorted([*on_screen, *newest][:count])

    def set_remarks(self, entry: RunEntry) -> None:
        """A run may have another name."""
        places = [place for place, known in enumerate(self._runs) if known.number == entry.number]
        for place in places:
            self._runs = (*self._runs[:place], entry, *self._runs[place + 1 :])
            for column in self.columns:
                column.chooser.setItemText(place, f"{entry.name}: {entry.label}")

    def set_comparison(self, comparison: Comparison) -> None:
        """Show this, if it is still of the runs that are chosen."""
        if len(comparison.runs) != len(self.columns):
            return
        self._comparison = comparison
        self._show()
        for k, column in enumerate(self.columns):
            column.set_words(*_numbers(comparison, k), _likeness(comparison, k))
        self._mark(-1)
        self._tell_pair(-1)

    def _show(self) -> None:
        """Draw the comparison in the way that is chosen."""
        found, mode = self._comparison, self.mode.index()
        self._on_show = 0
        if mode == FLICKER:
            self._timer.start()
        else:
            self._timer.stop()
        self._pages.setCurrentIndex(1 if mode == FLICKER else 0)
        if found is None or len(found.runs) != len(self.columns):
            return
        cells = in_cells(found)
        if mode == DIFFERENCE:
            first, white = cells[0], whites(cells, "tile")
            shown = [scaled(first, white), *(scaled(np.abs(other - first), white) for other in cells[1:])]
        else:
            white = whites(cells, self._view.contrast)
            shown = [scaled(one, white) for one in cells]
        order = np.arange(cells[0].shape[1])
        if mode == FLICKER:
            self.flicker.set_basis(shown[0], order, white=1.0)
            self._turn.setText(found.runs[0].name)
        else:
            for view, one in zip(self.tiles, shown, strict=True):
                view.set_basis(one, order, white=1.0)

    def turn_over(self) -> None:
        """The next run in the same cells."""
        found = self._comparison
        if found is None or not self.isVisible():
            return
        self._on_show = (self._on_show + 1) % len(found.runs)
        cells = in_cells(found)
        one = scaled(cells[self._on_show], whites(cells, self._view.contrast))
        self.flicker.set_basis(one, np.arange(one.shape[1]), white=1.0)
        self._turn.setText(found.runs[self._on_show].name)

    def _ask(self) -> None:
        if self.isVisible() and len(self._runs) >= _FEWEST:
            self.compareRequested.emit(self._chosen())

    def _mark(self, tile: int) -> None:
        for view in (*self.tiles, self.flicker):
            view.set_selected(tile)

    def _tell_pair(self, tile: int) -> None:
        found = self._comparison
        if found is None or not 0 <= tile < found.count:
            self._pair.setText("")
            return
        told = []
        for entry, order, cosine in zip(found.runs, found.orders, found.cosines, strict=True):
            basis = int(order[tile])
            if basis < 0:
                told.append("none")
                continue
            alike = "" if entry is found.runs[0] or not cosine[tile] else f", cosine {cosine[tile]:.3f}"
            told.append(f"basis {basis + 1}, sparsity {entry.shown.sparsities[basis]:.3f}{alike}")
        self._pair.setText("  ·  ".join(told))

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what has changed behind the other tabs."""
        super().showEvent(event)
        found = self._comparison
        chosen = [self._runs[index].number for index in self._chosen()] if len(self._runs) >= _FEWEST else []
        if found is None or chosen != [entry.number for entry in found.runs]:
            self._ask()


def in_cells(found: Comparison) -> list[Array]:
    """Every basis (m, count), each image of length 1, column i that of cell i; black where a run has none."""
    sides = []
    for entry, order in zip(found.runs, found.orders, strict=True):
        W = entry.shown.W
        lengths = np.sqrt(np.einsum("ij,ij->j", W, W))
        unit = np.divide(W, lengths, out=np.zeros_like(W), where=lengths > 0)
        cells = np.zeros((W.shape[0], found.count), W.dtype, order="F")
        cells[:, order >= 0] = unit[:, order[order >= 0]]
        sides.append(cells)
    return sides


def whites(cells: Sequence[Array], contrast: str) -> Array:
    """Return the white of each cell (count,), the same in all runs: what looks brighter is brighter."""
    tops: Array = np.max([one.max(axis=0) for one in cells], axis=0)
    if contrast == "tile":
        return tops
    values = np.concatenate([one.ravel() for one in cells])
    values = values[values > 0]
    if not values.size:
        return tops
    top = values.max() if contrast == "shared" else np.percentile(values, 99.5, method="higher")
    return np.full_like(tops, top)


def scaled(one: Array, white: Array) -> Array:
    """Cells with 1 for white."""
    parts: Array = np.divide(one, white, out=np.zeros_like(one), where=white > 0)
    return parts


def _numbers(found: Comparison, k: int) -> tuple[str, str]:
    """Return a run's results in words, with their differences to the first run."""
    first, one = found.runs[0], found.runs[k]
    error = f"error {percent(one.shown.error)}{of_entries(one)}"
    if k == 0:
        return error, f"{_sparsity(one)}  ·  {one.seconds:.2f} s"
    is_comparable = of_entries(one) == of_entries(first)
    is_one_kind = one.shown.is_weighted is first.shown.is_weighted
    more = f" ({signed(one.shown.attained - first.shown.attained, 4)})" if is_one_kind else ""
    by = points(one.shown.error - first.shown.error) if is_comparable else "other entries: no difference"
    return (
        f"{error} ({by})",
        f"{_sparsity(one)}{more}  ·  {one.seconds:.2f} s ({signed(one.seconds - first.seconds, 2)} s)",
    )


def _sparsity(one: RunEntry) -> str:
    return f"{'weighted ' * one.shown.is_weighted}sparsity {one.shown.attained:.4f}"


def _likeness(found: Comparison, k: int) -> str:
    if k == 0:
        return "what the others are compared with"
    cosine, both = found.cosines[k], (found.orders[0] >= 0) & (found.orders[k] >= 0)
    there = int(np.count_nonzero((found.orders[0] >= 0) | (found.orders[k] >= 0)))
    same = int(np.count_nonzero(cosine >= _SAME))
    if same == there:
        return "the same basis images"
    middle = np.median(cosine[both]) if both.any() else 0.0
    return f"{same} of {there} basis images the same  ·  median cosine {middle:.3f}"
