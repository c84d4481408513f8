"""The basis images, all in one picture: what the whole window is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import BasisPreview, DisplayedBasis, Phase, RunEntry, View
from gsp_studio.gui.texts import about_basis, pixel_value, words_in_tiles
from gsp_studio.gui.widgets.controls import ElidedLabel, label
from gsp_studio.gui.widgets.scale_line import ScaleLine
from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_motion import TileMotion
from gsp_studio.gui.widgets.tile_spread import TileSpread
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.gui.widgets.value_bar import ValueBar
from gsp_studio.gui.widgets.view_panel import ViewPanel

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open your images to see what they are made of"
_OPEN_HINT = "or drop a folder or a file here"
_OFFERS = {"folder": "Open a folder of images...", "files": "Open a file...", "sample": "Try the sample faces"}


def _canvas(view: QWidget, caption: QWidget, *beside: QWidget) -> QWidget:
    """The tiles under a line of words, and the bars of their scale and their colours."""
    line = QWidget()
    line.setObjectName("canvasLine")
    row = QHBoxLayout(line)
    row.setContentsMargins(12, 2, 0, 0)
    row.addWidget(caption, 1)
    for widget in beside:
        row.addWidget(widget)
    full = QWidget()
    box = QVBoxLayout(full)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(0)
    box.addWidget(line)
    box.addWidget(view, 1)
    return full


class MontagePanel(ViewPanel):
    """Shows a basis as tiles; emits what the user asks for."""

    basisPicked = Signal(int)
    basesPicked = Signal(object)  # tuple of basis images, the last is the one that everything is about
    lockToggled = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, "Press Run (Space) to factorize these images", _OPEN_HINT, _OFFERS, parent)
        self.view = TileView(is_filling=True)
        self.view.about = self._about
        self.motion = TileMotion(self)
        self._spread = TileSpread(self.view)
        self._buffer: TileBuffer | None = None
        self._coarse: TileBuffer | None = None
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._selected = -1
        self._marked: tuple[int, ...] = ()
        self._frozen: tuple[int, ...] = ()
        self._locked: dict[int, float] = {}
        self._run: RunEntry | None = None
        self._contrast = Contrast.TILE
        self._labels, self._bars = False, View.bars
        self._is_by_energy = True
        #: Tile, row and column under the pointer, -1 for none.
        self._place = (-1, -1, -1)
        self._caption = ElidedLabel()
        self._caption.setProperty("muted", True)
        self._under_pointer = label()
        self.bar, self.scale = ValueBar(), ScaleLine()
        self._stack.addWidget(_canvas(self.view, self._caption, self._under_pointer, self.scale, self.bar))
        self.view.scaled.connect(self.scale.set_zoom)
        self.view.picked.connect(self._pick)
        self.view.pickedMore.connect(self._pick_more)
        self.view.hovered.connect(self._tell_pixel)
        self.view.barActivated.connect(self._lock)
        self.view.laidOut.connect(self._follow_layout)
        self.motion.changed.connect(self._mark_moving)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.display.glimpseChanged.connect(self.set_glimpse)
        session.live.frozenChanged.connect(self.set_frozen)
        session.basis.lockedChanged.connect(self.set_locked)
        session.phaseChanged.connect(lambda phase: self.motion.set_running(phase is Phase.RUNNING))
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.display.selectionChanged.connect(self.set_selected)
        session.display.markedChanged.connect(self.set_marked)
        session.display.viewChanged.connect(self.set_view)
        session.runs.stabilityChanged.connect(self.set_stability)
        session.undo.stack.indexChanged.connect(self._scale_anew)
        self.basisPicked.connect(session.display.select)
        self.basesPicked.connect(session.display.mark)
        self.lockToggled.connect(session.slider.toggle_locked)

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._dataset, self._has_data = dataset, True
        self.scale.set_dataset(dataset)
        self._buffer = None
        self._place = (-1, -1, -1)

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show this basis; None: the empty state."""
        self._shown = shown
        self.motion.set_shown(shown)
        if shown is None or self._dataset is None:
            self._stack.setCurrentIndex(0)
            return
        self._draw()
        if self._stack.currentIndex() != 1:
            self._stack.setCurrentIndex(1)

    def _draw(self) -> None:
        shown, dataset = self._shown, self._dataset
        if shown is None or dataset is None:
            return
        count = len(shown.order)
        fresh = self._buffer is None or self._buffer.count != count  # another data set has its own
        if self._buffer is None or fresh:
            self._buffer, self._coarse = TileBuffer.of(dataset, count, self._bars), None
        if shown.is_solved:
            self._buffer.reset_levels()  # what is at rest is drawn as it is, whatever led there
        self._buffer.fill(shown.W, shown.order, self._is_column_major, self._contrast)
        if fresh:
            self.view.set_buffer(self._buffer)
            self._tell_caption()
        else:
            self.view.show_frame()
        self._draw_labels()
        self.view.words.set_words(self._buffer, words_in_tiles(shown))
        self._draw_bars(shown)
        self._tell_values()
        if self._selected >= 0:
            self._frame_selected()
            self._frame_marked()
        if self._frozen:
            self._dash_frozen()
        self._mark_verdicts()
        self._spread.draw(shown, dataset, self._buffer)
        self._tell_pixel(*self._place)
        was, self._is_by_energy = self._is_by_energy, _is_by_energy(shown)
        if was is not self._is_by_energy:
            self._tell_caption()

    def _draw_bars(self, shown: DisplayedBasis | BasisPreview) -> None:
        if self._bars:
            self.view.bars.set_bars(self._buffer, shown.sparsities[shown.order], shown.target)
            if self._locked:
                self.set_locked(self._locked)

    def _mark_moving(self, marks: Array) -> None:
        shown = self._shown
        there = shown is not None and len(marks) == len(shown.order)
        self.view.edges.set_levels(self._buffer, marks[shown.order] if there and shown is not None else 0.0 * marks)

    def _follow_layout(self) -> None:
        self._coarse = None
        self._spread.draw(self._shown, self._dataset, self._buffer)

    def set_locked(self, locked: dict[int, float]) -> None:
        """Mark the bars of the basis images that the slider does not move."""
        self._locked, shown = locked, self._shown
        self.view.bars.set_locked(frozenset() if shown is None else frozenset(shown.tile_of(k) for k in locked))

    def set_stability(self, entry: RunEntry | None) -> None:
        """Show the seed stability of the run whose basis or projection this is; None: unknown."""
        self._spread.set_entry(entry)
        self._spread.draw(self._shown, self._dataset, self._buffer)
        self._tell_caption()

    def set_runs(self, runs: tuple[RunEntry, ...], index: int) -> None:
        """Mark the accepted and rejected basis images of the run on the screen."""
        self._run = runs[index] if 0 <= index < len(runs) else None
        self._mark_verdicts()
        self._tell_caption()

    def set_remarks(self, entry: RunEntry) -> None:
        """Update a run's verdicts."""
        if self._run is not None and entry.number == self._run.number:
            self._run = entry
            self._mark_verdicts()
            self._tell_caption()

    def _mark_verdicts(self) -> None:
        run, shown = self._run, self._shown
        sets = () if run is None or shown is None else (run.remarks.accepted, run.remarks.rejected)
        if shown is None or not any(sets):
            self.view.set_verdicts((), ())
            return
        accepted, rejected = (tuple(shown.tile_of(basis) for basis in sorted(bases)) for bases in sets)
        self.view.set_verdicts(accepted, rejected)

    def set_frozen(self, bases: tuple[int, ...]) -> None:
        """Mark these basis images as left alone by the run."""
        self._frozen = bases
        self._dash_frozen()
        self._tell_caption()

    def _dash_frozen(self) -> None:
        shown = self._shown
        self.view.set_frozen(() if shown is None else tuple(shown.tile_of(basis) for basis in self._frozen))

    def set_glimpse(self, glimpse: BasisPreview) -> None:
        """Show a part of the pixels of the basis, until `set_shown` brings all."""
        if self._buffer is None or not self.view.isVisible():
            return
        height, width = glimpse.image_shape
        count = len(glimpse.order)
        if self._buffer.bands:
            return  # few values, all of them at once
        if self._coarse is None or not self._coarse.fits(count, height, width, self._buffer.channels):
            self._coarse = self._buffer.coarse(height, width)
        self._coarse.hold_levels_of(self._buffer)
        if glimpse.tops is None:
            self._coarse.fill(glimpse.W, glimpse.order, self._is_column_major, self._contrast)
        else:
            self._coarse.fill_greys(glimpse.W, glimpse.tops, self._is_column_major, self._contrast)
        self.view.show_glimpse(self._coarse)
        self._draw_bars(glimpse)

    @property
    def _is_column_major(self) -> bool:
        return self._dataset is not None and self._dataset.order == "F"

    def _draw_labels(self) -> None:
        if self._labels and self._shown is not None:
            shown = self._shown
            self.view.set_labels(tuple(f"{k + 1}  {shown.sparsities[k]:.2f}" for k in shown.order))

    def set_selected(self, basis: int) -> None:
        """Frame a basis image; -1 for none."""
        self._selected = basis
        self._frame_selected()
        self._tell_values()

    def _frame_selected(self) -> None:
        tile = -1 if self._shown is None else self._shown.tile_of(self._selected)
        self.view.set_selected(tile)
        self.view.bars.set_selected(tile)

    def set_marked(self, bases: tuple[int, ...]) -> None:
        """Frame all of these basis images."""
        self._marked = bases
        self._frame_marked()

    def _frame_marked(self) -> None:
        shown = self._shown
        more = self._marked if len(self._marked) > 1 and shown is not None else ()
        self.view.set_marked(tuple(shown.tile_of(basis) for basis in more) if shown is not None else ())

    def set_view(self, view: View) -> None:
        """Draw in this way: what white means, colours, numbers."""
        contrast = Contrast[view.contrast.upper()]
        if contrast is not self._contrast:
            self._contrast = contrast
            self.reset_view(fit=False)
            self._tell_caption()
        if view.bars is not self._bars:
            self._bars, self._buffer = view.bars, None
            self._draw()
        self.view.set_colour_map(view.colours)
        self.bar.set_colour_map(view.colours)
        self._tell_values()
        self._spread.set_on(view.spread)
        self._spread.draw(self._shown, self._dataset, self._buffer)
        self._tell_caption()
        self._labels = view.labels
        if not view.labels:
            self.view.set_labels(())
        self._draw_labels()

    def _scale_anew(self, _step: int) -> None:
        """A step was done or undone: white that tiles share is what it would be without those before it."""
        if self._contrast is not Contrast.TILE:
            self.reset_view(fit=False)

    def reset_view(self, fit: bool = True) -> None:
        """White from the images as they are now, and all tiles in view."""
        if self._buffer is not None:
            self._buffer.reset_levels()
            self._draw()
        if fit:
            self.view.fit()

    def _tell_caption(self) -> None:
        if self._buffer is None or self._dataset is None:
            return
        nouns = self._dataset.nouns
        what, ends = _what_is_drawn(self._dataset)
        order = "by energy" if self._is_by_energy else "tiles keep their places"
        text = (
            f"{self._buffer.count} {what}{self._spread.caption}  ·  {order}  ·  {ends} = {self._contrast.value}"
            + (f"  ·  {len(self._frozen)} frozen" if self._frozen else "")
            + _judged(self._run)
        )
        legend = nouns.of(self._spread.legend)
        self._caption.setText(text)
        self._caption.tip = f"{text}\n\n{legend}" if legend else ""

    def _tell_values(self) -> None:
        self.bar.set_basis(self._buffer, self._dataset, self._shown, self._selected)

    def _pick(self, tile: int) -> None:
        if self._shown is not None:
            self.basisPicked.emit(int(self._shown.order[tile]) if tile >= 0 else -1)

    def _lock(self, tile: int) -> None:
        if self._shown is not None:
            self.lockToggled.emit(int(self._shown.order[tile]))

    def _about(self, tile: int) -> str:
        if self._shown is None or self._dataset is None:
            return ""
        basis = int(self._shown.order[tile])
        lock = _about_lock(basis in self._locked) if self._bars else ""
        return about_basis(self._shown, basis, self._dataset.nouns) + lock

    def _pick_more(self, tile: int, is_range: bool) -> None:
        """Ctrl adds a basis image to the selection or takes it out, Shift adds all tiles up to it."""
        if self._shown is None:
            return
        start = self._shown.tile_of(self._selected) if is_range and self._selected >= 0 else -1
        self.basesPicked.emit(_with(self._marked, self._shown.order, tile, start))

    def _tell_pixel(self, tile: int, row: int, column: int) -> None:
        self._place = (tile, row, column)
        if self._shown is None or self._dataset is None or not 0 <= tile < len(self._shown.order):
            self._under_pointer.setText("")  # clear() lays the view out anew each time
            return
        basis = int(self._shown.order[tile])
        spread = self._spread.under(self._shown, self._dataset, basis, row, column)
        self._under_pointer.setText(_words_at(self._shown, self._dataset, basis, row, column) + spread)


def _what_is_drawn(dataset: Dataset) -> tuple[str, str]:
    """What the tiles are, and what the ends of their colours or curves mean."""
    height, width = dataset.image_shape
    nouns = dataset.nouns
    if dataset.grid is not None:
        return f"{nouns.bases} of {width} {nouns.entries}", "bottom = 0, top"
    return f"{nouns.bases} of {height} × {width}", "black = 0, white"


def _about_lock(is_locked: bool) -> str:
    does = "unlock" if is_locked else "lock"
    return f"\nDouble-click the bar under it to {does} its sparsity (key L)"


def _is_by_energy(shown: DisplayedBasis) -> bool:
    energies = shown.energies[shown.order]
    return bool((energies[:-1] >= energies[1:]).all())


def _words_at(shown: DisplayedBasis, dataset: Dataset, basis: int, row: int, column: int) -> str:
    """A pixel of a basis image, and the image's sparsity."""
    value = dataset.as_images(shown.W[:, basis : basis + 1])[0][row, column]
    where = f"row {row + 1}, column {column + 1}" if dataset.grid is None else f"band {column + 1}"
    return f"basis {basis + 1}  ·  {where}  ·  {pixel_value(value)}  ·  sparsity {shown.sparsities[basis]:.3f}"


def _judged(run: RunEntry | None) -> str:
    if run is None:
        return ""
    words = ((run.remarks.accepted, "accepted"), (run.remarks.rejected, "rejected"))
    return "".join(f"  ·  {len(bases)} {word}" for bases, word in words if bases)


def _with(marked: tuple[int, ...], order: Array, tile: int, start: int) -> tuple[int, ...]:
    """Return a selection with a tile, or without it where it had it; from `start` on, unless that is -1, with all."""
    if start >= 0:
        step = 1 if tile >= start else -1
        added = [int(order[k]) for k in range(start, tile + step, step)]
    else:
        added = [int(order[tile])]
        if added[0] in marked:
            return tuple(basis for basis in marked if basis != added[0])
    return (*(basis for basis in marked if basis not in added), *added)
