"""Session without panels: the walk over the targets of the path, and what its solutions are good for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from handling import Listener, settle, wait_until

import gsp_studio as gs
from gsp_studio.gui.jobs import compute, path_walk
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.solutions import Solutions, SolvedPaths, SolvedPoint
from gsp_studio.gui.state import Phase
from gsp_studio.io.run_json import read_run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks of few targets."""
    monkeypatch.setattr(path_walk, "TARGETS", 6)


@pytest.fixture
def walked(faces: Session, quick: None) -> Session:
    """A session whose walk is complete."""
    faces.basis.path.set_watched(True)
    wait_until(lambda: faces.basis.path.present.is_whole)
    return faces


def points(session: Session) -> dict[float, SolvedPoint]:
    return session.basis.path.present.points


def solve_at(session: Session, s: float) -> None:
    session.settings.set_sparsity(s)
    session.settings.settle_sparsity()
    wait_until(lambda: session.display.shown.is_solved and session.display.shown.target == s)


class TestWalk:
    """From the basis's own sparsity to 0.99, while nothing else needs the processor."""

    def test_points_are_solutions_and_repeat_to_the_bit(self, walked: Session) -> None:
        found, pinned, X = points(walked), walked.basis.pinned, walked.dataset.X
        at_opening = 0.85  # where the slider stands, solved as the data came, unless the walk was earlier
        assert len(set(found) - {at_opening}) == 6
        assert min(found) == pytest.approx(pinned.sparsity, abs=1e-4)
        assert max(found) == 0.99
        for target, point in found.items():
            result = point.result
            assert result.sparsity >= target - 1e-5
            again = gs.factorize(X, point.spec.params, point.spec.backend)
            np.testing.assert_array_equal(again.W, result.W)
            np.testing.assert_array_equal(again.H, result.H)
        target = sorted(found)[3]
        fresh = gs.factorize(X, gs.Params(9, "gsphals", sparsity=target, max_iter=500))
        assert found[target].result.error <= 1.03 * fresh.error

    def test_curve_grows_and_has_its_knee_in_the_end(self, faces: Session, quick: None) -> None:
        heard = Listener(faces, "basis.solvedChanged", "basis.walkChanged", "activity.changed", "failed")
        faces.basis.path.set_watched(True)
        wait_until(lambda: faces.basis.path.present.is_whole)
        curves = heard["solvedChanged"]
        assert len(curves) > 6
        assert all(np.isnan(curve.knee) for curve in curves[:-1])
        last = curves[-1]
        assert last.s.tolist() == sorted(points(faces))
        assert last.knee in last.s
        assert (np.diff(last.errors) >= 0).all()
        states = [state for state in heard["walkChanged"] if state.is_going]
        assert [state.n_done for state in states] == sorted(state.n_done for state in states)
        assert {state.n_runs for state in states} >= {states[-1].n_runs}
        said = [text for text in heard["changed"] if text.startswith("solved path 3 of ")]
        assert said == [f"solved path 3 of {states[-1].n_runs}"]
        assert heard["changed"][-1] == ""
        assert not heard["walkChanged"][-1].is_going
        assert not heard["walkChanged"][-1].can_begin
        assert heard["failed"] == []

    def test_does_not_begin_where_nobody_looks(self, faces: Session) -> None:
        wait_until(lambda: faces.basis._scan.is_done)
        for _ in range(3):
            faces.poll()
        assert not faces.basis.path.is_working
        assert not set(points(faces)) - {0.85}  # the slider's own target alone is solved

    def test_begins_only_on_request_where_an_iteration_takes_long(
        self, faces: Session, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compute, "_AT_ONCE", 100)
        faces.basis.path._tell()
        faces.basis.path.set_watched(True)
        wait_until(lambda: faces.basis._scan.is_done)
        faces.poll()
        assert not faces.basis.path.is_working
        before = faces.basis.path.state.seconds
        assert before is not None
        faces.basis.path.set_wanted(True)
        wait_until(lambda: len(set(points(faces)) - {0.85}) > 1)
        assert faces.basis.path.state.seconds not in (None, before), "measured now"
        faces.basis.path.stop()

    def test_none_where_its_points_have_no_room(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(path_walk, "LARGEST_KEPT", 1000)
        faces.basis.path.set_watched(True)
        faces.basis.path._tell()
        assert not faces.basis.path.state.can_begin
        wait_until(lambda: faces.basis._scan.is_done)
        faces.poll()
        assert not faces.basis.path.is_working

    def test_waits_while_the_slider_moves_and_goes_on_at_rest(self, faces: Session, quick: None) -> None:
        faces.basis.set_refine(False)
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.is_working)
        faces.settings.set_sparsity(0.9)
        assert not faces.basis.path.is_working
        faces.poll()
        assert not faces.basis.path.is_working
        wait_until(lambda: faces.basis.path.present.is_whole)

    def test_waits_for_a_refinement(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.is_working)
        monkeypatch.setattr(compute, "REFINING_ITERATIONS", 10**6)
        monkeypatch.setattr(compute, "REFINING_TOLERANCE", 0.0)
        faces.settings.set_sparsity(0.9)
        faces.settings.settle_sparsity()
        wait_until(lambda: faces.display.shown.iterations > 3)
        faces.basis.path._not_before = 0.0
        faces.poll()
        assert faces.basis.is_refining
        assert not faces.basis.path.is_working
        faces.cancel()
        assert not faces.basis.is_refining
        wait_until(lambda: faces.basis.path.is_working)

    def test_waits_for_a_run_and_is_of_its_basis_then(self, faces: Session, quick: None) -> None:
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.is_working)
        faces.settings.set_choice(faces.settings.choice.with_params(max_iter=10**6, tol=0.0))
        faces.run()
        assert not faces.basis.path.is_working
        wait_until(lambda: len(faces.course.records) > 3)
        faces.poll()
        assert not faces.basis.path.is_working
        faces.cancel()
        wait_until(lambda: faces.phase is Phase.IDLE)
        assert faces.basis.path.present.pinned == [faces.basis.pinned]
        assert not points(faces)

    def test_cancel_stops_it_until_it_is_asked_for(self, faces: Session, quick: None) -> None:
        faces.basis.path.set_watched(True)
        wait_until(lambda: points(faces) and faces.basis.path.is_working)
        heard = Listener(faces, "logged", "basis.walkChanged")
        assert faces.can_cancel
        faces.cancel()
        assert not faces.can_cancel
        assert heard["logged"] == ["The solved path was stopped; its points are kept."]
        assert heard["walkChanged"][-1].can_begin
        wait_until(lambda: not faces.basis.path._fit._job.is_busy)
        count = len(points(faces))
        for _ in range(3):
            faces.poll()
            settle()
        assert len(points(faces)) == count
        assert faces.activity.text == ""
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.present.is_whole)

    def test_other_data_and_other_weights_end_it(self, faces: Session) -> None:
        faces.basis.path.set_wanted(True)
        wait_until(lambda: points(faces))
        faces.settings.set_choice(faces.settings.choice.with_params(method="wgsphals"))
        faces.settings.set_weights(np.linspace(0.5, 2.0, len(faces.dataset.X)))
        assert not faces.basis.path.is_working
        assert not points(faces)
        faces.set_dataset(faces.dataset)
        assert not faces.basis.path.is_working
        wait_until(lambda: faces.basis.pinned is not None)
        assert len(faces.basis.path.paths.all) == 1

    def test_of_sparse_coefficients_has_points_of_its_own(self, walked: Session) -> None:
        before = points(walked)
        walked.basis.path.set_watched(False)
        walked.settings.set_sparsity_h(0.4)
        assert not points(walked)
        walked.basis.path.set_wanted(True)
        wait_until(lambda: len(points(walked)) > 1)
        assert all(point.result.sparsity_h >= 0.4 - 1e-5 for point in points(walked).values())
        walked.settings.set_sparsity_h(0.0)
        assert points(walked) is before

    def test_from_a_basis_of_single_pixels(self, faces: Session) -> None:
        pinned, order = faces.basis.pinned, faces.display.shown.order
        W = np.asfortranarray(np.eye(*pinned.W.shape, dtype=np.float32))
        faces.slider.pin(replace(pinned, W=W, sparsity=1.0), order)
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.present.is_whole)
        assert list(points(faces)) == [1.0]

    def test_failure_is_told_once(self, faces: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*arguments: object) -> None:
            raise ValueError("no path today")

        monkeypatch.setattr(path_walk, "PathWalk", broken)
        heard = Listener(faces, "failed")
        faces.basis.path.set_watched(True)
        wait_until(lambda: heard["failed"])
        for _ in range(3):
            faces.poll()
        assert [sentence for sentence, _ in heard["failed"]] == ["no path today"]

    @pytest.mark.parametrize("is_held", [False, True])
    def test_closing_ends_it(self, faces: Session, is_held: bool) -> None:
        faces.basis.path.set_wanted(True)
        wait_until(lambda: faces.basis.path.is_working)
        if is_held:
            faces.basis.path.hold()
        assert faces.close()


class TestSlider:
    """Solved points are on the screen at once."""

    def test_point_is_shown_in_the_same_event_and_stays(self, walked: Session) -> None:
        target = sorted(points(walked))[3]
        point = points(walked)[target]
        heard = Listener(walked, "display.shownChanged")
        walked.settings.set_sparsity(target)
        [shown] = heard["shownChanged"]
        assert shown.is_solved
        assert not shown.is_refining
        np.testing.assert_array_equal(shown.W, point.result.W)
        assert shown.error == pytest.approx(point.result.error, rel=1e-6)
        assert shown.projected > shown.error
        walked.settings.settle_sparsity()
        wait_until(lambda: not walked.basis._rest_timer.isActive())
        settle()
        assert not walked.basis.is_refining
        assert walked.display.shown is shown

    def test_near_a_point_its_basis_is_the_first_frame(self, walked: Session) -> None:
        target = sorted(points(walked))[3]
        heard = Listener(walked, "display.shownChanged")
        walked.settings.set_sparsity(round(target + 0.003, 4))
        shown = heard["shownChanged"][0]
        assert shown.solved_at == target
        assert not shown.is_solved
        assert shown.attained >= shown.target - 1e-5
        assert shown.error < 0.5 * (shown.projected + points(walked)[target].result.error)
        walked.settings.settle_sparsity()
        wait_until(lambda: walked.display.shown.is_solved)
        assert walked.display.shown.error <= shown.error
        assert walked.display.shown.target in points(walked), "it is a point from now on"

    def test_refinement_adds_its_solution_and_coming_back_is_instant(self, faces: Session) -> None:
        solve_at(faces, 0.9)
        solved = faces.display.shown
        assert list(points(faces)) == [0.9]
        faces.settings.set_sparsity(0.7)
        faces.settings.set_sparsity(0.9)
        assert faces.display.shown.is_solved
        np.testing.assert_array_equal(faces.display.shown.W, solved.W)
        faces.cancel()

    def test_the_better_of_a_refinement_and_a_point_is_shown(
        self, faces: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        solve_at(faces, 0.9)
        start = (faces.display.shown.W, faces.display.shown.H)
        params = gs.Params(9, "gsphals", sparsity=0.9, init=start, max_iter=300, tol=0.0)
        runner = compute.Runner(compute.RunSpec(faces.dataset.X, params))
        better = path_walk.solved_point(runner.spec, runner.run())
        assert better is not None
        monkeypatch.setattr(Solutions, "nearest", lambda *_: None)  # the refinement begins with the projection
        monkeypatch.setattr(compute, "REFINING_ITERATIONS", 1)
        faces.basis.path.present.add(better)
        faces.basis.drop_refinement()
        solve_at(faces, 0.95)
        faces.basis.drop_refinement()
        solve_at(faces, 0.9)
        shown = faces.display.shown
        assert shown.error == better.result.error
        np.testing.assert_array_equal(shown.W, better.result.W)
        assert not shown.is_refining
        assert faces.refined.is_there
        faces.settings.settle_sparsity()
        wait_until(lambda: not faces.basis._rest_timer.isActive())
        settle()
        assert faces.display.shown is shown

    def test_a_kept_point_repeats_and_the_path_stays(self, walked: Session, tmp_path: Path) -> None:
        target = sorted(points(walked))[2]
        walked.settings.set_sparsity(target)
        assert walked.refined.is_there
        solved, known = walked.display.shown, points(walked)
        walked.refined.keep()
        [entry] = walked.runs.entries
        assert walked.display.shown.error == solved.error
        walked.exports.export(tmp_path / "out", entry)
        wait_until(lambda: (tmp_path / "out" / "run.json").exists())
        start, steering = read_run(tmp_path / "out" / "run.json").as_done()
        again = gs.factorize(walked.dataset.X, start, entry.spec.backend, steering=steering)
        np.testing.assert_array_equal(again.W, solved.W)
        np.testing.assert_array_equal(again.H, solved.H)
        assert points(walked) is known, "its basis comes from this path"
        walked.settings.set_sparsity(sorted(known)[4])
        assert walked.display.shown.is_solved

    def test_off_and_locked_it_is_the_projection(self, walked: Session) -> None:
        target = sorted(points(walked))[3]
        heard = Listener(walked, "basis.solvedChanged")
        walked.basis.set_refine(False)
        walked.settings.set_sparsity(target)
        assert not walked.display.shown.iterations
        walked.basis.set_refine(True)
        walked.slider.toggle_locked(2)
        walked.settings.set_sparsity(target + 0.01)
        assert np.isnan(walked.display.shown.solved_at)
        assert heard["solvedChanged"][-1] is None
        walked.slider.lock({})
        assert heard["solvedChanged"][-1] is not None

    def test_another_basis_has_none_and_the_former_has_its_own(self, walked: Session) -> None:
        before, pinned, order = points(walked), walked.basis.pinned, walked.display.shown.order
        walked.basis.path.set_watched(False)
        walked.settings.set_choice(walked.settings.choice.with_params(seed=4))
        wait_until(lambda: walked.basis.pinned is not pinned)
        assert not points(walked)
        walked.slider.pin(pinned, order)
        assert points(walked) is before
        assert walked.basis.path.present.is_whole


class TestSolutions:
    """Points alone."""

    @staticmethod
    def point(target: float, error: float, dead: int = 0) -> SolvedPoint:
        W, H = np.ones((6, 3), np.float32), np.ones((3, 4), np.float32)
        W[1:, :dead] = 0.0
        result = SimpleNamespace(W=W, H=H, dense=W.copy(), error=error, gram=SimpleNamespace(A=W.copy(), G=H.copy()))
        spec = SimpleNamespace(params=SimpleNamespace(init="random"))
        return SolvedPoint(target, spec, SimpleNamespace(result=result))  # type: ignore[arg-type]

    def solutions(self, *points: tuple[float, float, int]) -> Solutions:
        made = Solutions([], None)
        for target, error, dead in points:
            made.add(self.point(target, error, dead))
        return made

    def test_a_sparser_solution_stands_for_a_denser_target(self) -> None:
        solutions = self.solutions((0.6, 0.3, 0), (0.7, 0.2, 1), (0.8, 0.4, 2))
        curve = solutions.curve()
        assert curve is not None
        assert curve.s.tolist() == [0.6, 0.7, 0.8]
        assert curve.errors.tolist() == [0.2, 0.2, 0.4]
        assert curve.lost.tolist() == [1, 1, 2]
        found = solutions.better_at(0.65, 0.3)
        assert found is not None
        assert found.target == 0.7
        assert solutions.better_at(0.75, 0.3) is None
        assert solutions.better_at(0.65, 0.2) is None

    def test_the_better_of_two_at_a_target_is_kept(self) -> None:
        solutions = self.solutions((0.6, 0.3, 0))
        assert not solutions.add(self.point(0.6, 0.31))
        assert solutions.add(self.point(0.6, 0.29))
        assert solutions.points[0.6].result.error == 0.29

    def test_no_points_no_curve(self) -> None:
        assert self.solutions().curve() is None
        assert self.solutions().nearest(0.5) is None

    def test_those_of_former_bases_go_first_then_the_farthest(self) -> None:
        former, present = self.solutions((0.6, 0.3, 0)), self.solutions((0.6, 0.3, 0), (0.8, 0.4, 0), (0.9, 0.5, 0))
        former.is_whole = True
        each = sum(array.nbytes for array in former.points[0.6].arrays())
        paths = SolvedPaths()
        paths.all = [former, present]
        paths.drop_farthest(0.85, 4 * each)
        assert len(former.points) + len(present.points) == 4
        paths.drop_farthest(0.82, 2 * each)
        assert not former.points
        assert not former.is_whole
        assert sorted(present.points) == [0.8, 0.9]
        paths.drop_farthest(0.82, 0)
        assert sorted(present.points) == [0.8], "that on the screen stays"
