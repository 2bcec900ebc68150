"""Products of a row with a small square matrix in vector registers: sums of products, and maxima of sums.

LLVM's own vector loops are four vectors wide and leave the 8 to 24 columns of a typical HMM to scalar code. Here
matrices are padded to whole vectors of 8 float64, and 16 columns are computed together. Each column is summed in two
chains over the rows, in the same order on every machine.
Legend: P padded size.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.compile import inline

WIDTH = 8
_CHAINS = 2
_DOUBLE, _INT64, _INT32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, WIDTH)


def padded(matrix: np.ndarray, value: float) -> np.ndarray:
    """Pad a square matrix (K, K) with rows and columns of `value` to a multiple of 8."""
    size = len(matrix)
    whole = -(-size // WIDTH) * WIDTH
    out = np.full((whole, whole), value)
    out[:size, :size] = matrix
    return out


def _columns(vectors: int, maxima: bool):
    """Return an intrinsic that computes `vectors` vectors of columns."""

    @intrinsic
    def columns(typingctx, row, matrix, out, first):
        def generate(context, builder, signature, arguments):
            kinds = signature.args
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(kinds[:3], arguments[:3], strict=True)
            ]
            at = context.cast(builder, arguments[3], kinds[3], types.intp)
            size = builder.extract_value(arrays[1].shape, 0)
            source, weights, target = (array.data for array in arrays)

            def vector(pointer, offset):
                return builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer())

            def load(pointer, offset):
                value = builder.load(vector(pointer, offset))
                value.align = 8
                return value

            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), "llvm.fma.v8f64"
            )
            nothing = ir.Constant(_VECTOR, [float("-inf") if maxima else 0.0] * WIDTH)
            sums = [
                [cgutils.alloca_once_value(builder, nothing) for _ in range(vectors)] for _ in range(_CHAINS)
            ]

            def greater(a, b):
                return builder.select(builder.fcmp_ordered(">", a, b), a, b)

            step = ir.Constant(_INT64, _CHAINS)
            with cgutils.for_range(builder, builder.sdiv(size, step), intp=_INT64) as loop:
                for chain in range(_CHAINS):
                    number = builder.add(builder.mul(loop.index, step), ir.Constant(_INT64, chain))
                    scalar = builder.load(builder.gep(source, [number]))
                    one = builder.insert_element(
                        ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(_INT32, 0)
                    )
                    spread = builder.shuffle_vector(
                        one,
                        ir.Constant(_VECTOR, ir.Undefined),
                        ir.Constant(ir.VectorType(_INT32, WIDTH), [0] * WIDTH),
                    )
                    begin = builder.add(builder.mul(number, size), at)
                    for v in range(vectors):
                        weight = load(weights, builder.add(begin, ir.Constant(_INT64, WIDTH * v)))
                        before = builder.load(sums[chain][v])
                        after = (
                            greater(builder.fadd(spread, weight), before)
                            if maxima
                            else builder.call(fma, [spread, weight, before])
                        )
                        builder.store(after, sums[chain][v])
            for v in range(vectors):
                a, b = (builder.load(sums[chain][v]) for chain in range(_CHAINS))
                place = vector(target, builder.add(at, ir.Constant(_INT64, WIDTH * v)))
                store = builder.store(greater(a, b) if maxima else builder.fadd(a, b), place)
                store.align = 8
            return context.get_dummy_value()

        return types.void(row, matrix, out, first), generate

    return columns


_sum_one, _sum_two = _columns(1, False), _columns(2, False)
_max_one, _max_two = _columns(1, True), _columns(2, True)


@inline
def times(row, matrix, out):
    """Compute out (P,) = row (P,) @ matrix (P, P); all contiguous float64."""
    size, first = len(matrix), 0
    while first + 2 * WIDTH <= size:
        _sum_two(row, matrix, out, first)
        first += 2 * WIDTH
    if first < size:
        _sum_one(row, matrix, out, first)


@inline
def best_sums(row, matrix, out):
    """Compute out[j] = max over i of row[i] + matrix[i, j], with matrix (P, P); all contiguous float64."""
    size, first = len(matrix), 0
    while first + 2 * WIDTH <= size:
        _max_two(row, matrix, out, first)
        first += 2 * WIDTH
    if first < size:
        _max_one(row, matrix, out, first)
