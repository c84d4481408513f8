"""Consensus of several fits: numbers worked out by hand, what changes nothing, and what has no answer."""

import math

import numpy as np
import pytest

from gsp_studio.experiments import consensus
from gsp_studio.experiments.consensus import Consensus, consensus_matrix, consensus_of, groups_of

ALIKE = np.array([0, 0, 1])
OTHER = np.array([0, 1, 1])


def test_an_image_is_in_the_group_of_what_weighs_most_in_it():
    W = np.array([[3.0, 0.0, 0.0], [4.0, 1.0, 0.0]])  # lengths 5, 1, 0
    H = np.array([[1.0, 1.0, 0.0, 0.0], [4.0, 6.0, 0.1, 0.0], [99.0, 99.0, 99.0, 99.0]])
    assert groups_of(W, H).tolist() == [0, 1, 1, -1]


def test_the_matrix_says_how_often_two_meet():
    C = consensus_matrix([ALIKE, ALIKE, ALIKE, OTHER])
    np.testing.assert_array_equal(C, [[1, 0.75, 0], [0.75, 1, 0.25], [0, 0.25, 1]])


def test_both_numbers_by_hand():
    found = consensus_of([ALIKE, ALIKE, ALIKE, OTHER])
    # 4 (c - 1/2)^2 is 1 for 0 and 1, 1/4 for 1/4 and 3/4: five of one and four of the other.
    assert found.dispersion == pytest.approx((5 * 1 + 4 * 0.25) / 9)
    # Distances 1/4, 1, 3/4; the tree joins the first two at 1/4 and the third at the mean of 1 and 3/4.
    assert found.cophenetic == pytest.approx(np.corrcoef([0.25, 1.0, 0.75], [0.25, 0.875, 0.875])[0, 1])


def test_numbers_of_groups_mean_nothing():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 60)
    renamed = [rng.permutation(4)[groups] for _ in range(5)]
    same = consensus_of(renamed)
    assert (same.dispersion, same.cophenetic, same.agreement) == (1.0, 1.0, 1.0)
    assert 0.2 < same.chance < 0.8
    chance = consensus_of([rng.integers(0, 2, 200) for _ in range(50)])
    assert chance.dispersion < 0.05
    assert chance.cophenetic < 0.7


def test_groups_dealt_at_random_agree_by_chance():
    """The more groups, the more pairs are never together: the dispersion alone says 0.6 here."""
    rng = np.random.default_rng(0)
    found = consensus_of([rng.integers(0, 6, 300) for _ in range(4)])
    assert found.dispersion > 0.5
    assert found.agreement < 0.05
    assert consensus_of([rng.integers(0, 6, 300)] * 4).agreement == 1.0
    assert math.isnan(Consensus().agreement)


@pytest.mark.parametrize("groups", [np.zeros(20, int), np.full(20, -1), np.arange(20)])
def test_where_all_distances_are_equal_the_tree_is_exact(groups):
    found = consensus_of([groups, groups])
    assert (found.dispersion, found.cophenetic, found.agreement) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("groups", [[ALIKE], [np.array([0]), np.array([0])]])
def test_one_fit_or_one_image_tells_nothing(groups):
    found = consensus_of(groups)
    assert math.isnan(found.dispersion)
    assert math.isnan(found.cophenetic)


def test_of_many_images_the_same_sample_is_looked_at(monkeypatch):
    rng = np.random.default_rng(3)
    groups = [rng.integers(0, 3, 400) for _ in range(4)]
    whole = consensus_of(groups)
    monkeypatch.setattr(consensus, "MOST_IMAGES", 100)
    sample = consensus_of(groups, 7)
    assert sample == consensus_of(groups, 7)
    assert sample != consensus_of(groups, 8)
    assert sample.dispersion == pytest.approx(whole.dispersion, abs=0.02)
