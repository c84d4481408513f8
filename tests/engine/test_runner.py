"""The runner's state machine, with real solvers and with one that breaks."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.engine import runner as runner_module
from gsp_studio.engine.run import FinishReason, Intervention, RunSpec, RunState
from gsp_studio.engine.runner import Runner, branch

PATIENCE = 60  # seconds after which a wait counts as hung


@pytest.fixture
def X():
    return np.random.default_rng(0).random((40, 60))


def watch(runner, until):
    """Poll until `until(poll)`; returns every record seen."""
    tick = threading.Event()
    records = []
    for _ in range(PATIENCE * 200):
        poll = runner.poll()
        records += poll.records
        if until(poll):
            return records
        tick.wait(0.005)
    raise AssertionError(f"the runner hangs in {runner.state}")


def test_run_blocks_and_gives_what_factorize_gives(X):
    params = gs.Params(rank=4, sparsity=0.6, max_iter=12)
    seen = []
    outcome = Runner(RunSpec(X, params)).run(seen.append)
    assert outcome.reason is FinishReason.MAX_ITER
    assert outcome.error_text == ""
    direct = gs.factorize(X, params)
    assert np.array_equal(outcome.result.W, direct.W)
    assert np.array_equal(outcome.result.H, direct.H)
    assert [record.n_iter for record in seen] == list(range(1, 13))


def test_start_polls_every_record_once_and_ends(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.6, max_iter=50)))
    assert runner.state is RunState.READY
    runner.start()
    records = watch(runner, lambda poll: poll.outcome is not None)
    records += runner.poll().records
    assert [record.n_iter for record in records] == list(range(1, 51))
    assert runner.join(PATIENCE)
    assert runner.state is RunState.FINISHED
    assert runner.poll().outcome.result.n_iter == 50


def test_cancel_keeps_the_best_iterate(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.6, max_iter=10**9, tol=0.0)))
    runner.start()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.cancel()
    assert runner.join(PATIENCE)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.CANCELLED
    assert outcome.result.error == outcome.result.history.error.min()
    assert runner.state is RunState.FINISHED


def test_pause_holds_and_resume_goes_on(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.6, max_iter=10**9, tol=0.0)))
    runner.start()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.pause()
    watch(runner, lambda poll: poll.state is RunState.PAUSED)
    runner.poll()
    threading.Event().wait(0.05)
    assert runner.poll().records == ()
    runner.resume()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.pause()
    watch(runner, lambda poll: poll.state is RunState.PAUSED)
    runner.cancel()
    assert runner.join(PATIENCE)
    assert runner.poll().outcome.reason is FinishReason.CANCELLED


def test_steering_is_recorded_and_replays_to_the_last_bit(X):
    params = gs.Params(rank=4, sparsity=0.4, max_iter=10**9, tol=0.0)
    runner = Runner(RunSpec(X, params))
    runner.start()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.steer(replace(params, sparsity=0.8))
    watch(runner, lambda poll: poll.iterate is not None and poll.iterate.target == 0.8)
    runner.steer(replace(params, sparsity=0.7, max_iter=1))
    assert runner.join(PATIENCE)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.MAX_ITER
    assert [step.change.sparsity for step in outcome.interventions] == [0.8, 0.7]
    assert outcome.result.params.sparsity == 0.8  # no iteration has had the last one
    again = Runner(RunSpec(X, params), replay=outcome.interventions).run()
    assert np.array_equal(again.result.W, outcome.result.W)
    assert np.array_equal(again.result.H, outcome.result.H)
    assert np.array_equal(again.result.history.error, outcome.result.history.error)


def test_steering_refuses_bad_parameters_at_once(X):
    params = gs.Params(rank=4, max_iter=10**9, tol=0.0)
    runner = Runner(RunSpec(X, params))
    runner.start()
    with pytest.raises(ValueError, match="sparsity is 2"):
        runner.steer(replace(params, sparsity=2.0))
    with pytest.raises(ValueError, match="rank is fixed"):
        runner.steer(replace(params, rank=5))
    runner.cancel()
    assert runner.join(PATIENCE)


def test_bad_input_fails_with_one_sentence(X):
    runner = Runner(RunSpec(-X, gs.Params(rank=4)))
    runner.start()
    assert runner.join(PATIENCE)
    poll = runner.poll()
    assert poll.state is RunState.FAILED
    assert poll.outcome.reason is FinishReason.FAILED
    assert poll.outcome.result is None
    assert poll.outcome.error_text.startswith("X has negative values")
    assert "Traceback" in poll.outcome.details


def test_a_solver_that_breaks_keeps_what_was_reached(X, monkeypatch):
    def breaking(X, params, backend, mask):
        solver = gs.iterate(X, params, backend, mask)
        yield next(solver)
        yield next(solver)
        raise MemoryError("out of memory in the third iteration")

    monkeypatch.setattr(runner_module, "iterate", breaking)
    outcome = Runner(RunSpec(X, gs.Params(rank=4))).run()
    assert outcome.reason is FinishReason.FAILED
    assert outcome.error_text == "out of memory in the third iteration"
    assert outcome.result.n_iter == 2


def test_ctrl_c_counts_as_cancel(X):
    def interrupt(record):
        if record.n_iter == 3:
            raise KeyboardInterrupt

    outcome = Runner(RunSpec(X, gs.Params(rank=4))).run(interrupt)
    assert outcome.reason is FinishReason.CANCELLED
    assert outcome.result.n_iter == 3


def test_a_runner_runs_once(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, max_iter=1)))
    runner.run()
    with pytest.raises(RuntimeError, match="runs once"):
        runner.start()


def test_two_runners_at_once_do_not_disturb_each_other(X):
    params = gs.Params(rank=4, sparsity=0.6, max_iter=40)
    runners = [Runner(RunSpec(X, replace(params, seed=seed))) for seed in (0, 1)]
    for runner in runners:
        runner.start()
    for seed, runner in enumerate(runners):
        assert runner.join(PATIENCE)
        direct = gs.factorize(X, replace(params, seed=seed))
        assert np.array_equal(runner.poll().outcome.result.W, direct.W)


def steer_by_hand(X, params):
    """A run that is steered: split, freeze with another target, kill, re-seed; cancelled a little later."""
    runner = Runner(RunSpec(X, params))
    runner.start()
    taken = []

    def has_gone_on(poll):
        taken.extend(poll.interventions)
        return poll.iterate is not None and (not taken or poll.iterate.n_iter > taken[-1].n_iter + 2)

    for steer in (
        lambda: runner.edit(gs.Split(1)),
        lambda: runner.steer(replace(runner.params, frozen=(0, 4), sparsity=0.7)),
        lambda: runner.edit(gs.Kill(0)),
        lambda: runner.edit(gs.Reseed(0)),
    ):
        watch(runner, has_gone_on)
        steer()
        watch(runner, lambda poll: taken.extend(poll.interventions) or not runner._asked)
    watch(runner, has_gone_on)
    runner.cancel()
    assert runner.join(PATIENCE)
    return runner.poll().outcome, taken


def test_a_run_that_was_steered_by_hand_repeats_to_the_last_bit(X):
    params = gs.Params(rank=4, sparsity=0.5, max_iter=10**9, tol=0.0)
    outcome, taken = steer_by_hand(X, params)
    said = [step.text for step in outcome.interventions]
    assert said == ["basis 2 split", "s 0.500 → 0.700, basis 1, 5 frozen", "basis 1 killed", "basis 1 re-seeded"]
    assert taken == list(outcome.interventions)
    result = outcome.result
    assert result.params.rank == result.W.shape[1] == 4
    assert result.params.frozen == (3,)
    assert result.best_iter > taken[-1].n_iter, "what was before the last edit is no rival"
    steps = {step.n_iter: step.change for step in taken}
    ending = replace(params, max_iter=result.n_iter)
    steps = {n: replace(c, max_iter=result.n_iter) if isinstance(c, gs.Params) else c for n, c in steps.items()}
    again = gs.factorize(X, ending, steering=steps)
    assert np.array_equal(again.W, result.W)
    assert np.array_equal(again.H, result.H)
    assert np.array_equal(again.history.error, result.history.error)
    assert again.best_iter == result.best_iter


def test_a_pause_gathers_what_is_asked_for_in_order(X):
    params = gs.Params(rank=4, sparsity=0.5, max_iter=10**9, tol=0.0)
    runner = Runner(RunSpec(X, params))
    runner.pause()
    runner.start()
    watch(runner, lambda poll: poll.state is RunState.PAUSED)
    for s in (0.6, 0.7):
        runner.steer(replace(runner.params, sparsity=s))  # the newest wins
    runner.edit(gs.Split(0))
    runner.steer(replace(runner.params, sparsity=0.8))
    assert (runner.params.rank, runner.params.sparsity) == (5, 0.8)
    with pytest.raises(ValueError, match="there is no basis image 6; accepted are 1 to 5"):
        runner.edit(gs.Kill(5))
    with pytest.raises(ValueError, match="rank is fixed"):
        runner.steer(params)
    runner.resume()
    watch(runner, lambda poll: poll.iterate is not None and poll.iterate.n_iter > 3)
    runner.cancel()
    assert runner.join(PATIENCE)
    outcome = runner.poll().outcome
    said = [(step.n_iter, step.text) for step in outcome.interventions]
    assert said == [(1, "s 0.500 → 0.700"), (1, "basis 1 split"), (1, "s 0.700 → 0.800")]
    assert outcome.result.W.shape[1] == 5


def test_an_edit_that_no_iteration_follows_leaves_the_result(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.5, max_iter=1)))
    runner.edit(gs.Kill(0))
    outcome = runner.run()
    assert outcome.reason is FinishReason.MAX_ITER
    assert outcome.result.params.rank == outcome.result.W.shape[1] == 4


def test_a_branch_shares_its_first_iterations_to_the_last_bit(X):
    params = gs.Params(rank=4, sparsity=0.5, max_iter=30)
    steering = {5: gs.Split(0), 20: gs.Kill(0)}
    origin = Runner(RunSpec(X, params), [Intervention(n, change) for n, change in steering.items()]).run()
    other = branch(RunSpec(X, params), origin.interventions, 12, lambda now: replace(now, sparsity=0.8)).run()
    for name in ("error", "sparsity"):
        one, two = getattr(origin.result.history, name), getattr(other.result.history, name)
        assert np.array_equal(one[:12], two[:12])
        assert one[12] != two[12]
    assert [step.n_iter for step in other.interventions] == [5, 12]
    assert other.interventions[-1].text == "s 0.500 → 0.800"
    assert other.result.W.shape[1] == 5
    assert other.result.sparsity >= 0.8 - 1e-10
    same = branch(RunSpec(X, params), origin.interventions, 20, lambda now: now).run()
    assert same.result.W.shape[1] == 5, "what the origin took at the fork itself is not shared"


@pytest.mark.parametrize("n_iter", [0, 30, 31])
def test_a_branch_needs_iterations_before_and_after_it(X, n_iter):
    spec = RunSpec(X, gs.Params(rank=4, max_iter=30))
    with pytest.raises(ValueError, match=rf"a branch after iteration {n_iter} is not possible; accepted are 1 to 29"):
        branch(spec, (), n_iter, lambda params: params)
    with pytest.raises(ValueError, match="rank is fixed"):
        branch(spec, (), 3, lambda params: replace(params, rank=5))


def test_further_starts_are_on_the_screen_only_where_they_are_better(monkeypatch):
    rng = np.random.default_rng(3)
    W = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4)
    X = np.asfortranarray(W @ rng.random((6, 200)) + 0.03 * rng.random((60, 200)))
    spec = RunSpec(X, gs.Params(6, method="gsphals", sparsity=0.7, continuation=20, max_iter=400, tol=0.0), "cpu")
    runner = Runner(spec)
    published, records, iterates = [], [], []
    publish = runner._publish

    def watched(it, record):
        publish(it, record)
        published.append(runner.poll().iterate)
        records.append(record)
        iterates.append(it)

    monkeypatch.setattr(runner, "_thread", threading.current_thread())  # as `start`: polls are given iterates
    monkeypatch.setattr(runner, "_publish", watched)
    runner.run()
    further = [k for k, record in enumerate(records) if record.trial > 3]
    worse = [k for k in further if records[k].error > min(record.error for record in records[:k])]
    assert worse, "this run tries further starts that are worse at first"
    for k in worse:
        assert iterates[k].error == min(record.error for record in records[: k + 1] if record.trial in (0, 4, 5, 6))
        assert published[k] is None or published[k].trial == 0, "the best is there already"
    first = [k for k, record in enumerate(records) if 0 < record.trial <= 3]
    assert [iterates[k].n_iter for k in first] == [records[k].n_iter for k in first]
