"""Runs of shared-price HALS: their trials, targets, warm starts, steering, what they meet and what they repeat."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.trials import LENGTH, Trials, trial_words

M, RANK = 60, 6
#: Trials of 2 iterations with the full price, 2 dense and 5 with the full price, 11 with a rising one.
SHORT = 20


@pytest.fixture
def X():
    rng = np.random.default_rng(3)
    W = rng.random((M, RANK)) * (rng.random((M, RANK)) < 0.4)
    return np.asfortranarray(W @ rng.random((RANK, 200)) + 0.03 * rng.random((M, 200)))


def params(method="gsphals", **fields):
    weights = 0.5 + np.random.default_rng(7).random(M) if gs.METHODS[method].uses_weights else None
    defaults = {"rank": RANK, "sparsity": 0.7, "continuation": SHORT, "max_iter": SHORT + 10, "weights": weights}
    return gs.Params(method=method, **{**defaults, **fields})


def test_the_plan():
    trials = Trials(SHORT)
    shares = [trials.share(n) for n in range(1, SHORT + 3)]
    assert shares[:9] == [1.0] * 2 + [0.0] * 2 + [1.0] * 5
    rising = shares[9:SHORT]
    assert 0.05 < rising[0] < 0.1
    assert rising == sorted(rising)
    assert rising[-2:] == shares[SHORT:] == [1.0, 1.0]
    assert Trials(0).share(1) == 1.0


def test_the_best_one_goes_on():
    trials, start = Trials(SHORT), ("start",)
    assert trials.factors(1, start, np.inf, False) is start
    found = {}
    for n, error in ((3, 0.4), (10, 0.2), (21, 0.3)):
        assert trials.factors(n - 1, ("on",), 0.1, True) == ("on",)
        found[n] = trials.factors(n, (n,), error, True)
    assert found == {3: start, 10: start, 21: (10,)}
    assert trials.length == SHORT
    assert trials.factors(22, ("on",), 0.1, True) == ("on",)


def test_the_dense_basis_is_priced_again_once_the_best_stands_still():
    trials, error, jumps = Trials(SHORT), np.inf, []
    for n in range(1, 200):
        found = trials.factors(n, (n,), error, True)
        error = 0.2 if trials.share(n) == 1.0 else 0.9
        if n > SHORT + 1 and trials.share(n) == 0.0 and found != (n,):
            jumps.append((n, *found))
    # Each begins where the dense basis of the one before ended, two iterations after it began.
    assert [dense for _, dense in jumps] == [5, jumps[0][0] + 2, jumps[1][0] + 2]
    assert len(jumps) == 3


def test_one_is_enough_where_the_target_asks_for_no_price(X):
    trials = Trials(SHORT)
    trials.factors(1, ("start",), np.inf, False)
    assert trials.factors(3, ("first",), 0.4, False) == ("first",)
    assert trials.share(3) == trials.share(10) == 1.0
    dense = gs.factorize(X, params("ahals"), "cpu")
    errors = gs.factorize(X, params(sparsity=0.0), "cpu").history.error
    assert np.all(np.diff(errors) < 1e-12)
    assert errors[-1] == pytest.approx(dense.error, rel=0.02)


@pytest.mark.parametrize("method", ["gsphals", "wgsphals"])
@pytest.mark.parametrize("s", [0.0, 0.5, 0.8, 1.0])
def test_every_iterate_meets_its_target_and_is_a_projection(X, s, method):
    chosen = params(method, sparsity=s)
    for it in gs.iterate(X, chosen, "cpu"):
        assert it.target == s
        assert it.sparsity >= s - 1e-10
        assert it.meets_target()
        assert it.W.min() >= 0
        assert it.sparsity == pytest.approx(np.mean(gs.hoyer_sparsity(it.W, chosen.weights)))
        assert it.error == pytest.approx(np.linalg.norm(X - it.W @ it.H) / np.linalg.norm(X), rel=1e-9)
        again = gs.group_sparse_projection(it.dense, s, weights=chosen.weights).values
        np.testing.assert_array_equal(again, it.W)


def test_the_run_ends_below_all_trials_and_below_the_fast_gradient(X):
    for s in (0.5, 0.75, 0.9):
        found = gs.factorize(X, params(sparsity=s, max_iter=100, continuation=60), "cpu")
        errors = found.history.error
        assert found.error <= min(errors[[5, 26, 59]]) + 1e-12
        assert np.all(errors[60:70] <= min(errors[[5, 26, 59]]) * 1.001)
        fast = gs.factorize(X, params("psnmf", sparsity=s, max_iter=100, continuation=0), "cpu")
        assert found.error <= 1.01 * fast.error


def test_a_longer_run_begins_with_the_shorter_one(X):
    long = gs.factorize(X, params(continuation=0, max_iter=2 * LENGTH // 5), "cpu")
    short = gs.factorize(X, params(continuation=0, max_iter=LENGTH // 5), "cpu")
    np.testing.assert_array_equal(long.history.error[: LENGTH // 5], short.history.error)


def test_given_factors_go_on_at_once_and_soon_stand_still(X):
    fast = gs.factorize(X, params("psnmf", sparsity=0.5, max_iter=200, continuation=0), "cpu")
    fresh = gs.factorize(X, params("psnmf", sparsity=0.7, max_iter=200, continuation=0), "cpu")
    warm = params(init=(fast.W, fast.H), continuation=0, max_iter=200)
    errors = gs.factorize(X, warm, "cpu").history.error
    assert errors[9] <= 1.1 * errors[-1]
    assert errors[-1] <= 1.002 * fresh.error
    assert np.all(np.diff(errors[2:]) <= 1e-3 * errors[-1])  # no trials


def test_missing_entries_stay_unread_in_all_trials(X):
    mask = np.random.default_rng(8).random(X.shape) < 0.1
    seen = []
    for fill in (0.0, 1e3):
        some = np.where(mask, fill, X)
        for it in gs.iterate(some, params(), "cpu", mask):
            left = np.where(mask, 0.0, X - it.W @ it.H)
            assert it.error == pytest.approx(np.linalg.norm(left) / np.linalg.norm(X[~mask]), rel=1e-8)
        seen.append(it.W)
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("n", [1, 3, 6, 12, 22])
def test_another_target_ends_the_trials_and_is_met_at_once(X, n):
    new = params(sparsity=0.85)
    found = list(_walk(X, params(), {n: new}, 30))
    for it in found[n:]:
        assert it.target == 0.85
        assert it.meets_target()
    errors = [it.error for it in found[n:]]
    assert errors[-1] <= 1.02 * min(errors)  # no trial begins after it
    again = gs.factorize(X, params(), "cpu", steering={n: new})
    assert again.history.error.tolist() == [it.error for it in found]


def test_edits_end_the_trials(X):
    for edit in (gs.Kill(1), gs.Split(0), gs.Reseed(2)):
        errors = np.array([it.error for it in _walk(X, params(), {4: edit}, 30)])
        assert (errors[6:] <= 1.05 * errors[5:-1]).all()  # a basis without a price has a far higher error
    errors = np.array([it.error for it in _walk(X, params(), {}, 30)])
    assert (errors[6:] > 1.05 * errors[5:-1]).any()


def test_held_images_keep_their_bits_through_the_trials(X):
    start = gs.factorize(X, params("psnmf", continuation=0), "cpu")
    chosen = params(init=(start.W, start.H), frozen=(1, 4))
    for it in gs.iterate(X, chosen, "cpu"):
        for k in chosen.frozen:  # their scale is not the run's to choose either, but the start is scaled as a whole
            np.testing.assert_allclose(it.W[:, k] / start.W[:, k].max(), start.W[:, k] / start.W[:, k].max(), atol=0.2)
        assert it.sparsity >= 0.7 - 1e-10
    first, *_, last = list(gs.iterate(X, chosen, "cpu"))
    np.testing.assert_array_equal(first.W[:, [1, 4]], last.W[:, [1, 4]])
    assert not np.array_equal(first.W[:, 0], last.W[:, 0])


def test_sparse_coefficients_by_the_same_update(X):
    result = gs.factorize(X, params(sparsity_h=0.5, max_iter=60), "cpu")
    assert result.sparsity_h >= 0.5 - 1e-10
    fast = gs.factorize(X, params("psnmf", sparsity_h=0.5, max_iter=60, continuation=0), "cpu")
    assert result.error <= 1.02 * fast.error


def test_trials_give_no_reason_to_stop(X):
    result = gs.factorize(X, params(continuation=40, max_iter=200, tol=0.5), "cpu")
    assert 40 < result.n_iter < 200


def test_reseeding_in_a_run(X):
    rng = np.random.default_rng(0)
    W0, H0 = rng.random((M, RANK)), rng.random((RANK, 200))
    W0[:, 2] = 0.0
    result = gs.factorize(X, params(init=(W0, H0), reseed_dead=True, sparsity=0.4), "cpu")
    assert result.dead == ()


def test_ranks_from_one_on():
    rng = np.random.default_rng(1)
    X = rng.random((20, 3)) ** 4 @ rng.random((3, 50))
    for rank in (1, 2, 3, 20):
        for s in (0.2, 0.5, 0.9):
            ours, fast = (
                gs.factorize(X, gs.Params(rank, method, s, max_iter=100, continuation=c), "cpu").error
                for method, c in (("gsphals", 40), ("psnmf", 0))
            )
            assert ours <= 1.01 * fast + 1e-3, (rank, s)


def _walk(X, chosen, steering, n):
    solver, step = gs.iterate(X, replace(chosen, max_iter=n), "cpu"), None
    found = []
    while True:
        try:
            it = solver.send(step)
        except StopIteration:
            return found
        found.append(it)
        step = steering.get(it.n_iter)


def test_images_are_frozen_as_they_are_seen_while_a_basis_without_a_price_goes_on(X):
    chosen = params()
    dense = Trials(SHORT)._dense
    assert len(dense) >= 2
    solver = gs.iterate(X, chosen, "cpu")
    for _ in range(dense.start + 1):
        seen = next(solver)
    frozen = solver.send(replace(chosen, frozen=(1, 3)))
    np.testing.assert_array_equal(frozen.W[:, [1, 3]], seen.W[:, [1, 3]])
    assert not np.array_equal(frozen.W, seen.W)


def test_a_fine_tolerance_waits_for_all_trials_and_a_coarse_one_for_the_first(X):
    coarse = gs.factorize(X, params(sparsity=0.85, max_iter=2000, tol=1e-3), "cpu")
    fine = gs.factorize(X, params(sparsity=0.85, max_iter=2000), "cpu")
    assert SHORT < coarse.n_iter < fine.n_iter < 2000
    endless = gs.factorize(X, params(sparsity=0.85, max_iter=fine.n_iter + 300, tol=0.0), "cpu")
    assert fine.error <= 1.001 * endless.error


def test_iterates_say_which_trial_they_belong_to_and_what_they_follow(X):
    found = list(_walk(X, params(sparsity=0.85, continuation=40, tol=0.0), {}, 400))
    of = {k: [it.n_iter for it in found if it.trial == k] for k in {it.trial for it in found}}
    assert of[1] == list(range(1, 5))
    assert of[2] == list(range(5, 19))
    assert of[3] == list(range(19, 41))
    assert of[0][0] == 41
    assert {4, 5, 6} <= of.keys()
    ends = [4, 18, 40]
    best = min(ends, key=lambda n: found[n - 1].error)
    jumps = {it.n_iter: it.follows for it in found if it.follows != it.n_iter - 1}
    later = of[4][0]
    assert jumps[5] == jumps[19] == 0
    assert jumps.get(41, 40) == best
    assert jumps[later] == 8, "where the dense basis ended"
    assert found[of[4][-1]].follows in (later - 1, of[4][-1])


def test_a_change_ends_the_trial_and_follows_it(X):
    found = list(_walk(X, params(), {6: params(sparsity=0.8)}, 20))
    assert [it.trial for it in found] == [1, 1, 2, 2, 2, 2, *[0] * 24]
    assert found[6].follows == 6


def test_runs_without_trials_say_none(X):
    for chosen in (params("ahals"), params("psnmf", continuation=0), params(continuation=5)):
        found = list(_walk(X, chosen, {}, 8))
        assert {it.trial for it in found} == {0}
        assert [it.follows for it in found] == list(range(8))


def test_words_of_trials():
    assert [trial_words(k) for k in (0, 2, 5)] == ["", "start 2 of 3", "further start 5"]


def test_a_change_in_a_further_start_goes_on_from_the_best_basis_so_far(X):
    chosen = params(max_iter=400, tol=0.0)
    plain = list(_walk(X, chosen, {}, 200))
    [*_, last] = [it for it in plain if it.trial == 4][:4]  # in its dense iterations
    best = plain[last.n_iter - 5]
    assert best.trial == 0
    for change in (replace(chosen, sparsity=0.72), gs.Reseed(0), replace(chosen, frozen=(1,))):
        after = list(_walk(X, chosen, {last.n_iter: change}, last.n_iter + 3))[last.n_iter :]
        assert after[0].follows == best.n_iter
        assert after[0].trial == 0
        assert after[0].error < max(last.error, 1.3 * best.error)
        assert after[1].follows == last.n_iter + 1
        if isinstance(change, gs.Params) and change.frozen:
            np.testing.assert_array_equal(after[0].W[:, 1], best.W[:, 1])
