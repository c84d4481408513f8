"""The selected basis image: large, with its numbers and the images that use it most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from gsp_studio.gui.jobs.inspection import Users, users_of
from gsp_studio.gui.state import DisplayedBasis, RunEntry
from gsp_studio.gui.texts import STABILITY, over_seeds, percent
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, label, plain, reserve
from gsp_studio.gui.widgets.dataset_pictures import long_name, pictures_of, short_names
from gsp_studio.gui.widgets.histogram import Histogram
from gsp_studio.gui.widgets.picture import Picture
from gsp_studio.gui.widgets.worded import word_label, word_tip
from gsp_studio.io.scale_bar import scale_bar_of

if TYPE_CHECKING:
    from gsp_studio.experiments.stability import BasisStability
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

#: The users change slowly; this often is enough while a run is going.
_USERS_MS = 200
#: Pixels of height that the picture keeps in a low window: about a tile's, and a row of users has room below.
_LEAST = 96


class BasisPanel(QWidget):
    """Shows one column of the basis on the screen; of a run's, the user says what it is worth."""

    usersRequested = Signal(int, bool)  # a basis image whose coefficients are elsewhere; all of them, for a map
    judged = Signal(bool)  # the selected basis images were accepted, or rejected; the same again takes it back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._stability: BasisStability | None = None
        self._basis = -1
        self._run: RunEntry | None = None
        self.accept, self.reject = Button("Accept"), Button("Reject")
        self._picture = Picture(220)
        self._picture.setMinimumHeight(_LEAST)
        self._facts: dict[str, QLabel] = {key: label() for key in ("sparsity", "energy", "pixels", "stability")}
        self._facts["seed"] = ElidedLabel()
        self._heads: dict[str, QLabel] = {}
        self._title = label("")
        self.histogram = Histogram()
        self._users = [Picture(52), Picture(52)]
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_USERS_MS)
        self._timer.timeout.connect(self._show_users)
        self._lay_out()

    def _lay_out(self) -> None:
        hint = word_label(
            label(muted=True, wrap=True), "Click a basis image to see it large, with the images that use it most."
        )
        hint.setContentsMargins(12, 12, 12, 12)
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.addWidget(hint)
        column.addStretch()
        rows = QFormLayout()
        rows.setHorizontalSpacing(12)
        rows.setVerticalSpacing(4)
        titles = {"sparsity": "Sparsity", "energy": "Energy", "pixels": "Pixels in use", "stability": "Stability"}
        titles["seed"] = "Seed"
        for key, title in titles.items():
            self._heads[key] = head = QLabel(title)
            head.setProperty("muted", True)
            rows.addRow(head, self._facts[key])
        for part in (self._heads["seed"], self._facts["seed"]):
            part.hide()  # until a basis image has one
        word_tip(self._facts["energy"], "Its share of the sum of |w|² |h|² over all basis images")
        word_tip(self._facts["stability"], STABILITY)
        reserve(self._facts["stability"], over_seeds(5))
        frame = QFrame()
        frame.setObjectName("canvas")
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(8, 8, 8, 8)
        inside.addWidget(self._picture)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(12, 8, 12, 12)
        box.setSpacing(8)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        box.addWidget(self._title)
        box.addWidget(frame, 1)
        box.addLayout(rows)
        box.addWidget(self.histogram)
        box.addLayout(self._verdict())
        self._users_title = word_label(label(muted=True), "Images that use it most")
        box.addWidget(self._users_title)
        for row in self._users:
            row.setFixedHeight(64)
            box.addWidget(row)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(full)

    def _verdict(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        for button, key, is_accepted in ((self.accept, "A", True), (self.reject, "X", False)):
            button.setCheckable(True)
            button.setProperty("segment", True)
            word_tip(button, f"{button.text()} the selected basis images of this run (key {key}); again: take it back")
            button.clicked.connect(lambda _=False, accept=is_accepted: self._judge(accept))
            row.addWidget(button)
        return row

    def _judge(self, accept: bool) -> None:
        self._tell_verdict()  # a button shows what is so, not that it was pressed
        self.judged.emit(accept)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.runs.changed.connect(self.set_runs)
        session.runs.noted.connect(self.set_remarks)
        session.display.selectionChanged.connect(self.set_selected)
        session.runs.stabilityChanged.connect(self.set_stability)
        session.analyses.usersFound.connect(self.set_users)
        self.usersRequested.connect(session.analyses.find_users)
        self.judged.connect(lambda accept: session.runs.judge(session.display.marked, accept))

    def set_runs(self, runs: Sequence[RunEntry], index: int) -> None:
        """Take the run that the basis is of; -1: of none that has ended."""
        self._run = runs[index] if 0 <= index < len(runs) else None
        self._tell_verdict()

    def set_remarks(self, entry: RunEntry) -> None:
        """Show what is thought of the basis image now."""
        if self._run is not None and entry.number == self._run.number:
            self._run = entry
            self._tell_verdict()

    def _tell_verdict(self) -> None:
        run, k = self._run, self._basis
        for button, sign, bases in (
            (self.accept, "✓ Accept", None if run is None else run.remarks.accepted),
            (self.reject, "✗ Reject", None if run is None else run.remarks.rejected),
        ):
            is_so = bases is not None and k in bases
            button.setText(f"{sign}ed" if is_so else sign)
            button.setChecked(is_so)
            button.setEnabled(bases is not None)

    def set_dataset(self, dataset: Dataset) -> None:
        """Reshape as this data set's images."""
        self._dataset = dataset
        bar = scale_bar_of(dataset)
        self._picture.set_scale(bar if dataset.grid is None else None)
        self._users[0].set_scale(bar if dataset.grid is not None else None)

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show the selected column of this basis."""
        self._shown = shown
        self._show()

    def set_stability(self, entry: RunEntry | None) -> None:
        """Show the seed stability of the basis images of the run on the screen; None: unknown."""
        self._stability = None if entry is None else entry.stability
        self._show_stability()

    def _show_stability(self) -> None:
        found, k = self._stability, self._basis
        if self._shown is not None and self._shown.iterations:
            found = None  # a refined basis is another one than the run's
        there = found is not None and self._shown is not None and 0 <= k < len(found.cosine) == len(self._shown.order)
        text, head = "–", "Stability"
        if found is not None and there:
            text = f"{found.similarity[k]:.2f}\n{over_seeds(found.seeds)}"  # in a line it would make the dock wider
            head = "⚠ Unstable" if k in found.unstable else head
        self._facts["stability"].setText(text)
        self._heads["stability"].setText(head)

    def set_selected(self, basis: int) -> None:
        """Show another column; -1 for none."""
        self._basis = basis
        self._show()

    def _show(self) -> None:
        shown, dataset, k = self._shown, self._dataset, self._basis
        there = shown is not None and dataset is not None and 0 <= k < shown.W.shape[1]
        if self._stack.currentIndex() != int(there):
            self._stack.setCurrentIndex(int(there))
        if not there:
            return
        assert shown is not None
        assert dataset is not None
        self._title.setText(f"Basis {k + 1}")
        self._facts["seed"].setText(shown.seed_of(k))
        for part in (self._facts["seed"], self._heads["seed"]):
            part.setVisible(bool(shown.seed_of(k)))
        self._tell_verdict()
        column = shown.W[:, k]
        image = dataset.as_images(column[:, None])[0]
        self._picture.set_images(list(dataset.pictures(column[:, None])))
        self.histogram.set_values(column)
        self._facts["sparsity"].setText(f"{shown.sparsities[k]:.4f}")
        self._facts["energy"].setText(percent(float(shown.energies[k])))
        in_use = image.any(axis=2) if image.ndim == 3 else image
        self._heads["pixels"].setText(dataset.nouns.of("Pixels in use"))
        self._facts["pixels"].setText(f"{np.count_nonzero(in_use)} of {in_use.size}")
        self._show_stability()
        if not self._timer.isActive():
            self._timer.start()

    def _show_users(self) -> None:
        shown, dataset, k = self._shown, self._dataset, self._basis
        if shown is None or dataset is None or not 0 <= k < len(shown.H) or shown.H.shape[1] != dataset.X.shape[1]:
            return
        is_map = dataset.grid is not None
        if shown.has_coefficients:
            self._draw_users(dataset, users_of(shown, k, is_map))
        else:
            self.usersRequested.emit(k, is_map)

    def set_users(self, shown: DisplayedBasis, basis: int, users: Users) -> None:
        """The answer to `usersRequested`; one for another basis image, or other images, is too late."""
        dataset = self._dataset
        if basis == self._basis and dataset is not None and shown.H.shape[1] == dataset.X.shape[1]:
            self._draw_users(dataset, users)

    def _draw_users(self, dataset: Dataset, users: Users) -> None:
        weights, top = users.weights, users.images
        if dataset.grid is not None:
            # Where in the picture this spectrum is says more than the spectra of eight pixels.
            self._users_title.setText("Where it is")
            self._users[0].setFixedHeight(132)
            self._users[0].set_images(list(dataset.maps(weights[None])))
            self._users[0].setToolTip("Coefficient times length of the basis spectrum, at every pixel")
            self._users[1].hide()
            return
        self._users_title.setText("Images that use it most")
        self._users[0].setFixedHeight(64)
        self._users[1].show()
        images = pictures_of(dataset, top)
        half, captions = -(-len(top) // 2), short_names(dataset, top.tolist())
        for row, part in ((self._users[0], slice(0, half)), (self._users[1], slice(half, len(top)))):
            row.set_images(images[part], captions[part])
        told = zip(top, weights, strict=True)
        names = "\n".join(f"{long_name(dataset, j)}: {weight:.3g}" for j, weight in told)
        for row in self._users:
            row.setToolTip(plain(f"Coefficient times length of the basis image\n{names}"))
