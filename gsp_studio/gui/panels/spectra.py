"""Spectra beside their maps: the components of a scene, a pixel's spectrum and its fit, a band's image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from gsp_studio.core.unit_spectra import UNITS, unit_scales
from gsp_studio.gui.dialogs.question import path_to_write
from gsp_studio.gui.dialogs.region import mask_of
from gsp_studio.gui.texts import error_texts
from gsp_studio.gui.widgets.agreement_words import about_agreement
from gsp_studio.gui.widgets.component_curves import (
    ChosenSamples,
    about_samples,
    curves_of,
)
from gsp_studio.gui.widgets.controls import Button, CheckBox, ComboBox, ElidedLabel, label
from gsp_studio.gui.widgets.dataset_pictures import sample_at
from gsp_studio.gui.widgets.film_strip import FilmStrip
from gsp_studio.gui.widgets.reference_button import ReferenceButton
from gsp_studio.gui.widgets.scene_view import SceneView
from gsp_studio.gui.widgets.spectrum_plot import Curve, SpectrumPlot
from gsp_studio.gui.widgets.switch import Switch
from gsp_studio.gui.widgets.view_panel import ViewPanel

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.residuals import Residuals
    from gsp_studio.core.truth import Agreement, Truth
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.state import DisplayedBasis, View
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open a cube, and read its pixels as samples, to see spectra and maps"
_NO_SCENE = "These samples are images: choose pixels as samples in Layout... to see spectra and their maps"
_NO_BASIS = "Press Run (Space): a basis is needed to draw spectra and maps"
_HINT = "Click the map for a pixel's spectrum and its fit, drag over a region for its mean, click the curves for a band"
MAP, BAND, ERROR = 0, 1, 2


class SpectraPanel(ViewPanel):
    """Shows maps and spectra of the basis on the screen; idle while not visible."""

    basisPicked = Signal(int)
    errorsRequested = Signal()
    seedsRequested = Signal(object)  # list of Seed
    unitChosen = Signal(str)  # a key of `UNITS`
    failed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, _NO_BASIS, parent=parent)
        self.mode = Switch("What the scene shows", ("Component", "Band", "Error"))
        self.unit, self.all = ComboBox(), CheckBox("All components")
        self.reference, self.seed, self.save = ReferenceButton(), Button("Use as seed"), Button("Save...")
        self.strip, self.scene, self.plot = FilmStrip("Maps of the components"), SceneView("Scene"), SpectrumPlot()
        self._facts, self._agreement_words = ElidedLabel(), ElidedLabel()
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._drawn: DisplayedBasis | None = None
        self._basis, self._band = 0, 0
        self._place: tuple[int, int] | None = None
        self._region: tuple[int, int, int, int] | None = None
        self._errors: tuple[DisplayedBasis | None, Residuals | None] = (None, None)
        self._truth: Truth | None = None
        self._agreement: tuple[DisplayedBasis | None, Agreement | None] = (None, None)
        self._axis: tuple[Array, str] = (np.zeros(0), "band")
        self._lay_out()
        self._wire()

    def _lay_out(self) -> None:
        self.all.setChecked(True)
        self.all.setToolTip("Draw the spectra of all components, or of the selected one alone")
        for key, title in UNITS.items():
            self.unit.addItem(title, key)
        self.unit.setAccessibleName("Scale of spectra")
        self.unit.setToolTip(
            "Draw each spectrum with a sum, a largest value or a length of 1; coefficients are scaled inversely.\n"
            "Exports take it over, runs have their own scale."
        )
        self.seed.setToolTip("Begin the next run with this pixel's spectrum, or the region's mean")
        self.save.setToolTip("Save the curves as SVG, PDF, PNG or CSV")
        top = QHBoxLayout()
        top.setContentsMargins(12, 6, 12, 6)
        top.addWidget(self.mode)
        top.addStretch()
        for button in (self.reference, self.seed, self.save):
            top.addWidget(button)
        checks = QHBoxLayout()
        checks.setContentsMargins(12, 4, 12, 0)
        checks.setSpacing(16)
        checks.addStretch()
        checks.addWidget(self.all)
        checks.addWidget(label("Spectra", muted=True))
        checks.addWidget(self.unit)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.strip)
        column.addWidget(self.scene, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        right = QWidget()
        beside = QVBoxLayout(right)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(0)
        beside.addWidget(self.plot, 1)
        beside.addLayout(checks)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([1000, 1300])
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(0, 0, 0, 6)
        box.addLayout(top)
        box.addWidget(split, 1)
        told = QVBoxLayout()
        told.setContentsMargins(12, 0, 12, 0)
        for each in (self._facts, self._agreement_words):
            told.addWidget(each)
        box.addLayout(told)
        self._stack.addWidget(full)
        self.setFocusProxy(self.strip)

    def _wire(self) -> None:
        self.mode.chosen.connect(lambda _: self._draw())
        self.all.toggled.connect(lambda _: self._draw())
        self.unit.activated.connect(lambda _: self.unitChosen.emit(self.unit.currentData()))
        self.strip.picked.connect(self.basisPicked)
        self.scene.pixelPicked.connect(self.set_pixel)
        self.scene.regionDrawn.connect(self.set_region)
        self.plot.bandPicked.connect(self.set_band)
        self.seed.clicked.connect(lambda _=False: self._make_seed())
        self.save.clicked.connect(lambda _=False: self._ask_save())

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.display.selectionChanged.connect(self.set_selected)
        session.analyses.errorsFound.connect(self.set_errors)
        session.display.viewChanged.connect(self.set_view)
        display = session.display
        self.unitChosen.connect(lambda unit: display.set_view(replace(display.view, spectra=unit)))
        session.reference.changed.connect(self.set_truth)
        self.reference.asked.connect(session.reference.load)
        self.basisPicked.connect(session.display.select)
        self.errorsRequested.connect(session.analyses.find_errors)
        self.seedsRequested.connect(session.seeds.add)
        self.failed.connect(session.failed)

    # What is to be shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Show the scene of this data set, from its first component; there is no basis for it yet."""
        from gsp_studio.io.spectra import spectral_axis

        self._dataset, self._has_data = dataset, True
        self._basis = self._band = 0
        self._place = self._region = None
        self.set_running(_NO_BASIS if dataset.grid is not None else _NO_SCENE)
        self._axis = spectral_axis(dataset)
        self.plot.set_axis(*self._axis)
        self.reference.set_dataset(dataset)
        self.set_shown(None)
        self.set_activity("")

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Show the spectra and maps of this basis; None: there is none."""
        self._shown = shown if shown is not None and isinstance(shown.H, np.ndarray) else None
        there = self._shown is not None and self._dataset is not None and self._dataset.grid is not None
        if self._stack.currentIndex() != int(there):
            self._stack.setCurrentIndex(int(there))
        self._draw()

    def set_selected(self, basis: int) -> None:
        """Show a component; -1 leaves the one on the screen."""
        if basis >= 0 and basis != self._basis:
            self._basis = basis
            self._draw()

    def set_view(self, view: View) -> None:
        """Scale spectra, and inversely their coefficients, as this view says."""
        self.unit.setCurrentIndex(self.unit.findData(view.spectra))
        self._draw()

    def set_pixel(self, row: int, column: int) -> None:
        """Show the spectrum of a pixel and its fit."""
        self._place, self._region = (row, column), None
        self._draw()

    def set_region(self, top: int, left: int, height: int, width: int) -> None:
        """Show the mean spectrum of a region and its fit."""
        self._place, self._region = None, (top, left, height, width)
        self._draw()

    def set_band(self, band: int) -> None:
        """Show the image of a band, from 0."""
        self._band = band
        self.mode.set_index(BAND)
        self._draw()

    def set_errors(self, shown: DisplayedBasis | None, errors: Residuals | None) -> None:
        """Take the errors of all pixels with a basis."""
        self._errors = (shown, errors)
        if self.mode.index() == ERROR:
            self._draw()

    def set_truth(self, truth: Truth | None) -> None:
        """Compare with this reference; None with none."""
        self._truth, self._agreement = truth, (None, None)
        self._draw()

    # Drawing

    def _draw(self) -> None:
        dataset, shown = self._dataset, self._shown
        if not self.isVisible() or dataset is None or shown is None or dataset.grid is None:
            return
        if shown is not self._drawn:
            H = np.asarray(shown.H)
            self.strip.set_images(lambda k: dataset.maps(H[k, None])[0], len(H))
            self.strip.set_order(np.array(shown.order), lambda k: str(k + 1))
            self._drawn = shown
        self._basis = min(self._basis, len(shown.W.T) - 1)
        self.strip.set_selected(self._basis)
        self.scene.set_image(self._scene(dataset, shown))
        self.scene.set_pixel(self._place)
        self.scene.set_region(self._region)
        self.plot.set_curves(self._curves(dataset, shown))
        self.plot.set_title(self._title)
        self.plot.set_band(self._band if self.mode.index() == BAND else -1)
        self.seed.setEnabled(self._place is not None or self._region is not None)
        words = about_samples(dataset, shown, self._samples(dataset), self._basis, self.unit.currentData())
        if self.mode.index() == BAND:
            words = "  ·  ".join(filter(None, (dataset.axis("band").text_at(self._band), words)))
        self._facts.setText(words or _HINT)
        self._agreement_words.setText("" if self._truth is None else about_agreement(self._agreement[1]))
        self._agreement_words.setVisible(self._truth is not None)

    def _scene(self, dataset: Dataset, shown: DisplayedBasis) -> Array:
        scale = unit_scales(shown.W[:, self._basis, None], self.unit.currentData())
        row: Array = np.asarray(shown.H)[self._basis, None] * scale
        of, errors = self._errors
        if self.mode.index() == BAND:
            row = np.asarray(dataset.X[[self._band], :])
        elif self.mode.index() == ERROR and of is shown and errors is not None:
            row = np.where(np.isfinite(errors.images), errors.images, 0.0)[None]
        elif self.mode.index() == ERROR:
            self.errorsRequested.emit()
            row = np.zeros_like(row)
        scene: Array = dataset.maps(row)[0]
        return scene

    def _samples(self, dataset: Dataset) -> Array:
        """The samples of the pixel or region that is chosen."""
        if self._place is not None:
            return np.array([sample_at(dataset, *self._place)])
        if self._region is not None:
            return np.flatnonzero(mask_of(dataset, self._region).ravel(order=dataset.order))
        return np.zeros(0, int)

    def _curves(self, dataset: Dataset, shown: DisplayedBasis) -> list[Curve]:
        chosen = ChosenSamples(self._samples(dataset), "region" if self._place is None else "pixel")
        wanted = range(shown.W.shape[1]) if self.all.isChecked() else range(self._basis, self._basis + 1)
        agreement = self._agreement_of(shown)
        references = None if self._truth is None or agreement is None else (self._truth, agreement)
        return curves_of(dataset, shown, chosen, wanted, self._basis, references, self.unit.currentData())

    @property
    def _title(self) -> str:
        """What the values of the curves are."""
        unit = self.unit.currentData()
        return "intensity" if unit == "none" else f"spectrum, {UNITS[unit]}"

    def _agreement_of(self, shown: DisplayedBasis) -> Agreement | None:
        if self._truth is not None and self._agreement[0] is not shown:
            from gsp_studio.core.truth import compare_with_truth

            try:
                self._agreement = (shown, compare_with_truth(shown.W, np.asarray(shown.H), self._truth))
            except ValueError:
                self._agreement = (shown, None)
        return None if self._truth is None else self._agreement[1]

    # The user's hand

    def _make_seed(self) -> None:
        from gsp_studio.io.seed_sources import region_seed, sample_seed

        dataset = self._dataset
        if dataset is None:
            return
        try:
            if self._place is not None:
                seed = sample_seed(dataset, sample_at(dataset, *self._place))
            elif self._region is not None:
                seed = region_seed(dataset, mask_of(dataset, self._region))
            else:
                return
        except ValueError as error:
            self.failed.emit(*error_texts(error))
            return
        self.seedsRequested.emit([seed])

    def _ask_save(self) -> None:
        kinds = "SVG (*.svg);;PDF (*.pdf);;PNG (*.png);;CSV (*.csv)"
        chosen, kind = QFileDialog.getSaveFileName(self, "Save the curves", "spectra.svg", kinds)
        path = path_to_write(self, chosen, kind.rpartition("*")[2].rstrip(")"))
        if path is not None:
            self.save_curves(path)

    def save_curves(self, path: Path) -> None:
        """Write the curves on the screen into a file, by its suffix."""
        from gsp_studio.io.spectra import write_curves

        curves = [(curve.name, curve.values, curve.colour, curve.is_dashed) for curve in self.plot.curves]
        try:
            write_curves(path, self._axis[0], (self._axis[1], self._title), curves)
        except ValueError as error:
            self.failed.emit(*error_texts(error, is_loss=True))

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has changed behind the other tabs."""
        super().showEvent(event)
        self._draw()
