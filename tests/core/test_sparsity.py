"""Hoyer sparsity against its definition in high precision, and what it must not depend on."""

import numpy as np
import projection_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_projection import groups

from gsp_studio.backends import reference
from gsp_studio.core.sparsity import hoyer_sparsity


def hoyer(vectors, weights=None):
    """Hoyer sparsity of every vector by the reference; a zero vector counts as 1."""
    group = reference.make_group(vectors, weights)
    result = np.ones(len(vectors))
    for i, c in enumerate(group.c):
        if c.any():
            x = c / c.max()
            result[i] = reference.sparsity_of(group, i, np.arange(len(c)), x / np.linalg.norm(x))
    return result


@settings(max_examples=80)
@given(groups(longest=60))
def test_high_precision_oracle(case):
    vectors, _, weights = case
    found = hoyer_sparsity(vectors, weights)
    for i, v in enumerate(vectors):
        assert found[i] == pytest.approx(oracle.hoyer(v, None if weights is None else weights[i]), abs=1e-13)
    np.testing.assert_allclose(hoyer(vectors, weights), found, atol=1e-12)


def test_by_hand():
    assert hoyer_sparsity([1.0, 0.0, 0.0, 0.0]) == 1.0
    assert hoyer_sparsity([2.0, -2.0, 2.0, 2.0]) == 0.0
    assert hoyer_sparsity([1.0, 1.0, 0.0, 0.0]) == pytest.approx(2 - np.sqrt(2))
    assert hoyer_sparsity(np.zeros(5)) == 1.0
    assert hoyer_sparsity([3.0, 4.0], [0.0, 1.0]) == pytest.approx(1 - 4 / 5)
    assert isinstance(hoyer_sparsity([1.0, 2.0]), float)


@given(st.integers(0, 1000), st.floats(-300, 299))
def test_scale_and_sign_do_not_matter(seed, power):
    v = np.random.default_rng(seed).standard_normal(50)
    assert hoyer_sparsity(-v * 10.0**power) == pytest.approx(hoyer_sparsity(v), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_structures_axes_and_orders(dtype):
    x = np.random.default_rng(0).standard_normal((6, 5, 4)).astype(dtype)
    by_hand = np.array([[hoyer_sparsity(x[:, j, k]) for k in range(4)] for j in range(5)])
    np.testing.assert_array_equal(hoyer_sparsity(x), by_hand)
    np.testing.assert_array_equal(hoyer_sparsity(np.asfortranarray(x)), by_hand)
    assert hoyer_sparsity(x, axis=-1).shape == (6, 5)
    assert hoyer_sparsity(x, axis=(0, 2)).shape == (5,)
    assert hoyer_sparsity(x[:, 0]).shape == (4,)
    assert hoyer_sparsity(x[:, :1, 0]).shape == (1,)
    assert hoyer_sparsity([x[:, 0, 0], x[:3, 0, 0]]).shape == (2,)


def test_long_float32_columns_are_summed_in_float64():
    v = np.full(1 << 22, 0.1, dtype=np.float32)
    v[0] = 3
    exact = v.astype(np.float64)
    n = np.sqrt(v.size)
    expected = (n - exact.sum() / np.sqrt(exact @ exact)) / (n - 1)
    assert hoyer_sparsity(v) == pytest.approx(expected, abs=1e-11)
    both = np.stack([v, v[::-1]])
    np.testing.assert_allclose(hoyer_sparsity(both, axis=1), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, np.nan], "NaN"),
        ([1.0], "1 entries"),
        ([1.0, np.inf], "infinite"),
        ([], "no vectors"),
        (3.0, "single number"),
    ],
)
def test_bad_input(x, message):
    with pytest.raises(ValueError, match=message):
        hoyer_sparsity(x)
