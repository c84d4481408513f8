"""Signs of a poor factorization: met targets that one dense image and single pixels make up."""

import numpy as np
import pytest

import gsp_studio as gs
from gsp_studio.core.diagnosis import cautions, cautions_of, error_without, sparser_and_better, target_without_dust
from gsp_studio.core.metrics import GramError


def test_a_dense_image_beside_dust_is_named():
    [dense, single] = cautions(np.array([0.97, 0.2, 0.95, 1.0, 1.0]), np.array([0.025, 0.9, 0.025, 0.025, 0.025]))
    assert dense.short == "one image carries 90 %"
    assert "basis image 2 is dense (sparsity 0.20)" in dense.sentence
    assert single.short == "2 of 5 are one pixel"


def test_the_target_that_needs_no_dust_is_the_average_of_the_others():
    sparsities = np.array([1.0, 0.637, 1.0, 0.5, 1.0])
    assert target_without_dust(sparsities) == 0.56
    [single] = cautions(sparsities, np.full(5, 0.2))
    assert single.sentence.endswith("try a lower rank or a lower target: 0.56 is the average of the others")
    assert np.isnan(target_without_dust(np.ones(3)))
    [single] = cautions(np.ones(3), np.full(3, 1 / 3))
    assert single.sentence.endswith("try a lower rank or a lower target")


@pytest.mark.parametrize(
    ("sparsities", "energies"),
    [
        ([0.8, 0.7, 0.75, 0.9], [0.25, 0.25, 0.25, 0.25]),
        ([0.2, 0.25, 0.22], [0.8, 0.1, 0.1]),  # all are dense: none makes up for another
        ([0.9, 1.0, 0.9, 0.8], [0.4, 0.2, 0.2, 0.2]),  # one pixel may be a part of its own
        ([0.2], [1.0]),
    ],
)
def test_nothing_is_said_about_others(sparsities, energies):
    assert cautions(np.array(sparsities), np.array(energies)) == ()


def test_a_result_at_a_very_high_target_is_of_single_pixels():
    rng = np.random.default_rng(0)
    X = rng.random((64, 6)) @ rng.random((6, 80))
    found = gs.factorize(X, gs.Params(6, sparsity=0.999, max_iter=10), "cpu")
    assert any("one pixel" in caution.short for caution in cautions_of(found.W, found.gram))
    fair = gs.factorize(X, gs.Params(6, sparsity=0.3, max_iter=10), "cpu")
    assert cautions_of(fair.W, fair.gram) == ()


def test_a_run_that_is_sparser_and_better_is_named_once():
    others = [("Run 1", 0.8, 0.2), ("Run 2", 0.9, 0.15), ("Run 3", 0.95, 0.18), ("Run 4", 0.6, 0.1)]
    [found] = sparser_and_better(0.8, 0.2, others)
    assert found.short == "Run 2 is sparser and better"
    assert sparser_and_better(0.95, 0.16, others) == ()


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_error_without_an_image_is_that_of_the_others(scale: float) -> None:
    rng = np.random.default_rng(4)
    X, W, H = scale * rng.random((20, 30)), rng.random((20, 4)), scale * rng.random((4, 30)) / 4
    H[2] = 0.0
    gram = GramError(X @ H.T, H @ H.T, float(np.sum(X**2)))
    error = gram.relative_error(W)
    for k in range(4):
        others = [j for j in range(4) if j != k]
        expected = np.linalg.norm(X - W[:, others] @ H[others]) / np.linalg.norm(X)
        assert error_without(W, gram, k, error) == pytest.approx(expected, rel=1e-9)
    assert error_without(W, gram, 2, error) == error


def test_error_without_an_image_is_unknown_where_entries_are_masked() -> None:
    gram = GramError(np.ones((3, 2)), np.eye(2), 9.0, of=8.0)
    assert np.isnan(error_without(np.ones((3, 2)), gram, 0, 0.1))
