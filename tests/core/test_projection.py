"""The projection: oracle and reference vectors first, then the optimality conditions as identities."""

from pathlib import Path

import numpy as np
import projection_oracle as oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gsp_studio.backends import reference
from gsp_studio.backends.cpu.root import SLACK
from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import (
    Status,
    column_sparse_projection,
    group_sparse_projection,
    project_to_zeros,
)
from gsp_studio.core.sparsity import hoyer_sparsity

SMALL = Path(__file__).parents[1] / "data" / "gsp_vectors_small.npz"
FULL = Path(__file__).parents[3] / "shared" / "reference" / "gsp_vectors.npz"


def cases_of(path):
    with np.load(path) as data:
        for name in data["names"]:
            cuts = np.cumsum(data[f"{name}/lengths"])[:-1]
            weights = data.get(f"{name}/weights")
            yield (
                str(name),
                np.split(data[f"{name}/x"], cuts),
                float(data[f"{name}/s"]),
                None if weights is None else np.split(weights, cuts),
                data[f"{name}/projected"],
                float(data[f"{name}/mu"]),
            )


@pytest.mark.parametrize("path", [SMALL, FULL], ids=["small", "full"])
def test_reference_vectors(path):
    if not path.exists():
        pytest.skip("the reference vectors are not here")
    for name, vectors, s, weights, projected, mu in cases_of(path):
        p = group_sparse_projection(vectors, s, weights)
        error = np.abs(np.concatenate(p.values) - projected).max()
        assert error <= 1e-9 * np.abs(projected).max(), name
        assert p.mu == pytest.approx(mu, rel=1e-9), name
        assert abs(p.sparsity - s) <= 1e-12, name
        matrix = len({len(v) for v in vectors}) == 1
        if matrix:
            w = None if weights is None else np.array(weights).T
            same = group_sparse_projection(np.array(vectors).T, s, w).values
            np.testing.assert_allclose(same.T.ravel(), projected, rtol=0, atol=1e-9 * np.abs(projected).max())


# --- random groups ------------------------------------------------------------------------------------------------

SHAPES = ("normal", "uniform", "heavy", "tied", "sparse", "constant", "integers", "close", "vast", "neighbours")


def draw_vector(rng, n, shape):
    if shape == "normal":
        return rng.standard_normal(n)
    if shape == "uniform":
        return rng.random(n)
    if shape == "heavy":
        return np.exp(3 * rng.standard_normal(n)) * rng.choice([-1, 1], n)
    if shape == "tied":
        return rng.choice([0.25, 0.5, 1.0, -1.0], n)
    if shape == "sparse":
        return rng.standard_normal(n) * (rng.random(n) < 0.3)
    if shape == "constant":
        return np.full(n, rng.standard_normal())
    if shape == "integers":
        return rng.integers(-9, 10, n).astype(float)
    if shape == "vast":
        return 10.0 ** rng.uniform(-25, 25, n)
    if shape == "neighbours":
        return rng.choice([0.5, np.nextafter(1, 0), 1.0, np.nextafter(1, 2)], n)
    return 1.0 + 1e-9 * rng.standard_normal(n)


@st.composite
def groups(draw, longest=500, most=8, powers=300, weighted=None, shapes=SHAPES):
    """Vectors, target and weights (or None); lengths, scales, ties and zeros of all kinds."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.integers(2, longest), min_size=1, max_size=most))
    vectors = [draw_vector(rng, n, draw(st.sampled_from(shapes))) for n in lengths]
    if powers and draw(st.booleans()):
        power = st.integers(-powers, min(powers, 298))
        sizes = draw(st.lists(power, min_size=len(lengths), max_size=len(lengths)))
        vectors = [np.clip(v, -1e7, 1e7) * 10.0**p for v, p in zip(vectors, sizes, strict=True)]
    if draw(st.booleans()) and len(vectors) > 1:
        vectors[0] = np.zeros_like(vectors[0])
    s = draw(st.one_of(st.sampled_from([0.0, 1e-9, 0.5, 0.85, 1 - 1e-6, 1 - 1e-12, 1.0]), st.floats(0.0, 1.0)))
    weights = None
    if weighted or (weighted is None and draw(st.booleans())):
        weights = [rng.random(n) + 0.01 for n in lengths]
        if draw(st.booleans()):
            for w in weights:
                w[rng.random(len(w)) < 0.2] = 0.0
                w[0] = 1.0
    return vectors, s, weights


def check_optimal(vectors, s, weights, p):
    """Primal and dual feasibility, one multiplier for all, complementary slackness; signs and scalings."""
    r = len(vectors)
    assert p.mu >= 0.0
    assert p.sparsity >= s - 1e-10
    if p.status is Status.UNCHANGED:
        for v, out in zip(vectors, p.values, strict=True):
            np.testing.assert_array_equal(v, out)
        return
    if p.status is Status.EXACT:
        assert abs(p.sparsity - s) <= 1e-10
    attained = np.array(
        [hoyer_sparsity(out, None if weights is None else weights[i]) for i, out in enumerate(p.values)]
    )
    assert attained.mean() >= s - 1e-10
    tops = [np.frexp(np.abs(v).max())[1] for v in vectors]
    sizes = [top for top, v in zip(tops, vectors, strict=True) if v.any()] or [0]
    middle = (min(sizes) + max(sizes)) // 2
    for i in range(r):
        w = np.ones(len(vectors[i])) if weights is None else weights[i]
        c, out = np.abs(vectors[i]), np.abs(p.values[i])
        if not c.any():
            assert not out.any()
            continue
        assert np.all(np.sign(p.values[i]) * np.sign(vectors[i]) >= 0)
        assert np.isfinite(out).all()
        scale = c.max()
        with np.errstate(over="ignore", under="ignore"):
            c, out = c / scale, out / scale
            t = min(p.mu / scale / (np.linalg.norm(w) - w.min()), 1e300)
        assert out @ out == pytest.approx(c @ out, rel=1e-9, abs=1e-12), "the best scaling"
        z = c - t * w
        if abs(tops[i] - middle) > 1000:
            continue  # its gain would leave float64 and is cut (`scale`): the multiplier is another than the group's
        if p.status is Status.JUMP or not (z > 1e-12).any() or np.count_nonzero(out) < 2:
            continue
        x, kept = out / np.linalg.norm(out), out > 0
        assert np.all(z[~kept] <= 1e-12), "dual feasibility: what is dropped lies below the threshold"
        if np.linalg.norm(np.maximum(z, 0)) > 1e-6:
            np.testing.assert_allclose(
                np.linalg.norm(z[kept]) * x[kept], z[kept], rtol=0, atol=1e-9, err_msg="one multiplier"
            )


@settings(max_examples=300)
@given(groups())
def test_optimality_conditions(case):
    vectors, s, weights = case
    p = group_sparse_projection(vectors, s, weights)
    check_optimal(vectors, s, weights, p)
    again = group_sparse_projection(vectors, s, weights)
    for a, b in zip(p.values, again.values, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=60)
@given(groups(longest=14, most=4, powers=30))
@example(([np.array([2.37397934e-03, 9.17984556e-19])], 1 - 1e-12, [np.array([1.0, 0.0])]))
@example(([np.array([0.54382219, 0.0])], 2e-16, [np.array([1.0, 0.0])]))
@example(([np.array([9.0, -4.0])], 1 - 1e-14, [np.array([1.0, 0.93087826])]))
@example(([np.array([1.0, 1e-60])], 0.85, [np.array([1.0, 0.0])]))
@example(([np.array([1e-100, 1e-170])], 0.85, [np.array([1.0, 0.0])]))
def test_high_precision_oracle(case):
    vectors, s, weights = case
    expected, mu, below, at = oracle.project(vectors, s, weights)
    p = group_sparse_projection(vectors, s, weights)
    if p.status is Status.UNCHANGED:
        own = [oracle.hoyer(v, w) for v, w in zip(vectors, weights or [None] * len(vectors), strict=True)]
        # The slack that is promised, and the rounding of two sums of n products, n / (1 - 1 / sqrt(n)) last digits.
        assert np.mean(own) >= s - SLACK - 5e-15
        assert p.sparsity == pytest.approx(np.mean(own), abs=5e-15)
        for out, v in zip(p.values, vectors, strict=True):
            np.testing.assert_array_equal(out, v)
        return
    jump = at - below > 1e-11
    if jump and p.status is Status.JUMP:
        assert s - 1e-10 <= p.sparsity <= at + 1e-10
        return
    assert p.sparsity == pytest.approx(max(s, at if mu == 0.0 else 0.0), abs=1e-10)
    for out, want, own in zip(p.values, expected, np.atleast_1d(p.sparsities), strict=True):
        # Where the sparsity hardly determines the vector: it grows with the square of what a flat one deviates by.
        slack = 1e-5 if own < 1e-6 else 1e-7 if s > 1 - 1e-9 else 1e-9
        np.testing.assert_allclose(np.abs(out), want, rtol=0, atol=slack * (want.max() or 1.0))


@pytest.mark.parametrize("left", [0.3, 0.85, 1 - 1e-9])
def test_a_search_ends_where_float64_has_no_more_digits_of_the_multiplier(left):
    vectors = [np.array([2.0**-1000, 5e-324]), np.array([2.0**1015, 2.0**1014])]
    weights = [np.array([1.0, 0.0]), np.array([1.0, 0.5])]
    s = (hoyer_sparsity(vectors[1], weights[1]) + left) / 2
    p = group_sparse_projection(vectors, s, weights)
    assert p.sparsity >= s - 1e-12
    assert np.isfinite(np.concatenate(p.values)).all()


@settings(max_examples=60)
@given(groups(longest=60, most=5, shapes=("normal", "uniform", "tied", "sparse", "integers")))
def test_numpy_reference(case):
    vectors, s, weights = case
    expected, mu = reference.project(vectors, s, weights)
    p = group_sparse_projection(vectors, s, weights)
    if p.status is Status.EXACT and 1e-12 < s < 1 - 1e-12:  # at the ends a whole range of multipliers is right
        assert p.mu == pytest.approx(mu, rel=1e-6, abs=0.0)
    for out, want in zip(p.values, expected, strict=True):
        np.testing.assert_allclose(out, want, rtol=0, atol=1e-7 * (np.abs(want).max() or 1.0))


@settings(max_examples=60)
@given(groups(powers=0, shapes=("normal", "uniform", "heavy", "sparse")), st.floats(1e-3, 1e3))
def test_scale_sign_and_idempotence(case, factor):
    vectors, s, weights = case
    p = group_sparse_projection(vectors, s, weights)
    scaled = group_sparse_projection([-factor * v for v in vectors], s, weights)
    for a, b in zip(p.values, scaled.values, strict=True):
        np.testing.assert_allclose(b, -factor * a, rtol=1e-7, atol=1e-9 * factor * np.abs(a).max())
    if p.status is Status.EXACT:
        again = group_sparse_projection(p.values, s, weights)
        for a, b in zip(p.values, again.values, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-9 * np.abs(a).max())


# --- corner cases --------------------------------------------------------------------------------------------------


def test_nothing_to_do_returns_the_input_unchanged():
    x = np.random.default_rng(0).standard_normal((30, 4))
    own = float(np.mean(hoyer_sparsity(x)))
    for s in (0.0, own / 2, own):
        p = group_sparse_projection(x, s)
        assert p.status is Status.UNCHANGED
        assert p.mu == 0.0
        assert p.values is not x
        np.testing.assert_array_equal(p.values, x)
    assert group_sparse_projection(x, own + 1e-6).status is Status.EXACT


def test_full_sparsity_keeps_one_entry_a_vector():
    x = np.random.default_rng(1).standard_normal((50, 6))
    p = group_sparse_projection(x, 1.0)
    assert p.sparsity == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(np.count_nonzero(p.values, axis=0), 1)
    best = np.abs(x).argmax(axis=0)
    np.testing.assert_allclose(p.values[best, range(6)], x[best, range(6)])


def test_ties_are_dropped_lowest_index_kept_in_as_few_vectors_as_needed():
    x = np.ones((4, 3))
    # Sparsity of k equal entries of 4 is 2 - sqrt(k): one vector at 1 gives 1/3 on average.
    one = group_sparse_projection(x, 1 / 3)
    np.testing.assert_array_equal(one.values, np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 0.0]]))
    assert one.status is Status.JUMP
    part = group_sparse_projection(x, 0.4)
    np.testing.assert_array_equal(part.values, np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 0, 0.0]]))
    assert part.sparsity == pytest.approx((2 - np.sqrt(3) + 1) / 3)
    np.testing.assert_allclose(part.sparsities, hoyer_sparsity(part.values))
    every = group_sparse_projection(x, 1.0)
    np.testing.assert_array_equal(every.values, np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0.0]]))


def test_entries_that_differ_in_their_last_digits_are_not_ties():
    for gap in (1e-6, 1e-10, 1e-13, 2.3e-16):
        p = group_sparse_projection([np.array([1.0, 1.0 + gap, 0.5, 0.1])], 0.8)
        assert p.status is Status.EXACT
        assert abs(hoyer_sparsity(p.values[0]) - 0.8) <= 1e-10
        assert p.values[0][1] > p.values[0][0] > 0


def test_weights_move_the_last_entry_to_the_lightest():
    c, w = np.array([3.0, 2.9, 1.0]), np.array([2.0, 1.0, 0.5])
    p = group_sparse_projection(c, 1.0, w)
    np.testing.assert_allclose(p.values, [0.0, 0.0, 1.0])
    assert p.sparsity == 1.0
    # Just short of it the vector jumps past the target: 1-sparse, but not at the lightest entry.
    p = group_sparse_projection(c, 0.8, w)
    assert p.sparsity >= 0.8
    assert p.sparsity == pytest.approx(hoyer_sparsity(p.values, w))


def test_zero_vectors_stay_zero_and_count_as_sparse():
    x = np.zeros((20, 3))
    x[:, 1] = np.random.default_rng(2).random(20)
    p = group_sparse_projection(x, 0.9)
    np.testing.assert_array_equal(p.values[:, [0, 2]], 0.0)
    np.testing.assert_allclose(p.sparsities, [1.0, 0.7, 1.0])
    assert group_sparse_projection(np.zeros((5, 2)), 1.0).status is Status.UNCHANGED


def test_sizes_300_powers_of_ten_apart_share_one_budget():
    rng = np.random.default_rng(3)
    vectors = [rng.random(50) * scale for scale in (1e-300, 1e-8, 1.0, 1e300)]
    p = group_sparse_projection(vectors, 0.6)
    assert p.sparsity == pytest.approx(0.6, abs=1e-10)
    assert np.mean([hoyer_sparsity(v) for v in p.values]) == pytest.approx(0.6, abs=1e-10)
    check_optimal(vectors, 0.6, None, p)


@pytest.mark.parametrize("size", [5e-322, 1e-315, 1e-308, 1e-290, 1e290, 1e306, 1e307])
@pytest.mark.parametrize("weighted", [False, True])
def test_sizes_at_the_ends_of_float64(size, weighted):
    rng = np.random.default_rng(12)
    x = rng.integers(1, 100, (50, 3)) / 100.0
    x *= 2.0 ** int(np.log2(size) / 2)  # in two steps: the power alone may be no number
    x *= 2.0 ** (int(np.log2(size)) - int(np.log2(size) / 2))
    w = rng.random(50) + 0.1 if weighted else None
    # What float64 has left of the smallest, at a size where nothing can go wrong.
    ordinary = np.ldexp(x, -int(np.log2(size)))
    expected, zeros = group_sparse_projection(ordinary, 0.8, w), project_to_zeros(ordinary, 100, w)
    p = group_sparse_projection(x, 0.8, w)
    assert p.status is expected.status
    assert p.sparsity == pytest.approx(expected.sparsity, abs=1e-12)
    grain = 5e-324 / size
    np.testing.assert_allclose(np.ldexp(p.values, -int(np.log2(size))), expected.values, rtol=1e-9, atol=grain)
    found = project_to_zeros(x, 100, w)
    np.testing.assert_allclose(np.ldexp(found.values, -int(np.log2(size))), zeros.values, rtol=1e-9, atol=grain)
    np.testing.assert_array_equal(x, np.ldexp(ordinary, int(np.log2(size))))


def test_entries_that_would_be_infinite_are_refused():
    x = np.zeros((200, 2), np.float32)
    x[0], x[1:] = 3e38, 1e38
    for project in (group_sparse_projection, column_sparse_projection, lambda x, s: SparsityPath(x).project(s)):
        with pytest.raises(ValueError, match="x is too large: entries of its projection would exceed float32"):
            project(x, 0.6)
        assert np.isfinite(project(x, 1.0).values).all()
    largest = np.abs(group_sparse_projection(x.astype(np.float64), 0.6).values).max()
    assert largest > np.finfo(np.float32).max
    for dtype in (np.float32, np.float64):
        y = (x / np.float32(3e38)).astype(dtype) * (
            np.finfo(dtype).max / 1e3
        )  # the norms exceed it, the entries do not
        p = group_sparse_projection(y * 100, 0.4)
        assert np.isfinite(p.values).all()
        assert p.sparsity == pytest.approx(0.4, abs=1e-10)


def test_entries_that_leave_during_the_last_step_are_counted():
    # The second entry is a millionth of a millionth: a Newton step that hardly moves the first may lose it.
    x = [10.0 ** np.arange(30.0, 0.0, -7.5), 10.0 ** np.arange(30.0, 0.0, -6.0)]
    for power in range(1, 16):
        s = 1 - 10.0**-power
        p = group_sparse_projection(x, s)
        attained = np.mean([hoyer_sparsity(v) for v in p.values])
        assert attained == pytest.approx(p.sparsity, abs=1e-12)
        assert attained >= s - 1e-12


def test_what_costs_nothing_stays_however_small():
    for v, w in (
        ([1e200, 3e-60], [1.0, 0.0]),
        ([2.2e222, 1.8e-9, 4.7e-21, 2e-23], [2.0, 1.0, 0.0, 0.0]),
    ):
        v, w = np.array(v), np.array(w)
        p = group_sparse_projection(v, 0.99, w)
        np.testing.assert_allclose(p.values, np.where(w == 0, v, 0), rtol=1e-9)
        assert p.sparsity == hoyer_sparsity(p.values, w) == 1.0
        np.testing.assert_array_equal(SparsityPath(v, w).project(0.99).values, p.values)


@pytest.mark.parametrize("weighted", [False, True])
def test_float32(weighted):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((361, 49)).astype(np.float32)
    w = rng.random(361).astype(np.float32) if weighted else None
    p = group_sparse_projection(x, 0.85, w)
    assert p.values.dtype == np.float32
    wide = group_sparse_projection(x.astype(np.float64), 0.85, w)
    np.testing.assert_allclose(p.values, wide.values, atol=1e-5)
    assert abs(np.mean(hoyer_sparsity(p.values, w)) - 0.85) <= 1e-5


# --- other forms ---------------------------------------------------------------------------------------------------


def test_columns_on_their_own_are_groups_of_one():
    x = np.random.default_rng(10).standard_normal((80, 5)) * [1, 10, 0.1, 1e-200, 1e200]
    x[:, 1] = np.round(x[:, 1] / 10)
    targets = np.array([0.3, 0.8, 0.0, 0.95, 0.6])
    p = column_sparse_projection(x, targets)
    for i, s in enumerate(targets):
        alone = group_sparse_projection(x[:, i], s)
        np.testing.assert_array_equal(p.values[:, i], alone.values)
        assert p.mus[i] == alone.mu
        assert p.sparsities[i] >= s - 1e-10
    np.testing.assert_allclose(column_sparse_projection(x, 0.9, out=x.copy()).sparsities, 0.9, atol=0.05)
    with pytest.raises(ValueError, match="3 targets"):
        column_sparse_projection(x, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="NaN"):
        column_sparse_projection([[1.0, np.nan], [1.0, 2.0]], 0.5)


@settings(max_examples=40)
@given(groups(longest=50, most=5))
def test_columns_agree_with_groups_of_one(case):
    vectors, s, weights = case
    p = column_sparse_projection(vectors, s, weights)
    for i, v in enumerate(vectors):
        alone = group_sparse_projection([v], s, None if weights is None else [weights[i]])
        np.testing.assert_allclose(p.values[i], alone.values[0], rtol=1e-9, atol=0)


def test_pinned_vectors_and_the_rest_share_the_budget():
    x = np.random.default_rng(11).random((60, 5))
    p = group_sparse_projection(x, 0.7, pinned={1: 0.9, 4: 0.5})
    np.testing.assert_allclose(p.sparsities[[1, 4]], [0.9, 0.5])
    assert p.sparsity == pytest.approx(0.7, abs=1e-12)
    assert len(set(p.mus[[0, 2, 3]])) == 1
    assert p.status is Status.EXACT
    rest = group_sparse_projection(x[:, [0, 2, 3]], 0.7)  # (3.5 - 0.9 - 0.5) / 3
    np.testing.assert_allclose(p.values[:, [0, 2, 3]], rest.values, atol=1e-12)
    beyond = group_sparse_projection(x, 0.95, pinned={0: 0.5, 1: 0.5})
    assert beyond.status is Status.OUT_OF_REACH
    assert not beyond.reached
    np.testing.assert_allclose(beyond.sparsities, [0.5, 0.5, 1.0, 1.0, 1.0])
    everything = group_sparse_projection(x, 0.5, pinned=dict.fromkeys(range(5), 0.6))
    np.testing.assert_allclose(everything.sparsities, 0.6)


def staying(v, w):
    """How many entries no multiplier takes away: those that cost nothing, or else the last one."""
    return max(int(np.count_nonzero(v[w == 0])), int(v.any()))


@settings(max_examples=200)
@given(groups(longest=40, most=5, shapes=("normal", "uniform", "sparse")), st.floats(0.0, 1.0))
def test_number_of_zeros(case, fraction):
    vectors, _, weights = case
    size = sum(len(v) for v in vectors)
    zeros = int(fraction * size)
    p = project_to_zeros(vectors, zeros, weights)
    found = sum(int(np.count_nonzero(v == 0)) for v in p.values)
    present = sum(int(np.count_nonzero(v == 0)) for v in vectors)
    alive = sum(staying(v, w) for v, w in zip(vectors, weights or [np.ones(len(v)) for v in vectors], strict=True))
    if zeros <= present:
        assert p.status is Status.UNCHANGED
    elif zeros <= size - alive:
        assert found >= zeros
        assert p.reached
    else:
        assert p.status is Status.OUT_OF_REACH
        assert found == size - alive
    if weights is None and p.status is Status.EXACT and found == zeros and p.sparsity < 0.999:
        smaller = group_sparse_projection(vectors, p.sparsity - 1e-9)
        fewer = sum(int(np.count_nonzero(v == 0)) for v in smaller.values)
        assert fewer < zeros or smaller.status is Status.UNCHANGED


def test_zeros_by_hand():
    x = np.array([[4.0, 1.0], [3.0, 2.0], [2.0, 3.0], [1.0, 8.0]])
    p = project_to_zeros(x, 4)
    np.testing.assert_array_equal(p.values == 0, [[False, True], [False, True], [True, False], [True, False]])
    same = group_sparse_projection(x, p.sparsity)
    np.testing.assert_allclose(p.values, same.values, atol=1e-9)
    tied = project_to_zeros(x, 3)
    assert tied.status is Status.JUMP
    for bad in (-1, 9, 2.5, True):
        with pytest.raises(ValueError, match="zeros is"):
            project_to_zeros(x, bad)
