"""One pass over the images on CPUs: one thread pool, X read once.

BLAS threads beside numba threads cost up to a factor of fifty, so BLAS runs on one thread and the products are cut
into blocks of images inside numba's own pool. A block is read once for all: its products with the basis, its HALS
sweeps, its share of H X' and H H'; shares are added in the one order of `backends.summation`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from gsp_studio.backends.backend import Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.pool import POOL
from gsp_studio.backends.cpu.solver import padded, update_columns
from gsp_studio.backends.summation import images_of_block, tree_sum

#: Nodes of the tree of sums that threads share, at most, and bytes that so many may take in any case.
_MANY_NODES, _FEW_BYTES = 64, 1 << 24
#: Entries of all nodes from which on threads add them, and entries that one of them adds at a time.
_PARALLEL_SUM, _SUM_WIDTH = 1 << 17, 1 << 12

# Array expressions stay out of the parallel functions: numba would make parallel loops of each, and compile for longer.


@compiled()
def _sums_of_node(Xt, V, H, G, L, n_inner, tol, step, begin, end, total_B, total_G):  # type: ignore[no-untyped-def]
    """H updated in place (unless n_inner = 0), and the tree sums of H X' and H H' over the blocks begin to end."""
    r, m = total_B.shape
    depth = 0
    while 1 << depth < end - begin:
        depth += 1
    # Sums that wait for their neighbour, one a level; the lowest is the result.
    waiting_B = np.empty((depth, r, m), Xt.dtype)
    waiting_G = np.empty((depth, r, r), Xt.dtype)
    top = 0
    for block in range(begin, end):
        a = block * step
        stop = min(Xt.shape[0], a + step)
        Xb = Xt[a:stop]
        if n_inner > 0:
            update_columns(H, np.dot(V, Xb.T), G, L, a, stop, n_inner, tol)
        hb = H[:, a:stop].copy()
        if top == 0:
            np.dot(hb, Xb, total_B)
            np.dot(hb, hb.T, total_G)
        else:
            np.dot(hb, Xb, waiting_B[top - 1])
            np.dot(hb, hb.T, waiting_G[top - 1])
        top += 1
        done = block - begin + 1
        while top > 1 and (done % 2 == 0 or block == end - 1):
            top -= 1
            _add_to(waiting_B[top - 2] if top > 1 else total_B, waiting_B[top - 1])
            _add_to(waiting_G[top - 2] if top > 1 else total_G, waiting_G[top - 1])
            done //= 2


@compiled()
def _add_to(total, more):  # type: ignore[no-untyped-def]
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += more[i, j]


@compiled(parallel=True)
def _pass(Xt, V, H, G, L, n_inner, tol, step, span, sums_B, sums_G):  # type: ignore[no-untyped-def]
    """One pass over the images; the sums of nodes of `span` blocks each."""
    blocks = (Xt.shape[0] + step - 1) // step
    for node in prange(len(sums_B)):
        begin, end = node * span, min(blocks, (node + 1) * span)
        _sums_of_node(Xt, V, H, G, L, n_inner, tol, step, begin, end, sums_B[node], sums_G[node])


@compiled(parallel=True)
def _add_nodes(sums, width):  # type: ignore[no-untyped-def]
    """The tree sum of the rows of `sums` (nodes, entries) into the first one, some entries at a time."""
    for part in prange((sums.shape[1] + width - 1) // width):
        _add_some(sums, part * width, min(sums.shape[1], (part + 1) * width))


@compiled()
def _add_some(sums, start, stop):  # type: ignore[no-untyped-def]
    stride = 1
    while stride < len(sums):
        for node in range(0, len(sums) - stride, 2 * stride):
            for j in range(start, stop):
                sums[node, j] += sums[node + stride, j]
        stride *= 2


@compiled(parallel=True)
def _encode(Xt, V, step, out):  # type: ignore[no-untyped-def]
    n = Xt.shape[0]
    for part in prange((n + step - 1) // step):
        a, stop = part * step, min(n, (part + 1) * step)
        out[:, a:stop] = np.dot(V, Xt[a:stop].T)


@compiled(parallel=True)
def _residuals(Xt, V, H, step, sums):  # type: ignore[no-untyped-def]
    for block in prange(len(sums)):
        a, stop = block * step, min(Xt.shape[0], (block + 1) * step)
        fit = np.dot(H[:, a:stop].copy().T, V)
        total = 0.0
        for i in range(stop - a):
            for j in range(Xt.shape[1]):
                d = np.float64(Xt[a + i, j]) - np.float64(fit[i, j])
                total += d * d
        sums[block] = total


def _step_of(Xt: Array) -> int:
    """Images of a block of the pass."""
    return images_of_block(Xt.shape[1], Xt.dtype)


def _span_of(blocks: int, n: int, r: int, size: int) -> int:
    """Blocks of a node that one thread sums: as few as memory allows, as each node holds its own (r, m) product.

    The tree is the same for all spans: this is about time and memory only.
    """
    most = _MANY_NODES if _MANY_NODES * size <= _FEW_BYTES else max(8, min(_MANY_NODES, n // (6 * r)))
    span = 1
    while -(-blocks // span) > most:
        span *= 2
    return span


def _run_pass(Xt: Array, V: Array, H: Array, G: Array, L: float, n_inner: int, tol: float) -> tuple[Array, Array]:
    (n, m), r, step = Xt.shape, len(H), _step_of(Xt)
    V = _writable(V)
    blocks = -(-n // step)
    span = _span_of(blocks, n, r, r * m * Xt.itemsize)
    count = -(-blocks // span)
    sums_B, sums_G = np.empty((count, r, m), Xt.dtype), np.empty((count, r, r), Xt.dtype)
    with POOL:
        _pass(Xt, V, H, padded(G), Xt.dtype.type(L), n_inner, Xt.dtype.type(tol), step, span, sums_B, sums_G)
        _add_all(sums_B)
        _add_all(sums_G)
    return sums_B[0].copy(), sums_G[0].copy()


def _writable(factor: Array) -> Array:
    """A factor as kernels are compiled for: those of iterates are read-only, and would be another type."""
    return factor if factor.flags.writeable else factor.copy()


def _add_all(sums: Array) -> None:
    flat = sums.reshape(len(sums), -1)
    if flat.size >= _PARALLEL_SUM:
        _add_nodes(flat, _SUM_WIDTH)
    else:
        _add_some(flat, 0, flat.shape[1])


def products(Xt: Array, H: Array) -> tuple[Array, Array]:
    """``B = H X'`` (r, m) and ``G = H H'`` (r, r)."""
    unused = np.empty((1, 1), H.dtype)
    return _run_pass(Xt, unused, _writable(H), unused, 0.0, 0, 0.0)


def sweep_coefficients(Xt: Array, V: Array, H: Array, n_inner: int, tol: float) -> tuple[Array, Array, Array]:
    """New coefficients by HALS sweeps for the basis V, and the products of the new H; the input H is kept."""
    new = H.copy()
    return new, *_run_pass(Xt, V, new, V @ V.T, 0.0, n_inner, tol)


def descend_coefficients(
    Xt: Array, V: Array, H: Array, L: float, n_inner: int, tol: float
) -> tuple[Array, Array, Array]:
    """As `sweep_coefficients`, by fast gradient steps of length 1 / L, ``L = ||V V'||_2 > 0``."""
    new = H.copy()
    return new, *_run_pass(Xt, V, new, V @ V.T, L, n_inner, tol)


def encode(Xt: Array, V: Array) -> Array:
    """``W'X`` (r, n)."""
    out = np.empty((len(V), len(Xt)), Xt.dtype)
    with POOL:
        _encode(Xt, _writable(V), _step_of(Xt), out)
    return out


def residual(Xt: Array, V: Array, H: Array) -> float:
    """``||X - W H||_F^2``: the products in X's dtype, differences and sum in float64."""
    step = _step_of(Xt)
    sums = np.empty(-(-len(Xt) // step))
    with POOL:
        _residuals(Xt, _writable(V), _writable(H), step, sums)
    return float(tree_sum(sums))
