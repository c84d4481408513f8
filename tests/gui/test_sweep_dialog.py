"""Sweeps in the window: the form, the map by mouse and keyboard, cancelling, going on, and the run behind a cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, cell_text, settle, wait_until
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from gsp_studio.backends import get_backend
from gsp_studio.cli import main
from gsp_studio.core.nmf import Params
from gsp_studio.experiments.grid import Cell, Grid
from gsp_studio.experiments.sweep import CellState, Stage, Sweep, SweepPoll
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.sweep.background_sweep import BackgroundSweep
from gsp_studio.gui.sweep.dialog import SweepDialog
from gsp_studio.gui.sweep.grid_form import GridForm
from gsp_studio.gui.sweep.heat_map import HeatMap
from gsp_studio.gui.sweep.heat_tiles import MEASURES, spread, steps, tiles_of
from gsp_studio.gui.theme import apply_theme, load_theme
from gsp_studio.gui.window.main_window import MainWindow

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton
ENDLESS = 10**6


@pytest.fixture
def root(tmp_path: Path, settings: QSettings) -> Path:
    """Where the window keeps its sweeps."""
    settings.setValue("sweeps", str(tmp_path / "sweeps"))
    return tmp_path / "sweeps"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """80 images of 8 x 8."""
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).random((80, 8, 8)).astype(np.float32))
    return path


@pytest.fixture
def opened(root: Path, window: MainWindow, images: Path) -> MainWindow:
    """A window on these images."""
    window.session.settings.set_choice(RunSettings().with_params(rank=4, max_iter=8))
    window.session.open(images)
    wait_until(lambda: window.session.display.shown is not None)
    return window


def dialog() -> SweepDialog:
    [found] = [w for w in QApplication.topLevelWidgets() if isinstance(w, SweepDialog) and w.isVisible()]
    return found


def ask(window: MainWindow, *, seeds: int = 2, iterations: int = 8) -> SweepDialog:
    """The dialog on ranks 2 and 4, s = 0.5 and 0.7."""
    window.prompts.sweep()
    asked = dialog()
    wait_until(lambda: asked._poll.states)
    for numbers, values in ((asked.form.ranks, (2, 4, 2)), (asked.form.sparsities, (0.5, 0.7, 0.2))):
        for number, value in zip(numbers, values, strict=True):
            number.setValue(value)
    asked.form.seeds.setValue(seeds)
    asked.form.iterations.setValue(iterations)
    wait_until(lambda: len(asked._poll.states) == 4 * seeds)
    return asked


def click(asked: SweepDialog, row: int, column: int, twice: bool = False) -> None:
    place = asked.map.place_of(row * len(asked._grid.targets) + column).center().toPoint()
    (QTest.mouseDClick if twice else QTest.mouseClick)(asked.map, LEFT, pos=place)


def finish(asked: SweepDialog) -> None:
    QTest.mouseClick(asked.start, LEFT)
    wait_until(lambda: asked._poll.states and not asked._poll.is_going and asked._poll.count(Stage.DONE))


class TestInTheWindow:
    """Real clicks, real solvers."""

    def test_a_sweep_and_the_run_behind_a_cell(self, opened: MainWindow, images: Path) -> None:
        session = opened.session
        asked = ask(opened)
        assert asked.start.text() == "Start"
        finish(asked)
        assert asked._poll.count(Stage.DONE) == 8
        assert asked._count.text() == "8 of 8 runs done"
        assert not asked.start.isEnabled()
        click(asked, 1, 0)
        assert asked._heading.text() == "Rank 4, s = 0.5"
        assert "over 2 seeds, sparsity 0.5" in asked._said.text()
        click(asked, 1, 0, twice=True)
        wait_until(lambda: session.runs.entries)
        [entry] = session.runs.entries
        states = {state.cell: state for state in asked._poll.states}
        best = min((Cell(4, 0.5, seed) for seed in (0, 1)), key=lambda cell: states[cell].error)
        assert (entry.choice.params.rank, entry.choice.params.sparsity, entry.choice.params.seed) == (4, 0.5, best.seed)
        assert entry.shown.error == states[best].error
        assert session.display.shown is entry.shown
        assert session.settings.params == Params(rank=4, sparsity=0.5, seed=best.seed, max_iter=8)
        assert session.settings.choice.backend == get_backend("auto").name
        assert cell_text(opened.runs.table, 0, 0) == "Run 1"

    def test_a_cell_opens_with_the_backend_that_computed_it(self, opened: MainWindow) -> None:
        session = opened.session
        session.settings.set_choice(replace(session.settings.choice, backend="reference"))
        asked = ask(opened, seeds=1, iterations=3)
        finish(asked)
        session.settings.set_choice(RunSettings().with_params(rank=3))
        click(asked, 0, 0, twice=True)
        wait_until(lambda: session.runs.entries)
        [entry] = session.runs.entries
        assert entry.outcome.result.backend.startswith("reference")
        assert entry.choice == session.settings.choice == RunSettings(entry.spec.params, "reference")

    def test_opening_a_cell_twice_shows_the_run_that_is_there(self, opened: MainWindow) -> None:
        session = opened.session
        asked = ask(opened)
        finish(asked)
        asked.map.setFocus()
        click(asked, 0, 0)
        QTest.keyClick(asked.map, Key.Key_Right)
        QTest.keyClick(asked.map, Key.Key_Up)
        assert asked._heading.text() == "Rank 4, s = 0.7"
        QTest.keyClick(asked.map, Key.Key_Return)
        wait_until(lambda: len(session.runs.entries) == 1)
        QTest.keyClick(asked.map, Key.Key_Down)
        QTest.mouseClick(asked.open_run, LEFT)
        wait_until(lambda: len(session.runs.entries) == 2)
        click(asked, 1, 1, twice=True)
        wait_until(lambda: session.runs.index == 0)
        assert len(session.runs.entries) == 2
        # The other seed, from the list: another run.
        seed = next(
            row for row in (0, 1) if asked._states()[row].cell.seed != session.runs.entries[0].choice.params.seed
        )
        item = asked.seeds.item(seed, 1)
        QTest.mouseClick(asked.seeds.viewport(), LEFT, pos=asked.seeds.visualItemRect(item).center())
        assert asked.open_run.text() == "Open this run"
        QTest.mouseClick(asked.open_run, LEFT)
        wait_until(lambda: len(session.runs.entries) == 3)
        assert session.runs.entries[2].choice.params.seed == asked._states()[seed].cell.seed
        assert [entry.number for entry in session.runs.entries] == [1, 2, 3]

    def test_cells_opened_at_once_are_all_shown_in_their_order(self, opened: MainWindow) -> None:
        asked = ask(opened, seeds=1)
        finish(asked)
        cells = [state.cell for state in asked._poll.states]
        for cell in cells:
            opened.sweep.open(cell)
        opened.sweep.find()
        wait_until(lambda: not opened.sweep._files.is_busy)
        settle()
        found = [(entry.choice.params.rank, entry.choice.params.sparsity) for entry in opened.session.runs.entries]
        assert found == [(cell.rank, cell.sparsity) for cell in cells]

    def test_a_run_of_the_window_with_the_same_bits_is_the_run_behind_the_cell(self, opened: MainWindow) -> None:
        session = opened.session
        session.settings.set_choice(RunSettings().with_params(rank=4, sparsity=0.7, max_iter=8))
        session.run()
        wait_until(lambda: session.runs.entries)
        asked = ask(opened, seeds=1)
        finish(asked)
        click(asked, 0, 1, twice=True)
        wait_until(lambda: len(session.runs.entries) == 2)
        click(asked, 1, 1, twice=True)
        wait_until(lambda: session.runs.index == 0)
        assert len(session.runs.entries) == 2

    def test_a_session_keeps_such_a_run_and_its_cell_finds_it(self, opened: MainWindow, tmp_path: Path) -> None:
        session = opened.session
        asked = ask(opened)
        finish(asked)
        click(asked, 0, 1, twice=True)
        wait_until(lambda: session.runs.entries)
        before = session.runs.entries[0].outcome.result
        heard = Listener(opened.session_menu.store, "saved", "opened")
        opened.session_menu.store.save(tmp_path / "kept.gsps")
        wait_until(lambda: heard["saved"])
        opened.session_menu.open(tmp_path / "kept.gsps")
        wait_until(lambda: heard["opened"])
        settle()
        assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, SweepDialog) and w.isVisible()]
        assert np.array_equal(session.runs.entries[0].outcome.result.W, before.W)
        opened.prompts.sweep()
        asked = dialog()
        wait_until(lambda: asked._poll.count(Stage.DONE) == 8)
        click(asked, 0, 1, twice=True)
        wait_until(lambda: not opened.sweep._files.is_busy)
        settle()
        assert len(session.runs.entries) == 1

    def test_the_last_grid_and_its_cells_are_there_at_once(self, opened: MainWindow) -> None:
        asked = ask(opened, iterations=ENDLESS)
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: asked._poll.count(Stage.RUNNING))
        QTest.mouseClick(asked.cancel_all, LEFT)
        wait_until(lambda: not asked._poll.is_going)
        assert asked._poll.count(Stage.CANCELLED) == 8
        asked.form.iterations.setValue(8)
        asked.form.ranks[1].setValue(2)
        wait_until(lambda: len(asked._poll.states) == 4)
        finish(asked)
        asked.form.ranks[1].setValue(4)
        wait_until(lambda: len(asked._poll.states) == 8 and asked._poll.count(Stage.DONE) == 4)
        assert asked.start.text() == "Go on"
        asked.close()
        settle()
        opened.session.settings.set_choice(RunSettings().with_params(rank=7, method="ahals", max_iter=99))
        opened.prompts.sweep()
        asked = dialog()
        wait_until(lambda: asked._poll.count(Stage.DONE) == 4)
        assert len(asked._poll.states) == 4, "the grid that was asked for last"
        form = asked.form
        assert [number.value() for number in form.ranks[:2]] == [2, 2]
        assert [number.value() for number in form.sparsities] == [0.5, 0.7, 0.2]
        assert (form.method.currentData(), form.iterations.value(), form.seeds.value()) == ("gsphals", 8, 2)
        QTest.mouseClick(form.as_model, LEFT)
        assert (form.method.currentData(), form.iterations.value()) == ("ahals", 99)
        wait_until(lambda: len(asked._poll.states) == 2)
        assert asked.start.text() == "Start"

    def test_one_cell_is_cancelled_and_the_rest_goes_on(self, opened: MainWindow) -> None:
        asked = ask(opened, iterations=ENDLESS)
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: asked._poll.count(Stage.RUNNING))
        assert not asked.form.isEnabled()
        click(asked, 1, 1)
        assert asked.cancel_cell.text() == "Cancel this cell"
        QTest.mouseClick(asked.cancel_cell, LEFT)
        assert [state.stage for state in asked._states()] == [Stage.CANCELLED] * 2
        assert "2 seeds cancelled" in asked._said.text()
        assert not asked.cancel_cell.isEnabled()
        click(asked, 0, 0)
        asked.seeds.selectRow(0)
        assert asked.cancel_cell.text() == "Cancel this seed"
        QTest.mouseClick(asked.cancel_cell, LEFT)
        wait_until(lambda: asked._states()[0].stage is Stage.CANCELLED)
        assert asked._states()[1].stage is Stage.QUEUED
        wait_until(lambda: asked._poll.count(Stage.RUNNING))
        QTest.mouseClick(asked.cancel_all, LEFT)
        wait_until(lambda: not opened.sweep.is_going)
        assert "8 cancelled" in asked._count.text()
        assert asked.start.isEnabled()

    def test_a_run_goes_first(self, opened: MainWindow) -> None:
        session = opened.session
        asked = ask(opened, iterations=ENDLESS)
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: asked._poll.states[0].n_iter > 0)
        session.settings.set_choice(session.settings.choice.with_params(max_iter=ENDLESS))
        session.run()
        assert asked._poll.is_going
        assert "waiting: the run goes first" in asked._count.text()
        sweep = opened.sweep._sweep
        wait_until(lambda: sweep._running[1].state.value == "paused")
        click(asked, 0, 0, twice=True)
        assert "no finished run" in asked._said.text()
        at = sweep.poll().states[0].n_iter
        wait_until(lambda: len(session.course.records) > 20)
        assert sweep.poll().states[0].n_iter == at
        session.cancel()
        wait_until(lambda: session.phase is Phase.IDLE and sweep.poll().states[0].n_iter > at)
        assert "waiting" not in asked._count.text()
        # A move of the slider holds it up, too, for a moment.
        session.settings.set_sparsity(0.9)
        assert sweep.poll().is_paused
        wait_until(lambda: not sweep.poll().is_paused)

    def test_closing_leaves_it_going(self, opened: MainWindow) -> None:
        asked = ask(opened, iterations=ENDLESS)
        opened.prompts.sweep()
        assert dialog() is asked, "there is one"
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: asked._poll.count(Stage.RUNNING))
        QTest.keyClick(asked, Key.Key_Escape)
        settle()
        assert opened.sweep.is_going
        standing = opened.prompts._sweeps._standing
        assert standing.text() == "Sweep: 0 of 8 runs done, 8 to go"
        opened.prompts.sweep()
        asked = dialog()
        assert asked._poll.is_going
        assert [number.value() for number in asked.form.ranks] == [2, 4, 2]
        assert not asked.form.isEnabled()
        QTest.mouseClick(asked.cancel_all, LEFT)
        wait_until(lambda: not opened.sweep.is_going)
        assert standing.text() == ""

    def test_other_images_end_it(self, opened: MainWindow, tmp_path: Path) -> None:
        asked = ask(opened, iterations=ENDLESS)
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: asked._poll.count(Stage.RUNNING))
        np.save(tmp_path / "others.npy", np.random.default_rng(1).random((30, 6, 6)).astype(np.float32))
        opened.session.open(tmp_path / "others.npy")
        wait_until(lambda: opened.session.dataset.name == "others.npy")
        settle()
        assert not opened.sweep.is_going
        assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, SweepDialog) and w.isVisible()]
        wait_until(lambda: opened.session.display.shown is not None)
        opened.prompts.sweep()
        asked = dialog()
        wait_until(lambda: asked._poll.states)
        assert not asked._poll.count(Stage.DONE)

    def test_cells_of_the_command_line_open_here(
        self, opened: MainWindow, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "from-the-command"
        args = ["--ranks", "2,3,7", "--sparsities", "0.6", "--max-iter", "4", "--sparsity-h", "0.2", "--out", str(out)]
        assert main(["sweep", str(images), *args, "--continuation", "2"]) == 0
        opened.prompts.sweep()
        asked = dialog()
        wait_until(lambda: asked._poll.states)
        assert not asked._poll.count(Stage.DONE)
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(out))
        [other] = [b for b in asked.findChildren(QWidget) if getattr(b, "text", str)() == "Another folder..."]
        QTest.mouseClick(other, LEFT)
        wait_until(lambda: asked._poll.count(Stage.DONE) == 3)
        assert [number.value() for number in asked.form.ranks] == [2, 7, 1]
        assert "s of H = 0.200" in asked.form._shared.text()
        click(asked, 5, 0, twice=True)
        wait_until(lambda: opened.session.runs.entries)
        params = Params(rank=7, sparsity=0.6, max_iter=4, sparsity_h=0.2, continuation=2)
        assert opened.session.runs.entries[0].choice == RunSettings(params, get_backend("auto").name)

    def test_what_goes_wrong_is_said(self, opened: MainWindow, root: Path) -> None:
        asked = ask(opened)
        root.write_text("in the way")
        QTest.mouseClick(asked.start, LEFT)
        wait_until(lambda: "cannot be made" in asked._said.text())
        root.unlink()
        finish(asked)
        click(asked, 0, 0)
        path = opened.sweep._sweep.shelf.path(asked._states()[0].cell)
        path.write_bytes(b"damaged")
        asked.seeds.selectRow(0)
        QTest.mouseClick(asked.open_run, LEFT)
        wait_until(lambda: "is damaged" in asked._said.text())
        assert not opened.session.runs.entries


BASE = Params(6, "psnmf", max_iter=50)
GRID = Grid(BASE, (2, 4, 6), (0.5, 0.75), (0, 1))


def some_states() -> tuple[CellState, ...]:
    """One of each kind: the first seed of all is done but for a failed one, the second is on its way."""
    states = []
    for k, cell in enumerate(GRID.cells):
        state = CellState(cell, Stage.DONE, 50, 0.1 + 0.01 * k, 0.8, 1.5)
        if k == 5:
            state = CellState(cell, Stage.FAILED, text="no memory")
        elif k == 7:
            state = CellState(cell, Stage.RUNNING, 20)
        elif k == 8:
            state = CellState(cell, Stage.CANCELLED)
        elif k > 8:
            state = CellState(cell)
        states.append(state)
    return tuple(states)


def test_cells_that_a_sparser_one_beats_are_marked(show: Callable[..., QWidget]) -> None:
    grid = Grid(BASE, (2, 4), (0.5, 0.75), (0,))
    errors, sparsities = (0.30, 0.10, 0.10, 0.20), (0.5, 0.75, 0.5, 0.75)
    states = tuple(
        CellState(cell, Stage.DONE, 50, *values, 1.0)
        for cell, *values in zip(grid.cells, errors, sparsities, strict=True)
    )
    tiles = tiles_of(grid, states, "error")
    assert [tile.beaten for tile in tiles] == ["Rank 2, s = 0.75", "", "", ""]
    assert tiles[0].words.endswith("Rank 2, s = 0.75 is sparser and its error is lower.")
    heat = HeatMap()
    heat.set_axes(["2", "4"], ["0.5", "0.75"])
    show(heat, 500, 300)
    heat.set_tiles(tiles, "error", str)
    settle()
    image = heat.grab().toImage()
    inks = []
    for index in range(4):
        corner = heat.place_of(index).topRight().toPoint()
        inks.append({image.pixelColor(corner.x() - 4, corner.y() + k).name() for k in (3, 40)})
    assert [len(ink) for ink in inks] == [2, 1, 1, 1], "a corner in another colour"


def test_the_map_says_where_each_cell_stands() -> None:
    tiles = tiles_of(GRID, some_states(), "error", is_going=True)
    assert [(tile.row, tile.column) for tile in tiles] == [(r, c) for r in range(3) for c in range(2)]
    stages = [Stage.DONE, Stage.RUNNING, Stage.CANCELLED, Stage.QUEUED, Stage.QUEUED, Stage.FAILED]
    assert [tile.stage for tile in tiles] == stages
    assert tiles[0].value == pytest.approx(0.13)
    assert [tile.text for tile in tiles[:2]] == ["13.000", "11.000"]
    assert tiles[0].words == ("Rank 2, s = 0.5: error 13.000 % ± 4.243 % over 2 seeds, sparsity 0.8000, 1.50 s.")
    assert tiles[1].progress == 0.4
    assert tiles[1].words.endswith("; 1 seed running, 40 %.")
    assert tiles[2].words.endswith("; 1 seed cancelled.")
    assert tiles[3].words.endswith("; 1 seed queued.")
    assert tiles[5].words == "Rank 6, s = 0.75: 1 seed failed: no memory."
    assert math.isnan(tiles[5].value)
    assert tiles_of(GRID, some_states(), "error")[3].words.endswith("; 1 seed not computed.")
    spreads = tiles_of(GRID, some_states(), "spread")
    assert spreads[0].value == pytest.approx(np.std([0.1, 0.16], ddof=1))
    assert math.isnan(spreads[1].value)
    assert tiles_of(GRID, some_states(), "sparsity")[0].text == "0.8000"
    assert tiles_of(GRID, some_states(), "seconds")[0].text == "1.50 s"


def test_even_ranges() -> None:
    assert spread(0.5, 0.9, 0.1, 4) == (0.5, 0.6, 0.7, 0.8, 0.9)
    assert spread(0.5, 0.85, 0.1, 4) == (0.5, 0.6, 0.7, 0.8)
    assert steps((0.5, 0.7, 0.8), 4) == (0.5, 0.8, 0.1)
    assert steps((2, 5, 10), 0) == (2, 10, 1)
    assert steps((3,), 0) == (3, 3, 0)
    for values in ((0.1, 0.35, 0.6), (0.85,), (0.0, 1.0)):
        assert set(values) <= set(spread(*steps(values, 4), 4))


def test_the_form_alone(show: Callable[..., QWidget]) -> None:
    form = show(GridForm(BASE, 40))
    heard = Listener(form, "changed", "baseRequested")
    assert form.grid() == Grid(BASE, (2, 4, 6, 8, 10), (0.5, 0.6, 0.7, 0.8, 0.9), (0, 1, 2))
    form.set_grid(GRID)
    assert form.grid() == GRID
    assert heard.is_silent, "what is only shown makes no signal"
    form.ranks[1].setValue(1)
    assert form.problem == "The last rank is below the first."
    form.ranks[1].setValue(6)
    form.sparsities[1].setValue(0.1)
    assert form.problem == "The last sparsity is below the first."
    form.method.setCurrentIndex(form.method.findData("nenmf"))
    assert not form.problem
    assert not form.sparsities[0].isEnabled()
    assert "no target" in form._shared.text()
    assert form.grid().targets == (None,)
    form.set_base(Params(1, "wsnmf", init="nndsvd", sparsity_h=0.4, continuation=7))
    assert "Start: nndsvd  ·  s of H = 0.400  ·  weights as painted  ·  continuation 7" in form._shared.text()
    form.sparsities[1].setValue(1.0)
    form.sparsities[2].setValue(0.0001)
    assert "up to 5000" in form.problem
    QTest.mouseClick(form.as_model, LEFT)
    assert heard["baseRequested"] == [()]


def test_the_dialog_says_what_is_wrong_and_starts_nothing(show: Callable[..., QWidget]) -> None:
    asked = show(SweepDialog(BASE, 40, "faces"))
    heard = Listener(asked, "startRequested", "gridChanged")
    asked.form.ranks[0].setValue(30)
    assert asked._said.text() == "⚠ The last rank is below the first."
    assert not asked.start.isEnabled()
    QTest.keyClick(asked.form.ranks[0], Key.Key_Return)
    asked._start()
    assert not heard["startRequested"]
    asked.form.ranks[0].setValue(2)
    wait_until(lambda: heard["gridChanged"])
    assert asked.isVisible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_map_is_painted_in_every_state(show: Callable[..., QWidget], app: QApplication, scheme: str) -> None:
    apply_theme(app, load_theme(scheme))
    try:
        made = show(HeatMap(), 520, 360)
        heard = Listener(made, "picked", "opened")
        empty = made.grab().toImage()
        made.set_axes(["2", "4", "6"], ["0.5", "0.75"])
        for name, measure in MEASURES.items():
            made.set_tiles(tiles_of(GRID, some_states(), name, True), measure.title, measure.short)
            assert made.grab().toImage() != empty
        made.set_tiles(tiles_of(GRID, some_states(), "error", True), "error", MEASURES["error"].short)
        image = made.grab().toImage()
        ratio = image.width() / made.width()
        grounds = []
        for k in range(6):
            corner = made.place_of(k).topLeft()
            grounds.append(
                image.pixelColor(round((corner.x() + 6) * ratio), round((corner.y() + 6) * ratio)).lightness()
            )
        assert grounds[0] > grounds[1], "the larger error is the brighter tile"
        assert grounds[0] == grounds[3], "the same error"
        assert len(set(grounds)) == 5
        assert made.current == 4, "the largest rank with the smallest sparsity, at the top left"
        assert made.place_of(4).top() < made.place_of(2).top() < made.place_of(0).top()
        for key, index in ((Key.Key_Up, 4), (Key.Key_Right, 5), (Key.Key_Down, 3), (Key.Key_Left, 2)):
            QTest.keyClick(made, key)
            assert made.current == index
        QTest.keyClick(made, Key.Key_Enter)
        assert heard["opened"] == [2]
        QTest.mouseDClick(made, LEFT, pos=made.place_of(0).center().toPoint())
        assert heard["opened"] == [2, 0]
        QTest.mouseClick(made, LEFT, pos=made.rect().bottomRight())
        assert made.current == 0
        made.resize(330, 210)
        assert made.grab().toImage() != image
    finally:
        apply_theme(app, load_theme("dark"))


def test_the_sweep_of_a_session_without_a_window(session: object, images: Path, tmp_path: Path) -> None:
    """The dialog is closed: what ends is logged, and a session that closes leaves no thread."""
    sweep = BackgroundSweep(session)
    sweep.root = tmp_path / "sweeps"
    session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=5))
    session.open(images)
    wait_until(lambda: session.display.shown is not None)
    heard = Listener(session, "logged")
    ended = Listener(sweep, "ended", "failed")
    sweep.begin(Grid(sweep.base(), (2, 3), (0.5,)))
    wait_until(lambda: ended["ended"])
    [poll] = ended["ended"]
    assert isinstance(poll, SweepPoll)
    assert poll.count(Stage.DONE) == 2
    assert heard["logged"][-2:] == ["Sweep of 2 runs started.", "Sweep ended: 2 done."]
    assert Sweep(session.dataset, sweep.grid, tmp_path / "sweeps").look().count(Stage.DONE) == 2
    sweep.begin(Grid(sweep.base(), (2, 99), (0.5,)))
    assert "rank 99 exceeds" in ended["failed"][0][0]
    assert not sweep.is_going
    sweep.begin(Grid(replace(sweep.base(), max_iter=ENDLESS), (2,), (0.5,)))
    assert sweep.is_going
    assert sweep.close(10.0)
