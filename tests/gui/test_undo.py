"""Undo and redo: each drag, click and view setting is one step, and comes back whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handling import open_faces, settle, tile_centre, wait_until
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

import gsp_studio as gs
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase, View
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


def test_a_drag_is_one_step(faces: Session) -> None:
    stack = faces.undo.stack
    start = faces.settings.params.sparsity
    for s in np.linspace(0.5, 0.9, 30):
        faces.settings.set_sparsity(float(s))
    assert stack.count() == 0  # the hand is still on it
    faces.settings.settle_sparsity()
    faces.settings.settle_sparsity()
    assert stack.count() == 1
    faces.settings.set_sparsity(0.6)
    faces.settings.settle_sparsity()
    stack.undo()
    assert faces.settings.params.sparsity == pytest.approx(0.9)
    assert faces.display.shown.target == pytest.approx(0.9)
    stack.undo()
    assert faces.settings.params.sparsity == start
    assert not stack.canUndo()
    stack.redo()
    stack.redo()
    assert faces.settings.params.sparsity == pytest.approx(0.6)
    assert faces.display.shown.target == pytest.approx(0.6)
    assert stack.count() == 2  # undoing makes no steps of its own


def test_every_kind_of_setting_comes_back(faces: Session) -> None:
    faces.settings.set_sparsity(0.7)
    faces.settings.settle_sparsity()
    faces.settings.set_sparsity_h(0.5)
    faces.settings.settle_sparsity()
    faces.slider.toggle_locked(2)
    faces.display.select(3)
    faces.display.mark((3, 5, 1))
    faces.display.set_view(View("shared", "magma", True))
    texts = [faces.undo.stack.text(k) for k in range(faces.undo.stack.count())]
    assert texts == ["sparsity", "sparsity", "locked basis images", "selection", "selection", "view"]
    locked = faces.basis.locked
    states = []
    while faces.undo.stack.canUndo():
        faces.undo.stack.undo()
        states.append(
            (
                faces.settings.params.sparsity,
                faces.settings.params.sparsity_h,
                len(faces.basis.locked),
                faces.display.marked,
                faces.display.view,
            )
        )
    assert [state[4] for state in states] == [View()] * 6
    assert [state[3] for state in states] == [(3, 5, 1), (3,), (), (), (), ()]
    assert [state[2] for state in states] == [1, 1, 1, 0, 0, 0]
    assert [state[1] for state in states] == [0.5, 0.5, 0.5, 0.5, None, None]
    while faces.undo.stack.canRedo():
        faces.undo.stack.redo()
    assert faces.basis.locked == locked
    assert faces.display.marked == (3, 5, 1)
    assert faces.display.selected == 1
    assert faces.display.view == View("shared", "magma", True)


def at_rest(session: Session) -> bool:
    basis = session.basis
    waits = basis._rest_timer.isActive() or session.warm_fit.is_coming or basis.is_refining or basis._projection.is_busy
    return session.phase is Phase.IDLE and not waits


def rest(session: Session) -> None:
    wait_until(lambda: at_rest(session))
    settle()
    wait_until(lambda: at_rest(session))


def state(session: Session) -> dict[str, Any]:
    """All that a user sees, down to the last bit of the basis."""
    shown, runs = session.display.shown, session.runs
    return {
        "W": shown.W.tobytes(),
        "H": shown.H.tobytes(),
        "order": shown.order.tolist(),
        "errors": (shown.error, repr(shown.projected), repr(shown.baseline), shown.iterations, shown.is_solved),
        "unprojected": session.basis.pinned.W.tobytes(),
        "locked": dict(session.basis.locked),
        "choice": session.settings.choice,
        "weights": None if session.settings.weights is None else session.settings.weights.tobytes(),
        "selected": session.display.marked,
        "view": session.display.view,
        "run": 0 if runs.current is None else runs.current.number,
        "remarks": {entry.number: entry.remarks for entry in runs.entries},
        "curves": len(session.course.records),
        "can be kept": session.refined.is_there,
    }


class Hand:
    """Actions of a user; each leaves the session at rest."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.draw = session, np.random.default_rng(seed)

    def drag(self) -> None:
        for s in self.draw.uniform(0.5, 0.97, 4):
            self.session.settings.set_sparsity(round(float(s), 3))
        self.session.settings.settle_sparsity()

    def drag_coefficients(self) -> None:
        self.session.settings.set_sparsity_h(float(self.draw.choice([0.0, 0.3, 0.5])))
        self.session.settings.settle_sparsity()

    def lock(self) -> None:
        self.session.slider.toggle_locked(int(self.draw.integers(4)))

    def select(self) -> None:
        self.session.display.mark(tuple(map(int, self.draw.permutation(4)[:2])))

    def look(self) -> None:
        self.session.display.set_view(View(str(self.draw.choice(["tile", "shared"]))))

    def paint(self) -> None:
        self.session.settings.set_weights(self.draw.uniform(0.5, 2.0, len(self.session.dataset.X)))
        self.session.settings.settle_weights()

    def change_settings(self) -> None:
        method, rank = str(self.draw.choice(["gsphals", "wgsphals", "psnmf"])), int(self.draw.choice([4, 6]))
        self.session.settings.set_choice(self.session.settings.choice.with_params(method=method, rank=rank, max_iter=3))

    def run(self) -> None:
        count = len(self.session.runs.entries)
        self.session.run()
        wait_until(lambda: len(self.session.runs.entries) > count)

    def show_run(self) -> None:
        if self.session.runs.entries:
            self.session.control.show(int(self.draw.integers(len(self.session.runs.entries))))

    def keep(self) -> None:
        self.session.refined.keep()

    def judge(self) -> None:
        self.session.runs.judge(self.session.display.marked, bool(self.draw.integers(2)))

    def remark(self) -> None:
        runs = self.session.runs
        if runs.current is not None:
            changes: dict[str, Any] = {str(self.draw.choice(["name", "note"])): f"{self.draw.integers(9)}"}
            runs.remark(runs.index, replace(runs.current.remarks, **changes))

    def delete(self) -> None:
        if self.session.runs.entries:
            self.session.control.delete(int(self.draw.integers(len(self.session.runs.entries))))

    def sort(self) -> None:
        self.session.slider.sort_tiles(str(self.draw.choice(["sparsities", "energies"])))


ACTIONS = [name for name in vars(Hand) if not name.startswith("_")]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_done_undone_step_by_step_ends_where_it_began(faces: Session, seed: int) -> None:
    hand, stack = Hand(faces, seed), faces.undo.stack
    faces.settings.set_choice(faces.settings.choice.with_params(rank=6, max_iter=3))
    rest(faces)
    stack.clear()
    states, done = [state(faces)], []
    for name in [*hand.draw.permutation(ACTIONS), *hand.draw.choice(ACTIONS, 4)]:
        getattr(hand, str(name))()
        rest(faces)
        assert stack.index() in (len(states) - 1, len(states)), f"{name} is one step, or none"
        if stack.index() == len(states):
            done.append(str(name))
            states.append(state(faces))
        states[-1] = state(faces)  # released where it was, the slider may have found more there
    known = {entry.number for entry in faces.runs.entries}
    for back, name in zip(reversed(states[:-1]), reversed(done), strict=True):
        stack.undo()
        rest(faces)
        same(state(faces), back, f"before {name} of {done}")
    assert not stack.canUndo()
    for there, name in zip(states[1:], done, strict=True):
        stack.redo()
        rest(faces)
        same(state(faces), there, f"after {name} of {done}")
    assert {entry.number for entry in faces.runs.entries} == known, "no run is dropped"


def same(now: dict[str, Any], then: dict[str, Any], when: str) -> None:
    of_now = {number: remarks for number, remarks in now["remarks"].items() if number in then["remarks"]}
    differ = [name for name, value in {**now, "remarks": of_now}.items() if value != then[name]]
    assert not differ, f"{differ} differ {when}"


def test_undo_of_a_refined_basis_can_be_kept_and_repeats(faces: Session) -> None:
    faces.settings.set_sparsity(0.9)
    faces.settings.settle_sparsity()
    rest(faces)
    found = faces.display.shown
    faces.settings.set_sparsity(0.6)
    faces.settings.settle_sparsity()
    rest(faces)
    faces.undo.stack.undo()
    assert faces.display.shown is found
    faces.refined.keep()
    [entry] = faces.runs.entries
    np.testing.assert_array_equal(entry.outcome.result.W, found.W)
    repeated = gs.factorize(faces.dataset.X, replace(entry.spec.params, max_iter=entry.outcome.result.n_iter))
    np.testing.assert_array_equal(repeated.W, found.W)


def test_undo_while_it_refines_goes_on_from_there(faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)
    monkeypatch.setattr(compute, "REFINING_ITERATIONS", 10**6)
    faces.settings.set_sparsity(0.9)
    faces.settings.settle_sparsity()
    wait_until(lambda: faces.display.shown.iterations > 3)
    error = faces.display.shown.error
    faces.display.select(1)
    faces.settings.set_sparsity(0.5)
    faces.settings.settle_sparsity()
    faces.undo.stack.undo()
    assert faces.display.shown.target == 0.9
    assert faces.display.shown.error <= error * (1 + 1e-6)
    wait_until(lambda: faces.basis.is_refining)
    faces.cancel()


def test_a_run_that_was_steered_is_undone_at_once(faces: Session) -> None:
    rest(faces)
    before = state(faces)
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
    after_settings = state(faces)
    faces.run()
    wait_until(lambda: len(faces.course.records) > 2)
    faces.settings.set_sparsity(0.6)
    faces.settings.settle_sparsity()
    faces.undo.stack.undo()  # steers it
    assert faces.settings.params.sparsity == before["choice"].params.sparsity
    faces.undo.stack.redo()
    faces.cancel()
    wait_until(lambda: faces.runs.entries)
    faces.undo.stack.undo()
    rest(faces)
    same(state(faces), after_settings, "before the run")


def test_old_bases_are_projected_again_where_no_room_is_left(faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    rest(faces)
    first = faces.display.shown
    monkeypatch.setattr("gsp_studio.gui.session.undo.MOST_BYTES", 0)
    for s in (0.9, 0.6):
        faces.settings.set_sparsity(s)
        faces.settings.settle_sparsity()
        rest(faces)
    faces.undo.stack.undo()
    faces.undo.stack.undo()
    rest(faces)
    assert faces.display.shown is not first
    assert faces.display.shown.target == first.target
    assert faces.display.shown.error <= first.error


def test_other_data_end_it(faces: Session) -> None:
    faces.display.select(1)
    assert faces.undo.stack.canUndo()
    before = faces.dataset
    open_faces(faces)
    wait_until(lambda: faces.dataset is not before)
    assert not faces.undo.stack.canUndo()


def test_the_window_undoes_a_real_drag(faces_window: MainWindow, tmp_path: Path) -> None:
    window, session = faces_window, faces_window.session
    slider = window.sparsity.slider
    before = session.settings.params.sparsity
    y = slider.handle_position().toPoint().y()
    QTest.mousePress(slider, LEFT, pos=slider.handle_position().toPoint())
    for x in range(100, slider.width() - 60, 7):
        QTest.mouseMove(slider, QPoint(x, y))
    QTest.mouseRelease(slider, LEFT, pos=QPoint(slider.width() - 60, y))
    settle()
    after = session.settings.params.sparsity
    assert after != before
    (undo,) = [a for a in window.menus.actions if QKeySequence(QKeySequence.StandardKey.Undo) in a.shortcuts()]
    assert "sparsity" in undo.text()
    undo.trigger()
    assert window.sparsity.number.value() == pytest.approx(before)
    (redo,) = [a for a in window.menus.actions if "edo" in a.text()]
    redo.trigger()
    assert window.sparsity.slider.value() == pytest.approx(after)
    assert not redo.isEnabled()


def test_view_settings_are_shown_in_the_menu(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    window.view_menu.shared.trigger()
    assert session.display.view.contrast == "shared"
    window.view_menu.colours["viridis"].trigger()
    session.undo.stack.undo()
    session.undo.stack.undo()
    assert session.display.view == View()
    assert not window.view_menu.shared.isChecked()
    assert window.view_menu.colours["grey"].isChecked()
    assert window.view_menu.contrasts["tile"].isChecked()


def test_ctrl_adds_to_the_selection_and_shift_takes_all_between(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    view, order = window.montage.view, [int(k) for k in session.display.shown.order]

    def click(tile: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.mouseClick(view.viewport(), LEFT, keys, tile_centre(view, tile).toPoint())

    click(1)
    click(4, Qt.KeyboardModifier.ControlModifier)
    assert session.display.marked == (order[1], order[4])
    click(6, Qt.KeyboardModifier.ShiftModifier)
    assert session.display.marked == (order[1], order[4], order[5], order[6])
    click(4, Qt.KeyboardModifier.ControlModifier)
    assert session.display.marked == (order[1], order[5], order[6])
    click(2)
    assert session.display.marked == (order[2],)
