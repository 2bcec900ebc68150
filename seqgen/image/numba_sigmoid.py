"""Sums of hidden units and their sigmoids in one pass of LLVM vector code: add a packed row, and activate.

sigmoid(x) = 1 / (1 + 2^y) with y = -x log2(e). y is split into the nearest integer n and a rest f in [-1/2, 1/2]; 2^f
is a polynomial of degree 5, and n is added to the exponent. Every operation is correctly rounded, and those that are
fused are so by name: the bits are the same on every CPU. Absolute error below 2e-7; NaN stays NaN.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.compile import inline
from seqgen.kernels.padding import WIDTH

STEP = 2 * WIDTH
"""Numbers are computed in steps of so many, as a vector of words holds so many bfloat16 weights."""

LIMIT = 87.0
"""x is clamped to [-LIMIT, LIMIT], so that 2^y is a normal number."""
SLOPE = -1.4426950408889634  # -log2(e)
ROUNDER = 1.5 * 2.0**23
"""Added to a small number, it leaves the nearest integer in the lowest bits of the sum."""
POWER = (
    1.0,
    0.6931470036506653,
    0.24022242426872253,
    0.05550733581185341,
    0.009671512991189957,
    0.001326472731307149,
)
"""2^f = Σ POWER[k] f^k on [-1/2, 1/2]: minimax in the relative error, which is 1.1e-7, with 2^0 = 1."""

_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT32, WIDTH)


def _all(value):
    return ir.Constant(_FLOATS, [float(value)] * WIDTH)


def _ints(value):
    return ir.Constant(_INTS, [value] * WIDTH)


def _sigmoid(builder, x):
    """Generate the sigmoids of a vector."""
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), f"llvm.fma.v{WIDTH}f32"
    )
    # in this order of the operands a comparison with NaN selects x
    x = builder.select(builder.fcmp_ordered("<", _all(LIMIT), x), _all(LIMIT), x)
    x = builder.select(builder.fcmp_ordered(">", _all(-LIMIT), x), _all(-LIMIT), x)
    rounded = builder.call(fma, [x, _all(SLOPE), _all(ROUNDER)])
    n = builder.fsub(rounded, _all(ROUNDER))
    f = builder.call(fma, [x, _all(SLOPE), builder.fneg(n)])
    power = _all(POWER[-1])
    for coefficient in POWER[-2::-1]:
        power = builder.call(fma, [power, f, _all(coefficient)])
    exponent = builder.shl(builder.bitcast(rounded, _INTS), _ints(23))
    power = builder.bitcast(builder.add(builder.bitcast(power, _INTS), exponent), _FLOATS)
    return builder.fdiv(_all(1.0), builder.fadd(_all(1.0), power))


class _Places:
    """Reads and writes vectors of arrays, in steps of STEP numbers."""

    def __init__(self, context, builder, signature, arguments):
        self.builder, self._context = builder, context
        self.values = [
            context.cast(builder, value, kind, types.intp) if isinstance(kind, types.Integer) else value
            for value, kind in zip(arguments, signature.args, strict=True)
        ]
        self._kinds = signature.args

    def base(self, which, at):
        """Return the address of number `at` of argument `which`."""
        array = self._context.make_array(self._kinds[which])(self._context, self.builder, self.values[which])
        return self.builder.gep(array.data, [at])

    def address(self, base, offset, kind):
        return self.builder.bitcast(self.builder.gep(base, [offset]), kind.as_pointer())

    def load(self, base, offset, kind=_FLOATS):
        loaded = self.builder.load(self.address(base, offset, kind))
        loaded.align = 4
        return loaded

    def store(self, value, base, offset):
        self.builder.store(value, self.address(base, offset, _FLOATS)).align = 4

    def loop(self, count):
        steps = self.builder.udiv(count, ir.Constant(_INT64, STEP))
        return cgutils.for_range(self.builder, steps, intp=_INT64)

    def pair(self, index):
        """Return the positions of the two vectors of a step."""
        at = self.builder.mul(index, ir.Constant(_INT64, STEP))
        return at, self.builder.add(at, ir.Constant(_INT64, WIDTH))


@intrinsic
def sigmoids(typingctx, sums, sums_at, hidden, hidden_at, count):
    """Write the sigmoids of `count` float32 numbers of `sums` to `hidden`; `count` is a multiple of STEP."""

    def generate(context, builder, signature, arguments):
        places = _Places(context, builder, signature, arguments)
        _, sums_at, _, hidden_at, count = places.values
        source, target = places.base(0, sums_at), places.base(2, hidden_at)
        with places.loop(count) as loop:
            for at in places.pair(loop.index):
                places.store(_sigmoid(builder, places.load(source, at)), target, at)
        return context.get_dummy_value()

    return types.void(sums, sums_at, hidden, hidden_at, count), generate


@intrinsic
def add_row_sigmoids(typingctx, sums, sums_at, w, w_at, hidden, hidden_at, count):
    """Add a packed row of weights (`kernels.dots`) to `count` numbers of `sums`, and write the sigmoids to `hidden`.

    `count` and w_at are multiples of STEP.
    """
    narrow = w.dtype == types.uint32

    def generate(context, builder, signature, arguments):
        places = _Places(context, builder, signature, arguments)
        _, sums_at, _, w_at, _, hidden_at, count = places.values
        two = ir.Constant(_INT64, 2)
        source, target = places.base(0, sums_at), places.base(4, hidden_at)
        weights = places.base(2, builder.udiv(w_at, two) if narrow else w_at)
        with places.loop(count) as loop:
            ats = places.pair(loop.index)
            if narrow:  # a word holds two weights, of which the first vector has the lower halves
                words = places.load(weights, builder.udiv(ats[0], two), _INTS)
                bits = builder.shl(words, _ints(16)), builder.and_(words, _ints(0xFFFF0000))
                row = [builder.bitcast(half, _FLOATS) for half in bits]
            else:
                row = [places.load(weights, at) for at in ats]
            for at, weight in zip(ats, row, strict=True):
                total = builder.fadd(places.load(source, at), weight)
                places.store(total, source, at)
                places.store(_sigmoid(builder, total), target, at)
        return context.get_dummy_value()

    return types.void(sums, sums_at, w, w_at, hidden, hidden_at, count), generate


@inline
def aligned_rows(count):
    """Allocate `count` float32 numbers that begin at a cache line, so that no vector is in two of them."""
    memory = np.empty(count + WIDTH, np.float32)
    begin = (-memory.ctypes.data % 64) // 4
    return memory[begin : begin + count]
