"""The NMF kernels for CPUs: one thread pool, one pass over the images.

BLAS threads beside numba threads cost up to a factor of fifty, so BLAS runs on one thread and the products are cut
into blocks inside numba's own pool. The pass reads a block of images once: its products with the basis, its HALS
sweeps, its share of H X' and H H'. HALS sweeps 64 columns at a time: they lie beside each other, so the inner loops are
vector instructions, enough of them to hide their latency, and a block with its right-hand side stays in the
first-level cache.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from gsp_studio.backends.backend import HALS_BLOCK, Array
from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.pool import POOL

#: Multiply-adds may be fused. Sums are not left to the compiler's order (`reassoc`): a function that was compiled in
#: this process and one that numba's cache brings may be optimized differently, and a run must repeat to the last bit.
_FUSED = {"contract"}
_LANES = HALS_BLOCK
#: Bytes of X that a step of the pass holds: the second product finds them in the second-level cache.
_STEP_BYTES = 1 << 19
#: Entries of X from which on more than eight threads have enough to do.
_MANY_PARTS = 1 << 22
#: Multiplications of a gradient step from which on threads pay.
_PARALLEL_STEP = 2_000_000


# Two rows at a time: each value of h that is loaded serves both, and one's additions hide the other's latency. The
# second row is corrected for the first one's step, so the sweep is the one-by-one sweep. Rows are padded with zeros to
# a multiple of four; G is zero there.


@compiled()
def _sum(lanes):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(lanes.size):
        total += lanes[j]
    return total


@compiled(fastmath=_FUSED)
def _right_hand_sides(acc, b, G, h, k):  # type: ignore[no-untyped-def]
    """Rows k and k + 1 of ``b - G h`` into acc (2, 64)."""
    for j in range(_LANES):
        acc[0, j] = b[k, j]
        acc[1, j] = b[k + 1, j]
    for i in range(0, h.shape[0], 4):
        g0, g1, g2, g3 = G[k, i], G[k, i + 1], G[k, i + 2], G[k, i + 3]
        f0, f1, f2, f3 = G[k + 1, i], G[k + 1, i + 1], G[k + 1, i + 2], G[k + 1, i + 3]
        for j in range(_LANES):
            h0, h1, h2, h3 = h[i, j], h[i + 1, j], h[i + 2, j], h[i + 3, j]
            acc[0, j] -= g0 * h0 + g1 * h1 + g2 * h2 + g3 * h3
            acc[1, j] -= f0 * h0 + f1 * h1 + f2 * h2 + f3 * h3


@compiled(fastmath=_FUSED)
def _sweep_block(h, b, G, acc, moves, n_inner, tol):  # type: ignore[no-untyped-def]
    """HALS sweeps of one block h (r, 64) in place, until a sweep moves less than tol of the first."""
    zero = G.dtype.type(0)
    one = G.dtype.type(1)
    first = zero
    for sweep in range(n_inner):
        moves[:] = 0
        for k in range(0, h.shape[0], 2):
            _right_hand_sides(acc, b, G, h, k)
            if G[k, k] > zero:
                scale = one / G[k, k]
                coupling = G[k + 1, k]
                for j in range(_LANES):
                    step = acc[0, j] * scale
                    low = -h[k, j]
                    step = step if step > low else low
                    h[k, j] += step
                    acc[1, j] -= coupling * step
                    moves[j] += step * step
            if G[k + 1, k + 1] > zero:
                scale = one / G[k + 1, k + 1]
                for j in range(_LANES):
                    step = acc[1, j] * scale
                    low = -h[k + 1, j]
                    step = step if step > low else low
                    h[k + 1, j] += step
                    moves[j] += step * step
        moved = _sum(moves)
        if sweep == 0:
            first = moved
        elif moved <= tol * tol * first:
            break


@compiled(fastmath=_FUSED)
def _descend_block(h, b, G, L, y, new, acc, moves, n_inner, tol):  # type: ignore[no-untyped-def]
    """Fast projected gradient of one block h (r, 64) in place, until a step moves less than tol of the first."""
    zero = G.dtype.type(0)
    scale = G.dtype.type(1) / L
    alpha = 0.1
    y[:] = h
    first = zero
    for step in range(n_inner):
        square = alpha * alpha
        following = (np.sqrt(square * square + 4.0 * square) - square) / 2.0
        beta = G.dtype.type(alpha * (1.0 - alpha) / (square + following))
        alpha = following
        for k in range(0, h.shape[0], 2):
            _right_hand_sides(acc, b, G, y, k)
            for j in range(_LANES):
                z = y[k, j] + acc[0, j] * scale
                new[k, j] = z if z > zero else zero
                z = y[k + 1, j] + acc[1, j] * scale
                new[k + 1, j] = z if z > zero else zero
        moves[:] = 0
        for k in range(h.shape[0]):
            for j in range(_LANES):
                d = new[k, j] - h[k, j]
                y[k, j] = new[k, j] + beta * d
                h[k, j] = new[k, j]
                moves[j] += d * d
        moved = _sum(moves)
        if step == 0:
            first = moved
        elif moved <= tol * tol * first:
            break


@compiled(fastmath=_FUSED)
def _update_columns(V, B, G, L, start, stop, n_inner, tol):  # type: ignore[no-untyped-def]
    """Update the columns start..stop of V in place; B holds the same columns from its own start, G is padded.

    By HALS sweeps for L = 0, by fast gradient steps of length 1 / L otherwise.
    """
    r = V.shape[0]
    padded = G.shape[0]
    h = np.zeros((padded, _LANES), V.dtype)
    b = np.zeros((padded, _LANES), V.dtype)
    acc = np.empty((2, _LANES), V.dtype)
    moves = np.empty(_LANES, V.dtype)
    y = np.empty((padded, _LANES), V.dtype)
    new = np.empty((padded, _LANES), V.dtype)
    for a in range(start, stop, _LANES):
        width = min(_LANES, stop - a)
        for k in range(r):
            for j in range(width):
                h[k, j] = V[k, a + j]
                b[k, j] = B[k, a - start + j]
            for j in range(width, _LANES):
                h[k, j] = 0
                b[k, j] = 0
        if L > 0:
            _descend_block(h, b, G, L, y, new, acc, moves, n_inner, tol)
        else:
            _sweep_block(h, b, G, acc, moves, n_inner, tol)
        for k in range(r):
            for j in range(width):
                V[k, a + j] = h[k, j]


@compiled(parallel=True)
def _update_all(V, B, G, L, n_inner, tol):  # type: ignore[no-untyped-def]
    n = V.shape[1]
    blocks = (n + _LANES - 1) // _LANES
    for block in prange(blocks):
        a = block * _LANES
        stop = min(n, a + _LANES)
        _update_columns(V, B[:, a:stop], G, L, a, stop, n_inner, tol)


# Array expressions stay out of the parallel functions: numba would make parallel loops of each, and compile for longer.


@compiled()
def _part_of_pass(Xt, V, H, G, L, n_inner, tol, step, begin, end, part_B, part_G):  # type: ignore[no-untyped-def]
    for a in range(begin, end, step):
        stop = min(end, a + step)
        Xb = Xt[a:stop]
        if n_inner > 0:
            _update_columns(H, np.dot(V, Xb.T), G, L, a, stop, n_inner, tol)
        hb = H[:, a:stop].copy()
        if a == begin:  # often the only one
            np.dot(hb, Xb, part_B)
            np.dot(hb, hb.T, part_G)
        else:
            _add_to(part_B, np.dot(hb, Xb))
            _add_to(part_G, np.dot(hb, hb.T))


@compiled()
def _add_to(total, more):  # type: ignore[no-untyped-def]
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += more[i, j]


@compiled(parallel=True)
def _pass(Xt, V, H, G, L, n_inner, tol, step, parts_B, parts_G):  # type: ignore[no-untyped-def]
    """One pass over the images: H updated in place (unless n_inner = 0), H X' and H H' part by part."""
    n = Xt.shape[0]
    parts = parts_B.shape[0]
    # A part ends on a block's edge, so that the blocks, and with them the iterates, do not depend on the parts.
    blocks = (n + _LANES - 1) // _LANES
    for part in prange(parts):
        begin = blocks * part // parts * _LANES
        end = min(n, blocks * (part + 1) // parts * _LANES)
        _part_of_pass(Xt, V, H, G, L, n_inner, tol, step, begin, end, parts_B[part], parts_G[part])


@compiled(parallel=True)
def _encode(Xt, V, step, out):  # type: ignore[no-untyped-def]
    n = Xt.shape[0]
    for part in prange((n + step - 1) // step):
        a, stop = part * step, min(n, (part + 1) * step)
        out[:, a:stop] = np.dot(V, Xt[a:stop].T)


@compiled(parallel=True)
def _gradient_step_parts(Y, B, G, scale, out):  # type: ignore[no-untyped-def]
    zero = Y.dtype.type(0)
    n = Y.shape[1]
    width = 256
    for part in prange((n + width - 1) // width):
        a, stop = part * width, min(n, (part + 1) * width)
        y = Y[:, a:stop].copy()
        grad = np.dot(G, y)
        for k in range(Y.shape[0]):
            for j in range(stop - a):
                z = y[k, j] - (grad[k, j] - B[k, a + j]) * scale
                out[k, a + j] = z if z > zero else zero


@compiled(parallel=True)
def _residual(Xt, V, H, step):  # type: ignore[no-untyped-def]
    n = Xt.shape[0]
    sums = np.zeros((n + step - 1) // step)
    for part in prange(len(sums)):
        a, stop = part * step, min(n, (part + 1) * step)
        fit = np.dot(H[:, a:stop].copy().T, V)
        total = 0.0
        for i in range(stop - a):
            for j in range(Xt.shape[1]):
                d = np.float64(Xt[a + i, j]) - np.float64(fit[i, j])
                total += d * d
        sums[part] = total
    return sums.sum()


@compiled(fastmath=_FUSED)
def _clip_step(Y, grad, B, scale, out):  # type: ignore[no-untyped-def]
    zero = Y.dtype.type(0)
    for k in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            z = Y[k, j] - (grad[k, j] - B[k, j]) * scale
            out[k, j] = z if z > zero else zero


@compiled(fastmath=_FUSED)
def _extrapolate(new, old, Y, beta, out):  # type: ignore[no-untyped-def]
    """On flat arrays; sums lane by lane, as every order of a run must be ours."""
    moves = np.zeros(_LANES, new.dtype)
    against = np.zeros(_LANES, new.dtype)
    whole = new.size - new.size % _LANES
    for a in range(0, whole, _LANES):
        for j in range(_LANES):
            d = new[a + j] - old[a + j]
            out[a + j] = new[a + j] + beta * d
            moves[j] += d * d
            against[j] += (Y[a + j] - new[a + j]) * d
    for j in range(new.size - whole):
        d = new[whole + j] - old[whole + j]
        out[whole + j] = new[whole + j] + beta * d
        moves[j] += d * d
        against[j] += (Y[whole + j] - new[whole + j]) * d
    return _sum(moves), _sum(against)


@compiled(parallel=True)
def _refill(Xt, W, H, starts, pixels):  # type: ignore[no-untyped-def]
    for j in prange(Xt.shape[0]):
        _refill_image(Xt[j], W, H[:, j].copy(), pixels[starts[j] : starts[j + 1]])


@compiled(fastmath=_FUSED)
def _refill_image(x, W, h, missing):  # type: ignore[no-untyped-def]
    for i in missing:
        even = x.dtype.type(0)
        odd = x.dtype.type(0)
        for k in range(0, h.size - 1, 2):
            even += W[i, k] * h[k]
            odd += W[i, k + 1] * h[k + 1]
        if h.size % 2:
            even += W[i, h.size - 1] * h[h.size - 1]
        x[i] = even + odd


def _padded(G: Array) -> Array:
    """G with zeros up to a multiple of four rows and columns."""
    r = len(G)
    out = np.zeros((r + -r % 4,) * 2, G.dtype)
    out[:r, :r] = G
    return out


def _step_of(Xt: Array) -> int:
    """Images a step of the pass takes: whole blocks, half a megabyte of X, at least four blocks."""
    images = _STEP_BYTES // max(1, Xt.shape[1] * Xt.itemsize)
    return int(min(512, max(4 * _LANES, images // _LANES * _LANES)))


def _parts_of(Xt: Array, r: int) -> int:
    """Parts of the pass that threads share: by the data's size alone, so that sums, and with them the bits of a run,
    do not depend on the number of threads. Each part holds its own (r, m) product, together at most half of X, and an
    eighth of it where there are many.
    """
    n = len(Xt)
    wanted = 8 if Xt.size < _MANY_PARTS else 32
    return max(1, min(wanted, math.ceil(n / _LANES), max(4, n // (2 * r)), max(8, n // (8 * r))))


def _run_pass(Xt: Array, V: Array, H: Array, G: Array, L: float, n_inner: int, tol: float) -> tuple[Array, Array]:
    r, m = len(H), Xt.shape[1]
    parts = _parts_of(Xt, r)
    parts_B = np.empty((parts, r, m), Xt.dtype)
    parts_G = np.empty((parts, r, r), Xt.dtype)
    with POOL:
        _pass(Xt, V, H, _padded(G), Xt.dtype.type(L), n_inner, Xt.dtype.type(tol), _step_of(Xt), parts_B, parts_G)
    if parts == 1:
        return parts_B[0], parts_G[0]
    return parts_B.sum(axis=0), parts_G.sum(axis=0)


def products(Xt: Array, H: Array) -> tuple[Array, Array]:
    """``B = H X'`` (r, m) and ``G = H H'`` (r, r)."""
    unused = np.empty((1, 1), H.dtype)
    H = H if H.flags.writeable else H.copy()  # the pass is compiled for an H that it may sweep
    return _run_pass(Xt, unused, H, unused, 0.0, 0, 0.0)


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
        _encode(Xt, V, _step_of(Xt), out)
    return out


def residual(Xt: Array, V: Array, H: Array) -> float:
    """``||X - W H||_F^2``: the products in X's dtype, differences and sum in float64."""
    with POOL:
        return float(_residual(Xt, V, H, _step_of(Xt)))


def hals(V: Array, B: Array, G: Array, n_inner: int, tol: float) -> Array:
    """HALS sweeps for ``min_V>=0 <V, G V> - 2 <B, V>``; the input V is kept."""
    new = V.copy()
    with POOL:
        _update_all(new, B, _padded(G), V.dtype.type(0), n_inner, V.dtype.type(tol))
    return new


def gradient_step(Y: Array, B: Array, G: Array, L: float) -> Array:
    """``max(0, Y - (G Y - B) / L)``; in parallel where the work outweighs waking the threads."""
    if len(G) * Y.size >= _PARALLEL_STEP:
        out = np.empty_like(Y)
        with POOL:
            _gradient_step_parts(Y, B, G, Y.dtype.type(1.0 / L), out)
        return out
    out = G @ Y
    _clip_step(Y, out, B, Y.dtype.type(1.0 / L), out)
    return out


def extrapolate(new: Array, old: Array, Y: Array, beta: float) -> tuple[Array, float, float]:
    """``new + beta (new - old)``, ``||new - old||_F^2`` and ``<Y - new, new - old>``."""
    out = np.empty_like(new)
    flat = (array.reshape(-1) for array in (new, old, Y))
    moved, uphill = _extrapolate(*flat, new.dtype.type(beta), out.reshape(-1))
    return out, float(moved), float(uphill)


def refill(Xt: Array, V: Array, H: Array, starts: Array, pixels: Array) -> None:
    """The fit ``W H`` into the entries that are missing, in place."""
    with POOL:
        _refill(Xt, np.ascontiguousarray(V.T), H, starts, pixels)
