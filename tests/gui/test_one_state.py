"""One state: what the views say of the basis on the screen, and what is written of it, is the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, open_faces, press_when_asked, settle, tile_centre, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.weighting import centre
from gsp_studio.gui.dialogs.export import ExportDialog
from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.texts import percent
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.export.options import ExportOptions

WEIGHTS = centre((19, 19)).ravel()


def run_to_end(session: Session, **changes: object) -> None:
    """Run with these parameters and wait for its result."""
    session.settings.set_choice(session.settings.choice.with_params(max_iter=12, **changes))
    count = len(session.runs.entries)
    session.run()
    wait_until(lambda: len(session.runs.entries) > count and session.phase.name == "IDLE")


def refine_at(session: Session, s: float) -> None:
    """Move the slider to s, let it go, and wait until the basis has come to rest."""
    session.settings.set_sparsity(s)
    session.settings.settle_sparsity()
    wait_until(lambda: session.display.shown.target == s and session.display.shown.is_solved)


def recomputed(session: Session, W: np.ndarray, H: np.ndarray) -> float:
    X = np.asarray(session.dataset.X, np.float64)
    return float(np.linalg.norm(X - W.astype(float) @ H.astype(float)) / np.linalg.norm(X))


def numbers_of(window: MainWindow) -> dict[str, str]:
    """The first error that each view shows."""
    window.centre.show_view("Path")
    settle()
    path = window.arrangement.panel(PathPanel)
    found = {
        "slider": window.sparsity._read_out.text(),
        "path": path._words.text().split("·", 1)[1],
        "chip": next(line for line in window.chip.toolTip().splitlines() if "%" in line),
    }
    return {name: re.findall(r"\d+\.\d+ %", text)[0] for name, text in found.items()}


@pytest.mark.parametrize("how", ["drag", "refined", "run", "another method", "undo"])
def test_all_views_and_the_factors_have_one_error(faces_window: MainWindow, how: str) -> None:
    window, session = faces_window, faces_window.session
    wait_until(lambda: not session.warm_fit.is_coming)
    if how == "drag":
        session.basis.set_refine(False)
        session.settings.set_sparsity(0.72)
    elif how == "refined":
        refine_at(session, 0.7)
    elif how == "run":
        run_to_end(session)
    elif how == "another method":
        run_to_end(session)
        run_to_end(session, method="wsnmf", sparsity=0.6)
    else:
        run_to_end(session)
        refine_at(session, 0.8)
        session.undo.stack.undo()
    settle()
    wait_until(lambda: window.arrangement.panel(PathPanel)._path is not None)
    shown = session.display.shown
    assert set(numbers_of(window).values()) == {percent(shown.error)}
    assert shown.error == pytest.approx(recomputed(session, shown.W, shown.H), abs=2e-5)
    entry = session.runs.current
    if entry is not None and how != "drag":
        assert shown is entry.shown or how == "undo"
        assert entry.shown.error == pytest.approx(entry.outcome.result.error)


@pytest.mark.parametrize("parent", ["a run", "no run"])
def test_a_refined_basis_is_on_the_screen_again_when_its_session_is(
    make_window: Callable[[], MainWindow], tmp_path: Path, parent: str
) -> None:
    window = make_window()
    session = window.session
    open_faces(session)
    if parent == "a run":
        run_to_end(session, sparsity=0.6)
    refine_at(session, 0.75)
    before = session.display.shown
    heard = Listener(window.session_menu.store, "saved", "failed")
    window.session_menu.write(tmp_path / "it.gsps")
    wait_until(lambda: heard["saved"] or heard["failed"])
    other = make_window()
    opened = Listener(other.session_menu.store, "opened", "failed")
    other.session_menu.open(tmp_path / "it.gsps")
    wait_until(lambda: opened["opened"] or opened["failed"])
    settle()
    shown = other.session.display.shown
    np.testing.assert_array_equal(shown.W, before.W)
    np.testing.assert_array_equal(shown.H, before.H)
    np.testing.assert_array_equal(shown.order, before.order)
    assert shown.error == before.error
    assert other.session.settings.params.sparsity == 0.75
    if parent == "a run":
        assert other.sparsity._read_out.text() == window.sparsity._read_out.text()
    else:  # the short fit is not kept: the refined basis is what the slider projects from now on
        assert "a refined basis" in other.sparsity._pinned_text.text()
    assert len(other.session.runs.entries) == len(session.runs.entries)
    assert other.session.refined.is_there


def export_dialog() -> ExportDialog:
    [dialog] = [w for w in QApplication.topLevelWidgets() if isinstance(w, ExportDialog) and w.isVisible()]
    return dialog


def test_a_refined_basis_is_exported_as_itself(faces_window: MainWindow, tmp_path: Path) -> None:
    window, session = faces_window, faces_window.session
    run_to_end(session, sparsity=0.6)
    refine_at(session, 0.75)
    refine_at(session, 0.8)
    shown = session.display.shown
    QTest.keyClick(window, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    dialog = export_dialog()
    assert dialog.folder.text().endswith("-run1-s0.8000")
    dialog.folder.setText(str(tmp_path / "out"))
    heard = Listener(session, "exports.exported", "failed")
    dialog.export.click()
    wait_until(lambda: heard["exported"] or heard["failed"])
    assert heard["failed"] == []
    factors = np.load(tmp_path / "out" / "factors.npz")
    np.testing.assert_array_equal(factors["W"], shown.W)
    assert recomputed(session, factors["W"], factors["H"]) == pytest.approx(shown.error, abs=2e-5)
    assert float(np.mean(hoyer_sparsity(factors["W"]))) == pytest.approx(0.8, abs=1e-4)
    remarks = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))["remarks"]
    assert remarks["note"].startswith("Refined from run 1: s ")
    assert remarks["note"].endswith("0.8000")
    assert len(session.runs.entries) == 1  # it is in no list
    asked = press_when_asked("Cancel")
    session.exports.export(tmp_path / "out", session.runs.at(0), ExportOptions(basis=False))
    wait_until(lambda: asked)  # another run does not take its place without a question
    assert asked[0].startswith("Replace the run in out?")
    wait_until(lambda: not session.exports.is_going)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "factors.npz")["W"], shown.W)


def test_a_projection_is_said_to_be_no_run(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    run_to_end(session, sparsity=0.6)
    session.basis.set_refine(False)
    session.settings.set_sparsity(0.7)
    settle()
    window.prompts.export()
    dialog = export_dialog()
    assert "projection of Run 1 to s = 0.7000, which is no run" in dialog._note.text()
    dialog.reject()


def test_an_export_can_be_cancelled_and_leaves_nothing(faces: Session, tmp_path: Path) -> None:
    run_to_end(faces)
    heard = Listener(faces, "exports.exported", "failed", "logged")
    faces.exports.export(tmp_path / "out", faces.runs.at(0))
    assert faces.can_cancel
    faces.cancel()
    wait_until(lambda: not faces.exports.is_going)
    assert heard["exported"] == []
    assert heard["failed"] == []
    assert "The export of Run 1 was cancelled; nothing of it is left." in heard["logged"]
    assert not (tmp_path / "out").exists()


class TestWeights:
    """Weights belong to a run, and to data."""

    def test_a_run_brought_back_has_its_weights(self, faces: Session) -> None:
        faces.settings.set_weights(WEIGHTS)
        run_to_end(faces, method="wsnmf", sparsity=0.6)
        weighted = faces.runs.at(0)
        assert weighted.shown.is_weighted
        faces.settings.set_weights(None)
        run_to_end(faces, method="psnmf")
        faces.control.show(0)
        np.testing.assert_array_equal(faces.settings.weights, WEIGHTS)
        assert faces.display.shown is weighted.shown
        run_to_end(faces)  # of the same settings: the same result
        np.testing.assert_array_equal(faces.runs.at(2).shown.W, weighted.shown.W)
        faces.undo.stack.undo()
        np.testing.assert_array_equal(faces.settings.weights, WEIGHTS)

    def test_other_data_have_equal_weights_and_free_coefficients(self, faces_window: MainWindow) -> None:
        window, session = faces_window, faces_window.session
        session.settings.set_weights(WEIGHTS)
        session.settings.set_sparsity_h(0.4)
        assert window.model.weights.text() == "Painted"
        before = session.dataset
        open_faces(session)
        wait_until(lambda: session.dataset is not before)
        assert session.settings.weights is None
        assert session.settings.params.sparsity_h is None
        assert window.model.weights.text() == "All equal"


def test_the_order_is_called_by_energy_where_it_is(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    run_to_end(session)
    shown = session.display.shown
    assert (np.diff(shown.energies[shown.order]) <= 0).all()
    assert "by energy" in window.montage._caption.text()
    session.display.show(replace(shown, order=shown.order[::-1].copy()))
    assert "by energy" not in window.montage._caption.text()
    assert "tiles keep their places" in window.montage._caption.text()


def test_the_line_about_the_pixel_under_a_pointer_at_rest_follows_the_basis(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    view = window.montage.view
    QTest.mouseMove(view.viewport(), tile_centre(view, 2).toPoint())
    line = window.montage._under_pointer
    assert line.text().startswith(f"basis {session.display.shown.order[2] + 1} ")
    before = line.text()
    session.basis.set_refine(False)
    session.settings.set_sparsity(0.9)
    basis = session.display.shown.order[2]
    assert line.text() != before
    assert f"sparsity {session.display.shown.sparsities[basis]:.3f}" in line.text()


def test_energy_is_the_share_of_squares(faces: Session) -> None:
    shown = faces.display.shown
    squares = np.sum(shown.W.astype(float) ** 2, axis=0) * np.sum(shown.H.astype(float) ** 2, axis=1)
    np.testing.assert_allclose(shown.energies, squares / squares.sum(), rtol=1e-4)
