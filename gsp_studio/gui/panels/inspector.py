"""Image by image: the original, what the basis makes of it, what is left, and what each basis image is worth to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gsp_studio.core.residuals import ImageFit, Residuals, fit_of_image
from gsp_studio.gui.state import DisplayedBasis
from gsp_studio.gui.texts import percent
from gsp_studio.gui.widgets.adaptive_split import AdaptiveSplit
from gsp_studio.gui.widgets.controls import Button, ElidedLabel, canvas, label, label_row
from gsp_studio.gui.widgets.dataset_pictures import columns_of, long_name, pictures_of
from gsp_studio.gui.widgets.error_map import ErrorMap
from gsp_studio.gui.widgets.film_strip import FilmStrip
from gsp_studio.gui.widgets.fit_plates import FitPlates
from gsp_studio.gui.widgets.fit_words import facts_of, words_of_all, words_without
from gsp_studio.gui.widgets.parts_strip import PartsStrip
from gsp_studio.gui.widgets.pixel_fit import PixelFit
from gsp_studio.gui.widgets.switch import Switch
from gsp_studio.gui.widgets.trace import TracePlot
from gsp_studio.gui.widgets.view_panel import ViewPanel
from gsp_studio.gui.widgets.whole_picture import WholePicture
from gsp_studio.gui.widgets.worded import Worded, word_name

if TYPE_CHECKING:
    from gsp_studio.gui.panels import Requests
    from gsp_studio.gui.session.session import Session
    from gsp_studio.io.dataset import Dataset

_OPEN = "Open your images to see how well each is made of parts"
#: Entries of a basis up to which one image's sums (1 ms for 1.6 million) fit into the event that wants them.
SAME_EVENT = 2_000_000
#: Milliseconds between two requests for the errors of all images while the basis keeps changing.
_ERRORS_MS = 400
IMAGES, MAP, PICTURE = 0, 1, 2
BY_NUMBER, BY_ERROR = 0, 1
MEAN, ERRORS = 0, 1


class InspectorPanel(ViewPanel):
    """Shows one image at a time, the error of all by pixel, or the picture that patches make. Idle while not visible.

    Where the samples are the pixels of a scene, one of them is picked in that scene, and its spectrum is shown.

    What takes long is asked for: `errorsRequested` wants `set_errors` with what `core.residuals.residuals` gives for
    the basis on the screen (None where it cannot be had), `fitRequested(image)` wants `set_fit` with `fit_of_image`.
    """

    basisPicked = Signal(int)
    errorsRequested = Signal()
    fitRequested = Signal(int)  # of bases with more than SAME_EVENT entries only

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_OPEN, "Press Run (Space): a basis is needed to take an image apart", parent=parent)
        self.view = Switch("What to inspect", ("Images", "Average squared error", "Whole picture"))
        Worded(self.view.buttons[IMAGES], Button.setText, "Images")
        self.picture = WholePicture()
        self.order = Switch("Order of the images", ("Data order", "Largest error first"))
        word_name(self.order, "Order of the images")
        self.scene = Switch("What the scene shows", ("Mean", "Error"))
        self.strip, self.parts = FilmStrip("Images of the data set"), PartsStrip("Basis images in this image")
        self.plates, self.pixel, self.map = FitPlates(), PixelFit(), ErrorMap()
        self.trace, self._basis = TracePlot(), -1
        self._facts, self._words = ElidedLabel(), ElidedLabel()
        self._parts_words = label(muted=True)
        self._dataset: Dataset | None = None
        self._shown: DisplayedBasis | None = None
        self._image = 0
        self._fit: ImageFit | None = None
        self._fit_of: tuple[DisplayedBasis | None, int] = (None, -1)
        self._errors: Residuals | None = None
        self._errors_of: DisplayedBasis | None = None
        self._is_waiting = False
        self._ordered_by: tuple[int, Residuals | None] = (BY_NUMBER, None)
        self._errors_timer = QTimer(self, singleShot=True)
        self._fit_timer = QTimer(self, singleShot=True, interval=0)
        self._lay_out()
        self._connect()
        self.set_activity("")

    # Parts

    def _lay_out(self) -> None:
        header = QWidget()
        row = QHBoxLayout(header)
        row.setContentsMargins(12, 6, 12, 6)
        row.setSpacing(16)
        row.addWidget(self.view)
        row.addStretch()
        for switch in (self.order, self.scene):
            row.addWidget(switch)
        self._pages = _Pages()
        self._pages.addWidget(self._images_page())
        self._pages.addWidget(self.map)
        self._pages.addWidget(self.picture)
        self._stack.addWidget(_column(header, self._pages))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self.strip)

    def _images_page(self) -> QFrame:
        page = QFrame()
        box = canvas(page, "plot")
        box.addWidget(self.strip)
        head = label_row(self._facts, self.plates.pixel_words)
        head.addWidget(self.pixel.band_words)
        box.addLayout(head)
        box.addWidget(AdaptiveSplit(_column(self.plates, self.pixel), self.parts), 1)
        box.addLayout(label_row(self._words, self._parts_words))
        box.addWidget(self.trace)
        self._show_parts_of(is_scene=False)
        return page

    def _show_parts_of(self, is_scene: bool) -> None:
        """Show what is about the pixels of a scene, or about images."""
        of_images: tuple[QWidget, ...] = (self.strip, self.plates, self.plates.pixel_words, self.trace)
        for part in of_images:
            part.setVisible(not is_scene)
        for part in (self.pixel, self.pixel.band_words):
            part.setVisible(is_scene)
        for number, switch in enumerate((self.order, self.scene)):
            switch.setVisible(self.view.index() == IMAGES and number == is_scene)

    def _connect(self) -> None:
        self.view.chosen.connect(self._change_view)
        self.order.chosen.connect(self._refresh)
        self.scene.chosen.connect(self._refresh)
        self.strip.picked.connect(self.set_image)
        self.pixel.picked.connect(self.set_image)
        self.map.picked.connect(self._go_to_pixel)
        self.trace.picked.connect(self.set_image)
        self.strip.left.connect(self._refresh)
        self.parts.hovered.connect(self._refresh)
        self.parts.picked.connect(self.basisPicked)
        self._errors_timer.timeout.connect(self._ask_for_errors)
        self._fit_timer.timeout.connect(self._ask_for_fit)

    def attach(self, session: Session, window: Requests) -> None:
        """Show the state of a session, and change it as the user asks."""
        self.asked.connect(window.open_data)
        session.activity.changed.connect(self.set_activity)
        session.datasetChanged.connect(self.set_dataset)
        session.display.shownChanged.connect(self.set_shown)
        session.display.selectionChanged.connect(self.set_selected)
        session.analyses.errorsFound.connect(self.set_errors)
        session.analyses.fitFound.connect(self.set_fit)
        session.analyses.pictureFound.connect(self.picture.set_picture)
        session.undo.stack.indexChanged.connect(self._scale_anew)
        self.basisPicked.connect(session.display.select)
        self.errorsRequested.connect(session.analyses.find_errors)
        self.fitRequested.connect(session.analyses.find_fit)
        self.picture.requested.connect(session.analyses.find_picture)

    # What is to be shown

    def set_dataset(self, dataset: Dataset) -> None:
        """Inspect the images of this data set, from its first; there is no basis for them yet."""
        self._dataset, self._image, self._has_data = dataset, 0, True
        self._errors, self._errors_of, self._is_waiting = None, None, False
        self._ordered_by = (BY_NUMBER, None)
        self.picture.set_dataset(dataset)
        self.view.offer(PICTURE, dataset.whole is not None)
        self.strip.set_images(lambda image: pictures_of(dataset, image)[0], dataset.X.shape[1])
        self.strip.set_order(np.arange(dataset.X.shape[1]), _number)
        self.strip.about = lambda image: long_name(dataset, image)
        if dataset.grid is not None:
            self.pixel.set_dataset(dataset)
        self._show_parts_of(dataset.grid is not None)
        self.setFocusProxy(self.strip if dataset.grid is None else self.pixel)
        self.set_shown(None)
        self.set_activity("")

    def set_shown(self, shown: DisplayedBasis | None) -> None:
        """Take the images apart with this basis; None: there is none."""
        self._shown = shown
        if shown is None:
            self._fit, self._fit_of = None, (None, -1)
        there = shown is not None and self._dataset is not None
        if self._stack.currentIndex() != int(there):
            self._stack.setCurrentIndex(int(there))
        self._refresh()

    def set_image(self, image: int) -> None:
        """Inspect another image; a number that there is none of is ignored."""
        if self._dataset is not None and 0 <= image < self._dataset.X.shape[1] and image != self._image:
            self._image = image
            self._refresh()

    def set_selected(self, basis: int) -> None:
        """Frame a basis image; -1 for none."""
        self.parts.set_selected(basis)
        self._basis = basis
        self._refresh()

    def set_errors(self, shown: DisplayedBasis | None, errors: Residuals | None) -> None:
        """The answer to `errorsRequested`: errors of this basis; None where they cannot be had for now."""
        self._is_waiting = False
        data = self._dataset
        if data is None or errors is None or (len(errors.pixels), len(errors.images)) != data.X.shape:
            return
        self._errors, self._errors_of = errors, shown
        self._refresh()

    def set_fit(self, shown: DisplayedBasis, image: int, fit: ImageFit) -> None:
        """The answer to `fitRequested`; one for another image is too late."""
        if self._shown is not None and image == self._image and shown.W.shape == self._shown.W.shape:
            self._take(shown, fit)
            self._refresh()

    # Work, only for what can be seen

    def _refresh(self) -> None:
        shown, dataset = self._shown, self._dataset
        if shown is None or dataset is None or not self.isVisible():
            return  # behind another tab nothing is computed or drawn: the slider has no time to lose
        if self._errors_of is not shown and not self._is_waiting and not self._errors_timer.isActive():
            self._errors_timer.start(0 if self._errors is None else _ERRORS_MS)
        if self.view.index() == PICTURE:
            self.picture.show_patch(shown, self._image)
            return
        if self.view.index() == MAP:
            self.map.set_errors(self._errors, dataset)
            return
        if dataset.grid is None:
            self._sort()
            self.strip.set_selected(self._image)
            self.trace.set_trace(shown.H if isinstance(shown.H, np.ndarray) else None, self._basis)
            self.trace.set_image(self._image)
        else:
            self.pixel.set_scene(None if self._errors is None or self.scene.index() == MEAN else self._errors.images)
        if self._fit_of != (shown, self._image):
            if shown.W.size <= SAME_EVENT and shown.has_coefficients:
                x = columns_of(dataset, self._image)[:, 0]
                self._take(shown, fit_of_image(x, shown.W, shown.H[:, self._image]))
            else:
                self._fit_timer.start()
        if self._fit is not None and self._fit_of[1] == self._image:
            self._draw(dataset, self._fit)

    def _scale_anew(self, _step: int) -> None:
        """A step was done or undone: colours mean what they would without those before it."""
        self._fit_of = None, -1
        self.plates.forget_spread()
        self._refresh()

    def _take(self, shown: DisplayedBasis, fit: ImageFit) -> None:
        if shown.is_solved:
            self.plates.forget_spread()
        self.plates.set_spread(self._image, fit)
        self._fit, self._fit_of = fit, (shown, self._image)

    def _ask_for_errors(self) -> None:
        if self._shown is not None and self._errors_of is not self._shown and self.isVisible():
            self._is_waiting = True
            self.errorsRequested.emit()

    def _ask_for_fit(self) -> None:
        if self._fit_of != (self._shown, self._image) and self.isVisible():
            self.fitRequested.emit(self._image)

    def _sort(self) -> None:
        """Put the strip in order, but never under the pointer, unless the order itself was changed."""
        wanted = (self.order.index(), self._errors if self.order.index() == BY_ERROR else None)
        if wanted == self._ordered_by or (wanted[0] == self._ordered_by[0] and self.strip.underMouse()):
            return
        if wanted[0] == BY_NUMBER:
            assert self._dataset is not None
            self.strip.set_order(np.arange(self._dataset.X.shape[1]), _number)
        elif wanted[1] is None:
            return  # until the errors come, the order stays
        else:
            errors = wanted[1].images
            self.strip.set_order(np.argsort(-errors, kind="stable"), lambda image: _caption(float(errors[image])))
            if self._ordered_by[0] != BY_ERROR:
                self.strip.go_to_start()  # the largest are what was asked for
        self._ordered_by = wanted

    # Drawing

    def _draw(self, dataset: Dataset, fit: ImageFit) -> None:
        self._draw_parts(dataset, fit)
        if dataset.grid is None:
            self.plates.set_fit(dataset, fit, without=self.parts.hot)
        else:
            self.pixel.set_fit(self._image, fit, self.parts.hot, () if self._shown is None else self._shown.seeds)
        self._tell(dataset, fit)

    def _draw_parts(self, dataset: Dataset, fit: ImageFit) -> None:
        if self.parts.hot >= 0 and len(fit.shares) == self.parts.rank:
            parts = self.parts.order  # tiles never change places under the pointer
        else:
            parts = np.argsort(-fit.shares, kind="stable")[: np.count_nonzero(fit.shares)]
        self.parts.set_parts(parts, fit.shares, lambda basis: dataset.pictures(fit.W[:, basis, None])[0])

    def _tell(self, dataset: Dataset, fit: ImageFit) -> None:
        shown, k = self._shown, self.parts.hot
        assert shown is not None
        known = self._errors if self._errors_of is shown else None
        self._facts.setText(facts_of(dataset, self._image, fit, shown.error if known is None else known.error))
        words, parts = words_of_all(dataset, fit) if k < 0 else words_without(dataset, fit, k, known, shown.seed_of(k))
        self._words.setText(words)
        self._parts_words.setText(parts)

    # The user's hand

    def _change_view(self, index: int) -> None:
        self._pages.setCurrentIndex(index)
        self._pages.updateGeometry()
        self._show_parts_of(self._dataset is not None and self._dataset.grid is not None)
        self._refresh()

    def _go_to_pixel(self, sample: int) -> None:
        """Take the pixel that was picked in the map of errors apart."""
        self.set_image(sample)
        self.view.set_index(IMAGES)
        self._change_view(IMAGES)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has changed behind the other tabs."""
        super().showEvent(event)
        self._refresh()


def _column(above: QWidget, below: QWidget) -> QWidget:
    """Two parts without a gap; the lower one takes what is free."""
    made = QWidget()
    box = QVBoxLayout(made)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(0)
    box.addWidget(above)
    box.addWidget(below, 1)
    return made


class _Pages(QStackedWidget):
    """Pages that ask for the room of the one in front, not for that of the tallest."""

    def minimumSizeHint(self) -> QSize:
        """That of the page in front."""
        page = self.currentWidget()
        return super().minimumSizeHint() if page is None else page.minimumSizeHint()


def _number(image: int) -> str:
    return str(image + 1)


def _caption(error: float) -> str:
    return "zero" if math.isinf(error) else percent(error)
