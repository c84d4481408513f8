"""The runner's state machine, with real solvers and with one that breaks."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.engine import runner as runner_module
from gsp_studio.engine.run import FinishReason, RunSpec, RunState
from gsp_studio.engine.runner import Runner

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
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.6, max_iter=10**9)))
    runner.start()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.cancel()
    assert runner.join(PATIENCE)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.CANCELLED
    assert outcome.result.error == outcome.result.history.error.min()
    assert runner.state is RunState.FINISHED


def test_pause_holds_and_resume_goes_on(X):
    runner = Runner(RunSpec(X, gs.Params(rank=4, sparsity=0.6, max_iter=10**9)))
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
    params = gs.Params(rank=4, sparsity=0.4, max_iter=10**9)
    runner = Runner(RunSpec(X, params))
    runner.start()
    watch(runner, lambda poll: poll.iterate is not None)
    runner.steer(replace(params, sparsity=0.8))
    watch(runner, lambda poll: poll.iterate is not None and poll.iterate.target == 0.8)
    runner.steer(replace(params, sparsity=0.7, max_iter=1))
    assert runner.join(PATIENCE)
    outcome = runner.poll().outcome
    assert outcome.reason is FinishReason.MAX_ITER
    assert [step.params.sparsity for step in outcome.interventions] == [0.8, 0.7]
    assert outcome.result.params.sparsity == 0.7
    again = Runner(RunSpec(X, params), replay=outcome.interventions).run()
    assert np.array_equal(again.result.W, outcome.result.W)
    assert np.array_equal(again.result.H, outcome.result.H)
    assert np.array_equal(again.result.history.error, outcome.result.history.error)


def test_steering_refuses_bad_parameters_at_once(X):
    params = gs.Params(rank=4, max_iter=10**9)
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
