"""The dock: an image layer, the montage of its parts, and the slider; all but the first row is GSP Studio's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import create_widget
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from napari.utils.theme import get_theme
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QApplication, QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from gsp_studio import DatasetError
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.run import RunPanel
from gsp_studio.gui.panels.sparsity import SparsityPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import DisplayedBasis, RunSettings
from napari_gsp_studio.layers import SAMPLES, Placement, dataset_of, layer_of_parts, placement_of

if TYPE_CHECKING:
    import napari

_TEACH_SAMPLES = (
    "One sample is: images, each plane of the layer, whose parts are basis images; or pixels, each with its values in\n"
    "all planes, a spectrum, whose parts are spectra with a map each."
)
#: The style sheet of napari makes room for buttons that the panels' fields of numbers do not have.
_FIELDS = """
QAbstractSpinBox { padding: 1px 4px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0px; }
"""
#: Ranks on offer; a data set bounds its own by its size.
_MOST = 999


class SparseParts(QWidget):
    """Takes a layer apart, and gives the parts back.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Of the layers; napari hands it over to a parameter of this name.

    Attributes
    ----------
    session : Session
        All state: the data, the basis, the targets, runs.
    layer : ComboBox of magicgui
        Image layers of the viewer.
    samples, rank, take, give
        What one sample is, the number of parts, and the two buttons.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = napari_viewer
        self._placed = Placement()
        self._is_ready = False
        app = QApplication.instance()
        if app is not None and app.property("theme") is None:  # whose colours the panels take
            is_light = QColor(str(get_theme(viewer.theme).background)).lightness() > 127
            app.setProperty("theme", "light" if is_light else "dark")
        self.session = Session()
        self.layer = create_widget(annotation=Image, label="Layer")
        self.samples, self.rank = QComboBox(), QSpinBox()
        self.samples.addItems(SAMPLES)
        self.samples.setToolTip(_TEACH_SAMPLES)
        self.rank.setRange(1, _MOST)
        self.rank.setKeyboardTracking(False)
        self.take, self.give = QPushButton("Take apart"), QPushButton("Add as a layer")
        self.montage, self.sparsity, self.run = MontagePanel(), SparsityPanel(), RunPanel()
        self._lay_out()
        self._connect()
        self.session.start()

    def _lay_out(self) -> None:
        choice = QHBoxLayout()
        for text, widget in (("Layer", self.layer.native), ("Samples", self.samples), ("Rank", self.rank)):
            choice.addWidget(QLabel(text))
            choice.addWidget(widget, 1 if text == "Layer" else 0)
        choice.addWidget(self.take)
        box = QVBoxLayout(self)
        box.addLayout(choice)
        box.addWidget(self.run)
        box.addWidget(self.montage, 1)
        box.addWidget(self.sparsity)
        box.addWidget(self.give)
        self.montage.setMinimumHeight(240)
        self.montage.hide()  # until there are data: it would offer to open files
        self.sparsity.setStyleSheet(_FIELDS)
        self.sparsity.setEnabled(False)
        self.take.setEnabled(False)
        self.give.setEnabled(False)

    def _connect(self) -> None:
        session = self.session
        for panel in (self.montage, self.sparsity, self.run):
            panel.attach(session, self)
        session.known.connect(lambda _: self._become_ready())
        session.failed.connect(lambda sentence, _: show_error(sentence))
        session.settings.choiceChanged.connect(self._show_choice)
        session.display.shownChanged.connect(self._offer)
        self.take.clicked.connect(self.take_apart)
        self.give.clicked.connect(self.add_layer)
        self.rank.valueChanged.connect(self._set_rank)
        self.layer.reset_choices()
        layers = self._viewer.layers.events
        for changed in (layers.inserted, layers.removed, layers.reordered):
            changed.connect(self._list_layers)
        # A session that is collected with its threads at work would end the process.
        self.destroyed.connect(lambda _=None, session=session: session.close())

    def _become_ready(self) -> None:
        self._is_ready = True
        self._list_layers()

    def _list_layers(self, _event: object = None) -> None:
        self.layer.reset_choices()
        self.take.setEnabled(self._is_ready and self.layer.value is not None)

    def _show_choice(self, choice: RunSettings) -> None:
        self.rank.blockSignals(True)
        self.rank.setValue(choice.params.rank)
        self.rank.blockSignals(False)

    def _set_rank(self, rank: int) -> None:
        settings, dataset = self.session.settings, self.session.dataset
        most = _MOST if dataset is None else min(dataset.X.shape)
        settings.set_choice(settings.choice.with_params(rank=min(rank, most)))

    def _offer(self, shown: DisplayedBasis | None) -> None:
        self.montage.setVisible(shown is not None)
        self.sparsity.setEnabled(shown is not None)
        self.give.setEnabled(shown is not None)

    def take_apart(self) -> None:
        """Hand the chosen layer to the session, which fits it; what cannot be factorized is said in one sentence."""
        layer = self.layer.value
        if layer is None:
            return
        if self.session.phase.is_run:
            show_error("A run is going on; cancel it before another layer is taken apart.")
            return
        try:
            dataset = dataset_of(layer, self.samples.currentText())
        except DatasetError as error:
            show_error(str(error))
            return
        self._placed = placement_of(layer)
        self.session.set_dataset(dataset)

    def add_layer(self) -> Image | None:
        """Add the basis images on the screen, or the maps where pixels are samples, as a layer in order of energy."""
        shown, dataset = self.session.display.shown, self.session.dataset
        if shown is None or dataset is None:
            return None
        values, attributes = layer_of_parts(dataset, shown.W[:, shown.order], shown.H[shown.order], self._placed)
        added = self._viewer.add_image(values, **attributes)
        planes = self._viewer.dims.ndim - 3
        self._viewer.dims.set_current_step(planes, 0)  # which it shares with a layer that may have more of them
        show_info(f"{added.name}: {len(values)} planes, error {shown.error:.1%}, sparsity {shown.attained:.3f}")
        return added

    # What panels ask of the window around them; none of it can be asked for before there are data

    def open_data(self, kind: str) -> None:
        """Show how data come here."""
        show_info("Open a file in napari, choose its layer, and press Take apart.")

    def change_layout(self) -> None:
        """Show how data come here."""
        self.open_data("")

    def branch_at(self, n_iter: int) -> None:
        """Runs are listed in GSP Studio itself."""

    def action(self, name: str) -> QAction:
        """An action that does nothing: the panels of the dock have no menus."""
        return QAction(name, self)

    def show_view(self, title: str) -> None:
        """The dock has one view."""
