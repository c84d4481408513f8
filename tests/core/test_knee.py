"""The knee of a curve: the point farthest below the chord, unless it costs several times the lowest value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gsp_studio.core.knee import knee

X = np.linspace(0.0, 1.0, 11)


def test_bend_is_the_knee() -> None:
    y = np.array([0.10, 0.10, 0.10, 0.11, 0.11, 0.12, 0.13, 0.15, 0.20, 0.50, 0.90])
    assert knee(X, y) == pytest.approx(0.6)
    assert knee(X[:9], y[:9]) == knee(X, y), "what costs more than three times the lowest changes nothing"


def test_point_of_many_times_the_lowest_error_is_none() -> None:
    y = np.array([0.025, 0.24, 0.27, 0.30, 0.33, 0.37, 0.41, 0.43, 0.60, 0.80, 0.99])
    assert math.isnan(knee(X, y))
    falling = np.array([0.9, 0.03, 0.02, 0.01, 0.0101, 0.0102, 0.011, 0.012, 0.02, 0.4, 0.8])
    assert not falling[round(10 * knee(X, falling))] > 0.03


def test_straight_and_flat_curves_have_none() -> None:
    assert math.isnan(knee(X, 0.1 + X))
    assert math.isnan(knee(X, np.full(11, 0.1)))
