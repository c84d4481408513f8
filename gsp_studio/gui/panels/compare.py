"""Bases side by side: what each has in the cells of what the first has, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QStackedWidget, QVBoxLayout, QWidget

from gsp_studio.gui.compared_basis import ON_SCREEN, ComparedBasis, Comparison, is_result
from gsp_studio.gui.state import DisplayedBasis, RunEntry, View
from gsp_studio.gui.widgets.agreement_words import agreement_beside
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.compare_column import CellView, CellWords, CompareColumn
from gsp_studio.gui.widgets.compared_cells import Cells, as_they_are, differences, in_cells
from gsp_studio.gui.widgets.controls import Button, EmptyState
from gsp_studio.gui.widgets.reference_button import ReferenceButton
from gsp_studio.gui.widgets.switch import Switch
from gsp_studio.gui.widgets.worded import word_tip
from gsp_studio.nouns import IMAGES

if TYPE_CHECKING:
    from gsp_studio.core.truth import Truth
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset


_EMPTY = "Two runs are needed to compare"
_HINT = "press Run (Space) again with another rank, sparsity, method or seed, or move the slider of a run"
_SEEN = (
    "Flicker shows the runs in turn, in the same cells; Difference what is left of each pair when the first run's\n"
    "image is taken away, both of length 1: black where they agree, orange where there is more, blue where less."
)
_MODES = ("Side by side", "Flicker", "Difference")
SIDE_BY_SIDE, FLICKER, DIFFERENCE = range(3)
#: Milliseconds that flicker shows each run, and between two looks at a basis on the screen that changes.
FLICKER_MS, SCREEN_MS = 600, 100
#: Bases that are compared at least and at most.
_FEWEST, _MOST = 2, 4


class ComparePanel(QWidget):
    """Shows a `Comparison`; asks for one by `compareRequested(bases)`."""

    compareRequested = Signal(object)  # tuple of ComparedBasis
    saveRequested = Signal(object, str, str)  # as of `CellView`

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = EmptyState(_EMPTY, _HINT, {})
        self.columns: list[CompareColumn] = []
        self.turning = CellView("Basis images of the runs in turn")
        self.add = Button("Add a run")
        self.add.setToolTip(f"Compare up to {_MOST} runs")
        self.reference = ReferenceButton()
        self._pair = CellWords()
        self._nouns = IMAGES
        self._runs: tuple[RunEntry, ...] = ()
        #: What can be chosen: the runs, and the basis on the screen where it is none of them.
        self._offers: tuple[ComparedBasis, ...] = ()
        #: The run on the screen, -1 for none; and whether the user has chosen which ones are compared.
        self._index, self._is_chosen = -1, False
        self._shown: DisplayedBasis | None = None
        self._comparison: Comparison | None = None
        self._cells: list[Cells] = []
        self._dataset: Dataset | None = None
        self._truth: Truth | None = None
        self._view = View()
        self.mode = Switch("How runs are compared", _MODES)
        self._timer = QTimer(self, interval=FLICKER_MS)
        self._timer.timeout.connect(self.turn_over)
        self._screen_timer = QTimer(self, interval=SCREEN_MS, singleShot=True)
        self._screen_timer.timeout.connect(self._look_at_screen)
        self._on_show, self._selected = 0, -1
        self._lay_out()
        for _ in range(_FEWEST):
            self._add_column()
        self.add.clicked.connect(lambda _=False: self._add_run())
        self.mode.chosen.connect(lambda _: self._show())
        self._wire(self.turning)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self.columns[0].view.tiles)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(12, 6, 12, 6)
        top.setSpacing(16)
        top.addWidget(self._pair, 1)
        for button in (self.reference, self.add, self.mode):
            top.addWidget(button)
        word_tip(self.mode, _SEEN)
        side_by_side = QWidget()
        self._heads, self._views = QHBoxLayout(), QHBoxLayout(side_by_side)
        self._views.setContentsMargins(0, 0, 0, 0)
        for row in (self._heads, self._views):
            row.setSpacing(2)
        self._pages = QStackedWidget()
        for page in (side_by_side, self.turning):
            self._pages.addWidget(page)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(top)
        box.addLayout(self._heads)
        box.addWidget(self._pages, 1)
        self._stack = QStackedLayout(self)
        for page in (self.empty, full):
            self._stack.addWidget(page)

    # Columns

    @property
    def tiles(self) -> tuple[BasisTiles, ...]:
        """The tiles side by side."""
        return tuple(column.view.tiles for column in self.columns)

    @property
    def _cell_views(self) -> tuple[CellView, ...]:
        return (*(column.view for column in self.columns), self.turning)

    def _add_column(self) -> None:
        column = CompareColumn(len(self.columns), can_go=len(self.columns) >= _FEWEST)
        column.chosen.connect(self._choose)
        column.removed.connect(lambda: self._remove(column))
        self.columns.append(column)
        self._heads.addWidget(column, 1)
        self._views.addWidget(column.view, 1)
        if len(self.columns) > 1:
            column.view.tiles.link_zoom(self.tiles[0])
        self._wire(column.view)
        if self._dataset is not None:
            column.view.set_dataset(self._dataset)
        column.view.tiles.set_colour_map(self._view.colours)

    def _wire(self, view: CellView) -> None:
        view.tiles.picked.connect(self._mark)
        view.tiles.hovered.connect(lambda tile, row, column: self._tell_pair(tile))
        view.saveRequested.connect(self.saveRequested)

    def _choose(self) -> None:
        self._is_chosen = True
        self._ask()

    def _add_run(self) -> None:
        """One more column, of the newest run that has none."""
        free = [one.key for one in self._offers if one.key not in self._keys()]
        if free and len(self.columns) < _MOST:
            self._add_column()
            self.columns[-1].set_offers(self._offers, free[-1])
            self._offer_more()
            self._choose()

    def _remove(self, column: CompareColumn) -> None:
        self._drop(column)
        self._offer_more()
        self._ask()

    def _drop(self, column: CompareColumn) -> None:
        self.columns.remove(column)
        column.view.tiles.unlink_zoom()
        for widget in (column, column.view):
            widget.setParent(None)
            widget.deleteLater()

    def _offer_more(self) -> None:
        self.add.setEnabled(len(self.columns) < min(_MOST, len(self._offers)))

    def _keys(self) -> tuple[int, ...]:
        return tuple(column.key for column in self.columns)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.datasetChanged.connect(self.set_dataset)
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.display.shownChanged.connect(self.set_shown)
        session.display.viewChanged.connect(self.set_view)
        session.analyses.comparisonReady.connect(self.set_comparison)
        session.reference.changed.connect(self.set_truth)
        self.reference.asked.connect(session.reference.load)
        self.compareRequested.connect(session.analyses.compare)
        self.saveRequested.connect(window.save_picture)

    # What is shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._comparison, self._dataset, self._nouns = None, dataset, dataset.nouns
        self._pair.set_dataset(dataset)
        self.reference.set_dataset(dataset)
        for view in self._cell_views:
            view.set_dataset(dataset)

    def set_view(self, view: View) -> None:
        """Draw in this way: what white means, which colours."""
        self._view = view
        for tiles in (*self.tiles, self.turning.tiles):
            tiles.set_colour_map(view.colours)
        self._show()

    def set_runs(self, runs: Sequence[RunEntry], index: int = -1) -> None:
        """Offer these; what is on the screen and the newest are compared, until others are chosen or a run comes."""
        if (tuple(runs), index) != (self._runs, self._index):
            self._is_chosen = self._is_chosen and tuple(runs) == self._runs
            self._runs, self._index = tuple(runs), index
            self._offer()

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Offer the basis on the screen, where it is not a run's result."""
        self._shown = shown
        there = bool(self._screen())
        if there is not (ON_SCREEN in (one.key for one in self._offers)):
            self._offer()
        elif there and not self._screen_timer.isActive():
            self._screen_timer.start()  # it changes with every move of the slider

    def _screen(self) -> tuple[ComparedBasis, ...]:
        """The basis on the screen, where it is no run's result."""
        shown, run = self._shown, self._runs[self._index] if self._index >= 0 else None
        if shown is None or not self._runs or (run is not None and is_result(shown, run)):
            return ()
        return (ComparedBasis.of_screen(shown, self._runs),)

    def _look_at_screen(self) -> None:
        """Take the basis on the screen as it is now."""
        if self.isVisible() and (screen := self._screen()):
            self._offers = (*self._offers[:-1], *screen)
            for column in self.columns:
                column.rename(screen[0])
            if ON_SCREEN in self._keys():
                self._ask()

    def _offer(self) -> None:
        listed = [self._runs[self._index].number] if self._index >= 0 else []
        keys, screen = self._keys(), self._screen()
        on_screen = ON_SCREEN if screen or not listed else listed[0]
        self._offers = (*map(ComparedBasis.of_run, self._runs), *screen)
        count = len(self._offers)
        for column in self.columns[max(_FEWEST, count) :]:
            self._drop(column)
        # The basis that was on the screen may be a run now, one of those that are compared.
        keys = tuple(on_screen if key == ON_SCREEN else key for key in keys)
        if not self._is_chosen or len(set(keys)) < len(keys):
            keys = _proposed([one.key for one in self._offers], len(self.columns), [on_screen, *listed])
        for place, column in enumerate(self.columns):
            column.set_offers(self._offers, keys[place] if place < len(keys) else -1)
        self._offer_more()
        self._stack.setCurrentIndex(1 if count >= _FEWEST else 0)
        self._ask()

    def set_remarks(self, entry: RunEntry) -> None:
        """A run may have another name."""
        self._runs = tuple(entry if known.number == entry.number else known for known in self._runs)
        named = ComparedBasis.of_run(entry)
        self._offers = tuple(named if known.key == named.key else known for known in self._offers)
        for column in self.columns:
            column.rename(named)

    def set_comparison(self, comparison: Comparison) -> None:
        """Show this, if it is still of the runs that are chosen."""
        if tuple(one.key for one in comparison.runs) != self._keys():
            return
        self._comparison = comparison
        self._show()
        for k, column in enumerate(self.columns):
            beside = agreement_beside(self._truth, column.key, self._runs, self._shown)
            column.set_words(*comparison.words_of(k, self._nouns), beside)
        self._tell_pair(-1)

    def set_truth(self, truth: Truth | None) -> None:
        """Tell how each agrees with this reference; None with none."""
        self._truth = truth
        if (found := self._comparison) is not None:
            self.set_comparison(found)

    def _show(self) -> None:
        """Draw the comparison in the way that is chosen."""
        found, mode = self._comparison, self.mode.index()
        self._flicker(mode == FLICKER)
        if found is None or len(found.runs) != len(self.columns):
            return
        drawn = differences if mode == DIFFERENCE else as_they_are
        self._cells = drawn(in_cells(found), self._view.contrast)
        if mode == FLICKER:
            self._show_turn(found)
            return
        for k, (column, cells) in enumerate(zip(self.columns, self._cells, strict=True)):
            less = f" − {found.runs[0].name}" if mode == DIFFERENCE and k else ""
            column.view.set_cells(f"{found.runs[k].name}{less}", cells)
        self._mark(self._selected)

    def _flicker(self, on: bool) -> None:
        if not on:
            self._on_show = 0
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()
        self._pages.setCurrentIndex(int(on))

    def _show_turn(self, found: Comparison) -> None:
        self._on_show %= len(found.runs)
        self.turning.set_cells(found.runs[self._on_show].name, self._cells[self._on_show])
        self._mark(self._selected)

    def turn_over(self) -> None:
        """The next run in the same cells."""
        found = self._comparison
        if found is not None and self.isVisible() and len(self._cells) == len(found.runs):
            self._on_show += 1
            self._show_turn(found)

    def _ask(self) -> None:
        if self.isVisible() and len(self._offers) >= _FEWEST:
            offers = {one.key: one for one in self._offers}
            self.compareRequested.emit(tuple(offers[key] for key in self._keys()))

    def _mark(self, tile: int) -> None:
        self._selected = tile
        for view in (*self.tiles, self.turning.tiles):
            view.set_selected(tile)
        self._tell_pair(tile)

    def _tell_pair(self, tile: int) -> None:
        """Tell of the cell under the pointer, or of the selected one."""
        found = self._comparison
        tile = self._selected if tile < 0 else tile
        is_there = found is not None and 0 <= tile < found.count
        self._pair.tell(found.words_of_cell(tile) if found is not None and is_there else "")
        for view in self._cell_views:
            view.show_values(tile if is_there else -1)

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what has changed behind the other tabs."""
        super().showEvent(event)
        found = self._comparison
        self._look_at_screen()
        if found is None or self._keys() != tuple(one.key for one in found.runs):
            self._ask()


def _proposed(keys: Sequence[int], count: int, first: Sequence[int]) -> tuple[int, ...]:
    """What is on the screen, the run that it comes from and the newest others, in the order of the list."""
    wanted = dict.fromkeys([*(key for key in first if key in keys), *reversed(keys)])
    return tuple(sorted(list(wanted)[:count], key=keys.index))
