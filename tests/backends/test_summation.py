"""One order of summation: blocks that depend on an image's size alone, in one binary tree, however it is cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsp_studio.backends import get_backend
from gsp_studio.backends.backend import HALS_BLOCK
from gsp_studio.backends.cpu.image_pass import products, residual, sweep_coefficients
from gsp_studio.backends.summation import (
    Node,
    TreeSum,
    block_slices,
    fold,
    images_of_block,
    nodes,
    squared_norms,
    squared_norms_of_blocks,
    tree_sum,
)


def tree(values):
    """The definition: halves at the largest power of two."""
    if len(values) == 1:
        return values[0]
    size = 1
    while 2 * size < len(values):
        size *= 2
    return tree(values[:size]) + tree(values[size:])


def numbers(count):
    """Whose sum shows the order."""
    return np.random.default_rng(count).random(count) ** 30


@given(st.integers(1, 200))
def test_a_sum_in_memory_is_the_tree(count):
    values = numbers(count)
    assert tree_sum(values) == tree(values) == fold(values)


def test_the_order_matters():
    assert any(tree_sum(numbers(k)) != float(np.cumsum(numbers(k))[-1]) for k in range(50, 60))


@given(st.integers(1, 200), st.lists(st.integers(0, 200), max_size=4), st.sampled_from([None, 1, 2, 8]))
def test_any_cut_into_parts_gives_the_same_sum(count, cuts, most):
    values = numbers(count)
    edges = sorted({0, count, *(min(cut, count) for cut in cuts)})
    found = []
    for a, b in itertools.pairwise(edges):
        part = TreeSum()
        for first, stop in nodes(a, b, count, most):
            part.add(Node(first, stop, tree_sum(values[first:stop])))
        assert part.nodes[0].first == a
        assert part.nodes[-1].stop == b
        assert len(part.nodes) <= 2 * max(1, int(np.ceil(np.log2(b - a + 1))))
        found += part.nodes
    assert TreeSum(found).total() == tree(values)


def test_nodes_are_aligned_and_only_the_last_of_all_is_cut_short():
    assert list(nodes(0, 5, 5)) == [(0, 5)]
    assert list(nodes(0, 5, 6)) == [(0, 4), (4, 5)]
    assert list(nodes(3, 13, 20)) == [(3, 4), (4, 8), (8, 12), (12, 13)]
    assert list(nodes(0, 9, 9, 4)) == [(0, 4), (4, 8), (8, 9)]
    assert list(nodes(4, 4, 9)) == []


@pytest.mark.parametrize(
    ("m", "dtype", "images"),
    [(1, "f4", 128), (1024, "f4", 128), (4096, "f4", 256), (4096, "f8", 128), (1 << 20, "f8", 64)],
)
def test_a_block_has_whole_blocks_of_coefficients(m, dtype, images):
    assert images_of_block(m, dtype) == images
    assert images % HALS_BLOCK == 0


def test_squared_norms_do_not_depend_on_what_is_beside_an_image():
    X = np.random.default_rng(0).random((300, 9001), np.float32)
    norms = squared_norms(X)
    for a in (1, 17, 299):
        assert np.array_equal(squared_norms(X[a : a + 3]), norms[a : a + 3])
    of_blocks = squared_norms_of_blocks(X)
    assert len(of_blocks) == sum(1 for _ in block_slices(9001, 300, X.dtype))
    np.testing.assert_allclose(of_blocks.sum(), np.square(X, dtype=np.float64).sum(), rtol=1e-12)


def kernels(dtype, n, m=70, r=9):
    rng = np.random.default_rng(n)
    Xt, V, H = (rng.random(shape).astype(dtype) for shape in ((n, m), (r, m), (r, n)))
    Xt.flags.writeable = False
    return Xt, V, H


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n", [1, 128, 129, 700, 1500])
def test_the_pass_sums_as_the_tree(dtype, n, monkeypatch):
    """Products of whole blocks, each as if it were all there is; nodes of any span that threads share."""
    Xt, V, H = kernels(dtype, n)
    step = images_of_block(Xt.shape[1], dtype)
    with get_backend("cpu").scope():
        alone = [products(Xt[a : a + step], H[:, a : a + step].copy()) for a in range(0, n, step)]
        swept = [sweep_coefficients(Xt[a : a + step], V, H[:, a : a + step].copy(), 5, 0.1) for a in range(0, n, step)]
        left = tree([residual(Xt[a : a + step], V, H[:, a : a + step].copy()) for a in range(0, n, step)])
        for most in (64, 3, 1):
            monkeypatch.setattr("gsp_studio.backends.cpu.image_pass._MANY_NODES", most)
            monkeypatch.setattr("gsp_studio.backends.cpu.image_pass._PARALLEL_SUM", 1 if most == 3 else 1 << 17)
            B, G = products(Xt, H)
            assert np.array_equal(B, tree([one[0] for one in alone]))
            assert np.array_equal(G, tree([one[1] for one in alone]))
            new, B, G = sweep_coefficients(Xt, V, H, 5, 0.1)
            assert np.array_equal(new, np.hstack([one[0] for one in swept]))
            assert np.array_equal(B, tree([one[1] for one in swept]))
            assert np.array_equal(G, tree([one[2] for one in swept]))
        assert residual(Xt, V, H) == left


def placed(array, offset, around):
    """The same numbers so many bytes behind a multiple of 64, with others before and after them."""
    size = array.size + 64
    memory = np.full(size * array.itemsize + 192, 0, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    flat = memory[start : start + (size * array.itemsize)].view(array.dtype)
    flat[:] = around
    view = flat[: array.size].reshape(array.shape)
    view[:] = array
    assert view.ctypes.data % 64 == offset % 64
    return view


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("m", [7, 61, 361, 1000])
def test_a_product_of_one_thread_does_not_depend_on_where_its_arrays_lie(dtype, m):
    """What equal bits rest on where BLAS is asked: addresses and neighbours change nothing.

    Products of matrices anywhere; of vectors at multiples of 16 bytes, where NumPy puts arrays (dot products of some
    old kernels take other entries together at other places).
    """
    Xt, V, H = kernels(dtype, 128, m, 13)
    G = V @ V.T
    expected = None
    with get_backend("cpu").scope():
        for offset, around in ((0, 0.0), (Xt.itemsize, np.nan), (32, 1e30), (56, -1.0), (16, np.inf)):
            x, v, h, g = (placed(array, offset, around) for array in (Xt, V, H, G))
            x.flags.writeable = False
            matrices = [
                *products(x, h),
                *sweep_coefficients(x, v, h, 4, 0.1),
                v @ x.T,
                g @ h,
                v @ v.T,
                np.linalg.eigvalsh(g),
            ]
            vectors = [v @ h[3, : v.shape[1]] if v.shape[1] <= 128 else v @ v[4], np.array(np.vdot(v, v)), x @ v[0]]
            expected = [matrices, vectors] if expected is None else expected
            for one, other in zip(matrices, expected[0], strict=True):
                assert np.array_equal(one, other)
            for one, other in zip(vectors, expected[1], strict=True):
                assert offset % 16 or np.array_equal(one, other)
