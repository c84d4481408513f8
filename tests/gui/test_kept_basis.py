"""A refined basis that is kept: a run of the list, which is repeated, exported and reopened as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handling import Listener, settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

import gsp_studio as gs
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import RunEntry
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.run_json import read_run


def drag(session: Session, *targets: float) -> None:
    """Move the slider over these targets, each of which an iterate meets, and release it at the last."""
    for s in targets:
        session.settings.set_sparsity(s)
        wait_until(lambda s=s: session.display.shown.target == s and session.display.shown.iterations)
        n = session.display.shown.iterations
        wait_until(lambda n=n: session.display.shown.iterations > n or session.display.shown.is_solved)
    session.settings.settle_sparsity()


def is_repeated(session: Session, entry: RunEntry) -> bool:
    start, steering = entry.exported().as_done()
    repeated = gs.factorize(session.dataset.X, start, entry.spec.backend, steering=steering)
    result = entry.outcome.result
    return np.array_equal(repeated.W, result.W) and np.array_equal(repeated.H, result.H)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refinements come to no rest by themselves."""
    monkeypatch.setattr(compute, "REFINING_ITERATIONS", 10**6)
    monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)


def test_what_has_come_to_rest(faces: Session) -> None:
    before = faces.settings.params
    drag(faces, 0.8)
    wait_until(lambda: faces.display.shown.is_solved)
    solved = faces.display.shown
    assert faces.refined.is_there
    heard = Listener(faces, "logged", "failed")
    faces.refined.keep()
    [entry] = faces.runs.entries
    assert faces.runs.index == 0
    np.testing.assert_array_equal(faces.display.shown.W, solved.W)
    np.testing.assert_array_equal(faces.display.shown.order, solved.order)
    assert faces.display.shown.error == solved.error
    assert entry.label == "GSP-HALS, rank 9, s = 0.800, refined"
    assert faces.basis.pinned is entry.pinned
    assert faces.settings.params.sparsity == 0.8
    assert faces.settings.params.max_iter == before.max_iter
    assert not faces.refined.is_there, "it is there already"
    assert heard["failed"] == []
    assert heard["logged"][0].startswith("Run 1 ")
    assert is_repeated(faces, entry)


@pytest.mark.usefixtures("slow")
def test_steered_and_still_going_on(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    drag(faces, 0.88, 0.9, 0.89)
    assert faces.basis.is_refining
    faces.refined.keep()
    assert not faces.basis.is_refining
    entry = faces.runs.entries[1]
    assert entry.origin == (1, 0)
    assert entry.label.endswith("s = 0.890, from run 1")
    assert [step.text for step in entry.outcome.interventions] == ["s 0.880 → 0.900", "s 0.900 → 0.890"]
    assert len(entry.records) == entry.outcome.result.n_iter
    assert is_repeated(faces, entry)
    faces.control.branch(3, 0.7)
    wait_until(lambda: len(faces.course.records) > 40)
    faces.cancel()
    wait_until(lambda: len(faces.runs.entries) == 3)
    assert faces.runs.entries[2].shown.attained == pytest.approx(0.7, abs=1e-3)


@pytest.mark.usefixtures("slow")
def test_its_files_have_its_start_once_and_give_it_again(faces: Session, tmp_path: Path) -> None:
    drag(faces, 0.75, 0.8, 0.85)
    faces.refined.keep()
    [entry] = faces.runs.entries
    faces.exports.export(tmp_path / "out", entry)
    wait_until(lambda: (tmp_path / "out" / "run.json").exists())
    with np.load(tmp_path / "out" / "inputs.npz") as inputs:
        assert sorted(inputs) == ["start_init_0", "start_init_1"]
    start, steering = read_run(tmp_path / "out" / "run.json").as_done()
    assert len(steering) == 2
    again = gs.factorize(faces.dataset.X, start, steering=steering)
    np.testing.assert_array_equal(again.W, entry.shown.W)
    np.testing.assert_array_equal(again.H, entry.shown.H)


@pytest.mark.usefixtures("slow")
def test_from_the_key_to_a_reopened_file(faces_window: MainWindow, tmp_path: Path) -> None:
    window, session = faces_window, faces_window.session
    keep = window.actions_by_name["keep"]
    assert not keep.isEnabled()
    drag(session, 0.8, 0.85)
    assert keep.isEnabled()
    window.montage.view.setFocus()
    QTest.keyClick(window.montage.view, Qt.Key.Key_K)
    [entry] = session.runs.entries
    assert not keep.isEnabled()
    window.prompts.copy("python")
    compile(QApplication.clipboard().text(), "copied", "exec")
    store, saved = window.session_menu.store, Listener(window.session_menu.store, "saved", "failed")
    store.save(tmp_path / "kept.gsps")
    wait_until(lambda: saved["saved"] or saved["failed"])
    assert not saved["failed"]
    window.session_menu.open(tmp_path / "kept.gsps")
    wait_until(lambda: session.runs.entries and session.runs.entries[0] is not entry)
    settle()
    [reopened] = session.runs.entries
    assert reopened.label == entry.label
    np.testing.assert_array_equal(reopened.shown.W, entry.shown.W)
    assert is_repeated(session, reopened)


def test_nothing_to_keep(faces: Session) -> None:
    assert not faces.refined.is_there
    faces.refined.keep()
    faces.basis.set_refine(False)
    faces.settings.set_sparsity(0.9)
    assert not faces.refined.is_there, "a projection is no run"
    faces.refined.keep()
    assert faces.runs.entries == ()
