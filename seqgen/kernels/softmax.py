"""The parts of a softmax in float64 as LLVM vector code: exponentials, five to ten times as fast as calls of libm.

e^x = 2^n e^r, where n is the integer nearest to x log2(e), and r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2]; e^r is its
Taylor polynomial of degree 13, whose remainder is below 2^-57, and n is added to the exponent. Every operation is
correctly rounded, and those that are fused are so by name: the bits are the same on every CPU, and with every libm. The
error is below 1 ulp.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDTH = 8
"""Numbers in a vector: a register of AVX-512, two of AVX2, four of NEON."""

LOWEST = -708.0
"""e^x is a normal number from here on; below, the result is 0."""
LOG2E = 1.4426950408889634
ROUNDER = 1.5 * 2.0**52
"""Added to a small number, it leaves the nearest integer in the lowest bits of the sum."""
LN2_HIGH, LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
"""ln 2 in two parts: a float64, and what is missing from it."""
DEGREE = 13

_DOUBLE, _INT32, _INT64 = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, WIDTH)


def exponential(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Generate e^x of a double, or of every number of a vector of doubles, for x <= 0 or NaN."""
    kind, many = x.type, isinstance(x.type, ir.VectorType)
    integers = ir.VectorType(_INT64, WIDTH) if many else _INT64

    def real(value: float) -> ir.Constant:
        return ir.Constant(kind, [value] * WIDTH if many else value)

    name = f"llvm.fma.v{WIDTH}f64" if many else "llvm.fma.f64"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    # ordered: a comparison with NaN is false, and NaN goes on
    low = builder.fcmp_ordered("<", x, real(LOWEST))
    x = builder.select(low, real(LOWEST), x)
    rounded = builder.call(fma, [x, real(LOG2E), real(ROUNDER)])
    n = builder.fsub(rounded, real(ROUNDER))
    r = builder.call(fma, [n, real(-LN2_HIGH), x])
    r = builder.call(fma, [n, real(-LN2_LOW), r])
    power = real(1 / math.factorial(DEGREE))
    for k in range(DEGREE - 1, -1, -1):
        power = builder.call(fma, [power, r, real(1 / math.factorial(k))])
    shift = ir.Constant(integers, [52] * WIDTH if many else 52)
    exponent = builder.shl(builder.bitcast(rounded, integers), shift)
    power = builder.bitcast(builder.add(builder.bitcast(power, integers), exponent), kind)
    return builder.select(low, real(0.0), power)


def _pointer(context, builder, signature, arguments, which):
    return context.make_array(signature.args[which])(context, builder, arguments[which]).data


def _load(builder, base, at, kind):
    number = builder.load(builder.bitcast(builder.gep(base, [at]), kind.as_pointer()))
    number.align = 8
    return number


def _spread(builder, number):
    """Return a vector of equal numbers."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT32, WIDTH), [0] * WIDTH))


def _over(context, builder, count, kind, body):
    """Generate body(position, type) for all whole vectors of `count` numbers, then for each of the rest."""
    count = context.cast(builder, count, kind, types.intp)
    width = ir.Constant(_INT64, WIDTH)
    vectors = builder.udiv(count, width)
    with cgutils.for_range(builder, vectors, intp=_INT64) as loop:
        body(builder.mul(loop.index, width), _VECTOR)
    whole = builder.mul(vectors, width)
    with cgutils.for_range(builder, builder.sub(count, whole), intp=_INT64) as loop:
        body(builder.add(whole, loop.index), _DOUBLE)


@intrinsic
def exp(typingctx, x):
    """Return e^x of a float64, which is at most 0 or NaN; the bits are those of `exponentials`."""

    def generate(context, builder, signature, arguments):
        return exponential(builder, arguments[0])

    return types.float64(types.float64), generate


@intrinsic
def exponentials(typingctx, x, top, count, out):
    """Write e^(x[k] - top) to out[k] for the first `count` numbers of contiguous float64 arrays; none exceeds `top`.

    NaN gives NaN. `out` may be `x`.
    """

    def generate(context, builder, signature, arguments):
        source, target = (_pointer(context, builder, signature, arguments, k) for k in (0, 3))
        tops = {_DOUBLE: arguments[1], _VECTOR: _spread(builder, arguments[1])}

        def write(at, kind):
            power = exponential(builder, builder.fsub(_load(builder, source, at, kind), tops[kind]))
            place = builder.bitcast(builder.gep(target, [at]), kind.as_pointer())
            builder.store(power, place).align = 8

        _over(context, builder, arguments[2], signature.args[2], write)
        return context.get_dummy_value()

    return types.void(x, types.float64, count, out), generate


@intrinsic
def largest(typingctx, x, count):
    """Return the largest of the first `count` numbers of a contiguous float64 array, -inf for none; NaN is ignored."""

    def generate(context, builder, signature, arguments):
        source = _pointer(context, builder, signature, arguments, 0)
        nothing = ir.Constant(_DOUBLE, -math.inf)
        tops = {kind: cgutils.alloca_once(builder, kind) for kind in (_DOUBLE, _VECTOR)}
        builder.store(nothing, tops[_DOUBLE])
        builder.store(_spread(builder, nothing), tops[_VECTOR])

        def keep(number, top):
            larger = builder.fcmp_ordered(">", number, builder.load(top))
            builder.store(builder.select(larger, number, builder.load(top)), top)

        _over(
            context, builder, arguments[1], signature.args[1],
            lambda at, kind: keep(_load(builder, source, at, kind), tops[kind]),
        )  # fmt: skip
        vector = builder.load(tops[_VECTOR])
        for k in range(WIDTH):
            keep(builder.extract_element(vector, ir.Constant(_INT32, k)), tops[_DOUBLE])
        return builder.load(tops[_DOUBLE])

    return types.float64(x, count), generate
