"""Networks in the window: the wires of their session, their place in the menus, what is asked, the room that they get.

The docks are about images, so they step back while the view of networks is in front, and come again after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QSettings
from PySide6.QtGui import QUndoGroup
from PySide6.QtWidgets import QFileDialog, QMainWindow

from gsp_studio.gui.dialogs.question import path_to_write
from gsp_studio.gui.network.session import SAME_EVENT, NetworkSession
from gsp_studio.gui.network.state import SOURCES, SUFFIXES, KeptNetwork

if TYPE_CHECKING:
    from gsp_studio.gui.network.compute import LayerPath
    from gsp_studio.gui.network.panel import NetworksPanel
    from gsp_studio.gui.network.view import NetworkView
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.widgets.view_tabs import ViewTabs

TITLE = "Networks"
#: Setting: the file or folder of images that a network was last evaluated on.
_LAST_IMAGES = "networkImages"
_FILES = f"Networks ({' '.join(f'*{suffix}' for suffix in (*SUFFIXES, '.npz'))});;All files (*)"


class NetworkController(QObject):
    """Opens, prunes, evaluates and saves networks in the view of a window."""

    def __init__(
        self, window: QMainWindow, images: Session, views: ViewTabs, panel: NetworksPanel, settings: QSettings
    ) -> None:
        super().__init__(window)
        self._window, self._images, self._views, self._settings = window, images, views, settings
        self.panel = panel
        self.session = NetworkSession(self)
        self.undo = QUndoGroup(self)
        for stack in (images.undo.stack, self.session.history.stack):
            self.undo.addStack(stack)
        views.changed.connect(lambda _: self._choose_history())
        self._choose_history()
        self._wire()

    def _wire(self) -> None:
        session, panel = self.session, self.panel
        self._images.known.connect(lambda _: session.start())
        panel.viewMade.connect(self._wire_view)
        panel.openRequested.connect(self.ask_open)
        panel.cancelRequested.connect(session.cancel_opening)
        panel.fileDropped.connect(self.open)
        session.openingChanged.connect(panel.set_opening)
        session.openFailed.connect(self._refused)
        session.checkpointChanged.connect(lambda checkpoint: panel.made_view().set_checkpoint(checkpoint))
        session.checkpointChanged.connect(lambda _: panel.set_opening(""))

    def _wire_view(self, view: NetworkView) -> None:
        session = self.session
        for signal, setter in (
            (session.choiceChanged, view.set_choice),
            (session.layerChanged, view.set_layer),
            (session.shownChanged, view.set_projection),
            (session.curves.zerosChanged, view.set_curve),
            (session.curves.accuracyChanged, view.set_accuracy),
            (session.savingChanged, view.set_saving),
            (session.sizes.changed, view.controls.set_sizes),
        ):
            signal.connect(setter)
        session.pathChanged.connect(self._tell_path)
        session.layerChanged.connect(lambda _: view.controls.set_start(session.start_of_slider))
        session.choiceChanged.connect(lambda _: view.controls.set_start(session.start_of_slider))
        view.sparsityChanged.connect(session.set_sparsity)
        view.settled.connect(session.settle)
        view.layerPicked.connect(session.select)
        view.controls.choiceEdited.connect(session.set_choice)
        view.controls.resetRequested.connect(session.reset_sparsity)
        view.saveRequested.connect(self.ask_save)
        session.checkpointChanged.connect(lambda _: self._offer_last())
        view.accuracy.sourceRequested.connect(self._evaluate)
        view.accuracy.cancelRequested.connect(session.curves.cancel_accuracy)
        self._offer_last()

    def _tell_path(self, path: LayerPath | None, problem: str) -> None:
        view = self.panel.made_view()
        view.set_path(path, problem, self.session.start_of_slider)
        if path is not None:
            view.set_large(path.size > SAME_EVENT)

    # Its place in the window

    @property
    def is_front(self) -> bool:
        """Whether the view of networks is in front."""
        return self._views.current == TITLE

    def _choose_history(self) -> None:
        """Undo acts on the view in front."""
        self.undo.setActiveStack(self.session.history.stack if self.is_front else self._images.undo.stack)

    def step_sparsity(self, step: float) -> None:
        """Move the slider in front, that of networks or that of images, by a step."""
        (self.session if self.is_front else self._images.settings).step_sparsity(step)

    def reset_sparsity(self) -> None:
        """Bring the slider in front to where its projection begins to change anything."""
        (self.session if self.is_front else self._images.slider).reset_sparsity()

    # What is asked

    def ask_open(self) -> None:
        """Ask for a network and open it."""
        folder = str(self._settings.value("networks", str(Path.home())))
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a network", folder, _FILES)
        if chosen:
            self.open(Path(chosen))

    def open(self, path: Path) -> None:
        """Open a network and bring its view to the front."""
        self._settings.setValue("networks", str(path.parent))
        self._views.show_view(TITLE)
        self.session.open(path)

    def _refused(self, path: Path, sentence: str, details: str) -> None:
        self.panel.set_problem(path, sentence)
        self.session.failed.emit(sentence, details)

    def ask_save(self) -> None:
        """Ask where the pruned network is to be written."""
        checkpoint = self.session.checkpoint
        if checkpoint is None or self.session.path is None:
            return
        folder = Path(str(self._settings.value("networksOut", str(checkpoint.path.parent))))
        proposed = folder / f"{checkpoint.path.stem}-pruned{checkpoint.path.suffix}"
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save the pruned network", str(proposed))
        out = path_to_write(self._window, chosen, checkpoint.path.suffix)
        if out is not None:
            self._settings.setValue("networksOut", str(out.parent))
            self.session.save(out)

    def _evaluate(self, key: str) -> None:
        """Measure the accuracy on images of that kind, asking which where there are many."""
        window = self._window
        if key == "digits":
            self.session.find_accuracy(key, SOURCES[key].lower())
        elif key == "open":
            dataset = self._images.dataset
            if dataset is None:
                self.session.failed.emit("No images are open; open a data set with labels first, or choose a file.", "")
            else:
                self.session.find_accuracy(dataset, dataset.name)
        elif key == "last":
            self._evaluate_file(Path(str(self._settings.value(_LAST_IMAGES, ""))))
        else:
            folder, ask = str(self._settings.value("folder", str(Path.home()))), QFileDialog.getExistingDirectory
            if key == "folder":
                chosen = ask(window, "A folder with a folder for each class", folder)
            else:
                chosen, _ = QFileDialog.getOpenFileName(window, "Images with labels", folder)
            if chosen:
                self._evaluate_file(Path(chosen))

    def _evaluate_file(self, path: Path) -> None:
        self._settings.setValue(_LAST_IMAGES, str(path))
        self._offer_last()
        self.session.find_accuracy(path, path.name)

    def _offer_last(self) -> None:
        """Offer the images of the last time, where they are still there."""
        path = str(self._settings.value(_LAST_IMAGES, ""))
        if self.panel.view is not None:
            self.panel.view.accuracy.set_last(Path(path).name if path and Path(path).exists() else "")

    # What a session file keeps

    def state(self) -> dict[str, Any]:
        """The open network and its pruning as plain JSON; {} where none is open."""
        session = self.session
        if session.checkpoint is None:
            return {}
        path = str(session.checkpoint.path.absolute())
        return {"path": path, "layer": session.layer, "choice": session.choice.as_json()}

    def restore(self, kept: KeptNetwork) -> None:
        """Open the network of a session file as it was, behind the view that is in front."""
        if kept.path.is_file():
            self.session.reopen(kept.path, kept.choice, kept.layer)
        else:
            self.session.logged.emit(f"The network of this session, {kept.path}, is not there any more.")
