"""Every dialog of the window: what is asked, and where the answer goes. None is modal: a solver that runs goes on.

Dialogs are imported when they are asked for, so that the window is there sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QFileDialog, QMainWindow

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.dialogs.question import is_confirmed
from gsp_studio.gui.network.state import SUFFIXES as NETWORKS
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.session_file.store import SUFFIX
from gsp_studio.gui.widgets.worded import say_nouns
from gsp_studio.gui.window.rank_prompt import RankPrompt
from gsp_studio.gui.window.remedies import layout_suffixes, remedy_for
from gsp_studio.io.dataset import LoadOptions
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.logfile import log_folder
from gsp_studio.io.resources import sample_path
from gsp_studio.nouns import IMAGES, Nouns

if TYPE_CHECKING:
    from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog
    from gsp_studio.gui.jobs.dataset import Preview
    from gsp_studio.gui.jobs.export import ExportRequest
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.gui.sweep.background_sweep import BackgroundSweep
    from gsp_studio.gui.sweep.controller import SweepController
    from gsp_studio.gui.window.menu_bar import MenuBar
    from gsp_studio.io.readers import Peek

#: Difference that a branch is proposed with, and the least that counts as one.
_CHANGE, _LEAST_CHANGE = 0.05, 5e-5


class Prompts(QObject):
    """Opens dialogs over `window`; answers go to the session, the last folders into the settings."""

    sessionRequested = Signal(object)  # Path of a session file
    networkRequested = Signal(object)  # Path of a file that is a network and nothing else

    def __init__(self, window: QMainWindow, session: Session, sweep: BackgroundSweep, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._sweep, self._settings = window, session, sweep, settings
        #: Calls what opens other data, when the work on those that are here is kept.
        self.before_other_data: Callable[[Callable[[], None]], None] = lambda go: go()
        self._layout: LayoutDialog | None = None
        self._layout_wanted = False
        self._rank = RankPrompt(window, session)
        #: What was opened last, and how.
        self._tried: tuple[Path, LoadOptions | None] = Path(), None
        self._sweeps: SweepController | None = None
        session.exports.folderTaken.connect(self._replace_export)

    # Data

    def folder(self) -> None:
        """Ask for a folder of images and open it."""
        chosen = QFileDialog.getExistingDirectory(self._window, "Open a folder of images", self._last_folder())
        if chosen:
            self.open(Path(chosen))

    def file(self) -> None:
        """Ask for a file and open it."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a data set", self._last_folder(), _data_filter())
        if chosen:
            self.open(Path(chosen))

    def sample(self, name: str) -> None:
        """Open a bundled data set."""
        self._open(sample_path(name))

    def by_key(self, key: str) -> None:
        """Open what a button of the empty state names."""
        asked: dict[str, Callable[[], None]] = {"folder": self.folder, "files": self.file}
        asked.get(key, lambda: self.sample("faces"))()

    def open(self, path: Path) -> None:
        """Open a data set, a session or a network, and remember where it lies."""
        if path.suffix.lower() == SUFFIX:
            self.sessionRequested.emit(path)
            return
        if path.suffix.lower() in NETWORKS:
            self.networkRequested.emit(path)
            return
        self._settings.setValue("folder", str(path.parent))
        self._open(path)

    def _open(self, path: Path, options: LoadOptions | None = None) -> None:
        self._tried = path, options
        self.before_other_data(lambda: self._session.open(path, options))

    def _last_folder(self) -> str:
        return str(self._settings.value("folder", str(Path.home())))

    # Its layout

    def another_layout(self) -> None:
        """Ask how the data set on the screen is to be read."""
        if self._session.dataset is not None:
            self._want_layout(Path(self._session.dataset.source), self._session.dataset.options)

    def _want_layout(self, path: Path, options: LoadOptions | None) -> None:
        self._layout_wanted = True
        self._session.loader.preview(path, options)

    def layout(self, found: Peek) -> None:
        """Show how a source would be read, and ask."""
        from gsp_studio.gui.dialogs.dataset_layout import LayoutDialog

        if self._layout is not None:
            self._layout.done(QDialog.DialogCode.Rejected)
        self._layout = dialog = LayoutDialog(found, self._window, self._is_on_screen(found.path))
        dialog.previewRequested.connect(lambda options: self._session.loader.preview(found.path, options))
        dialog.optionsAccepted.connect(lambda options: self._read_anew(found.path, options))
        dialog.finished.connect(lambda _: self._forget_layout(dialog))
        _show(dialog)
        self._session.loader.preview(found.path, found.options)

    def _read_anew(self, path: Path, options: LoadOptions) -> None:
        """Open a source with these options; where they are those of the data on the screen, the runs stay with them."""
        dataset = self._session.dataset
        if dataset is not None and self._is_on_screen(path) and dataset.options == options:
            self._session.logged.emit(f"{dataset.name} is read like this already; nothing has changed.")
        else:
            self._open(path, options)

    def _is_on_screen(self, path: Path) -> bool:
        dataset = self._session.dataset
        return dataset is not None and Path(dataset.source) == path

    def _forget_layout(self, dialog: LayoutDialog) -> None:
        if self._layout is dialog:
            self._layout = None

    def preview(self, preview: Preview) -> None:
        """Pass on what a layout looks like."""
        wanted, self._layout_wanted = self._layout_wanted, False
        if self._layout is not None:
            self._layout.set_preview(preview)
        elif wanted and preview.found is not None:
            self.layout(preview.found)
        elif wanted:
            self.failed(preview.error, "")

    # Errors

    def failed(self, sentence: str, details: str) -> None:
        """Say what went wrong."""
        _show(ErrorDialog(sentence, details, parent=self._window, logs=log_folder() if details else None))

    def device_filled(self, sentence: str, details: str) -> None:
        """Say that a device's memory is full, and offer the processor for the same run."""
        dialog = ErrorDialog(sentence, details, "Compute on the CPU", self._window, log_folder())
        dialog.accepted.connect(self._run_on_cpu)
        _show(dialog)

    def _run_on_cpu(self) -> None:
        self._session.settings.set_choice(replace(self._session.settings.choice, backend="cpu"))
        self._session.run()

    def load_failed(self, path: Path, sentence: str, details: str) -> bool:
        """Say why a data set cannot be opened, if a report or another way of reading it can be offered.

        Returns whether it was said.
        """
        tried = self._tried[1] if self._tried[0] == path else None
        remedy = remedy_for(path, sentence, tried)
        if not remedy.words and not details:
            return False
        dialog = ErrorDialog(sentence, details, remedy.words, self._window, log_folder() if details else None)
        ask = self._open if remedy.opens else self._want_layout
        dialog.accepted.connect(lambda: ask(path, remedy.options))
        _show(dialog)
        return True

    # Exports

    def export(self) -> None:
        """Ask where what is on the screen, or the last run, is to be written."""
        from gsp_studio.gui.window.export_prompt import export_dialog

        session = self._session
        entry = session.refined.or_listed()
        if entry is None or session.dataset is None:
            return
        dialog = export_dialog(session, entry, session.dataset, self._settings, self._window)
        dialog.exportRequested.connect(lambda folder, parts: self._export(Path(folder), entry, parts))
        _show(dialog, session.nouns)

    def _export(self, folder: Path, entry: RunEntry, parts: ExportOptions) -> None:
        from gsp_studio.gui.window.export_prompt import extras_key

        self._settings.setValue("export", str(folder.parent))
        if self._session.dataset is not None:
            self._settings.setValue(extras_key(self._session.dataset)[0], " ".join(parts.extras))
        newest = self._session.runs.at(self._session.runs.index_of(entry.number))
        self._session.exports.export(folder, newest or entry, parts)

    def _replace_export(self, request: ExportRequest, sentence: str) -> None:
        """Ask whether the run that lies in an export's folder is to go."""
        there = sentence.partition(";")[0]
        more = f"{there}.\nReplaced, it is gone; the export can also go into another folder."
        if is_confirmed(self._window, f"Replace the run in {request.directory.name}?", more, "Replace"):
            self._session.exports.replace(request)

    def apply(self) -> None:
        """Ask for images that the basis of the run on the screen is applied to."""
        from gsp_studio.gui.dialogs.apply import ApplyDialog

        entry = self._session.runs.current
        if entry is not None:
            above = Path(str(self._settings.value("export", str(Path.home()))))
            dialog = ApplyDialog(entry.name, above, self._window)
            dialog.applyRequested.connect(lambda path, folder: self._session.exports.apply(path, folder, entry))
            _show(dialog, self._session.nouns)

    def copy(self, kind: str) -> None:
        """Put the run on the screen on the clipboard, as "python" or as a "command"."""
        text = self._session.exports.text_of(kind, self._session.refined.or_listed())
        if text:
            QGuiApplication.clipboard().setText(text)
            self._session.logged.emit("Copied: " + ("a Python script." if kind == "python" else text))

    # Branches

    def branch(self, at: int = 0) -> None:
        """Ask from which iteration of the run on the screen a branch goes its own way; `at` is proposed."""
        from gsp_studio.gui.dialogs.branch import BranchDialog

        session = self._session
        end = session.control.branch_end
        if end < 1:
            return
        is_going = session.phase.is_run
        entry, runner = session.runs.current, session.live.runner
        number = entry.number if entry is not None and not is_going else session.runs.next_number
        s = session.settings.params.sparsity
        if is_going and runner is not None:
            s = runner.params.sparsity
        elif entry is not None:
            s = entry.spec.params.sparsity
        proposed = at or (end if is_going else max(1, end // 2))
        dialog = BranchDialog(
            f"Run {number}",
            min(proposed, end),
            end,
            _another(s, session.settings.params.sparsity),
            is_going,
            self._window,
        )
        dialog.branchRequested.connect(session.control.branch)
        _show(dialog)

    # Ranks

    def rank(self) -> None:
        """Ask how many basis images there should be, and study it."""
        self._rank.ask()

    # Sweeps

    def sweep(self) -> None:
        """Ask for the runs of a sweep, and show what they reached."""
        from gsp_studio.gui.sweep.controller import SweepController

        self._sweeps = self._sweeps or SweepController(self._window, self._session, self._sweep, self._settings)
        self._sweeps.ask()

    # Help

    def keys(self, menus: MenuBar) -> None:
        """Show all keys."""
        from gsp_studio.gui.dialogs.keys import KeysDialog

        _show(KeysDialog(menus.keys() + _more_keys(self._session.nouns), self._window))

    def guide(self) -> None:
        """Show the guide."""
        from gsp_studio.gui.dialogs.guide import GuideDialog

        _show(GuideDialog(self._window))

    def palette(self, menus: MenuBar) -> None:
        """Offer all commands by their names."""
        from gsp_studio.gui.dialogs.palette import PaletteDialog

        _show(PaletteDialog(menus.actions, self._window))

    def about(self) -> None:
        """Name the version and the method."""
        from gsp_studio.gui.dialogs.about import AboutDialog

        _show(AboutDialog(self._window))


def _another(s: float, chosen: float) -> float:
    """Propose another target than that of a run: the slider's, or a twentieth up or down."""
    if abs(chosen - s) >= _LEAST_CHANGE:
        return chosen
    return round(s + _CHANGE if s + _CHANGE <= 1.0 else s - _CHANGE, 4)


def _more_keys(nouns: Nouns) -> list[tuple[str, str]]:
    """Keys that no menu names."""
    return [
        ("Arrows", nouns.of("Walk through the basis images (with focus on them)")),
        ("Arrows, Shift+Arrows", "Sparsity by 0.01, by 0.001 (with focus on the slider)"),
        (
            "Double-click",
            nouns.of("On the slider: the sparsity of the unprojected basis; on the basis images: all in view"),
        ),
    ]


def _show(dialog: QDialog, nouns: Nouns = IMAGES) -> None:
    """Show a dialog, with the words for the data."""
    say_nouns(dialog, nouns)
    dialog.show()
    dialog.activateWindow()  # not every window manager gives a new window the keyboard


def _data_filter() -> str:
    """Files that the dialog shows first; their content decides, whatever they are called."""
    images = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".pgm", ".ppm")
    return f"Data sets ({' '.join(f'*{suffix}' for suffix in (*layout_suffixes(), *images))});;All files (*)"
