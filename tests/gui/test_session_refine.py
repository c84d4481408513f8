"""Session without panels: the solution that the slider asks for, and the path of the pinned basis."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from handling import Listener, open_faces, settle, wait_until

import gsp_studio as gs
from gsp_studio.core.knee import knee
from gsp_studio.core.matching import match_bases
from gsp_studio.engine.runner import Runner
from gsp_studio.gui.jobs import compute, subset_fit
from gsp_studio.gui.jobs.path_scan import COUNT
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase
from gsp_studio.gui.texts import grouped


def true_error(session: Session, W: np.ndarray, H: np.ndarray) -> float:
    X = session.dataset.X.astype(np.float64)
    return float(np.linalg.norm(X - W.astype(np.float64) @ H) / np.linalg.norm(X))


def projected_error(session: Session, s: float) -> float:
    pinned = session.basis.pinned
    return true_error(session, gs.group_sparse_projection(pinned.W, s).values, pinned.H)


def solve_at(session: Session, s: float) -> None:
    """Move the slider to s and release it; the solution has come."""
    session.settings.set_sparsity(s)
    session.settings.settle_sparsity()
    wait_until(lambda: session.display.shown.is_solved and session.display.shown.target == s)


def nothing_comes(session: Session) -> bool:
    """Whether nothing is under way, after time enough for something to begin."""
    heard = Listener(session, "display.shownChanged", "basis.pinnedChanged")
    wait_until(lambda: not session.basis._rest_timer.isActive())
    settle()
    return not session.basis.is_refining and heard.is_silent


@pytest.fixture
def endless(faces: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose refinements come to no rest by themselves."""
    monkeypatch.setattr(compute, "REFINING_ITERATIONS", 10**6)
    monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)
    return faces


class TestSolution:
    """Once the slider rests, what is on the screen is as good as a run at its target."""

    @pytest.mark.parametrize("s", [0.5, 0.7, 0.9, 0.99])
    def test_error_is_that_of_a_run_from_scratch(self, faces: Session, s: float) -> None:
        pinned, order = faces.basis.pinned, faces.display.shown.order
        solve_at(faces, s)
        shown = faces.display.shown
        fresh = gs.factorize(faces.dataset.X, gs.Params(9, "gsphals", sparsity=s, max_iter=500))
        assert shown.error <= 1.03 * fresh.error
        assert shown.error == pytest.approx(true_error(faces, shown.W, shown.H), rel=1e-4)
        assert shown.projected == pytest.approx(projected_error(faces, s), rel=1e-4)
        assert shown.meets_target
        assert shown.iterations > 0
        assert not shown.is_refining
        assert faces.basis.pinned is pinned, "the slider goes on from what was pinned"
        assert shown.baseline == pinned.error
        np.testing.assert_array_equal(shown.order, order)
        squares = (np.linalg.norm(shown.W, axis=0) * np.linalg.norm(shown.H, axis=1)) ** 2
        np.testing.assert_allclose(shown.energies, squares / squares.sum(), rtol=1e-3, atol=1e-6)

    def test_denser_than_a_runs_basis(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=25))
        faces.run()
        wait_until(lambda: faces.runs.entries)
        pinned = faces.basis.pinned
        solve_at(faces, pinned.sparsity - 0.15)
        assert faces.display.shown.attained == pytest.approx(pinned.sparsity - 0.15, abs=1e-4)
        assert faces.display.shown.error < 0.95 * pinned.error
        faces.control.show(0)
        assert faces.basis.pinned is pinned
        assert faces.display.shown is faces.runs.entries[0].shown
        assert nothing_comes(faces)

    def test_pinned_basis_and_its_coefficients_stay(self, faces: Session) -> None:
        H = faces.basis.pinned.H.copy()
        solve_at(faces, 0.9)
        np.testing.assert_array_equal(faces.basis.pinned.H, H)

    def test_of_sparse_coefficients_and_under_weights(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(method="wgsphals"))
        faces.settings.set_weights(np.linspace(0.5, 2.0, len(faces.dataset.X)))
        wait_until(lambda: faces.basis.pinned.weights is not None)
        faces.settings.set_sparsity_h(0.5)
        wait_until(lambda: faces.display.shown.target_h == 0.5)
        solve_at(faces, 0.8)
        shown = faces.display.shown
        assert shown.meets_target
        assert shown.sparsity_h >= 0.5 - 1e-5
        weighted = gs.hoyer_sparsity(shown.W, faces.settings.weights)
        np.testing.assert_allclose(shown.sparsities, weighted, atol=1e-5)
        assert shown.error < shown.projected

    def test_steps_and_reset_bring_it_too(self, faces: Session) -> None:
        faces.settings.step_sparsity(0.01)
        wait_until(lambda: faces.display.shown.is_solved)
        faces.slider.reset_sparsity()
        wait_until(lambda: faces.display.shown.is_solved and faces.display.shown.target < 0.5)
        assert faces.display.shown.target == pytest.approx(faces.basis.pinned.sparsity, abs=1e-4)

    def test_letting_go_twice_solves_once(self, faces: Session) -> None:
        solve_at(faces, 0.9)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)

    def test_off_is_the_projection(self, faces: Session) -> None:
        heard = Listener(faces, "basis.refinesChanged")
        solve_at(faces, 0.9)
        faces.basis.set_refine(False)
        assert faces.display.shown.error == pytest.approx(projected_error(faces, 0.9), rel=1e-4)
        assert not faces.display.shown.iterations
        faces.settings.set_sparsity(0.8)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)
        faces.basis.set_refine(True)  # what is shown is refined then
        wait_until(lambda: faces.display.shown.is_solved)
        assert heard["refinesChanged"] == [False, True]

    def test_nothing_to_refine(self, session: Session) -> None:
        session.settings.settle_sparsity()
        assert nothing_comes(session)

    def test_what_a_run_found_needs_none(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=5))
        faces.run()
        wait_until(lambda: faces.runs.entries)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)
        assert faces.display.shown is faces.runs.entries[0].shown

    def test_locked_basis_images_stay_and_the_others_are_solved(self, faces: Session) -> None:
        solve_at(faces, 0.8)
        before = faces.display.shown
        faces.slider.toggle_locked(2)
        solve_at(faces, 0.9)
        shown = faces.display.shown
        assert shown.iterations
        assert shown.error < shown.projected
        assert shown.error == pytest.approx(true_error(faces, shown.W, shown.H), rel=1e-4)
        np.testing.assert_allclose(shown.sparsities[2], before.sparsities[2], atol=1e-5)
        unit = shown.W / np.linalg.norm(shown.W, axis=0)
        assert unit[:, 2] @ before.W[:, 2] == pytest.approx(np.linalg.norm(before.W[:, 2]), rel=1e-5)
        assert np.mean(shown.sparsities) == pytest.approx(0.9, abs=1e-4)
        faces.slider.lock({})
        faces.settings.settle_sparsity()
        wait_until(lambda: faces.display.shown.is_solved and not faces.basis.is_refining)
        assert faces.display.shown.error <= shown.error

    @pytest.mark.parametrize("is_quick", [True, False])
    def test_a_locked_basis_image_is_in_each_frame_as_it_was_solved(self, faces: Session, is_quick: bool) -> None:
        solve_at(faces, 0.8)
        before = faces.display.shown.sparsities[2]
        faces.basis._is_quick = is_quick  # of slow data the slider shows projections until it rests
        heard = Listener(faces, "display.shownChanged")
        faces.slider.toggle_locked(2)
        solve_at(faces, 0.9)
        assert len(heard["shownChanged"]) > 2
        assert max(abs(shown.sparsities[2] - before) for shown in heard["shownChanged"]) < 1e-5

    def test_all_locked_leave_nothing_to_solve(self, faces: Session) -> None:
        faces.slider.lock(dict(enumerate(faces.display.shown.sparsities.tolist())))
        faces.settings.set_sparsity(0.9)
        faces.settings.settle_sparsity()
        assert nothing_comes(faces)
        assert not faces.display.shown.iterations

    def test_large_basis_waits_for_its_projection(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gsp_studio.gui.session.projection.SAME_EVENT", 100)
        solve_at(faces, 0.9)
        assert faces.display.shown.error < faces.display.shown.projected

    def test_failure_is_told(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*arguments: object) -> None:
            raise FloatingPointError("the numbers ran out")

        monkeypatch.setattr(Runner, "run", broken)
        heard = Listener(faces, "failed")
        faces.settings.set_sparsity(0.9)
        shown = faces.display.shown
        wait_until(lambda: heard["failed"])
        assert heard["failed"][0][0] == "the numbers ran out"
        assert faces.display.shown is shown
        assert not faces.basis.is_refining


class TestStartOfItsOwn:
    """Far from the basis's own sparsity a run from the start may lead further than the basis does."""

    @pytest.fixture
    def hasty(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
        """A session whose refinements end early, and so with high errors."""
        monkeypatch.setattr(compute, "REFINING_ITERATIONS", 1)
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=80))
        return faces

    def test_is_shown_where_it_is_better_and_says_so(self, hasty: Session) -> None:
        heard = Listener(hasty, "basis.logged", "activity.changed")
        first = []
        hasty.basis.refined.connect(lambda shown: first.append(shown) if shown.is_solved else None)
        hasty.settings.set_sparsity(0.9)
        hasty.settings.settle_sparsity()
        wait_until(lambda: heard["logged"])
        shown = hasty.display.shown
        assert shown.error < 0.999 * first[0].error
        assert shown.error == pytest.approx(true_error(hasty, shown.W, shown.H), rel=1e-4)
        assert shown.is_solved
        assert shown.attained >= 0.9 - 1e-5
        assert "fitting from a new start at this sparsity" in heard["changed"]
        assert hasty.refined.is_there
        units = [W / np.linalg.norm(W, axis=0) for W in (first[0].W, shown.W)]
        in_place, best = np.sum(units[0] * units[1]), np.sum(match_bases(first[0].W, shown.W).cosine)
        assert in_place > 0.9 * best, "each basis image is where the one most like it was"

    def test_kept_it_repeats(self, hasty: Session) -> None:
        heard = Listener(hasty, "basis.logged")
        hasty.settings.set_sparsity(0.9)
        hasty.settings.settle_sparsity()
        wait_until(lambda: heard["logged"])
        shown = hasty.display.shown
        hasty.refined.keep()
        [entry] = hasty.runs.entries
        assert entry.shown.error == shown.error
        np.testing.assert_array_equal(gs.factorize(hasty.dataset.X, entry.spec.params).W, shown.W)

    def test_ends_with_another_target_and_is_not_tried_again(
        self, hasty: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hasty.settings.set_choice(hasty.settings.choice.with_params(max_iter=10**5, tol=0.0))
        monkeypatch.setattr("gsp_studio.gui.jobs.fresh_fit.MOST_SECONDS", 1e9)
        fit = hasty.basis.solver._fresh
        hasty.settings.set_sparsity(0.9)
        hasty.settings.settle_sparsity()
        wait_until(lambda: fit.is_running)
        hasty.settings.set_sparsity(0.91)
        assert not fit.is_running
        hasty.settings.settle_sparsity()
        wait_until(lambda: fit.is_running)
        assert hasty.can_cancel
        hasty.cancel()
        assert not fit.is_running
        hasty.settings.settle_sparsity()
        assert nothing_comes(hasty)
        assert not fit.is_running

    def test_near_the_basis_none_is_tried(self, hasty: Session) -> None:
        hasty.settings.set_sparsity(hasty.basis.pinned.sparsity + 0.02)
        hasty.settings.settle_sparsity()
        wait_until(lambda: hasty.display.shown.is_solved)
        assert not hasty.basis.solver.is_trying


class TestWhileItMoves:
    """The solution follows the slider; every move still shows a basis in its own event."""

    def test_error_falls_before_release(self, endless: Session) -> None:
        fresh = gs.factorize(endless.dataset.X, gs.Params(9, "gsphals", sparsity=0.9, max_iter=500))
        for s in np.linspace(0.8, 0.9, 25):
            heard = Listener(endless, "display.shownChanged")
            endless.settings.set_sparsity(float(s))
            assert [shown.target for shown in heard["shownChanged"]] == [s], "in the same event"
            wait_until(lambda: endless.display.shown.is_refining)
        wait_until(lambda: endless.display.shown.error < 1.1 * fresh.error)
        assert endless.display.shown.meets_target
        endless.cancel()

    def test_a_move_does_not_throw_the_picture_back(self, endless: Session) -> None:
        endless.settings.set_sparsity(0.9)
        wait_until(lambda: endless.display.shown.iterations > 20)
        refined = endless.display.shown.error
        endless.settings.set_sparsity(0.901)
        shown = endless.display.shown
        assert shown.iterations > 20
        assert shown.attained >= 0.901 - 1e-5
        assert abs(shown.error - refined) < 0.1 * (shown.projected - refined)
        assert shown.error == pytest.approx(true_error(endless, shown.W, shown.H), rel=1e-4)
        assert shown.projected == pytest.approx(projected_error(endless, 0.901), rel=1e-4)
        endless.cancel()

    def test_back_at_the_pinned_basis_that_is_shown_where_it_is_better(self, endless: Session) -> None:
        endless.settings.set_sparsity(0.95)
        wait_until(lambda: endless.display.shown.iterations > 2)
        endless.slider.reset_sparsity()
        assert not endless.display.shown.iterations
        np.testing.assert_array_equal(endless.display.shown.W, endless.basis.pinned.W)
        wait_until(lambda: endless.display.shown.iterations > 2)
        assert endless.display.shown.error < endless.basis.pinned.error
        endless.cancel()

    def test_where_an_iteration_takes_long_it_begins_with_the_release(
        self, faces: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compute, "_AT_ONCE", 0)
        faces.slider.pin(faces.basis.pinned, faces.display.shown.order)
        faces.settings.set_sparsity(0.9)
        assert nothing_comes(faces)
        faces.settings.settle_sparsity()
        wait_until(lambda: faces.display.shown.is_solved)
        faces.settings.set_sparsity(0.91)
        assert faces.display.shown.solved_at == 0.9, "what is solved is projected, and not refined yet"
        assert nothing_comes(faces)

    def test_many_images_begin_with_a_subset(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "_AT_ONCE", 0)
        monkeypatch.setattr(subset_fit, "WORK", 0)
        faces.settings.set_choice(faces.settings.choice.with_params(rank=5))
        wait_until(lambda: len(faces.display.shown.order) == 5 and not faces.warm_fit.is_coming)
        n = faces.dataset.X.shape[1]
        assert 0 < subset_fit.subset_size(n, faces.basis.pinned.W.shape) == 40 <= n / 2
        told, seen = [], []
        faces.basis.activityChanged.connect(told.append)
        faces.basis.glimpsed.connect(lambda _: seen.append((faces.display.shown, faces.basis.is_refining)))
        faces.settings.set_sparsity(0.85)
        first = faces.display.shown
        faces.settings.settle_sparsity()
        wait_until(lambda: faces.display.shown.is_solved)
        assert seen[0] == (first, True), "errors and coefficients are of all images"
        assert f"refining on 40 of {grouped(n)} images first" in told
        shown = faces.display.shown
        assert shown.projected == pytest.approx(first.error)
        assert shown.error == pytest.approx(true_error(faces, shown.W, shown.H), rel=1e-4)
        fresh = gs.factorize(faces.dataset.X, gs.Params(5, "gsphals", sparsity=0.85, max_iter=200))
        assert shown.error < 1.05 * fresh.error

    def test_cancel_on_a_subset_shows_the_projection(self, endless: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "_AT_ONCE", 0)
        monkeypatch.setattr(subset_fit, "subset_size", lambda n, shape: n // 2)
        endless.slider.pin(endless.basis.pinned, endless.display.shown.order)
        endless.settings.set_sparsity(0.9)
        first = endless.display.shown
        endless.settings.settle_sparsity()
        wait_until(lambda: endless.display.glimpse is not None)
        endless.cancel()
        assert endless.display.glimpse is None
        assert endless.display.shown is first
        assert nothing_comes(endless)

    def test_a_target_that_moves_as_it_comes_to_rest_is_solved(self, faces: Session) -> None:
        for s in (0.9, 0.85, 0.8, 0.82, 0.84):
            faces.settings.set_sparsity(s)
            runner = faces.basis.refinement._runner
            end = time.monotonic() + 60  # its end is there, and has not been told
            while runner.poll().outcome is None and time.monotonic() < end:
                time.sleep(0.002)
        wait_until(lambda: faces.display.shown.is_solved)
        assert faces.display.shown.target == 0.84
        assert faces.display.shown.attained == pytest.approx(0.84, abs=1e-4)


class TestStale:
    """What is dropped is never shown."""

    @pytest.fixture
    def refining(self, endless: Session) -> Session:
        endless.settings.set_sparsity(0.9)
        endless.settings.settle_sparsity()
        wait_until(lambda: endless.display.shown.iterations)
        assert endless.basis.is_refining
        return endless

    def ends(self, session: Session) -> None:
        """It has ended, and nothing comes any more."""
        wait_until(lambda: not session.basis.refinement._fit._job.is_busy)
        heard = Listener(session, "display.shownChanged")
        settle()
        assert heard.is_silent
        assert session.display.shown is None or not session.display.shown.is_refining

    def test_after_another_data_set(self, refining: Session) -> None:
        refining.set_dataset(refining.dataset)
        self.ends(refining)

    def test_after_a_run_was_started(self, refining: Session) -> None:
        refining.settings.set_choice(refining.settings.choice.with_params(max_iter=5))
        refining.run()
        assert not refining.basis.is_refining
        wait_until(lambda: refining.runs.entries)
        self.ends(refining)

    def test_after_another_basis(self, refining: Session) -> None:
        pinned = refining.basis.pinned
        refining.settings.set_choice(refining.settings.choice.with_params(seed=4))
        wait_until(lambda: refining.basis.pinned is not pinned)
        self.ends(refining)

    def test_after_a_lock_and_switched_off(self, refining: Session) -> None:
        wait_until(lambda: refining.display.shown.iterations)
        refining.slider.toggle_locked(1)
        assert refining.display.shown.iterations, "it goes on from what was found"
        refining.slider.lock({})
        refining.settings.settle_sparsity()
        wait_until(lambda: refining.display.shown.iterations)
        refining.basis.set_refine(False)
        self.ends(refining)

    def test_undo_begins_with_what_was_there(self, refining: Session) -> None:
        wait_until(lambda: refining.display.shown.iterations)
        refining.display.select(1)
        refining.settings.set_sparsity(0.95)
        refining.settings.settle_sparsity()
        wait_until(lambda: refining.display.shown.target == 0.95 and refining.display.shown.iterations)
        heard = Listener(refining, "display.shownChanged")
        refining.undo.stack.undo()
        first = heard["shownChanged"][0]
        assert first.target == 0.9
        assert first.iterations > 0
        assert first.error < first.projected
        refining.cancel()

    def test_cancel_stops_it_and_keeps_what_is_shown(self, refining: Session) -> None:
        heard = Listener(refining, "activity.changed", "logged")
        assert refining.can_cancel
        wait_until(lambda: heard["changed"] == ["refining"])
        refining.cancel()
        assert not refining.can_cancel
        assert heard["changed"][-1] == ""
        assert heard["logged"] == ["Refining stopped."]
        self.ends(refining)
        shown = refining.display.shown
        assert shown.iterations
        assert not shown.is_solved
        refining.settings.set_sparsity(0.91)  # and it goes on from there
        assert refining.display.shown.iterations
        wait_until(lambda: refining.display.shown.iterations > 5)
        refining.cancel()

    def test_another_rank_stops_it_before_its_basis_comes(self, refining: Session) -> None:
        refining.settings.set_choice(refining.settings.choice.with_params(rank=5))
        wait_until(lambda: refining.warm_fit.is_running)
        assert not refining.basis.is_refining
        assert not refining.display.shown.is_refining
        wait_until(lambda: refining.display.shown.W.shape[1] == 5)
        self.ends(refining)

    def test_closing_ends_it(self, refining: Session) -> None:
        assert refining.close()

    def test_a_run_steered_is_not_refined(self, faces: Session) -> None:
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
        faces.run()
        wait_until(lambda: len(faces.course.records) > 3)
        faces.settings.set_sparsity(0.7)
        faces.settings.settle_sparsity()
        wait_until(lambda: not faces.basis._rest_timer.isActive())
        settle()
        assert not faces.basis.is_refining
        faces.cancel()
        wait_until(lambda: faces.phase is Phase.IDLE)


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
        faces.basis.set_refine(False)
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
        assert knee(x, 5.0 + np.interp(x, [0.0, 0.3, 1.0], [1.0, 0.1, 0.0])) == pytest.approx(0.3)

    def test_where_the_curve_flattens_out_is_none(self) -> None:
        x = np.linspace(0.0, 1.0, 101)
        assert math.isnan(knee(x, 5.0 + np.sqrt(x)))
        assert knee(x, 5.0 + np.interp(x, [0.0, 0.2, 0.7, 1.0], [0.0, 0.05, 0.95, 1.0])) == pytest.approx(0.2)

    def test_of_a_parabola_is_in_the_middle(self) -> None:
        x = np.linspace(0.0, 1.0, 101)
        assert knee(x, 5.0 + x**2) == pytest.approx(0.5)

    def test_of_lines_and_points_is_nowhere(self) -> None:
        x = np.linspace(0.0, 1.0, 5)
        assert math.isnan(knee(x, 5.0 + 2 * x))
        assert math.isnan(knee(x, np.ones(5)))
        assert math.isnan(knee(np.ones(3), np.arange(3.0)))
