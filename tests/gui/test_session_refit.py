"""Session without panels: what happens when the slider rests, and the path of the pinned basis."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handling import Listener, open_faces, settle, wait_until

import gsp_studio as gs
from gsp_studio.core.knee import knee
from gsp_studio.gui.jobs import compute
from gsp_studio.gui.jobs.path_scan import COUNT
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase


def true_error(session: Session, W: np.ndarray, H: np.ndarray) -> float:
    X = session.dataset.X.astype(np.float64)
    return float(np.linalg.norm(X - W.astype(np.float64) @ H) / np.linalg.norm(X))


def release_at(session: Session, s: float) -> None:
    """Drag to s and release; the refit has come."""
    session.settings.set_sparsity(s)
    before = session.display.shown
    session.settings.settle_sparsity()
    wait_until(lambda: session.display.shown is not before)


def nothing_comes(session: Session) -> bool:
    """Whether nothing is under way, after time enough for something to begin."""
    heard = Listener(session, "display.shownChanged", "basis.pinnedChanged")
    wait_until(lambda: not session.basis._rest_timer.isActive())
    settle()
    return not session.basis.is_refitting and heard.is_silent


@pytest.fixture
def slow(faces: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose refits of coefficients end only when nobody wants them any more."""

    def refitted(X: Any, pinned: Any, shown: Any, is_unwanted: Any) -> Any:
        while not is_unwanted():
            time.sleep(0.001)
        return replace(shown, error=-1.0)  # an answer that must never be seen

    monkeypatch.setattr(compute, "refitted", refitted)
    return faces


class TestCoefficients:
    """At a sparser target: the basis stays, its coefficients are fitted to it."""

    @pytest.mark.parametrize("s", [0.7, 0.9, 0.99])
    def test_error_is_lower_and_true(self, faces: Session, s: float) -> None:
        faces.settings.set_sparsity(s)
        projected = faces.display.shown
        faces.settings.settle_sparsity()
        wait_until(lambda: faces.display.shown is not projected)
        refit = faces.display.shown
        assert refit.W is projected.W
        assert refit.error < projected.error
        assert refit.error == pytest.approx(true_error(faces, refit.W, refit.H), rel=1e-4)
        assert refit.before_refit == projected.error
        assert math.isnan(projected.before_refit)
        assert (refit.target, refit.baseline) == (s, faces.basis.pinned.error)
        np.testing.assert_array_equal(refit.order, projected.order)
        norms = np.linalg.norm(refit.W, axis=0) * np.linalg.norm(refit.H, axis=1)
        np.testing.assert_allclose(refit.energies, norms / norms.sum(), rtol=1e-3, atol=1e-6)

    def test_coefficients_are_the_best_ones(self, faces: Session) -> None:
        from scipy.optimize import nnls

        release_at(faces, 0.9)
        W = faces.display.shown.W.astype(float)
        for j in (0, 700, 1999):
            _, best = nnls(W, faces.dataset.X[:, j].astype(float))
            left = np.linalg.norm(faces.dataset.X[:, j] - W @ faces.display.shown.H[:, j])
            assert left == pytest.approx(best, rel=1e-2)

    def test_pinned_basis_and_its_coefficients_stay(self, faces: Session) -> None:
        pinned = faces.basis.pinned
        H = pinned.H.copy()
        release_at(faces, 0.9)
        assert faces.basis.pinned is pinned
        np.testing.assert_array_equal(pinned.H, H)
        faces.settings.set_sparsity(0.95)
        assert math.isnan(faces.display.shown.before_refit), "another projection has the pinned basis's coefficients"
        assert faces.display.shown.H is pinned.H

    def test_steps_and_reset_bring_it_too(self, faces: Session) -> None:
        faces.settings.step_sparsity(0.01)
        wait_until(lambda: not math.isnan(faces.display.shown.before_refit))
        faces.slider.reset_sparsity()
        wait_until(lambda: not math.isnan(faces.display.shown.before_refit))
        np.testing.assert_array_equal(faces.display.shown.W, faces.basis.pinned.W)

    def test_letting_go_twice_refits_once(self, faces: Session) -> None:
        release_at(faces, 0.9)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)

    def test_without_it_nothing_happens(self, faces: Session) -> None:
        heard = Listener(faces, "basis.autoRefitChanged")
        faces.basis.set_auto_refit(False)
        faces.settings.set_sparsity(0.9)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)
        faces.basis.set_auto_refit(True)  # what is shown is refitted then
        wait_until(lambda: not math.isnan(faces.display.shown.before_refit))
        assert heard["autoRefitChanged"] == [False, True]

    def test_nothing_to_refit(self, session: Session) -> None:
        session.settings.settle_sparsity()
        assert nothing_comes(session)

    def test_what_a_run_fitted_needs_none(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=5))
        faces.run()
        wait_until(lambda: faces.runs.entries)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)
        assert faces.display.shown is faces.runs.entries[0].shown

    def test_large_basis_waits_for_its_projection(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gsp_studio.gui.session.projection.SAME_EVENT", 100)
        faces.settings.set_sparsity(0.9)
        faces.settings.settle_sparsity()
        wait_until(lambda: not math.isnan(faces.display.shown.before_refit))
        assert faces.display.shown.target == 0.9

    def test_failure_is_told(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*arguments: object) -> None:
            raise FloatingPointError("the numbers ran out")

        monkeypatch.setattr(compute, "refitted", broken)
        heard = Listener(faces, "failed")
        faces.settings.set_sparsity(0.9)
        shown = faces.display.shown
        faces.settings.settle_sparsity()
        wait_until(lambda: heard["failed"])
        assert heard["failed"][0][0] == "the numbers ran out"
        assert faces.display.shown is shown


class TestStale:
    """A refit that nobody waits for any more is never shown."""

    @pytest.fixture
    def refitting(self, slow: Session) -> Session:
        slow.settings.set_sparsity(0.9)
        slow.settings.settle_sparsity()
        wait_until(lambda: slow.basis.is_refitting)
        return slow

    def ends(self, session: Session) -> None:
        """It has ended unseen."""
        wait_until(lambda: not session.basis._refit._coefficients.is_busy)
        session.poll()
        settle()
        assert session.display.shown is None or session.display.shown.error >= 0

    def test_after_a_move(self, refitting: Session) -> None:
        refitting.settings.set_sparsity(0.8)
        assert not refitting.basis.is_refitting
        self.ends(refitting)
        assert refitting.display.shown.target == 0.8

    def test_after_another_data_set(self, refitting: Session) -> None:
        refitting.set_dataset(refitting.dataset)
        self.ends(refitting)

    def test_after_a_run_was_started(self, refitting: Session) -> None:
        refitting.settings.set_choice(refitting.settings.choice.with_params(max_iter=5))
        refitting.run()
        self.ends(refitting)
        wait_until(lambda: refitting.runs.entries)
        self.ends(refitting)

    def test_after_another_basis(self, refitting: Session) -> None:
        pinned = refitting.basis.pinned
        refitting.settings.set_choice(refitting.settings.choice.with_params(seed=4))
        wait_until(lambda: refitting.basis.pinned is not pinned)
        self.ends(refitting)

    def test_after_cancel(self, refitting: Session) -> None:
        heard = Listener(refitting, "activity.changed", "logged")
        assert refitting.can_cancel
        wait_until(lambda: heard["changed"] == ["refitting"])
        refitting.cancel()
        assert not refitting.can_cancel
        assert heard["changed"][-1] == ""
        assert heard["logged"] == ["Refitting cancelled."]
        self.ends(refitting)

    def test_closing_ends_it(self, refitting: Session) -> None:
        assert refitting.close()

    def test_a_run_steered_is_not_refitted(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
        faces.run()
        wait_until(lambda: len(faces.course.records) > 3)
        faces.settings.set_sparsity(0.7)
        faces.settings.settle_sparsity()
        wait_until(lambda: not faces.basis._rest_timer.isActive())
        settle()
        assert not faces.basis.is_refitting
        faces.cancel()
        wait_until(lambda: faces.phase is Phase.IDLE)


class TestDenser:
    """Below the pinned basis's own sparsity: a short fit of both factors."""

    @pytest.fixture
    def sparse(self, faces: Session) -> Session:
        """After a run at 0.85, whose basis cannot be projected to less than about 0.79."""
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=25))
        faces.run()
        wait_until(lambda: faces.runs.entries)
        return faces

    def test_denser_becomes_attainable(self, sparse: Session) -> None:
        before, order = sparse.basis.pinned, sparse.display.shown.order
        s = before.sparsity - 0.1
        sparse.settings.set_sparsity(s)
        assert sparse.display.shown.attained > s + 0.09, "without a refit the basis stays as it is"
        error = sparse.display.shown.error
        heard = Listener(sparse, "activity.changed", "basis.pinnedChanged", "failed")
        sparse.settings.settle_sparsity()
        wait_until(lambda: sparse.basis.pinned is not before)
        assert sparse.basis.pinned.sparsity < before.sparsity
        assert sparse.display.shown.attained == pytest.approx(s, abs=2e-3)
        assert sparse.display.shown.meets_target
        assert sparse.display.shown.error < error
        assert sparse.display.shown.error == pytest.approx(
            true_error(sparse, sparse.display.shown.W, sparse.basis.pinned.H), rel=1e-4
        )
        np.testing.assert_array_equal(sparse.display.shown.order, order)
        assert heard["failed"] == []
        assert heard["changed"] == ["refitting", ""]
        assert "a refit at s = " in sparse.basis.pinned.origin
        assert sparse.runs.index == -1, "what is pinned is no run of the list"
        # The slider goes on from there, in both directions.
        sparse.settings.set_sparsity(0.9)
        np.testing.assert_allclose(
            sparse.display.shown.W,
            gs.group_sparse_projection(sparse.basis.pinned.W, 0.9).values,
            atol=1e-6 * sparse.display.shown.W.max(),
        )

    def test_the_runs_own_basis_comes_back(self, sparse: Session) -> None:
        before = sparse.basis.pinned
        sparse.settings.set_sparsity(0.5)
        sparse.settings.settle_sparsity()
        wait_until(lambda: sparse.basis.pinned is not before)
        sparse.control.show(0)
        assert sparse.basis.pinned is before

    def test_move_drops_it(self, sparse: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "DENSER_ITERATIONS", 10**6)
        before = sparse.basis.pinned
        sparse.settings.set_sparsity(0.5)
        sparse.settings.settle_sparsity()
        wait_until(lambda: sparse.basis.is_refitting)
        wait_until(lambda: sparse.activity.text == "refitting")
        sparse.settings.set_sparsity(0.9)
        wait_until(lambda: not sparse.basis._refit._both._job.is_busy)
        assert sparse.basis.pinned is before
        assert sparse.activity.text == ""
        assert sparse.display.shown.target == 0.9

    def test_cancel_drops_it(self, sparse: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "DENSER_ITERATIONS", 10**6)
        before = sparse.basis.pinned
        sparse.settings.set_sparsity(0.5)
        sparse.settings.settle_sparsity()
        wait_until(lambda: sparse.basis.is_refitting)
        sparse.cancel()
        assert sparse.phase is Phase.IDLE
        wait_until(lambda: not sparse.basis._refit._both._job.is_busy)
        assert sparse.basis.pinned is before

    def test_rounding_of_the_slider_is_not_denser(self, faces: Session) -> None:
        assert faces.basis.pinned.reaches(math.floor(faces.basis.pinned.sparsity * 1e4) / 1e4)
        assert not faces.basis.pinned.reaches(faces.basis.pinned.sparsity - 2e-4)

    def test_goes_on_while_it_becomes_denser(self, sparse: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "DENSER_ITERATIONS", 1)
        heard = Listener(sparse, "basis.pinnedChanged", "activity.changed")
        sparse.settings.set_sparsity(0.5)
        sparse.settings.settle_sparsity()
        wait_until(lambda: heard["changed"] == ["refitting", ""])
        sparsities = [pinned.sparsity for pinned in heard["pinnedChanged"]]
        assert len(sparsities) > 2
        assert sparsities[:-1] == sorted(sparsities[:-1], reverse=True)
        assert sparse.basis.pinned.reaches(0.5) or sparsities[-2] - sparsities[-1] < 0.002


class TestPath:
    """Error and basis images lost against s."""

    def path_of(self, session: Session, heard: Listener) -> Any:
        wait_until(lambda: heard["pathChanged"] and len(getattr(heard["pathChanged"][-1], "s", ())) == COUNT)
        return heard["pathChanged"][-1]

    def test_values_are_those_of_projections(self, session: Session) -> None:
        heard = Listener(session, "basis.pathChanged", "failed")
        open_faces(session)
        path = self.path_of(session, heard)
        pinned = session.basis.pinned
        assert path.s[0] == pinned.sparsity
        assert path.s[-1] == 1.0
        assert (np.diff(path.s) > 0).all()
        for k in (0, 7, 30, 55, COUNT - 1):
            W = gs.group_sparse_projection(pinned.W, float(path.s[k])).values
            assert path.errors[k] == pytest.approx(true_error(session, W, pinned.H), rel=1e-4)
            assert path.lost[k] == np.sum((W != 0).sum(axis=0) <= 1)
        assert path.lost[-1] == path.rank == 9
        assert path.origin == pinned.origin
        assert path.s[0] < path.knee < 1.0
        assert heard["failed"] == []

    def test_grows_and_spans_the_range_from_the_start(self, session: Session) -> None:
        heard = Listener(session, "basis.pathChanged")
        open_faces(session)
        self.path_of(session, heard)
        parts = [path for path in heard["pathChanged"] if path is not None]
        assert len(parts) > 5
        assert [len(path.s) for path in parts] == sorted(len(path.s) for path in parts)
        for path in parts:
            assert path.s[0] == session.basis.pinned.sparsity
            assert path.s[-1] == 1.0
        assert all(math.isnan(path.knee) for path in parts[:-1])

    def test_another_basis_begins_anew(self, faces: Session) -> None:
        heard = Listener(faces, "basis.pathChanged", "basis.pinnedChanged")
        faces.settings.set_choice(faces.settings.choice.with_params(seed=4))
        wait_until(lambda: heard["pinnedChanged"])
        assert heard["pathChanged"][-1] is None
        path = self.path_of(faces, heard)
        assert path.s[0] == faces.basis.pinned.sparsity

    def test_waits_while_the_slider_moves_or_a_run_goes_on(self, faces: Session) -> None:
        scan = faces.basis._scan
        wait_until(lambda: scan.is_done)
        scan.pin(faces.basis._projection.projector)
        faces.settings.set_sparsity(0.8)
        faces.poll()
        assert not scan._found
        assert not scan._is_asking
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
        faces.run()
        wait_until(lambda: len(faces.course.records) > 3)
        scan._not_before = 0.0
        faces.poll()
        assert not scan._is_asking
        faces.cancel()
        wait_until(lambda: faces.phase is Phase.IDLE)

    def test_failure_is_told_once(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(self: object, values: object) -> None:
            raise ValueError("that went wrong")

        wait_until(lambda: faces.basis._scan.is_done)
        monkeypatch.setattr(compute.Projector, "points", broken)
        heard = Listener(faces, "failed")
        faces.basis._scan.pin(faces.basis._projection.projector)
        wait_until(lambda: faces.basis._scan.is_done)
        for _ in range(5):
            faces.poll()
        assert [sentence for sentence, _ in heard["failed"]] == ["that went wrong"]


class TestKnee:
    """The point farthest below the chord."""

    @pytest.mark.parametrize("height", [1.0, 0.003, 40.0])
    def test_of_a_curve_with_a_corner(self, height: float) -> None:
        x = np.linspace(0.4, 1.0, 61)
        y = 5.0 + height * np.interp(x, [0.4, 0.8, 1.0], [0.0, 0.1, 1.0])
        assert knee(x, y) == pytest.approx(0.8)

    def test_of_a_falling_curve(self) -> None:
        x = np.linspace(0.0, 1.0, 11)
        assert knee(x, np.interp(x, [0.0, 0.3, 1.0], [1.0, 0.1, 0.0])) == pytest.approx(0.3)

    def test_where_the_curve_flattens_out_is_none(self) -> None:
        x = np.linspace(0.0, 1.0, 101)
        assert math.isnan(knee(x, np.sqrt(x)))
        assert knee(x, np.interp(x, [0.0, 0.2, 0.7, 1.0], [0.0, 0.05, 0.95, 1.0])) == pytest.approx(0.2)

    def test_of_a_parabola_is_in_the_middle(self) -> None:
        x = np.linspace(0.0, 1.0, 101)
        assert knee(x, x**2) == pytest.approx(0.5)

    def test_of_lines_and_points_is_nowhere(self) -> None:
        x = np.linspace(0.0, 1.0, 5)
        assert math.isnan(knee(x, 2 * x))
        assert math.isnan(knee(x, np.ones(5)))
        assert math.isnan(knee(np.ones(3), np.arange(3.0)))
