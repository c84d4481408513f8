"""What goes in and out: memory orders, axes, lists, types, `out`, weights, and one sentence for bad input."""

import tracemalloc

import numpy as np
import pytest

from gsp_studio.core.path import SparsityPath
from gsp_studio.core.projection import column_sparse_projection, group_sparse_projection, project_to_zeros
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.core.vectors import RaggedVectors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_memory_order_and_stride_gives_the_same_values(dtype):
    base = np.random.default_rng(5).standard_normal((61, 7)).astype(dtype)
    expected = group_sparse_projection(base, 0.7).values
    wide = np.zeros((122, 21), dtype)
    wide[::2, ::3] = base
    views = {
        "C": base,
        "F": np.asfortranarray(base),
        "strided": wide[::2, ::3],
        "backwards": np.ascontiguousarray(base[::-1, ::-1])[::-1, ::-1],
    }
    for name, view in views.items():
        before = view.copy()
        p = group_sparse_projection(view, 0.7)
        np.testing.assert_array_equal(p.values, expected, err_msg=name)
        np.testing.assert_array_equal(view, before, err_msg=name)
        out = np.full_like(view, np.nan)
        q = group_sparse_projection(view, 0.7, out=out)
        assert q.values is out
        np.testing.assert_array_equal(out, expected, err_msg=name)
        group_sparse_projection(view, 0.7, out=view)
        np.testing.assert_array_equal(view, expected, err_msg=name)
    assert group_sparse_projection(np.asfortranarray(base), 0.7).values.flags.f_contiguous


@pytest.mark.parametrize("project", [group_sparse_projection, column_sparse_projection])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_is_at_most_one_copy_beside_the_result(project, order):
    x = np.asarray(np.random.default_rng(14).random((5000, 40)), order=order)
    project(x, 0.8)
    tracemalloc.start()
    try:
        p = project(x, 0.8)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert p.values.nbytes == x.nbytes
    assert peak <= 2.1 * x.nbytes


def test_overlapping_output():
    memory = np.random.default_rng(6).standard_normal(400)
    x, out = memory[:300].reshape(3, 100), memory[100:].reshape(3, 100)
    expected = group_sparse_projection(x.copy(), 0.6, axis=1).values
    group_sparse_projection(x, 0.6, axis=1, out=out)
    np.testing.assert_array_equal(out, expected)


def test_axes_and_structures():
    rng = np.random.default_rng(7)
    filters = rng.standard_normal((8, 3, 5, 5))
    flat = group_sparse_projection(filters.reshape(8, -1), 0.6, axis=1)
    p = group_sparse_projection(filters, 0.6, axis=(1, 2, 3))
    np.testing.assert_array_equal(p.values.reshape(8, -1), flat.values)
    assert p.sparsities.shape == (8,)
    middle = group_sparse_projection(np.moveaxis(filters, 0, 2), 0.6, axis=(0, 1, 3))
    np.testing.assert_array_equal(np.moveaxis(middle.values, 2, 0), p.values)
    listed = group_sparse_projection(list(filters.reshape(8, -1)), 0.6)
    np.testing.assert_array_equal(np.array(listed.values), flat.values)
    out = [np.empty(75) for _ in range(8)]
    group_sparse_projection(list(filters.reshape(8, -1)), 0.6, out=out)
    np.testing.assert_array_equal(np.array(out), flat.values)
    single = group_sparse_projection(filters.ravel(), 0.6)
    assert single.values.shape == (600,)
    assert single.sparsities.shape == (1,)


def test_shared_weights_are_the_weights_of_every_vector():
    rng = np.random.default_rng(8)
    x, w = rng.standard_normal((40, 6)), rng.random(40)
    shared = group_sparse_projection(x, 0.7, w)
    own = group_sparse_projection(x, 0.7, np.tile(w[:, None], 6))
    np.testing.assert_allclose(shared.values, own.values, atol=1e-13)
    scaled = group_sparse_projection(x, 0.7, 1e200 * w)
    np.testing.assert_allclose(shared.values, scaled.values, atol=1e-13)
    plain = group_sparse_projection(x, 0.7)
    np.testing.assert_array_equal(group_sparse_projection(x, 0.7, np.full(40, 3.0)).values, plain.values)


def test_each_array_of_a_list_keeps_its_type():
    rng = np.random.default_rng(13)
    wide = [rng.standard_normal(n) for n in (30, 40, 50, 60)]
    kinds = (np.float32, np.float64, np.float16, np.int64)
    mixed = [(9 * v).astype(kind) for v, kind in zip(wide, kinds, strict=True)]
    expected = group_sparse_projection([v.astype(np.float64) for v in mixed], 0.7).values
    types = [np.float32, np.float64, np.float32, np.float64]
    out = [np.empty(len(v), dtype) for v, dtype in zip(mixed, types, strict=True)]
    for values in (
        group_sparse_projection(mixed, 0.7).values,
        group_sparse_projection(mixed, 0.7, out=out).values,
        SparsityPath(mixed).project(0.7).values,
    ):
        assert [v.dtype for v in values] == types
        for v, want in zip(values, expected, strict=True):
            np.testing.assert_allclose(v, want, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="another type than the float32"):
        group_sparse_projection(mixed, 0.7, out=[np.empty(len(v)) for v in mixed])


def test_types():
    x = np.random.default_rng(9).integers(0, 50, (30, 3))
    assert group_sparse_projection(x, 0.5).values.dtype == np.float64
    assert group_sparse_projection(x.astype(np.float16), 0.5).values.dtype == np.float32
    big_endian = x.astype(">f8")
    np.testing.assert_array_equal(
        group_sparse_projection(big_endian, 0.5).values, group_sparse_projection(x, 0.5).values
    )
    for bad in (x.astype(complex), x.astype(np.longdouble), x.astype(object), np.array([["a", "b"]])):
        if bad.dtype == np.float64:
            continue
        with pytest.raises(ValueError, match="x has the type"):
            group_sparse_projection(bad, 0.5)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("x", "s", "options", "message"),
    [
        (np.ones((3, 2)), 1.5, {}, r"s is 1\.5; accepted is a number from 0 to 1"),
        (np.ones((3, 2)), np.nan, {}, "s is nan"),
        (np.array([[1.0, np.nan], [1, 2]]), 0.5, {}, "x holds 1 NaN or infinite values, the first in vector 1"),
        (np.array([[1.0, np.inf], [1, 2]]), 0.5, {}, "x holds 1 NaN or infinite"),
        (np.ones((1, 4)), 0.5, {}, "vector of 1 entries"),
        (np.ones((0, 4)), 0.5, {}, "x holds"),
        (np.ones((4, 0)), 0.5, {}, "no vectors"),
        ([], 0.5, {}, "no vectors"),
        (1.0, 0.5, {}, "single number"),
        ([np.ones(3), np.ones((2, 2))], 0.5, {}, "1-D arrays"),
        (np.ones((3, 2)), 0.5, {"weights": np.ones(2)}, r"weights has shape \(2,\)"),
        (np.ones((3, 2)), 0.5, {"weights": [1, -1, 1]}, "weights holds -1"),
        (np.ones((3, 2)), 0.5, {"weights": [0, 0, 0]}, "weights are zero"),
        (np.ones((3, 2)), 0.5, {"weights": [1, np.nan, 1]}, "weights holds NaN"),
        ([np.ones(3), np.ones(2)], 0.5, {"weights": np.ones(3)}, "weights do not fit"),
        (np.ones((3, 2)), 0.5, {"axis": 2}, "axis is 2"),
        (np.ones((3, 2)), 0.5, {"axis": 0.5}, r"axis is 0\.5; accepted are an axis from -2 to 1"),
        (np.ones((3, 2)), 0.5, {"axis": None}, "axis is None"),
        (np.ones((3, 2)), "0.5", {}, r"s is '0\.5'; accepted is a number"),
        (np.ones((3, 2)), None, {}, "s is None; accepted is a number"),
        (np.ones((3, 2)), [0.5, 0.5], {}, r"s is \[0\.5, 0\.5\]; accepted is a number"),
        (np.ones((3, 2)), 10**400, {}, "s is 1000"),
        (None, 0.5, {}, "x has the type object"),
        ("abc", 0.5, {}, "x has the type <U3"),
        ([np.ones(3), None], 0.5, {}, "x has the type object"),
        (np.ones((3, 2)), 0.5, {"weights": [[1, 2], [3]]}, "weights cannot be made an array"),
        (np.ones((3, 2)), 0.5, {"out": read_only(np.ones((3, 2)))}, "out is read-only"),
        (np.ones((3, 2), order="F"), 0.5, {"out": read_only(np.ones((3, 2), order="F"))}, "out is read-only"),
        ([np.ones(3), np.ones(2)], 0.5, {"out": [read_only(np.ones(3)), np.ones(2)]}, "out is read-only"),
        (np.ones((3, 2)), 0.5, {"pinned": [0.5]}, "pinned is a list; accepted is a mapping"),
        (np.ones((3, 2)), 0.5, {"pinned": {"a": 0.5}}, "pinned names vector a"),
        (np.ones((3, 2)), 0.5, {"out": np.ones((2, 3))}, "out is"),
        (np.ones((3, 2)), 0.5, {"out": np.ones((3, 2), np.float32)}, "out is float32"),
        (np.ones((3, 2)), 0.5, {"pinned": {2: 0.5}}, "pinned names vector 2"),
        (np.ones((3, 2)), 0.5, {"pinned": {0: -1}}, "pinned vector 0 is -1"),
    ],
)
def test_bad_input_is_one_sentence(x, s, options, message):
    with pytest.raises(ValueError, match=message):
        group_sparse_projection(x, s, **options)


def test_bad_input_leaves_the_output_alone():
    x = np.array([[1.0, 2.0], [np.nan, 1.0], [0.0, 3.0]])
    before = x.copy()
    with pytest.raises(ValueError, match="NaN"):
        group_sparse_projection(x, 0.5, out=x)
    np.testing.assert_array_equal(x, before)


def test_vectors_in_one_buffer_are_the_list_of_their_views():
    rng = np.random.default_rng(8)
    vectors = [rng.standard_normal(n) for n in (5, 40, 2, 311)]
    x = RaggedVectors(np.concatenate(vectors), np.array([0, 5, 45, 47, 358]))
    expected = group_sparse_projection(vectors, 0.6)
    before = x.values.copy()
    for found in (group_sparse_projection(x, 0.6), SparsityPath(x).project(0.6)):
        np.testing.assert_allclose(found.values, np.concatenate(expected.values), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.sparsities, expected.sparsities, atol=1e-10)
    np.testing.assert_array_equal(x.values, before)
    np.testing.assert_array_equal(hoyer_sparsity(x), hoyer_sparsity(vectors))
    zeros = project_to_zeros(x, 200)
    np.testing.assert_array_equal(zeros.values, np.concatenate(project_to_zeros(vectors, 200).values))
    each = column_sparse_projection(x, 0.7).values
    np.testing.assert_array_equal(each, np.concatenate(column_sparse_projection(vectors, 0.7).values))
    assert group_sparse_projection(x, 0.6, out=x.values).values is x.values
    np.testing.assert_array_equal(x.values, np.concatenate(expected.values))


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        (np.ones((2, 3)), [0, 3, 6], "accepted is one contiguous vector"),
        (np.ones(12)[::2], [0, 3, 6], "accepted is one contiguous vector"),
        (np.ones(6, np.int64), [0, 3, 6], "accepted is one contiguous vector"),
        (np.ones(6), [0, 3, 5], "not rising int64 from 0 to the 6 values"),
        (np.ones(6), [0, 7, 3, 6], "not rising"),
        (np.ones(6), [0, 5, 6], "a vector of 1 entries"),
    ],
)
def test_buffers_that_hold_no_vectors(values, offsets, message):
    with pytest.raises(ValueError, match=message):
        group_sparse_projection(RaggedVectors(values, np.array(offsets)), 0.5)


def test_the_weights_of_a_buffer_lie_as_its_vectors_and_its_output_is_one():
    rng = np.random.default_rng(9)
    vectors, weights = ([rng.random(n) + 0.1 for n in (5, 40, 311)] for _ in range(2))
    x = RaggedVectors(np.concatenate(vectors), np.array([0, 5, 45, 356]))
    expected = group_sparse_projection(vectors, 0.6, weights)
    found = group_sparse_projection(x, 0.6, np.concatenate(weights))
    np.testing.assert_allclose(found.values, np.concatenate(expected.values), rtol=1e-10, atol=1e-12)
    x = RaggedVectors(np.ones(6), np.array([0, 3, 6]))
    with pytest.raises(ValueError, match=r"weights has shape \(3,\); accepted is that of the buffer, \(6,\)"):
        group_sparse_projection(x, 0.5, np.ones(3))
    with pytest.raises(ValueError, match=r"accepted is an array of float64 \(6,\)"):
        group_sparse_projection(x, 0.5, out=[np.ones(3), np.ones(3)])
