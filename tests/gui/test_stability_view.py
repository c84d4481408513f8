"""How stable the basis images of a run are: what is drawn over them, the keys, what ends the search, what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fakes
import h5py
import numpy as np
import pytest
from handling import Listener, greys_of, painted, settle, tile_centre, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from gsp_studio.core.matching import chance_cosines
from gsp_studio.core.nmf import factorize
from gsp_studio.experiments.stability import BasisStability, basis_stability
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.session_file.run_records import _stability_from
from gsp_studio.gui.state import Phase, RunEntry, RunSettings, View
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.tile_spread import THICKEST, relative_spread
from gsp_studio.gui.widgets.tile_view import veil_table
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.annotations import Annotations
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.montage import as_curves
from gsp_studio.io.resources import sample_path
from gsp_studio.io.saved_run import SavedRun, read_run

Key, LEFT = Qt.Key, Qt.MouseButton.LeftButton
DATA = fakes.dataset(6, 4)


def entry_of(data: Dataset = DATA, rank: int = 7, number: int = 1) -> RunEntry:
    """A run with made-up deviations; two of its basis images are unstable."""
    entry = fakes.run_entry(number, data, rank=rank)
    cosine = np.linspace(0.95, 0.5, rank)
    spread = np.random.default_rng(8).random(entry.shown.W.shape).astype(np.float32)
    return replace(entry, stability=BasisStability(5, cosine, np.zeros(rank), spread * spread.mean() / 4))


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> MontagePanel:
    """The basis images of a run of which the stability is known."""
    made = MontagePanel()
    show(made, 640, 480)
    made.set_dataset(DATA)
    made.set_shown(entry_of().shown)
    made.set_stability(entry_of())
    settle()
    return made


def colours(panel: MontagePanel) -> np.ndarray:
    """The colours in the middle of every pixel of every tile: (count, height, width, 3)."""
    view, buffer = panel.view, panel._buffer
    image = view.viewport().grab().toImage()
    pitch_x = (tile_centre(view, 1).x() - tile_centre(view, 0).x()) / buffer.origin_of(1)[0]
    found = np.empty((buffer.count, buffer.height, buffer.width, 3))
    for tile, row, column in np.ndindex(found.shape[:3]):
        centre = tile_centre(view, tile)
        x = centre.x() + pitch_x * (column + 0.5 - buffer.width / 2)
        y = centre.y() + pitch_x * (row + 0.5 - buffer.height / 2)
        found[tile, row, column] = image.pixelColor(int(x), int(y)).getRgb()[:3]
    return found


def expected(data: Dataset, entry: RunEntry) -> np.ndarray:
    """Greys with the veil over them, worked out from its definition."""
    greys = greys_of(data.as_images(entry.shown.W))[entry.shown.order][..., None]
    relative = entry.stability.spread * np.linalg.norm(entry.shown.W, axis=0) / entry.shown.W.max(axis=0)
    images = data.as_images(np.minimum(relative / THICKEST, 1))[entry.shown.order][..., None]
    opacity = images * 200 / 255
    return greys * (1 - opacity) + np.array(QColor(current_theme().spread).getRgb()[:3]) * opacity


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_veil_is_as_thick_as_the_deviation_is_large(panel: MontagePanel, order: str) -> None:
    data = fakes.dataset(6, 4, order=order)
    entry = entry_of(data)
    panel.set_dataset(data)
    panel.set_shown(entry.shown)
    panel.set_stability(entry)
    panel.view.set_unstable(())
    settle()
    assert 0.05 < relative_spread(entry).max() / THICKEST < 2, "some thick, some thin"
    np.testing.assert_allclose(colours(panel), expected(data, entry), atol=3.0)


def test_the_veil_goes_and_comes_and_the_dots_stay(panel: MontagePanel) -> None:
    entry = entry_of()
    panel.set_view(View(spread=False))
    panel.view.set_unstable(())
    settle()
    greys = greys_of(DATA.as_images(entry.shown.W))[entry.shown.order]
    np.testing.assert_allclose(painted(panel.view, panel._buffer), greys, atol=1.0)
    panel.set_stability(None)
    panel.set_stability(entry)
    assert len(panel.view._unstable._tiles) == len(entry.stability.unstable) == 5
    assert not panel.view._spread.isVisible()
    panel.set_view(View())
    assert panel.view._spread.isVisible()
    panel.set_stability(None)
    assert panel.view._unstable._tiles == ()
    assert not panel.view._spread.isVisible()


def test_the_dots_are_round_those_that_are_unstable(panel: MontagePanel) -> None:
    entry = entry_of()
    tiles = set(panel.view._unstable._tiles)
    assert {int(entry.shown.order[tile]) for tile in tiles} == set(entry.stability.unstable)
    assert panel.view._unstable.pen.style() is Qt.PenStyle.DotLine
    order = entry.shown.order[::-1].copy()
    panel.set_shown(replace(entry.shown, order=order))
    moved = set(panel.view._unstable._tiles)
    assert {int(order[tile]) for tile in moved} == set(entry.stability.unstable), "a mark follows its basis image"


def test_words_say_the_same(panel: MontagePanel) -> None:
    entry = entry_of()
    assert "5 unstable over 5 seeds" in panel._caption.text()
    assert panel._caption.tip.startswith(panel._caption.text())
    assert "Dots: unstable" in panel._caption.tip
    assert "projections of it keep their numbers" in panel._caption.tip
    panel._tell_pixel(2, 4, 1)
    basis = int(entry.shown.order[2])
    value = DATA.as_images(relative_spread(entry))[basis, 4, 1]
    assert f"± {100 * value:.0f} % of its brightest over 5 seeds" in panel._under_pointer.text()
    stable = replace(entry, stability=BasisStability(3, np.ones(7), np.zeros(7)))
    panel.set_stability(stable)
    assert "none unstable over 3 seeds" in panel._caption.text()
    assert not panel.view._spread.isVisible(), "where the deviations were not kept there is no veil"
    panel._tell_pixel(2, 4, 1)
    assert "±" not in panel._under_pointer.text()
    panel.set_stability(None)
    assert "unstable" not in panel._caption.text()
    assert panel._caption.tip == ""


def test_a_basis_of_another_size_has_no_veil(panel: MontagePanel) -> None:
    panel.set_shown(fakes.shown(DATA, 5))
    assert panel.view._unstable._tiles == ()
    assert not panel.view._spread.isVisible()
    other = fakes.dataset(5, 3)
    panel.set_dataset(other)
    panel.set_shown(fakes.shown(other, 7))
    assert not panel.view._spread.isVisible()
    panel._tell_pixel(0, 4, 2)


def test_of_images_in_colour_the_largest_of_three_counts(show: Callable[..., QWidget]) -> None:
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.random((3 * 6 * 4, 8), np.float32))
    data = Dataset(X, (6, 4), "C", "colours", tuple("abcdefgh"), channels=3)
    entry = entry_of(data, 5)
    panel = show(MontagePanel(), 400, 400)
    panel.set_dataset(data)
    panel.set_shown(entry.shown)
    panel.set_stability(entry)
    seen = panel.view._spread.pixels[:6, :4]
    first = data.as_images(relative_spread(entry))[entry.shown.order[0]]
    np.testing.assert_allclose(seen, 254 * np.minimum(first.max(axis=2) / THICKEST, 1), atol=1)


def test_of_spectra_it_is_a_curve_on_their_scale(show: Callable[..., QWidget]) -> None:
    X = np.asfortranarray(np.random.default_rng(0).random((90, 12), np.float32))
    names = tuple(f"pixel {j}" for j in range(12))
    data = Dataset(X, (1, 90), "C", "cube", names, grid=(3, 4))
    entry = entry_of(data, 4)
    panel = show(MontagePanel(), 500, 400)
    panel.set_dataset(data)
    panel.set_shown(entry.shown)
    panel.set_stability(entry)
    first = relative_spread(entry)[:, entry.shown.order[0]]
    [curve] = as_curves(first[None])
    height, width = curve.shape
    np.testing.assert_allclose(panel.view._spread.pixels[:height, :width], 254 * curve, atol=1)


def test_a_zero_basis_image_has_no_veil_and_gaps_have_none() -> None:
    entry = entry_of()
    dead = entry.shown.W.copy()
    dead[:, 2] = 0
    assert not relative_spread(replace(entry, shown=replace(entry.shown, W=dead)))[:, 2].any()
    table = veil_table("#ff4f9a")
    assert table[0, 3] == table[255, 3] == 0
    assert table[254, :3].tolist() == [255, 79, 154]
    assert (np.diff(table[:255, 3].astype(int)) >= 0).all()


def test_the_selected_basis_image_tells_its_own(show: Callable[..., QWidget]) -> None:
    entry, panel = entry_of(), show(BasisPanel(), 260, 700)
    panel.set_dataset(DATA)
    panel.set_shown(entry.shown)
    panel.set_selected(0)
    assert panel._facts["stability"].text() == "–"
    panel.set_stability(entry)
    assert panel._facts["stability"].text() == "0.95\nover 5 seeds"
    assert panel._heads["stability"].text() == "Stability"
    panel.set_selected(6)
    assert panel._facts["stability"].text() == "0.50\nover 5 seeds"
    assert panel._heads["stability"].text() == "⚠ Unstable"
    panel.set_stability(None)
    assert (panel._heads["stability"].text(), panel._facts["stability"].text()) == ("Stability", "–")


# In the window


def run(window: MainWindow, **changes: object) -> RunEntry:
    session = window.session
    session.settings.set_choice(session.settings.choice.with_params(**changes))
    count = len(session.runs.entries)
    session.run()
    wait_until(lambda: len(session.runs.entries) == count + 1 and session.phase is Phase.IDLE)
    return session.runs.entries[-1]


def press(window: MainWindow, key: Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    window.montage.view.setFocus()
    QTest.keyClick(window.montage.view, key, modifier)
    settle()


def ask(window: MainWindow) -> None:
    press(window, Key.Key_U, Qt.KeyboardModifier.ShiftModifier)


def checked(window: MainWindow) -> RunEntry:
    """A run of which the stability has been asked for and found."""
    run(window, max_iter=20)
    ask(window)
    wait_until(lambda: window.session.runs.entries[0].stability is not None)
    settle()
    return window.session.runs.entries[0]


def test_from_the_key_to_the_screen(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    assert not window.actions_by_name["stability"].isEnabled(), "a short fit is no run"
    entry = run(window, max_iter=20)
    assert window.actions_by_name["stability"].isEnabled()
    told = Listener(session, "activity.changed", "logged", "failed", "runs.stabilityFound")
    ask(window)
    wait_until(lambda: session.runs.entries[0].stability is not None)
    settle()
    assert any(text.startswith("checking Run 1: seed 1 of 5, iteration") for text in told["changed"])
    assert told["changed"][-1] == ""
    assert told["failed"] == []
    params = entry.spec.params
    direct = basis_stability(session.dataset.X, factorize(session.dataset.X, params).W, params, seeds=5)
    found = session.runs.entries[0].stability
    np.testing.assert_allclose(found.cosine, direct.cosine, atol=1e-3)
    assert session.runs.entries[0].outcome is entry.outcome
    count = len(found.unstable)
    assert f"{count or 'none'} unstable over 5 seeds" in window.montage._caption.text()
    assert len(window.montage.view._unstable._tiles) == count
    assert f"Run 1: {count or 'none'} of 9 basis images unstable over 5 seeds" in told["logged"][-1]
    QTest.mouseClick(window.montage.view.viewport(), LEFT, pos=tile_centre(window.montage.view, 4).toPoint())
    basis = int(session.display.shown.order[4])
    assert window.basis._facts["stability"].text() == f"{found.similarity[basis]:.2f}\nover 5 seeds"
    again = len(told["stabilityFound"])
    ask(window)
    assert session.analyses.stability_check.entry is None, "it is known"
    assert len(told["stabilityFound"]) == again == 1
    assert told["logged"][-1] == told["logged"][-2]


def test_the_key_shows_and_hides_the_veil_and_undo_too(faces_window: MainWindow) -> None:
    window = faces_window
    checked(window)
    view = window.montage.view
    assert view._spread.isVisible()
    assert window.view_menu.spread.isChecked()
    press(window, Key.Key_U)
    assert not view._spread.isVisible()
    assert not window.view_menu.spread.isChecked()
    window.session.undo.stack.undo()
    assert view._spread.isVisible()
    press(window, Key.Key_U)
    ask(window)
    assert view._spread.isVisible(), "who asks wants to see it"


def test_it_belongs_to_its_run_and_stays_while_the_slider_projects_it(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    checked(window)
    view = window.montage.view
    session.basis.set_refine(False)
    session.settings.set_sparsity(0.95)
    wait_until(lambda: session.display.shown.target == pytest.approx(0.95))
    assert view._spread.isVisible()
    assert "unstable" in window.montage._caption.text()
    run(window, seed=7)
    assert not view._spread.isVisible()
    assert view._unstable._tiles == ()
    assert window.basis._stability is None
    session.control.show(0)
    assert view._spread.isVisible()
    session.basis.set_refine(True)
    session.settings.set_sparsity(0.3)
    session.settings.settle_sparsity()
    wait_until(lambda: session.display.shown.is_solved)
    assert not view._spread.isVisible(), "a refined basis is another one"
    session.control.show(0)
    assert view._spread.isVisible()


def slow(window: MainWindow) -> None:
    """Ask about a run whose fits take long."""
    run(window, max_iter=12)
    entry = window.session.runs.entries[-1]
    result = replace(entry.outcome.result, params=replace(entry.outcome.result.params, max_iter=10**6))
    long = replace(entry, outcome=replace(entry.outcome, result=result))
    runs = window.session.runs
    runs.take((*runs.entries[:-1], long))
    runs.show(len(runs.entries) - 1)
    ask(window)
    wait_until(lambda: window.session.analyses.stability_check._check.done[1] > 2)


def test_cancel_ends_it(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    slow(window)
    assert window.run.cancel.isEnabled()
    assert session.can_cancel
    QTest.mouseClick(window.run.cancel, LEFT)
    assert session.analyses.stability_check.entry is None
    wait_until(lambda: not session.analyses.stability_check._job.is_busy)
    session.poll()
    settle()
    assert session.runs.entries[0].stability is None
    assert not window.run.cancel.isEnabled()
    assert "cancelled" in window.messages.line.text()


@pytest.mark.parametrize("what", ["another run", "a new run", "other images"])
def test_what_comes_to_the_screen_ends_it(faces_window: MainWindow, what: str) -> None:
    window, session = faces_window, faces_window.session
    run(window, seed=3)
    slow(window)
    if what == "another run":
        session.control.show(0)
    elif what == "a new run":
        session.run()
    else:
        session.open(sample_path("swimmer"))
        wait_until(lambda: session.dataset.name == "swimmer.npz")
    assert session.analyses.stability_check.entry is None
    wait_until(lambda: not session.analyses.stability_check._job.is_busy and session.phase is Phase.IDLE)
    session.poll()
    assert all(entry.stability is None for entry in session.runs.entries)


def test_a_mistake_is_told(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("there is no more memory")

    monkeypatch.setattr("gsp_studio.experiments.stability.basis_stability", broken)
    heard = Listener(faces_window.session, "failed")
    run(faces_window)
    ask(faces_window)
    wait_until(lambda: heard["failed"])
    assert heard["failed"][0][0] == "there is no more memory"
    [dialog] = [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()]
    dialog.close()


def test_it_is_saved_with_its_run(make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 6), np.uint8))
    one, path = make_window(), tmp_path / "s.gsps"
    one.session.settings.set_choice(RunSettings().with_params(rank=3, max_iter=8, sparsity=0.4))
    one.session.open(tmp_path / "x.npy")
    wait_until(lambda: one.session.display.shown is not None)
    one.session_menu.store.autosave.start(tmp_path / "beside")
    checked(one)
    one.session.runs.remark(0, Annotations(note="still here"))
    found = one.session.runs.entries[0].stability
    assert found is not None
    assert one.isWindowModified()
    one.session_menu.store.save(path)
    wait_until(lambda: not one.session_menu.store.is_busy)
    [beside] = (tmp_path / "beside").iterdir()
    kept = read_run(beside / "run-000001.h5")
    assert kept.details["stability"]["seeds"] == 5
    assert np.array_equal(kept.arrays["spread"], found.spread)

    two = make_window()
    two.prompts.open(path)
    wait_until(lambda: two.session.runs.entries)
    again = two.session.runs.entries[0].stability
    assert two.session.runs.entries[0].remarks.note == "still here"
    assert again.seeds == 5
    assert np.array_equal(again.cosine, found.cosine)
    assert np.array_equal(again.chance, found.chance)
    assert np.array_equal(again.spread, found.spread)
    assert two.montage.view._spread.isVisible()
    assert "over 5 seeds" in two.montage._caption.text()

    with h5py.File(path, "r+") as file:
        del file["runs/000001/beside/spread"]
    three = make_window()
    three.prompts.open(path)
    wait_until(lambda: three.session.runs.entries)
    wait_until(lambda: [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()])
    [dialog] = [w for w in QApplication.topLevelWidgets() if isinstance(w, ErrorDialog) and w.isVisible()]
    assert "where run 1 differs from seed to seed cannot be read" in dialog.sentence
    dialog.close()
    assert np.array_equal(three.session.runs.entries[0].stability.cosine, found.cosine)
    assert not three.montage.view._spread.isVisible()
    assert "over 5 seeds" in three.montage._caption.text()


def test_stability_of_an_older_session_gets_its_level_of_chance() -> None:
    W, cosine, problems = np.random.default_rng(0).random((24, 7)), np.linspace(0.95, 0.5, 7), []
    told = {"seeds": 5, "cosine": cosine.tolist()}
    run, arrays = SimpleNamespace(result=SimpleNamespace(W=W)), {"spread": np.zeros((24, 7))}
    older = SavedRun(1, run, {"stability": told}, arrays)
    found = _stability_from(older, problems)
    assert problems == []
    assert np.array_equal(found.cosine, cosine)
    np.testing.assert_allclose(found.chance, chance_cosines(W))
    now = replace(older, details={"stability": {**told, "chance": [0.25] * 7}})
    assert np.array_equal(_stability_from(now, problems).chance, [0.25] * 7)
    assert problems == []
    for wrong in ([0.5], ["x"] * 7, None, [math.nan] * 7):
        broken = replace(older, details={"stability": {**told, "chance": wrong}})
        assert _stability_from(broken, problems) is None
    assert len(problems) == 4
