"""Why a run ends, and what happens on the way there: continuation, restarts of the watch by steering."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.nmf import Stop
from gsp_studio.engine.run import FinishReason, RunSpec
from gsp_studio.engine.runner import Runner


@pytest.fixture
def X():
    rng = np.random.default_rng(2)
    return rng.random((50, 4)) @ rng.random((4, 80)) + 0.05 * rng.random((50, 80))


def test_every_reason_is_told(X):
    params = gs.Params(rank=4, method="ahals", max_iter=3000)
    assert gs.factorize(X, replace(params, max_iter=7)).stop is Stop.MAX_ITER
    timed = gs.factorize(X, replace(params, max_seconds=1e-9))
    assert (timed.stop, timed.n_iter) == (Stop.SECONDS, 1)
    assert gs.factorize(X, replace(params, tol=1e-4)).stop is Stop.TOLERANCE
    assert gs.factorize(X, replace(params, kkt_tol=1e-3)).stop is Stop.STATIONARY


@pytest.mark.parametrize("reason", ["tol", "kkt_tol"])
def test_a_runner_ends_for_the_same_reason(X, reason):
    params = replace(gs.Params(rank=4, method="ahals", max_iter=3000), **{reason: 1e-3})
    outcome = Runner(RunSpec(X, params)).run()
    expected = {"tol": FinishReason.TOLERANCE, "kkt_tol": FinishReason.STATIONARY}[reason]
    assert outcome.reason is expected
    assert outcome.result.stop.value == outcome.reason.value
    assert set(FinishReason.__members__) >= set(Stop.__members__)


def test_the_tolerance_compares_the_best_of_two_windows(X):
    tol = 1e-3
    result = gs.factorize(X, gs.Params(rank=4, method="ahals", max_iter=3000, tol=tol))
    error = result.history.error
    assert error[:-10].min() - error[-10:].min() < tol * error[:-10].min()
    for n in range(11, len(error)):  # and no earlier window was as flat
        assert error[: n - 10].min() - error[n - 10 : n].min() >= tol * error[: n - 10].min()


def test_a_smaller_gradient_residual_takes_longer(X):
    lengths = [
        gs.factorize(X, gs.Params(rank=4, method="ahals", max_iter=5000, kkt_tol=tol)).n_iter
        for tol in (1e-1, 1e-2, 1e-3)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[2]


@pytest.mark.parametrize("method", ["psnmf", "cpsnmf", "nenmf"])
def test_the_gradient_residual_knows_the_constraint(X, method):
    params = gs.Params(rank=4, method=method, sparsity=0.5, max_iter=4000, kkt_tol=1e-2)
    assert gs.factorize(X, params).stop is Stop.STATIONARY


def test_continuation_raises_the_target_evenly(X):
    result = gs.factorize(X, gs.Params(rank=4, method="psnmf", sparsity=0.8, max_iter=30, continuation=10))
    np.testing.assert_allclose(result.history.target[:10], 0.08 * np.arange(1, 11))
    assert np.all(result.history.target[9:] == 0.8)
    assert np.all(result.history.sparsity >= result.history.target - 1e-10)
    assert result.sparsity >= 0.8 - 1e-10  # an iterate from the way up has a lower error and is not kept
    assert result.history.error[:9].min() < result.error


def test_no_tolerance_ends_a_run_while_its_target_rises(X):
    result = gs.factorize(X, gs.Params(rank=4, method="psnmf", sparsity=0.8, max_iter=100, continuation=60, tol=0.5))
    assert result.n_iter >= 60


def test_continuation_lowers_the_error_on_faces(shared_data):
    X = gs.load_dataset(shared_data / "CBCL.mat", dtype="float32").X
    params = gs.Params(rank=49, method="psnmf", sparsity=0.85, max_iter=250)
    plain, raised = gs.factorize(X, params), gs.factorize(X, replace(params, continuation=100))
    assert raised.sparsity >= 0.85 - 1e-5
    assert raised.error < plain.error


def test_steering_starts_the_watch_anew(X):
    params = gs.Params(rank=4, sparsity=0.3, max_iter=3000, tol=0.9)
    solver = gs.iterate(X, params)
    for _ in range(10):
        next(solver)
    steered = replace(params, sparsity=0.4)
    assert solver.send(steered).target == 0.4
    for _ in range(9):
        next(solver)  # ten errors under the new target are too few to compare


def test_the_error_before_steering_does_not_end_a_run_of_a_sparser_target(X):
    """A sparser target has higher errors: compared with those before it, none would ever be lower."""
    solver = gs.iterate(X, gs.Params(rank=4, method="psnmf", sparsity=0.3, max_iter=3000, tol=1e-6))
    before = [next(solver) for _ in range(30)][-1]
    it = solver.send(gs.Params(rank=4, method="psnmf", sparsity=0.8, max_iter=3000, tol=1e-6))
    errors = [it.error, *(later.error for later in solver)]
    assert errors[-1] > before.error
    assert errors[10] < errors[0] * (1 - 1e-6), "ten iterations gained enough to go on"
    assert len(errors) > 11
