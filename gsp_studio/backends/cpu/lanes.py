"""Thresholded sums written out as vector instructions, so that their order is ours and not the compiler's.

Entry j of a vector is added in lane ``j % LANES``; the lanes are added at the end, the upper half to the lower one
until one is left. Entries behind the last whole vector are left to the caller. No operation is fused or reordered.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Entries that are added side by side: enough vectors of any processor to hide the time that an addition takes.
LANES = 32

_F64, _I64 = ir.DoubleType(), ir.IntType(64)


def _vector(kind: Any) -> Any:
    return ir.VectorType(kind, LANES)


def _load(builder: Any, array: Any, start: Any) -> Any:
    """LANES entries from `start` on, as float64."""
    entry = array.data.type.pointee
    at = builder.bitcast(builder.gep(array.data, [start]), _vector(entry).as_pointer())
    values = builder.load(at, align=4 if isinstance(entry, ir.FloatType) else 8)
    return builder.fpext(values, _vector(_F64)) if isinstance(entry, ir.FloatType) else values


def _magnitude(builder: Any, values: Any) -> Any:
    bits = builder.bitcast(values, _vector(_I64))
    rest = ir.Constant(_vector(_I64), [(1 << 63) - 1] * LANES)
    return builder.bitcast(builder.and_(bits, rest), _vector(_F64))


def _spread(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(_vector(_F64), ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(one, ir.Constant(_vector(_F64), ir.Undefined), zeros)


def _total(builder: Any, lanes: Any, add: Any) -> Any:
    """All lanes, halved again and again."""
    width = LANES
    while width > 1:
        width //= 2
        halves = (
            builder.shuffle_vector(
                lanes,
                ir.Constant(lanes.type, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width))),
            )
            for first in (0, width)
        )
        lanes = add(*halves)
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))


def _sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The body of both: three sums over whole vectors of entries, without or with weights."""
    is_weighted = len(arguments) == 3
    arrays = [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(signature.args[:-1], arguments[:-1], strict=True)
    ]
    t = _spread(builder, arguments[-1])
    zero = ir.Constant(_vector(_F64), None)
    counts = _vector(_F64 if is_weighted else _I64)
    kept = [cgutils.alloca_once_value(builder, ir.Constant(kind, None)) for kind in (counts, zero.type, zero.type)]
    size = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
    vectors = builder.udiv(size, ir.Constant(size.type, LANES))
    with cgutils.for_range(builder, vectors) as loop:
        start = builder.mul(loop.index, ir.Constant(size.type, LANES))
        value = _magnitude(builder, _load(builder, arrays[0], start))
        weight = _load(builder, arrays[1], start) if is_weighted else None
        z = builder.fsub(value, builder.fmul(t, weight) if is_weighted else t)
        is_left = builder.fcmp_ordered(">", z, zero)
        z = builder.select(is_left, z, zero)
        m0, m1, m2 = (builder.load(one) for one in kept)
        if is_weighted:
            weight = builder.select(is_left, weight, zero)
            m0 = builder.fadd(m0, builder.fmul(weight, weight))
            m1 = builder.fadd(m1, builder.fmul(weight, z))
        else:
            m0 = builder.add(m0, builder.zext(is_left, counts))
            m1 = builder.fadd(m1, z)
        m2 = builder.fadd(m2, builder.fmul(z, z))
        for one, new in zip(kept, (m0, m1, m2), strict=True):
            builder.store(new, one)
    adds = (builder.fadd if is_weighted else builder.add, builder.fadd, builder.fadd)
    totals = [_total(builder, builder.load(one), add) for one, add in zip(kept, adds, strict=True)]
    return context.make_tuple(builder, signature.return_type, totals)


@intrinsic
def lane_sums(typing_context, c, t):  # type: ignore[no-untyped-def]
    """``m0, m1, m2`` as `moments.moments`, of the whole vectors of c; c is contiguous, t float64."""
    return types.Tuple((types.int64, types.float64, types.float64))(c, types.float64), _sums


@intrinsic
def weighted_lane_sums(typing_context, c, w, t):  # type: ignore[no-untyped-def]
    """``m0, m1, m2`` as `moments.weighted_moments`, of the whole vectors of c and w; both contiguous, t float64."""
    return types.Tuple((types.float64, types.float64, types.float64))(c, w, types.float64), _sums
