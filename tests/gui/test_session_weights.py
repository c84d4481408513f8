"""Weights in the session: the weighted basis under the slider, beside the plain one, in runs, and undone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handling import Listener, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

import gsp_studio as gs
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.weighting import centre
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.window.main_window import MainWindow

WEIGHTS = centre((19, 19)).ravel()


def test_the_plain_and_the_weighted_basis_come_as_a_pair(faces: Session) -> None:
    heard = Listener(faces, "analyses.pairChanged")
    faces.basis.set_refine(False)  # the pair is projected
    faces.settings.set_sparsity(0.7)
    assert heard["pairChanged"] == []  # nobody looks
    faces.analyses.set_pairing(True)
    wait_until(lambda: heard["pairChanged"])
    plain, weighted = heard["pairChanged"][-1]
    assert weighted is None
    np.testing.assert_allclose(plain.W, faces.display.shown.W, atol=1e-6)
    faces.settings.set_weights(WEIGHTS)
    wait_until(lambda: heard["pairChanged"][-1][1] is not None)
    plain, weighted = heard["pairChanged"][-1]
    expected = gs.group_sparse_projection(faces.basis.pinned.W, 0.7, WEIGHTS).values
    np.testing.assert_allclose(weighted.W, expected, rtol=0, atol=1e-5 * expected.max())
    assert np.mean(hoyer_sparsity(weighted.W, WEIGHTS)) == pytest.approx(0.7, abs=1e-5)
    np.testing.assert_array_equal(plain.order, weighted.order)
    faces.settings.set_sparsity(0.8)
    wait_until(lambda: heard["pairChanged"][-1][1].target == 0.8)
    np.testing.assert_allclose(
        faces.display.shown.W, heard["pairChanged"][-1][0].W, atol=1e-6
    )  # the method is the plain one


def test_the_weighted_method_puts_them_under_the_slider(faces: Session) -> None:
    faces.settings.set_weights(WEIGHTS)
    plain = faces.basis.pinned.sparsity
    faces.settings.set_choice(faces.settings.choice.with_params(method="wsnmf"))
    assert faces.basis.pinned.sparsity == pytest.approx(
        np.mean(hoyer_sparsity(faces.basis.pinned.W, WEIGHTS)), abs=1e-6
    )
    assert faces.basis.pinned.sparsity != pytest.approx(plain, abs=1e-3)
    faces.settings.set_sparsity(0.8)
    wait_until(lambda: faces.display.shown.target == 0.8)
    assert faces.display.shown.attained == pytest.approx(0.8, abs=1e-5)  # the weighted average
    np.testing.assert_allclose(
        faces.display.shown.sparsities, hoyer_sparsity(faces.display.shown.W, WEIGHTS), atol=1e-5
    )
    faces.settings.set_choice(faces.settings.choice.with_params(method="psnmf"))
    assert faces.basis.pinned.weights is None
    assert faces.basis.pinned.sparsity == pytest.approx(plain)


def test_a_weighted_run_repeats_its_weights_and_takes_new_ones(faces: Session) -> None:
    faces.settings.set_weights(WEIGHTS)
    faces.settings.set_choice(faces.settings.choice.with_params(method="wsnmf", max_iter=100_000, tol=0.0))
    faces.run()
    wait_until(lambda: faces.course.records)
    other = WEIGHTS[::-1].copy()
    faces.settings.set_weights(other)
    wait_until(lambda: not faces.live.runner._asked)  # taken
    faces.cancel()
    wait_until(lambda: faces.runs.entries)
    entry = faces.runs.entries[-1]
    np.testing.assert_array_equal(entry.spec.params.weights, WEIGHTS)
    [step] = entry.outcome.interventions
    np.testing.assert_array_equal(step.change.weights, other)
    assert entry.shown.meets_target
    np.testing.assert_allclose(entry.shown.sparsities, hoyer_sparsity(entry.shown.W, other), atol=1e-5)
    assert faces.basis.pinned.weights is not None


def test_without_painted_weights_the_weighted_method_is_the_plain_one(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(method="wsnmf", max_iter=5))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    faces.settings.set_choice(faces.settings.choice.with_params(method="psnmf"))
    faces.run()
    wait_until(lambda: len(faces.runs.entries) == 2)
    weighted, plain = (entry.shown.W for entry in faces.runs.entries)
    np.testing.assert_allclose(weighted, plain, rtol=1e-3, atol=1e-4 * plain.max())


def test_painting_in_the_window_reaches_the_projection_and_is_undone(faces_window: MainWindow, tmp_path: Path) -> None:
    window, session = faces_window, faces_window.session
    window.centre.show_view("Weights")
    wait_until(lambda: window.weights.presets.buttons["image"].isEnabled())  # the mean image has come
    wait_until(lambda: window.weights.presets.buttons["residual"].isEnabled())
    QTest.mouseClick(window.weights.presets.buttons["centre"], Qt.MouseButton.LeftButton)
    wait_until(lambda: session.settings.weights is not None)
    wait_until(lambda: window.weights.pair._bases[1] is not None)
    assert window.model.weights.text() == "Painted"
    assert session.undo.stack.undoText() == "weights"
    session.undo.stack.undo()
    assert session.settings.weights is None
    assert window.weights.weights is None
    assert window.model.weights.text() == "All equal"
    session.undo.stack.redo()
    np.testing.assert_allclose(window.weights.weights, session.settings.weights)
    window.centre.show_view("Basis")
    assert not session.analyses._is_pairing


def test_other_data_have_no_weights(faces: Session) -> None:
    faces.settings.set_weights(WEIGHTS)
    before = faces.dataset
    faces.open(before.source)
    wait_until(lambda: faces.dataset is not before)
    assert faces.settings.weights is None
