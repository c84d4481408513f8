"""Session without panels: a run that is steered, and runs that branch off another one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handling import Listener, wait_until

import gsp_studio as gs
from gsp_studio.engine.run import Intervention, Record
from gsp_studio.gui.jobs.run_events import marks_of
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import Phase, RunEvent
from gsp_studio.io.factors import read_factors
from gsp_studio.io.run_json import read_run


def start_endless(session: Session) -> None:
    session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    session.run()
    wait_until(lambda: len(session.course.records) >= 8)


def pause(session: Session) -> None:
    session.run_or_pause()
    wait_until(lambda: session.live.runner.state.name == "PAUSED")
    session.poll()


def go_on(session: Session, iterations: int = 5) -> None:
    if session.phase is Phase.PAUSED:
        session.run_or_pause()
    count = len(session.course.records)
    wait_until(lambda: len(session.course.records) >= count + iterations)


def end(session: Session) -> None:
    count = len(session.runs.entries)
    session.cancel()
    wait_until(lambda: len(session.runs.entries) > count)


def test_frozen_basis_images_stay_while_the_run_goes_on(faces: Session) -> None:
    start_endless(faces)
    pause(faces)
    heard = Listener(faces, "live.frozenChanged", "failed")
    faces.display.mark((2, 5))
    faces.live.toggle_frozen(faces.display.marked)
    assert faces.live.frozen == (2, 5)
    before = faces.display.shown.W.copy()
    go_on(faces)
    pause(faces)
    np.testing.assert_array_equal(faces.display.shown.W[:, [2, 5]], before[:, [2, 5]])
    others = np.setdiff1d(np.arange(before.shape[1]), [2, 5])  # one of them alone may stand still by itself
    assert not np.array_equal(faces.display.shown.W[:, others], before[:, others])
    faces.display.mark((5,))
    faces.live.toggle_frozen(faces.display.marked)
    assert faces.live.frozen == (2,)
    end(faces)
    assert faces.live.frozen == ()
    assert heard["frozenChanged"] == [(2, 5), (2,), ()]
    assert heard["failed"] == []
    assert faces.runs.entries[-1].outcome.result.params.frozen in ((2, 5), (2,))


def test_the_slider_moves_on_with_frozen_basis_images(faces: Session) -> None:
    start_endless(faces)
    faces.display.mark((1,))
    faces.live.toggle_frozen(faces.display.marked)
    faces.settings.set_sparsity(0.7)
    wait_until(lambda: faces.course.records[-1].target == 0.7)
    end(faces)
    assert faces.runs.entries[-1].outcome.result.params.frozen == (1,)


def test_killed_in_a_pause_it_goes_when_the_run_goes_on(faces: Session) -> None:
    start_endless(faces)
    pause(faces)
    order = [int(k) for k in faces.display.shown.order]
    faces.display.mark((3, 6))
    faces.live.toggle_frozen(faces.display.marked)
    faces.display.mark((1,))
    heard = Listener(faces, "logged", "display.shownChanged", "failed")
    faces.live.kill(faces.display.marked)
    assert faces.display.marked == ()
    assert faces.live.frozen == (3, 6), "on the screen nothing has moved yet"
    assert faces.display.shown.W.shape[1] == 9
    assert heard["logged"] == ["Basis 2 will be killed when the run goes on."]
    go_on(faces)
    assert faces.display.shown.W.shape[1] == 8
    assert faces.live.frozen == (2, 5)
    assert list(faces.display.shown.order) == [k - (k > 1) for k in order if k != 1], "the other tiles stay in order"
    assert heard["failed"] == []
    end(faces)
    assert faces.settings.params.rank == faces.runs.entries[-1].choice.params.rank == 8
    assert faces.basis.pinned.W.shape[1] == 8
    assert "rank 8" in faces.runs.entries[-1].label


def test_a_split_basis_image_stays_and_the_new_one_is_the_last_tile(faces: Session) -> None:
    start_endless(faces)
    pause(faces)
    order = list(faces.display.shown.order)
    faces.display.mark((4, 0))
    faces.live.split(faces.display.marked)
    go_on(faces)
    assert list(faces.display.shown.order) == [*order, 9, 10]
    assert faces.display.marked == (4, 0)
    end(faces)
    said = [step.text for step in faces.runs.entries[-1].outcome.interventions]
    assert said == ["basis 1 split", "basis 5 split"]


def test_two_edits_in_a_pause_mean_what_is_on_the_screen(faces: Session) -> None:
    start_endless(faces)
    pause(faces)
    faces.display.mark((0,))
    faces.live.kill(faces.display.marked)
    faces.display.mark((5,))
    faces.live.reseed(faces.display.marked)
    faces.display.mark((0,))
    faces.live.split(faces.display.marked)  # it is gone already
    go_on(faces)
    end(faces)
    said = [step.text for step in faces.runs.entries[-1].outcome.interventions]
    assert said == ["basis 1 killed", "basis 5 re-seeded"]


def test_what_cannot_be_is_said_in_one_sentence(faces: Session) -> None:
    heard = Listener(faces, "failed")
    faces.display.mark((0,))
    for ask in (faces.live.toggle_frozen, faces.live.kill, faces.live.split, faces.live.reseed):
        ask(faces.display.marked)  # no run: nothing happens
    start_endless(faces)
    faces.display.mark((3,))
    faces.live.toggle_frozen(faces.display.marked)
    faces.display.mark((3,))
    faces.live.reseed(faces.display.marked)
    faces.display.mark(())
    faces.live.kill(faces.display.marked)
    end(faces)
    assert [sentence for sentence, _ in heard["failed"]] == [
        "basis image 4 is frozen; release it before it is changed",
    ]


def test_every_step_is_a_mark_and_a_line(faces: Session) -> None:
    heard = Listener(faces, "logged", "course.marksChanged")
    start_endless(faces)
    for s in (0.8, 0.75, 0.7):
        faces.settings.set_sparsity(s)
        wait_until(lambda s=s: faces.course.records[-1].target == s)
    faces.display.mark((0,))
    faces.live.split(faces.display.marked)
    go_on(faces)
    end(faces)
    [drag, split] = faces.runs.entries[-1].marks
    assert (drag.text, drag.is_target) == ("s 0.850 → 0.700", True)
    assert drag.first < drag.last <= split.first == split.last
    assert split.text == "basis 1 split"
    lines = [line for line in heard["logged"] if line.startswith("Run 1, ")]
    assert lines == [f"Run 1, {drag.line}.", f"Run 1, {split.line}."]
    assert heard["marksChanged"][-1] == faces.course.marks == (drag, split)
    faces.run()
    assert faces.course.marks == ()
    end(faces)
    faces.control.show(0)
    assert faces.course.marks == (drag, split)


def how_it_differs(faces: Session, out: Path, said: str) -> str:
    """What tells why a repeat has other factors: where it parts from the run, and whether it does in this process."""
    run, dataset = read_run(out), faces.dataset
    assert dataset is not None
    result = faces.runs.entries[0].outcome.result
    start, steering = run.as_done()
    again = gs.factorize(dataset.X, start, gs.get_backend(run.backend, run.threads), steering=steering)
    parted = np.flatnonzero(again.history.error != result.history.error) + 1
    same = [np.array_equal(a, b) for a, b in zip((again.W, again.H), read_factors(out), strict=True)]
    return (
        f"{said}\nrepeated here: W, H the same {same}, errors differ at {parted[:3]} of {result.n_iter}, best of the "
        f"run {result.best_iter}, here {again.best_iter}; {result.backend}, here {again.backend}\n{run.interventions}"
    )


def test_a_steered_run_is_repeated_by_its_script(faces: Session, tmp_path: Path) -> None:
    start_endless(faces)
    faces.display.mark((0,))
    faces.live.split(faces.display.marked)
    faces.display.mark((2,))
    faces.live.toggle_frozen(faces.display.marked)
    faces.settings.set_sparsity(0.7)
    go_on(faces)
    end(faces)
    faces.exports.export(tmp_path / "out", faces.runs.at(0))
    heard = Listener(faces, "exports.exported", "failed")
    wait_until(lambda: heard["exported"] or heard["failed"])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "out" / "repeat.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    is_same = done.stdout.splitlines()[-1] == "the factors are the same to the last bit"
    assert is_same, how_it_differs(faces, tmp_path / "out", done.stdout)


def test_a_branch_of_a_finished_run_forks(faces: Session) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=30))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    origin = faces.runs.entries[0]
    assert faces.control.branch_end == 29
    heard = Listener(faces, "course.originChanged", "logged")
    faces.control.branch(12, 0.7)
    assert faces.phase is Phase.RUNNING
    assert faces.settings.params.sparsity == 0.7
    assert heard["originChanged"] == [origin.records]
    wait_until(lambda: len(faces.runs.entries) == 2)
    other = faces.runs.entries[1]
    assert [record.error for record in other.records[:12]] == [record.error for record in origin.records[:12]]
    assert other.records[12].error != origin.records[12].error
    assert other.origin == (1, 12)
    assert other.label == "GSP-HALS, rank 9, s = 0.700, branch of run 1 at 12"
    assert other.marks == (RunEvent(12, 12, "s 0.850 → 0.700", is_target=True),)
    assert other.shown.attained >= 0.7 - 1e-5
    assert faces.runs.entries[0] is origin, "a finished run is never overwritten"
    faces.control.show(0)
    assert heard["originChanged"][-1] == ()
    faces.control.show(1)
    assert heard["originChanged"][-1] == origin.records


def test_a_branch_of_a_run_that_is_going_stops_and_keeps_it(faces: Session) -> None:
    start_endless(faces)
    pause(faces)
    faces.display.mark((0,))
    faces.live.kill(faces.display.marked)
    go_on(faces)
    pause(faces)
    at = faces.control.branch_end
    faces.control.branch(at - 2, 0.7)
    wait_until(lambda: len(faces.runs.entries) == 1 and faces.phase is Phase.RUNNING)
    wait_until(lambda: len(faces.course.records) > at)
    assert faces.display.shown.W.shape[1] == 8
    end(faces)
    first, second = faces.runs.entries
    assert first.state == second.state == "stopped"
    assert [record.error for record in second.records[: at - 2]] == [record.error for record in first.records[: at - 2]]
    assert second.outcome.result.sparsity >= 0.7 - 1e-5


def test_marks_of_a_drag_and_of_two(faces: Session) -> None:
    params = gs.Params(rank=4, sparsity=0.5)
    records = [Record(n, 0.1, 0.5, 0.5, 0.1 * n) for n in range(1, 40)]

    def steps(*pairs: tuple[int, float]) -> list[Intervention]:
        return [Intervention(n, replace(params, sparsity=s)) for n, s in pairs]

    assert marks_of(params, steps((3, 0.6), (7, 0.7), (13, 0.8)), records) == (
        RunEvent(3, 7, "s 0.500 → 0.700", is_target=True),
        RunEvent(13, 13, "s 0.700 → 0.800", is_target=True),
    )
    [back] = marks_of(params, steps((3, 0.6), (7, 0.5)), records)
    assert back.line == "iterations 3 to 7: the target moved, and came back"
    frozen = Intervention(4, replace(params, sparsity=0.6, frozen=(1,)))
    assert [mark.line for mark in marks_of(params, [*steps((3, 0.6)), frozen], records)] == [
        "iteration 3: s 0.500 → 0.600",
        "iteration 4: basis 2 frozen",
    ]


@pytest.mark.parametrize("n_iter", [0, 30])
def test_a_branch_beyond_the_run_is_refused(faces: Session, n_iter: int) -> None:
    faces.settings.set_choice(faces.settings.choice.with_params(max_iter=30))
    faces.run()
    wait_until(lambda: faces.runs.entries)
    heard = Listener(faces, "failed")
    faces.control.branch(n_iter, 0.7)
    [(sentence, _)] = heard["failed"]
    assert sentence == f"a branch after iteration {n_iter} is not possible; accepted are 1 to 29"
    assert faces.phase is Phase.IDLE
