"""The whole window: the slider's drag to the pixels, runs by keys and buttons, docks, dialogs, closing."""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from handling import (
    Listener,
    cell_place,
    cell_text,
    greys_of,
    open_faces,
    painted,
    press_when_asked,
    settle,
    threads_of_sessions,
    tile_centre,
    wait_until,
)
from PySide6.QtCore import QEvent, QObject, QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QWidget

import gsp_studio as gs
from gsp_studio.gui.dialogs.about import AboutDialog
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.dialogs.export import ExportDialog
from gsp_studio.gui.dialogs.keys import KeysDialog
from gsp_studio.gui.dialogs.palette import PaletteDialog
from gsp_studio.gui.panels import (
    basis_montage,
    constraint_chip,
    curves,
    data,
    log,
    model,
    run,
    runs,
    selected_basis,
    sparsity,
)
from gsp_studio.gui.state import Phase
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


def handle(window: MainWindow) -> QPoint:
    return window.sparsity.slider.handle_position().toPoint()


def place_of(window: MainWindow, s: float) -> QPoint:
    """Where a value lies on the slider."""
    slider = window.sparsity.slider
    return QPoint(round(12 + s * (slider.width() - 24)), handle(window).y())


def expected_greys(window: MainWindow) -> np.ndarray:
    """What the montage has to show: the pinned basis projected to the slider's value, computed apart."""
    session = window.session
    W = gs.group_sparse_projection(session.basis.pinned.W, window.sparsity.slider.value()).values
    energies = np.linalg.norm(session.basis.pinned.W, axis=0) * np.linalg.norm(session.basis.pinned.H, axis=1)
    order = np.argsort(-energies, kind="stable")
    return greys_of(session.dataset.as_images(W)[order])


def start_endless(window: MainWindow) -> None:
    window.session.settings.set_choice(window.session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    QTest.mouseClick(window.run.run, LEFT)
    wait_until(lambda: len(window.session.course.records) >= 5)


class TestDrag:
    """The app's first journey, with the mouse: projections, which nothing refines."""

    @pytest.fixture(autouse=True)
    def _no_refining(self, faces_window: MainWindow) -> None:
        faces_window.session.basis.set_refine(False)

    def test_drag_over_the_pinned_basis_shows_its_projection(self, faces_window: MainWindow) -> None:
        window, slider = faces_window, faces_window.sparsity.slider
        pinned = window.session.basis.pinned
        QTest.mousePress(slider, LEFT, pos=handle(window))
        for s in (0.8, 0.7, 0.93, 0.9):
            QTest.mouseMove(slider, place_of(window, s))
            QApplication.processEvents()
        QTest.mouseRelease(slider, LEFT, pos=place_of(window, 0.9))
        settle()
        assert slider.value() == pytest.approx(0.9, abs=0.001)
        assert window.session.basis.pinned is pinned
        seen = painted(window.montage.view, window.montage._buffer)
        expected = expected_greys(window)
        np.testing.assert_allclose(seen, expected, atol=1.0)
        assert (seen == 0).mean() > 0.5, "a sparse basis is black for the most part"
        assert window.chip.text().endswith("   reached")
        assert window.sparsity.number.value() == slider.value() == window.session.settings.params.sparsity

    def test_picture_follows_every_step(self, faces_window: MainWindow) -> None:
        window = faces_window
        for s in (0.6, 0.99, 0.75):
            QTest.mouseClick(window.sparsity.slider, LEFT, pos=place_of(window, s))
            settle()
            np.testing.assert_allclose(
                painted(window.montage.view, window.montage._buffer), expected_greys(window), atol=1.0
            )

    def test_two_thousand_moves(self, faces_window: MainWindow) -> None:
        """PySide6 6.12.0 aborts Python 3.11 after some hundreds. Here the basis is refined meanwhile."""
        window, slider = faces_window, faces_window.sparsity.slider
        window.session.basis.set_refine(True)
        heard = Listener(slider, "valueChanged")
        QTest.mousePress(slider, LEFT, pos=handle(window))
        left, right = place_of(window, 0.5).x(), place_of(window, 1.0).x()
        for k in range(2000):
            away = k % (2 * (right - left))
            x = left + min(away, 2 * (right - left) - away)
            QTest.mouseMove(slider, QPoint(x, handle(window).y()))
            if k % 8 == 0:
                QApplication.processEvents()
        QTest.mouseMove(slider, place_of(window, 0.9))
        QTest.mouseRelease(slider, LEFT, pos=place_of(window, 0.9))
        settle()
        window.session.basis.set_refine(False)
        settle()
        assert len(heard["valueChanged"]) > 1900
        assert slider.value() == pytest.approx(0.9, abs=0.001)
        np.testing.assert_allclose(
            painted(window.montage.view, window.montage._buffer), expected_greys(window), atol=1.0
        )
        W = gs.group_sparse_projection(window.session.basis.pinned.W, slider.value()).values
        np.testing.assert_allclose(window.session.display.shown.W, W, rtol=0, atol=1e-6 * W.max())

    def test_drag_while_a_run_goes_on_steers_it(self, faces_window: MainWindow) -> None:
        window = faces_window
        start_endless(window)
        QTest.mousePress(window.sparsity.slider, LEFT, pos=handle(window))
        QTest.mouseMove(window.sparsity.slider, place_of(window, 0.6))
        QTest.mouseRelease(window.sparsity.slider, LEFT, pos=place_of(window, 0.6))
        s = window.sparsity.slider.value()
        wait_until(lambda: window.session.course.records[-1].target == s)
        QTest.mouseClick(window.run.cancel, LEFT)
        wait_until(lambda: window.session.phase is Phase.IDLE)
        assert window.curves._columns["target"][-1] == s
        assert window.session.runs.entries[0].choice.params.sparsity == s

    def test_double_click_goes_to_the_own_sparsity(self, faces_window: MainWindow) -> None:
        window = faces_window
        QTest.mouseDClick(window.sparsity.slider, LEFT, pos=handle(window))
        own = window.session.basis.pinned.sparsity
        assert own - 1e-4 <= window.sparsity.slider.value() <= own
        settle()
        np.testing.assert_allclose(
            painted(window.montage.view, window.montage._buffer), expected_greys(window), atol=1.0
        )

    def test_number_typed_arrives_at_the_picture(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.sparsity.number.setFocus()
        window.sparsity.number.selectAll()
        QTest.keyClicks(window.sparsity.number, "0.95")
        QTest.keyClick(window.sparsity.number, Key.Key_Return)
        settle()
        assert window.sparsity.slider.value() == 0.95
        np.testing.assert_allclose(
            painted(window.montage.view, window.montage._buffer), expected_greys(window), atol=1.0
        )


class TestKeys:
    """What the menus name, from anywhere in the window."""

    def test_brackets_step_the_sparsity(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.session.settings.set_sparsity(0.8)
        window.montage.view.setFocus()
        QTest.keyClick(window, Key.Key_BracketRight)
        QTest.keyClick(window, Key.Key_BracketRight)
        assert window.session.settings.params.sparsity == 0.82
        QTest.keyClick(window, Key.Key_BracketLeft)
        assert window.session.settings.params.sparsity == 0.81
        assert window.session.display.shown.target == 0.81
        QTest.keyClick(window, Key.Key_Backspace)
        assert window.session.settings.params.sparsity == pytest.approx(window.session.basis.pinned.sparsity, abs=1e-4)

    def test_space_runs_pauses_and_resumes(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
        window.montage.view.setFocus()
        phases = []
        for _ in range(3):
            QTest.keyClick(window, Key.Key_Space)
            phases.append(session.phase)
            wait_until(lambda: len(session.course.records) > 2)
        assert phases == [Phase.RUNNING, Phase.PAUSED, Phase.RUNNING]
        assert window.run.run.text() == "Pause"
        assert not window.model.rank.isEnabled()

    def test_space_on_a_focused_button_presses_that_button(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.session.settings.set_sparsity(0.9)
        window.sparsity.reset.setFocus()
        QTest.keyClick(window.sparsity.reset, Key.Key_Space)
        assert window.session.phase is Phase.IDLE
        assert window.session.settings.params.sparsity == pytest.approx(window.session.basis.pinned.sparsity, abs=1e-4)

    @pytest.mark.parametrize("place", ["montage.view", "sparsity.number", "model.seed", "runs.table", "run.run", ""])
    def test_escape_cancels_from_anywhere(self, faces_window: MainWindow, place: str) -> None:
        window, session = faces_window, faces_window.session
        start_endless(window)
        focused = attrgetter(place)(window) if place else window
        focused.setFocus()
        QTest.keyClick(focused, Key.Key_Escape)
        wait_until(lambda: session.phase is Phase.IDLE)
        [entry] = session.runs.entries
        assert entry.state == "stopped"
        assert window.runs.table.model().rowCount() == 1

    def test_escape_in_a_number_that_is_typed_gives_the_number_up_first(self, faces_window: MainWindow) -> None:
        window = faces_window
        start_endless(window)
        number = window.sparsity.number
        number.setFocus()
        QTest.keyClicks(number, "0.3")
        QTest.keyClick(number, Key.Key_Escape)
        settle()
        assert window.session.phase is Phase.RUNNING
        QTest.keyClick(number, Key.Key_Escape)
        wait_until(lambda: window.session.phase is Phase.IDLE)

    def test_no_run_starts_out_of_sight_in_the_view_of_networks(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        window.centre.show_view("Networks")
        settle()
        assert not window.run.run.isEnabled()
        assert "Basis view" in window.run.run.toolTip()
        QTest.keyClick(window, Key.Key_Space)
        assert session.phase is Phase.IDLE
        window.centre.show_view("Basis")
        assert window.run.run.isEnabled()
        start_endless(window)
        window.centre.show_view("Networks")
        assert window.run.run.isEnabled(), "a run that goes on can be paused from here"
        QTest.mouseClick(window.run.run, Qt.MouseButton.LeftButton)
        assert session.phase is Phase.PAUSED

    def test_an_ordinary_refusal_is_a_quiet_line(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        session.settings.set_choice(session.settings.choice.with_params(rank=10_000))
        QTest.mouseClick(window.run.run, Qt.MouseButton.LeftButton)
        settle()
        assert not window.findChildren(ErrorDialog)
        line = window.messages.refusal
        assert line.isVisible()
        assert line.text().startswith("⚠ rank")
        assert line.text()[2:] in window.log.lines.toPlainText()
        window.messages.add("something else")
        assert line.isVisible(), "it stays to be read"

    def test_question_mark_shows_all_keys(self, window: MainWindow) -> None:
        QTest.keyClick(window, Key.Key_Question)
        [dialog] = window.findChildren(KeysDialog)
        assert dialog.isVisible()
        texts = [label.text() for label in dialog.findChildren(type(window.messages.line))]
        for key in ("Space", "]", "[", "Esc", "Ctrl+O", "Ctrl+E"):
            assert key in texts

    def test_no_key_stands_for_two_actions(self, window: MainWindow) -> None:
        pairs = window.menus.keys()
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys))

    def test_palette_finds_and_triggers(self, faces_window: MainWindow) -> None:
        window = faces_window
        QTest.keyClick(window, Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        [dialog] = window.findChildren(PaletteDialog)
        QTest.keyClicks(dialog.filter, "theme light")
        QTest.keyClick(dialog.filter, Key.Key_Return)
        assert QApplication.instance().property("theme") == "light"
        window.set_scheme("dark")

    def test_arrows_select_through_montage_bars_and_inspector(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.montage.view.setFocus()
        QTest.keyClick(window.montage.view, Key.Key_Right)
        QTest.keyClick(window.montage.view, Key.Key_Right)
        selected = window.session.display.selected
        assert selected == int(window.session.display.shown.order[1])
        assert window.basis._title.text() == f"Basis {selected + 1}"
        assert window.montage.view._selected == window.sparsity.bars._selected == 1

    def test_click_on_a_tile_selects_it(self, faces_window: MainWindow) -> None:
        window = faces_window
        view = window.montage.view
        QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, 4).toPoint())
        assert window.session.display.selected == int(window.session.display.shown.order[4])
        QTest.mouseClick(view.viewport(), LEFT, pos=QPoint(2, 2))
        assert window.session.display.selected == -1

    def test_view_keys_change_labels_and_white(self, faces_window: MainWindow) -> None:
        window = faces_window
        window.montage.view.setFocus()
        QTest.keyClick(window, Key.Key_S)
        assert "white = shared" in window.montage._caption.text()
        QTest.keyClick(window, Key.Key_S)
        assert "white = per tile" in window.montage._caption.text()
        before = window.montage.view.viewport().grab().toImage()
        QTest.keyClick(window, Key.Key_N)
        settle()
        assert window.montage.view.viewport().grab().toImage() != before


class TestRuns:
    """From the button to the files."""

    def test_run_shows_itself_everywhere(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        session.settings.set_choice(session.settings.choice.with_params(max_iter=25))
        QTest.mouseClick(window.run.run, LEFT)
        wait_until(lambda: session.runs.entries)
        settle()
        assert list(window.curves._columns["n_iter"]) == list(range(1, 26))
        assert window.runs.table.model().rowCount() == 1
        assert cell_text(window.runs.table, 0, 8) == "done"
        assert "Run 1 done" in window.log.lines.toPlainText()
        assert window.chip.text().endswith("reached")
        images = session.dataset.as_images(session.display.shown.W)[session.display.shown.order]
        np.testing.assert_allclose(painted(window.montage.view, window.montage._buffer), greys_of(images), atol=1.0)

    def test_click_on_a_run_brings_it_back(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        for s in (0.7, 0.9):
            session.settings.set_choice(session.settings.choice.with_params(sparsity=s, max_iter=5))
            count = len(session.runs.entries)
            QTest.mouseClick(window.run.run, LEFT)
            wait_until(lambda count=count: len(session.runs.entries) > count)
        place = cell_place(window.runs.table, 0, 0)
        QTest.mouseClick(window.runs.table.viewport(), LEFT, pos=place)
        assert session.display.shown is session.runs.entries[0].shown
        assert window.sparsity.slider.value() == 0.7

    def test_export_by_menu_and_dialog(self, faces_window: MainWindow, settings: QSettings, tmp_path: Path) -> None:
        window, session = faces_window, faces_window.session
        assert not window.actions_by_name["export"].isEnabled()
        session.settings.set_choice(session.settings.choice.with_params(max_iter=3))
        QTest.mouseClick(window.run.run, LEFT)
        wait_until(lambda: session.runs.entries)
        assert window.actions_by_name["export"].isEnabled()
        QTest.keyClick(window, Key.Key_E, Qt.KeyboardModifier.ControlModifier)
        [dialog] = window.findChildren(ExportDialog)
        assert dialog.folder.text().endswith("faces-run1")
        dialog.folder.setText(str(tmp_path / "out"))
        dialog.parts["factors"].click()
        QTest.mouseClick(dialog.export, LEFT)
        wait_until(lambda: (tmp_path / "out" / "run.json").exists())
        assert json.loads((tmp_path / "out" / "run.json").read_text())
        assert not (tmp_path / "out" / "factors.npz").exists()
        wait_until(lambda: "files written to" in window.messages.line.text())
        assert str(tmp_path / "out") in window.messages.line.text()
        assert settings.value("export") == str(tmp_path)

    def test_an_export_asks_before_it_replaces_another_run(self, faces_window: MainWindow, tmp_path: Path) -> None:
        session = faces_window.session
        for rank in (3, 4):
            session.settings.set_choice(session.settings.choice.with_params(rank=rank, max_iter=3))
            session.run()
            wait_until(lambda rank=rank: len(session.runs.entries) == rank - 2 and not session.phase.is_run)
        run_json = tmp_path / "out" / "run.json"
        session.exports.export(tmp_path / "out", session.runs.at(0))
        wait_until(run_json.exists)
        for verb, rank in (("Cancel", 3), ("Replace", 4)):
            said = press_when_asked(verb)
            session.exports.export(tmp_path / "out", session.runs.at(1))
            wait_until(lambda said=said: said)
            # While one folder takes the place of the other there is none.
            wait_until(lambda: not session.exports._open)
            assert json.loads(run_json.read_text())["params"]["rank"] == rank
            assert "Replace the run in out?" in said[0]
            assert "holds another run (gsphals, rank 3" in said[0]

    def test_export_that_cannot_be_written_opens_a_dialog(self, faces_window: MainWindow, tmp_path: Path) -> None:
        window, session = faces_window, faces_window.session
        (tmp_path / "file").write_text("in the way")
        session.settings.set_choice(session.settings.choice.with_params(max_iter=3))
        session.run()
        wait_until(lambda: session.runs.entries)
        session.exports.export(tmp_path / "file" / "out", session.runs.at(0))
        wait_until(lambda: window.findChildren(ErrorDialog))
        [dialog] = window.findChildren(ErrorDialog)
        assert str(tmp_path / "file") in dialog.sentence
        assert dialog.sentence in window.log.lines.toPlainText()

    def test_close_while_a_run_goes_on_ends_all_threads(self, faces_window: MainWindow) -> None:
        start_endless(faces_window)
        assert "gsp-solver" in threads_of_sessions()
        faces_window.unsaved.leave()
        assert not threads_of_sessions()


class ShownWindows(QObject):
    """Names the windows that are shown, whatever their widgets were made for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self.names.append(type(watched).__name__)
        return False


class TestWindow:
    """Docks, settings, titles."""

    def test_nothing_else_flashes_up_at_the_start(
        self, app: QApplication, make_window: Callable[[], MainWindow]
    ) -> None:
        """A part that is shown before it has its place is a window of its own, and takes the keys from the first."""
        shown = ShownWindows()
        app.installEventFilter(shown)
        try:
            make_window()
            settle()
        finally:
            app.removeEventFilter(shown)
        assert shown.names == ["MainWindow"]

    def test_settings_bring_size_and_docks_back(self, make_window: Callable[[], MainWindow]) -> None:
        first = make_window()
        first.resize(1111, 717)  # lower than the screen that is not there; its width bounds what is restored
        first.docks["Model"].hide()
        settle()
        first.close()
        second = make_window()
        settle()
        assert second.height() == 717
        assert not second.docks["Model"].isVisible()
        assert second.docks["Data"].isVisible()
        second.arrangement.reset()
        assert second.docks["Model"].isVisible()

    def test_settings_that_are_damaged_are_left_alone(
        self, make_window: Callable[[], MainWindow], settings: QSettings
    ) -> None:
        settings.setValue("geometry", "rubbish")
        settings.setValue("state", 17)
        window = make_window()
        assert window.width() >= 1000

    def test_every_dock_can_be_taken_away_and_brought_back(self, window: MainWindow) -> None:
        for dock in window.findChildren(QDockWidget):
            dock.toggleViewAction().trigger()
            assert dock.isHidden()
            dock.toggleViewAction().trigger()
            assert not dock.isHidden()

    def test_everything_fits_into_a_small_screen(self, faces_window: MainWindow) -> None:
        assert faces_window.minimumSizeHint().width() <= 1280
        assert faces_window.minimumSizeHint().height() <= 720

    def test_title_names_the_data(self, window: MainWindow) -> None:
        assert window.windowTitle() == "GSP Studio"
        open_faces(window.session, rank=3)
        assert window.windowTitle() == "faces.npz[*] – GSP Studio"

    def test_about(self, window: MainWindow) -> None:
        window.prompts.about()
        assert window.findChildren(AboutDialog)

    def test_panels_do_not_know_each_other(self) -> None:
        for module in (selected_basis, constraint_chip, curves, data, log, model, basis_montage, run, runs, sparsity):
            lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
            assert not [line for line in lines if "import" in line and "gui.panels." in line], module.__name__


class Layouts(QObject):
    """Remembers which widgets were laid out anew."""

    def __init__(self) -> None:
        super().__init__()
        self.widgets: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.widgets.append(type(watched).__name__)
        return False


def test_words_that_change_with_the_slider_lay_nothing_out_anew(app: QApplication, window: MainWindow) -> None:
    open_faces(window.session)
    window.session.basis.set_refine(False)  # what is projected is shown at once, and nothing else comes
    window.session.settings.set_sparsity(0.8)
    wait_until(lambda: not window.session.warm_fit.is_coming)
    settle()
    heard = Layouts()
    app.installEventFilter(heard)
    words = []
    for s in (0.81, 0.82, 0.83):
        window.session.settings.set_sparsity(s)
        settle()
        words.append(window.sparsity._read_out.text())
    app.removeEventFilter(heard)
    assert len(set(words)) == 3
    assert "MainWindow" not in heard.widgets
    assert "MontagePanel" not in heard.widgets
