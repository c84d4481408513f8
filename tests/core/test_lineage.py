"""Which iterations led to the result of a run."""

from dataclasses import replace

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.lineage import ends_of_trials, leads, settled, settled_held_out, starts_of
from gsp_studio.core.results import History, Record


def history(*phases, target=0.5):
    """Iterations by (trial, what the first follows, errors)."""
    records = []
    for trial, follows, errors in phases:
        for k, error in enumerate(errors):
            n = len(records) + 1
            records.append(Record(n, error, 0.5, target, 0.1 * n, trial=trial, follows=n - 1 if k else follows))
    return History.of(records)


#: The second trial leads on; the fourth begins where its dense basis ended (iteration 4), and is better at last.
LONG = (
    (1, 0, [0.5, 0.4]),
    (2, 0, [0.9, 0.8, 0.3]),
    (3, 0, [0.7, 0.35]),
    (0, 5, [0.29, 0.28]),
    (4, 4, [0.8, 0.2]),
    (0, 11, [0.19, 0.18]),
)


def of(found):
    return (np.flatnonzero(found) + 1).tolist()


def test_a_run_without_trials_leads_as_a_whole():
    plain = history((0, 0, [0.5, 0.3, 0.4]))
    assert leads(plain).all()
    assert starts_of(plain).tolist() == [0]
    assert not len(ends_of_trials(plain))
    assert leads(History.of([])).tolist() == starts_of(History.of([])).tolist() == []


def test_while_trials_go_on_the_best_one_so_far_leads():
    assert of(leads(history(*LONG[:1]))) == [1, 2]
    assert of(leads(history(LONG[0], (2, 0, [0.9])))) == [1, 2]
    assert of(leads(history(*LONG[:2]))) == [3, 4, 5]
    assert of(leads(history(*LONG[:3]))) == [3, 4, 5]


def test_trials_that_were_given_up_do_not_lead():
    assert of(leads(history(*LONG[:4]))) == [3, 4, 5, 8, 9]
    assert of(leads(history(*LONG))) == [3, 4, 8, 9, 10, 11, 12, 13]
    whole = history(*LONG)
    kept = whole.chosen(leads(whole))
    assert kept.n_iter.tolist() == [3, 4, 8, 9, 10, 11, 12, 13]
    assert kept.error.tolist() == [0.9, 0.8, 0.29, 0.28, 0.8, 0.2, 0.19, 0.18]
    assert starts_of(kept).tolist() == [0, 2, 4]
    assert [whole.n_iter[k] for k in starts_of(whole)] == [1, 3, 6, 8, 10]
    assert [whole.n_iter[k] for k in ends_of_trials(whole)] == [2, 5, 7]


def test_an_iterate_that_misses_the_newest_target_does_not_lead():
    steered = History.of(
        [
            Record(1, 0.1, 0.5, 0.5, 0.1, trial=1, follows=0),
            Record(2, 0.3, 0.8, 0.8, 0.2, trial=2, follows=0),
            Record(3, 0.2, 0.8, 0.8, 0.3, trial=2),
        ]
    )
    assert of(leads(steered)) == [2, 3]


def test_a_plot_holds_the_run_and_the_ends_of_its_trials():
    assert sorted(settled(history(*LONG))) == [0.18, 0.19, 0.28, 0.29, 0.3, 0.35, 0.4]
    assert settled(history(*LONG[:2])).tolist() == [0.4, 0.3]
    assert settled(history((0, 0, [0.9] * 5 + [0.3] * 45))).tolist() == [0.3] * 45


def test_a_plot_holds_held_out_errors_beside_errors_that_it_holds():
    """Also while a trial leads whose first iterates are projections of a dense basis."""
    for phases, expected in ((LONG[:2], [0.4]), (LONG, [0.39, 0.38, 0.3, 0.29, 0.28]), (LONG[3:4], [0.39, 0.38])):
        found = history(*phases)
        found = replace(found, held_out_error=found.error + 0.1)
        np.testing.assert_allclose(settled_held_out(found.chosen(leads(found)), settled(found)), expected)


def test_histories_of_damaged_files_end():
    circle = History.of([Record(n, 0.5 - 0.1 * n, 0.5, 0.5, 0.1, trial=1, follows=9 - n) for n in range(1, 4)])
    assert leads(circle).any()


@pytest.mark.parametrize("s", [0.5, 0.85])
def test_what_leads_is_never_far_above_the_result(s):
    rng = np.random.default_rng(3)
    X = rng.random((60, 6)) * (rng.random((60, 6)) < 0.4) @ rng.random((6, 200)) + 0.03 * rng.random((60, 200))
    result = gs.factorize(X, gs.Params(6, sparsity=s, continuation=40, max_iter=200, tol=0.0), "cpu")
    found = result.history
    assert not leads(found).all()
    assert leads(found)[result.best_iter - 1]
    assert settled(found).max() < 0.6 * found.error.max()
    assert found.records() == History.of(found.records()).records() or np.isnan(found.held_out_error).all()
