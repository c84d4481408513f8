"""The basis images, all in one picture: what the whole window is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gsp_studio.gui.state import BasisPreview, DisplayedBasis, RunEntry, View
from gsp_studio.gui.texts import pixel_value
from gsp_studio.gui.widgets.controls import ElidedLabel, label
from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_spread import TileSpread
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.gui.widgets.view_panel import ViewPanel

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open your images to see what they are made of"
_OPEN_HINT = "or drop a folder, .npy, .npz or .mat file here"
_OFFERS = {"folder": "Open a folder of images...", "files": "Open a file...", "sample": "Try the sample faces"}


class MontagePanel(ViewPanel):
    """Shows a basis as tiles; emits what the user asks for."""

    basisPicked = Signal(int)
    basesPicked = Signal(object)  # tuple of basis images, the last is the one that everything is about

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, "Press Run (Space) to take these images apart", _OPEN_HINT, _OFFERS, parent)
        self.view = TileView()
        self._spread = TileSpread(self.view)
        self._buffer: TileBuffer | None = None
        self._coarse: TileBuffer | None = None
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._selected = -1
        self._marked: tuple[int, ...] = ()
        self._frozen: tuple[int, ...] = ()
        self._run: RunEntry | None = None
        self._contrast = Contrast.TILE
        self._labels = False
        self._caption = ElidedLabel()
        self._caption.setProperty("muted", True)
        self._under_pointer = label()
        self._lay_out()
        self.view.picked.connect(self._pick)
        self.view.pickedMore.connect(self._pick_more)
        self.view.hovered.connect(self._tell_pixel)

    def _lay_out(self) -> None:
        line = QWidget()
        line.setObjectName("canvasLine")
        row = QHBoxLayout(line)
        row.setContentsMargins(12, 6, 12, 2)
        row.addWidget(self._caption, 1)
        row.addWidget(self._under_pointer)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(line)
        box.addWidget(self.view, 1)
        self._stack.addWidget(full)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.display.glimpseChanged.connect(self.set_glimpse)
        session.live.frozenChanged.connect(self.set_frozen)
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.display.selectionChanged.connect(self.set_selected)
        session.display.markedChanged.connect(self.set_marked)
        session.display.viewChanged.connect(self.set_view)
        session.runs.stabilityChanged.connect(self.set_stability)
        self.basisPicked.connect(session.display.select)
        self.basesPicked.connect(session.display.mark)

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape from now on as this data set's images."""
        self._dataset, self._has_data = dataset, True
        self._buffer = None

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show this basis; None: the empty state."""
        self._shown = shown
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
            self._buffer = TileBuffer.of(dataset, count)
        self._buffer.fill(shown.W, shown.order, self._is_column_major, self._contrast)
        if fresh:
            self.view.set_buffer(self._buffer)
            self._tell_caption()
        else:
            self.view.show_frame()
        self._draw_labels()
        if self._selected >= 0:
            self.view.set_selected(shown.tile_of(self._selected))
            self._frame_marked()
        if self._frozen:
            self._dash_frozen()
        self._mark_verdicts()
        self._spread.draw(shown, dataset, self._buffer)

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
            self._coarse = TileBuffer(count, height, width, channels=self._buffer.channels)
        self._coarse.hold_levels_of(self._buffer)
        if glimpse.tops is None:
            self._coarse.fill(glimpse.W, glimpse.order, self._is_column_major, self._contrast)
        else:
            self._coarse.fill_greys(glimpse.W, glimpse.tops, self._is_column_major, self._contrast)
        self.view.show_glimpse(self._coarse)

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
        self.view.set_selected(-1 if self._shown is None else self._shown.tile_of(basis))

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
        self.view.set_colour_map(view.colours)
        self._spread.set_on(view.spread)
        self._spread.draw(self._shown, self._dataset, self._buffer)
        self._tell_caption()
        self._labels = view.labels
        if not view.labels:
            self.view.set_labels(())
        self._draw_labels()

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
        height, width = self._dataset.image_shape
        is_spectra = self._dataset.grid is not None
        what = f"basis spectra of {width} bands" if is_spectra else f"basis images of {height} × {width}"
        ends = "bottom = 0, top" if is_spectra else "black = 0, white"
        text = (
            f"{self._buffer.count} {what}{self._spread.caption}  ·  by energy  ·  {ends} = {self._contrast.value}"
            + (f"  ·  {len(self._frozen)} frozen" if self._frozen else "")
            + self._judged()
        )
        legend = self._spread.legend
        self._caption.setText(text)
        self._caption.tip = f"{text}\n\n{legend}" if legend else ""

    def _judged(self) -> str:
        if self._run is None:
            return ""
        remarks = self._run.remarks
        words = ((remarks.accepted, "accepted"), (remarks.rejected, "rejected"))
        return "".join(f"  ·  {len(bases)} {word}" for bases, word in words if bases)

    def _pick(self, tile: int) -> None:
        if self._shown is not None:
            self.basisPicked.emit(int(self._shown.order[tile]) if tile >= 0 else -1)

    def _pick_more(self, tile: int, is_range: bool) -> None:
        """Ctrl adds a basis image to the selection or takes it out, Shift adds all tiles up to it."""
        if self._shown is None:
            return
        order, marked = self._shown.order, list(self._marked)
        if is_range and self._selected >= 0:
            start = self._shown.tile_of(self._selected)
            step = 1 if tile >= start else -1
            added = [int(order[k]) for k in range(start, tile + step, step)]
        else:
            added = [int(order[tile])]
        if not is_range and added[0] in marked:
            marked.remove(added[0])
        else:
            marked = [basis for basis in marked if basis not in added] + added
        self.basesPicked.emit(tuple(marked))

    def _tell_pixel(self, tile: int, row: int, column: int) -> None:
        if tile < 0 or self._shown is None or self._dataset is None:
            self._under_pointer.clear()
            return
        basis = int(self._shown.order[tile])
        value = self._dataset.as_images(self._shown.W[:, basis : basis + 1])[0][row, column]
        where = f"row {row + 1}, column {column + 1}" if self._dataset.grid is None else f"band {column + 1}"
        self._under_pointer.setText(
            f"basis {basis + 1}  ·  {where}  ·  {pixel_value(value)}  ·  sparsity {self._shown.sparsities[basis]:.3f}"
            + self._spread.under(self._shown, self._dataset, basis, row, column)
        )
