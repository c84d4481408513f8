"""What is measured of factors."""

from __future__ import annotations

import numpy as np
import pytest

from gsp_studio.core.metrics import largest


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 9])
def test_the_largest_of_equal_values_are_the_first(count: int) -> None:
    values = np.array([0.5, 2.0, 1.0, 2.0, 1.0, 1.0, 0.0], np.float32)
    assert largest(values, count).tolist() == [1, 3, 2, 4, 5, 0, 6][:count]


def test_places_do_not_depend_on_the_number_of_others() -> None:
    values = np.repeat(np.arange(8.0), 50)[np.random.default_rng(0).permutation(400)]
    for count in (1, 8, 60, 400):
        assert largest(values, count).tolist() == np.lexsort((np.arange(400), -values))[:count].tolist()
