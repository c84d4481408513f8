"""Loops over the entries of one vector: thresholded moments, survivors, and the final shrinkage.

Each takes a contiguous slice and indexes it from 0, which is what lets LLVM use vector loads. Sums are in float64 for
both dtypes, and in an order of their own: lane by lane of a vector that is written out (`lanes`), then over the lanes.
Had the compiler leave to choose an order, one and the same kernel would have other last bits where it was compiled in
the process than where it came from numba's cache, and a run would not repeat.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from gsp_studio.backends.cpu.compiling import compiled
from gsp_studio.backends.cpu.lanes import LANES, lane_sums, weighted_lane_sums


@compiled()
def _excess(value, weight, t):  # type: ignore[no-untyped-def]
    # Never one fused operation: moments and output must agree to the last bit on what is left of an entry.
    return abs(np.float64(value)) - t * weight


@compiled()
def moments(c, t):  # type: ignore[no-untyped-def]
    """``m0, m1, m2`` of ``z = (|c| - t)_+``: the number of survivors, their sum and their sum of squares."""
    m0, m1, m2 = lane_sums(c, t)
    for j in range(c.size - c.size % LANES, c.size):
        z = abs(np.float64(c[j])) - t
        m0 += z > 0.0
        z = z if z > 0.0 else 0.0
        m1 += z
        m2 += z * z
    return m0, m1, m2


@compiled()
def weighted_moments(c, w, t):  # type: ignore[no-untyped-def]
    """``m0 = ||w_S||^2``, ``m1 = w'z`` and ``m2 = ||z||^2`` of ``z = (|c| - t w)_+`` with its support S."""
    m0, m1, m2 = weighted_lane_sums(c, w, t)
    for j in range(c.size - c.size % LANES, c.size):
        weight = np.float64(w[j])
        z = _excess(c[j], weight, t)
        weight = weight if z > 0.0 else np.float64(0.0)
        z = z if z > 0.0 else 0.0
        m0 += weight * weight
        m1 += weight * z
        m2 += z * z
    return m0, m1, m2


@intrinsic
def _bits(typing_context, value):  # type: ignore[no-untyped-def]
    """The bits of a float as an integer of the same width."""
    integer = types.Integer.from_bitwidth(value.bitwidth)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(integer))

    return integer(value), generate


@intrinsic
def _from_bits(typing_context, value):  # type: ignore[no-untyped-def]
    """The float whose bits an integer holds."""
    real = types.float32 if value.bitwidth == 32 else types.float64

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], context.get_value_type(real))

    return real(value), generate


@compiled()
def largest(c):  # type: ignore[no-untyped-def]
    """``max |c|`` in float64; infinity or NaN where c holds any.

    Nonnegative floats are in the order of their bits, infinity and NaN above all: a maximum of integers is one vector
    instruction, one of floats that must notice NaN is a loop.
    """
    top = _bits(c.dtype.type(0))
    for j in range(c.size):
        number = _bits(abs(c[j]))
        top = number if number > top else top
    return np.float64(_from_bits(top))


@compiled()
def weight_constants(w):  # type: ignore[no-untyped-def]
    """``||w||_2`` and ``min w`` of finite weights >= 0."""
    low = _bits(w.dtype.type(np.inf))
    for j in range(w.size):
        number = _bits(abs(w[j]))  # -0 counts as 0
        low = number if number < low else low
    return np.sqrt(moments(w, 0.0)[2]), np.float64(_from_bits(low))


@compiled()
def survivors(c, t, kept):  # type: ignore[no-untyped-def]
    """Write the ``|c_j| > t`` to the front of `kept`, as long as c and perhaps c itself; return how many there are."""
    k = np.uint64(0)
    for j in range(c.size):
        value = abs(c[j])
        kept[k] = value
        k += np.uint64(np.float64(value) > t)
    return np.int64(k)


@compiled()
def shrink(c, t, fine, factor, out):  # type: ignore[no-untyped-def]
    """``out = sign(c) (|c| - t - fine)_+ factor``; `fine` is the part of the threshold below t's last digit."""
    for j in range(c.size):
        value = np.float64(c[j])
        above = (value - t) - fine
        below = (value + t) + fine
        above = above if above > 0.0 else 0.0
        below = below if below < 0.0 else 0.0
        out[j] = (above + below) * factor


@compiled()
def weighted_shrink(c, w, t, fine, factor, out):  # type: ignore[no-untyped-def]
    """``out = sign(c) (|c| - (t + fine) w)_+ factor``."""
    for j in range(c.size):
        value = np.float64(c[j])
        weight = np.float64(w[j])
        above = (value - t * weight) - fine * weight
        below = (value + t * weight) + fine * weight
        above = above if above > 0.0 else 0.0
        below = below if below < 0.0 else 0.0
        out[j] = (above + below) * factor


@compiled()
def best_single(c):  # type: ignore[no-untyped-def]
    """The lowest index of ``max |c|``."""
    best, top = 0, -1.0
    for j in range(c.size):
        value = abs(np.float64(c[j]))
        if value > top:
            best, top = j, value
    return best


@compiled()
def weighted_best_single(c, w, t, fine):  # type: ignore[no-untyped-def]
    """The index of ``max |c| - (t + fine) w``; among equals of the smallest weight, largest entry, lowest index.

    A large t swallows the entries, so that "equals" are all entries of one weight.
    """
    best, top, lightest, tallest = 0, -np.inf, np.inf, -1.0
    for j in range(c.size):
        weight, size = np.float64(w[j]), abs(np.float64(c[j]))
        value = (size - t * weight) - fine * weight
        tied = value == top and (weight < lightest or (weight == lightest and size > tallest))
        if value > top or tied:
            best, top, lightest, tallest = j, value, weight, size
    return best


@compiled()
def keep_one(c, j, out):  # type: ignore[no-untyped-def]
    """All zero but entry j; `out` may be c."""
    value = c[j]
    out[:] = 0
    out[j] = value
