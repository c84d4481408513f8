"""The solved path: monotone, as good as runs of their own, repeated to the bit, one sentence for bad input."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core import solved_path as module
from gsp_studio.core.metrics import GramError
from gsp_studio.core.solved_path import PathWalk

TARGETS = (0.9, 0.3, 0.6, 0.75, 0.82)


def parts(seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """60 images of 8 x 8, sums of six spots and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:8, :8]
    spots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4).ravel() for a, b in 7 * rng.random((6, 2))]
    return (np.stack(spots, axis=1) @ rng.exponential(size=(6, 60)) + 0.02 * rng.random((64, 60))).astype(dtype)


def relative_error(X: np.ndarray, result: gs.Result) -> float:
    return float(np.linalg.norm(X - result.W @ result.H) / np.linalg.norm(X))


@pytest.fixture(params=[True, False], ids=["small", "walked"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Data for which every target has a run of its own, and data that count as too large for that."""
    if not request.param:
        monkeypatch.setattr(module, "_SMALL", 0)
        monkeypatch.setattr(module, "_FAR", 1.5)
    return request.param


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_targets_are_met_in_the_order_asked_for_and_errors_never_fall_with_them(size: bool, dtype: str) -> None:
    X = parts(dtype=dtype)
    path = gs.solved_path(X, gs.Params(5, max_iter=120), TARGETS, "cpu")
    assert len(path) == len(TARGETS)
    for target, result in zip(TARGETS, path, strict=True):
        assert result.sparsity >= target - (1e-10 if dtype == "float64" else 1e-5)
        assert np.mean(gs.hoyer_sparsity(result.W)) == pytest.approx(result.sparsity, abs=1e-5)
        assert relative_error(X, result) == pytest.approx(result.error, rel=1e-4)
        assert result.params.sparsity >= target
    by_target = [path[TARGETS.index(s)].error for s in sorted(TARGETS)]
    assert all(low <= high for low, high in pairwise(by_target))
    assert by_target[-1] > 1.2 * by_target[0], "the targets matter"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_point_is_worse_than_a_run_of_its_own(seed: int) -> None:
    X, params = parts(seed), gs.Params(5, seed=seed)
    targets = (0.4, 0.65, 0.8, 0.9)
    for target, result in zip(targets, gs.solved_path(X, params, targets, "cpu"), strict=True):
        assert result.error <= 1.02 * gs.factorize(X, replace(params, sparsity=target), "cpu").error


def test_targets_close_together_are_walked_from_one_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 0)
    targets = np.linspace(0.6, 0.7, 5)
    walk = PathWalk(gs.Params(5), targets, 64, 60)
    runs, X = [], parts()
    for params in walk.runs():
        runs.append(params)
        walk.see(gs.factorize(X, params, "cpu"))
    assert len(runs) == walk.n_runs == 1 + 4 + 4
    assert [run.sparsity for run in runs] == [*targets, *targets[-2::-1]]
    assert runs[0].init == "random"
    assert all(isinstance(run.init, tuple) and run.max_iter == module.MOST and not run.continuation for run in runs[1:])
    far = PathWalk(gs.Params(5), (*targets, 0.9), 64, 60)
    assert far.n_runs == 2 + 5 + 5, "a jump begins with a run of its own"


def test_every_point_repeats_to_the_bit_and_threads_do_not_matter(size: bool) -> None:
    X, params = parts(), gs.Params(5, max_iter=60, seed=3)
    path = gs.solved_path(X, params, TARGETS, "cpu")
    for threads in (1, 2):
        again = gs.solved_path(X, params, TARGETS, gs.get_backend("cpu", threads))
        for one, other in zip(path, again, strict=True):
            assert np.array_equal(one.W, other.W)
            assert np.array_equal(one.H, other.H)
            assert (one.error, one.n_iter) == (other.error, other.n_iter)
    assert any(isinstance(result.params.init, tuple) for result in path)
    for result in path:
        alone = gs.factorize(X, result.params, "cpu")
        assert np.array_equal(alone.W, result.W)
        assert np.array_equal(alone.H, result.H)


def test_the_order_of_the_targets_does_not_matter() -> None:
    X, params = parts(), gs.Params(4, max_iter=40)
    path = dict(zip(TARGETS, gs.solved_path(X, params, TARGETS, "cpu"), strict=True))
    for target, result in zip(sorted(TARGETS), gs.solved_path(X, params, sorted(TARGETS), "cpu"), strict=True):
        assert np.array_equal(result.W, path[target].W)


def stand_in(error: float, sparsity: float) -> gs.Result:
    """A result of which the walk looks at error and sparsity alone."""
    one, history = np.ones((2, 1)), gs.factorize(np.eye(3) + 1, gs.Params(1, max_iter=1), "cpu").history
    gram = GramError(one, np.ones((1, 1)), 1.0)
    return gs.Result(one, one.T, error, sparsity, 1, 1, history, gs.Params(1), "cpu", one, gram)


def test_a_sparser_basis_with_the_lower_error_stands_for_the_lower_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 0)
    walk = PathWalk(gs.Params(1), (0.5, 0.6, 0.7), 30, 30)
    errors = {0.5: 0.4, 0.6: 0.3, 0.7: 0.2}
    for params in walk.runs():
        walk.see(stand_in(errors[params.sparsity], params.sparsity))
    assert [result.error for result in walk.results().values()] == [0.2] * 3


def test_what_is_solved_when_a_walk_is_left_stays_and_is_monotone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 0)
    walk = PathWalk(gs.Params(1), (0.7, 0.5, 0.6), 30, 30)
    assert walk.results() == {}
    runs = walk.runs()
    for error in (0.4, 0.3):
        params = next(runs)
        while params.sparsity in walk.results():  # each also from its neighbour
            params = next(runs)
        walk.see(stand_in(error, params.sparsity))
    assert {target: result.error for target, result in walk.results().items()} == {0.5: 0.3, 0.6: 0.3}


@pytest.mark.parametrize("method", ["psnmf", "cpsnmf", "l1ahals", "wsnmf", "gsphals"])
def test_other_methods_with_a_target_and_weights(method: str) -> None:
    weights = np.linspace(0.2, 1.0, 64) if method in ("wsnmf", "gsphals") else None
    X, params = parts(), gs.Params(4, method, max_iter=40, weights=weights)
    path = gs.solved_path(X, params, (0.5, 0.8), "cpu")
    used = "wgsphals" if method == "gsphals" else method
    assert {result.params.method for result in path} == {used}
    assert path[0].error <= path[1].error or method == "l1ahals"
    if method != "l1ahals":
        assert all(result.sparsity >= s - 1e-10 for s, result in zip((0.5, 0.8), path, strict=True))


def test_missing_entries_sparse_coefficients_and_the_callback() -> None:
    X = parts()
    mask = np.zeros(X.shape, bool)
    mask[:, ::7] = np.random.default_rng(0).random((64, 9)) < 0.2
    seen: list[float] = []
    holes = np.where(mask, np.nan, X)
    params = gs.Params(4, max_iter=20, sparsity_h=0.3)
    path = gs.solved_path(holes, params, (0.8, 0.6), "cpu", lambda it: seen.append(it.target), mask)
    assert set(seen) == {0.6, 0.8}
    assert all(result.sparsity_h >= 0.3 - 1e-10 for result in path)
    assert path[0].error == pytest.approx(
        np.linalg.norm((X - path[0].W @ path[0].H)[~mask]) / np.linalg.norm(X[~mask]), rel=1e-6
    )


def test_one_target_is_one_run() -> None:
    X, params = parts(), gs.Params(3, max_iter=15)
    (result,) = gs.solved_path(X, params, [0.7], "cpu")
    assert np.array_equal(result.W, gs.factorize(X, replace(params, sparsity=0.7), "cpu").W)


@pytest.mark.parametrize(
    ("params", "sparsities", "message"),
    [
        (gs.Params(3), [0.5, 1.2], "sparsities hold 1.2; accepted is a number from 0 to 1"),
        (gs.Params(3), [0.5, -0.1], "sparsities hold -0.1"),
        (gs.Params(3), [0.5, math.nan], "sparsities hold nan"),
        (gs.Params(3), [0.5, "0.6"], "sparsities hold 0.6; accepted is a number"),
        (gs.Params(3), [0.5, True], "sparsities hold True"),
        (gs.Params(3), [0.5, 0.7, 0.5], "sparsities hold 0.5 twice"),
        (gs.Params(3), [], "sparsities are none"),
        (gs.Params(3), 0.5, "sparsities are 0.5; accepted are several numbers"),
        (gs.Params(3, "ahals"), [0.5], 'the method "ahals" has no target, so it has no path; accepted are psnmf'),
        (gs.Params(3, "pca"), [0.5], 'method "pca" is not known'),
        (gs.Params(61), [0.5], "rank 61 exceeds"),
        (gs.Params(3, "psnmf", weights=np.ones(64)), [0.5], "weights are for the methods"),
        (gs.Params(3, weights=np.ones(63)), [0.5], "weights have shape"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(params: gs.Params, sparsities: object, message: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        gs.solved_path(parts(), params, sparsities)  # type: ignore[arg-type]
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_data_that_are_no_matrix() -> None:
    with pytest.raises(ValueError, match="expected is a matrix"):
        gs.solved_path(np.ones(5), gs.Params(1), [0.5])
