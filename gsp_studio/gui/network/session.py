"""NetworkSession: the state of the Networks view and the signals that tell of its changes, as `Session` is for images.

Up to a million weights are projected in the event that asks; above, the selected layer is, and the whole network in a
worker when the slider rests. Answers about a network or a grouping that has been replaced meanwhile are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gsp_studio.gui.network.curves import NetworkCurves
from gsp_studio.gui.network.evaluation import EvaluationImages
from gsp_studio.gui.network.history import NetworkHistory
from gsp_studio.gui.network.jobs import AccuracyRequest, NetworkJobs, SaveRequest, SortedNetwork, SortRequest
from gsp_studio.gui.network.measured_sizes import MeasuredSizes
from gsp_studio.gui.network.state import DisplayedNetwork, NetworkSettings
from gsp_studio.gui.texts import error_texts, plural

if TYPE_CHECKING:
    from gsp_studio.gui.network.compute import LayerPath
    from gsp_studio.gui.network.evaluation import Source
    from gsp_studio.pruning.checkpoint import Checkpoint
    from gsp_studio.pruning.path import NetworkPath

#: Weights up to which all of a network follows every move of the slider.
SAME_EVENT = 1_200_000
#: Weights of a layer up to which it does, in a larger network.
SAME_EVENT_LAYER = 4_000_000
#: Milliseconds without a move after which the whole of a large network is projected.
REST_MS = 200


class NetworkSession(QObject):
    """The open network, its pruning and the result; `set_*` of panels show it, and only this changes it."""

    checkpointChanged = Signal(object)  # Checkpoint
    openingChanged = Signal(str)  # the name of the file that is being opened, "" for none
    openFailed = Signal(object, str, str)  # path, one sentence, details
    choiceChanged = Signal(object)  # NetworkSettings
    layerChanged = Signal(str)  # the selected layer
    pathChanged = Signal(object, str)  # LayerPath or None, and why there is none: "" while it is being sorted
    shownChanged = Signal(object)  # DisplayedNetwork
    savingChanged = Signal(bool)
    saved = Signal(object)  # list of Path
    failed = Signal(str, str)  # one sentence, details
    logged = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.choice = NetworkSettings()
        self.checkpoint: Checkpoint | None = None
        self.layer = ""
        self.path: LayerPath | None = None
        self.shown: DisplayedNetwork | None = None
        self._alone: NetworkPath | None = None
        self._jobs = NetworkJobs(self)
        self.curves = NetworkCurves(self._jobs, self)
        self.sizes = MeasuredSizes(self._jobs, self)
        self.history = NetworkHistory(lambda choice: self.set_choice(choice, keeps_zeros=False), self)
        #: Share of zeros that a pruning by another measure is to begin at.
        self._zeros_wanted: float | None = None
        self._kept: tuple[NetworkSettings, str] | None = None
        self._opening: Path | None = None
        self._is_ready = False
        self._rest = QTimer(self, interval=REST_MS, singleShot=True)
        self._rest.timeout.connect(self._project_all)
        self._join()

    def _join(self) -> None:
        jobs = self._jobs
        jobs.checkpoint.answered.connect(self._take_opened)
        jobs.checkpoint.raised.connect(self._fail_to_open)
        jobs.projection.answered.connect(self._take_sorted)
        jobs.projection.raised.connect(self._fail_to_sort)
        self.curves.failed.connect(self.failed)
        jobs.export.answered.connect(lambda _, written: self._end_saving(lambda: self.saved.emit(written)))
        jobs.export.failed.connect(lambda *error: self._end_saving(lambda: self.failed.emit(*error)))

    # Start and end

    def start(self) -> None:
        """The solvers are there; what was asked before is opened now."""
        self._is_ready = True
        if self._opening is not None:
            self._submit(self._opening)

    def close(self, timeout: float = 10.0) -> bool:
        """Stop everything that is under way and wait for it; True when no thread is alive."""
        self._rest.stop()
        self.sizes.drop()
        self.curves.drop()
        return self._jobs.close(timeout)

    # The network

    def open(self, path: str | Path) -> None:
        """Open a network in the background; the newest file that was asked for wins."""
        self._opening, self._kept = Path(path), None
        self.openingChanged.emit(self._opening.name)
        if self._is_ready:
            self._submit(self._opening)

    def _submit(self, path: Path) -> None:
        self._jobs.checkpoint.discard()
        self._jobs.checkpoint.submit(path)

    def reopen(self, path: Path, choice: NetworkSettings, layer: str) -> None:
        """Open a network as it was in a session: pruned in this way, with this layer selected."""
        self.open(path)
        self._kept = choice, layer

    def cancel_opening(self) -> None:
        """Give up what is being opened."""
        if self._opening is not None:
            self.logged.emit(f"{self._opening.name}: opening cancelled.")
            self._stop_opening()

    def _stop_opening(self) -> None:
        self._opening = self._kept = None
        self._jobs.checkpoint.discard()
        self.openingChanged.emit("")

    def set_checkpoint(self, checkpoint: Checkpoint, kept: tuple[NetworkSettings, str] | None = None) -> None:
        """Show another network, pruned in a way that was kept or as the one before; curves of that one go with it."""
        self.curves.drop()
        self.checkpoint, self.shown, self._zeros_wanted = checkpoint, None, None
        self.sizes.drop()
        names = [layer.name for layer in checkpoint.layers]
        first = next((layer.name for layer in checkpoint.layers if layer.is_first), names[0])
        fresh = replace(self.choice, sparsity=0.0, own=(), without_first=False, without_last=False)
        choice, layer = kept or (fresh, first)
        self.choice = replace(choice, own=tuple(pair for pair in choice.own if pair[0] in names))
        self.layer = layer if layer in names else first
        self.history.clear(self.choice)
        self.checkpointChanged.emit(checkpoint)
        self.layerChanged.emit(self.layer)
        self.choiceChanged.emit(self.choice)
        self._sort()
        what = f"{plural(len(checkpoint.layers), 'layer')}, {plural(checkpoint.size, 'weight')}"
        self.logged.emit(f"{checkpoint.path.name}: {what}.")

    def select(self, layer: str) -> None:
        """Make a layer the one that everything is about."""
        if self.checkpoint is None or layer == self.layer:
            return
        self.layer = layer
        self.layerChanged.emit(layer)
        self.choiceChanged.emit(self.choice)  # in the mode "own" the slider stands elsewhere
        if self.choice.mode == "own":
            self.curves.measure_again(self.checkpoint, self.path, self.choice, self.layer)
        self._alone = None
        if self._is_large:
            self._project_all()

    # How it is pruned

    def set_choice(self, choice: NetworkSettings, keeps_zeros: bool = True) -> None:
        """Take another pruning; what is sorted is sorted anew where that changes the groups.

        From GSP to another method, and back, the share of zeros stays, unless the target is given.
        """
        if choice == self.choice or self.checkpoint is None:
            return
        before, self.choice = self.choice, choice.consistent()
        self.history.note(self.choice)
        self.choiceChanged.emit(self.choice)
        if self.choice.groups != before.groups:
            is_other_target = self.choice.is_by_zeros != before.is_by_zeros
            if keeps_zeros and is_other_target and self.shown is not None and not self._is_large:
                self._zeros_wanted = self.shown.total
            self.curves.drop_zeros()
            self.curves.set_aside()
            self._sort()
            return
        if self.choice.mode != before.mode:
            self.curves.measure_again(self.checkpoint, self.path, self.choice, self.layer)
        self._project()

    def set_sparsity(self, s: float) -> None:
        """The slider's journey: in the mode "own" for the selected layer alone."""
        if self.checkpoint is not None:
            self.choice = self.choice.at(self.layer, s)
            self.history.note(self.choice)
            self.choiceChanged.emit(self.choice)
            self._project()

    def step_sparsity(self, step: float) -> None:
        """Move the target by a step, within [0, 1]."""
        self.set_sparsity(round(min(1.0, max(0.0, self.choice.target_of(self.layer) + step)), 4))
        self.settle()

    def reset_sparsity(self) -> None:
        """Back to where the projection begins to change anything."""
        if not math.isnan(self.start_of_slider):
            self.set_sparsity(min(1.0, max(0.0, math.floor(self.start_of_slider * 1e4) / 1e4)))
            self.settle()

    @property
    def start_of_slider(self) -> float:
        """The smallest target that changes anything: of the network, in the mode "own" of the selected layer."""
        if self.path is None or self.checkpoint is None:
            return math.nan
        return self.checkpoint[self.layer].sparsity if self.choice.mode == "own" else self.path.start

    def settle(self) -> None:
        """Settle after the slider was released."""
        self.history.settle()
        if self._rest.isActive():
            self._project_all()

    # Projecting

    def _sort(self) -> None:
        self.path, self._alone = None, None
        self._jobs.projection.discard()
        self.pathChanged.emit(None, "")
        self._ask()

    def _ask(self) -> None:
        assert self.checkpoint is not None
        self._rest.stop()
        asked = SortRequest(self.checkpoint, self.choice, self.layer, self.path, self._alone, self._zeros_wanted)
        self._zeros_wanted = None
        self._jobs.projection.submit(asked)

    @property
    def _is_large(self) -> bool:
        return self.path is not None and self.path.size > SAME_EVENT

    def _project(self) -> None:
        """Follow the slider: all in this event, the selected layer, or nothing until it rests."""
        if self.path is None or self.checkpoint is None:
            self._ask()
        elif not self._is_large:
            from gsp_studio.gui.network.compute import show_now

            self._show(show_now(self.checkpoint, self.path, self.choice))
        else:
            self._preview()
            self._rest.start()

    def _preview(self) -> None:
        layer, path, before = self.layer, self.path, self.shown
        if self.checkpoint is None or before is None or path is None or layer not in path.names:
            return
        share = None
        if self.choice.mode == "network" and not self.choice.is_by_zeros:
            shares = None if self.curves.zeros is None else self.curves.zeros.shares(self.choice.sparsity)
            if shares is None or self._alone is None:
                return
            names = [each.name for each in self.checkpoint.layers]
            share, path = float(shares[names.index(layer)]), self._alone
        if self.checkpoint[layer].size <= SAME_EVENT_LAYER:
            from gsp_studio.gui.network.compute import preview

            self._show(preview(self.checkpoint, self.choice, before, path, layer, share))

    def _project_all(self) -> None:
        if self.checkpoint is not None:
            self._ask()

    def _show(self, shown: DisplayedNetwork) -> None:
        self.shown = shown
        self.shownChanged.emit(shown)
        if self.checkpoint is not None:
            self.sizes.note(self.checkpoint, shown)

    def find_accuracy(self, source: Source, words: str) -> None:
        """Measure the accuracy against s on labelled images: a path, a `Dataset` or the word "digits"."""
        if self.checkpoint is not None and self.path is not None:
            images = EvaluationImages(source, words)
            self.curves.find_accuracy(AccuracyRequest(self.checkpoint, self.path, self.choice, self.layer, images))

    # Saving

    def save(self, path: str | Path) -> None:
        """Write the network as it is shown, and pruning.json beside it, in the background."""
        if self.checkpoint is None or self.path is None:
            return
        self.savingChanged.emit(True)
        self._jobs.export.submit(SaveRequest(self.checkpoint, self.choice, self.path.names, Path(path)))

    def _end_saving(self, tell: Callable[[], None]) -> None:
        if not self._jobs.export.is_busy:
            self.savingChanged.emit(False)
        tell()

    # Answers

    def _take_opened(self, path: Path, checkpoint: Checkpoint) -> None:
        kept = self._kept
        self._stop_opening()
        self.set_checkpoint(checkpoint, kept)

    def _fail_to_open(self, path: Path, error: Exception) -> None:
        self._stop_opening()
        self.openFailed.emit(path, *error_texts(error))

    def _fail_to_sort(self, asked: SortRequest, error: Exception) -> None:
        self.pathChanged.emit(None, error_texts(error)[0])

    def _take_sorted(self, asked: SortRequest, found: SortedNetwork) -> None:
        is_new = self.path is not found.path
        self.path = found.path
        self._alone = found.alone if asked.layer == self.layer else None
        if asked.choice == self.choice:
            if asked.zeros is not None:
                self.choice = found.shown.choice
                self.history.follow(self.choice)
                self.choiceChanged.emit(self.choice)
            self._show(found.shown)
        else:
            self.shown = found.shown  # what the preview that follows is laid over
        if is_new:
            self._begin(self.path)
        if asked.choice != self.choice and found.shown.choice != self.choice:
            self._project()

    def _begin(self, path: LayerPath) -> None:
        """A network has been sorted: the slider goes to where it begins, and the curve is computed."""
        assert self.checkpoint is not None
        self.pathChanged.emit(path, "")
        if self.choice.sparsity == 0.0 and not self.choice.own:
            start = min(1.0, max(0.0, math.floor(path.start * 1e4) / 1e4))
            self.choice = replace(self.choice, sparsity=start)  # where the weights are still as they are
            self.history.follow(self.choice)
            self.choiceChanged.emit(self.choice)
            if self.shown is not None:
                self._show(replace(self.shown, choice=self.choice))
        self.curves.find_zeros(self.checkpoint, path, self.choice)
        self.curves.resume_accuracy(self.checkpoint, path, self.choice, self.layer)
