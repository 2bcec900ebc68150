"""LLVM vector code for rows of weights: inner products for layers with few outputs, and adding a row to running sums.

A matrix (rows, inputs) is packed row by row, each padded with zeros to whole blocks of 64, as float32 or as bfloat16
in pairs (`bfloat16.in_pairs`). An inner product has four vector accumulators, which are added up in a fixed order, so
the result does not depend on what else is computed.
"""

from __future__ import annotations

import itertools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.bfloat16 import in_pairs
from seqgen.kernels.padding import BLOCK, WIDTH, padded
from seqgen.kernels.target import target

_PAIR = 2 * WIDTH
_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT32, WIDTH)
_TOGETHER, _APART = ((0, 1),), ((0,), (1,))


def pack_rows(matrix: np.ndarray, precision: str) -> np.ndarray:
    """Pack a float32 matrix (rows, inputs) for `dot` and `add_row`.

    Args:
        precision: "float32" or "bfloat16".

    Returns:
        one-dimensional float32 of rows · padded(inputs) numbers; or uint32 with two bfloat16 in each word.
    """
    rows, inputs = matrix.shape
    whole = np.zeros((rows, padded(inputs)), np.float32)
    whole[:, :inputs] = matrix
    return in_pairs(whole.ravel()) if precision == "bfloat16" else whole.ravel()


class _Row:
    """Generates code that reads part of an array and of a row of packed weights, 2 x 16 numbers at a time."""

    def __init__(self, context, builder, signature, arguments):
        """The first arguments are x, x_at, w, w_at and count."""
        self.builder = builder
        x_kind, _, w_kind, _, _ = signature.args[:5]
        x, x_at, w, w_at, count = (
            context.cast(builder, value, kind, types.intp) if isinstance(kind, types.Integer) else value
            for value, kind in zip(arguments[:5], signature.args[:5], strict=True)
        )
        self.narrow = w_kind.dtype == types.uint32
        self.x = builder.gep(context.make_array(x_kind)(context, builder, x).data, [x_at])
        if self.narrow:  # positions count weights, and a word holds two of them
            w_at = builder.sdiv(w_at, ir.Constant(_INT64, 2))
        self.w = builder.gep(context.make_array(w_kind)(context, builder, w).data, [w_at])
        self.count = count

    def place(self, base, offset, kind):
        return self.builder.bitcast(self.builder.gep(base, [offset]), kind.as_pointer())

    def load(self, base, offset, kind):
        loaded = self.builder.load(self.place(base, offset, kind))
        loaded.align = 4
        return loaded

    def numbers(self, x, at):
        """Return the two vectors of the array that begins at x, at `at`."""
        return [self.load(x, self.after(at, v), _FLOATS) for v in (0, WIDTH)]

    def weights(self, at):
        """Return the two vectors of weights at `at`, widened to float32."""
        if not self.narrow:
            return [self.load(self.w, self.after(at, v), _FLOATS) for v in (0, WIDTH)]
        words = self.load(self.w, self.builder.sdiv(at, ir.Constant(_INT64, 2)), _INTS)
        low = self.builder.shl(words, ir.Constant(_INTS, [16] * WIDTH))
        high = self.builder.and_(words, ir.Constant(_INTS, [0xFFFF0000] * WIDTH))
        return [self.builder.bitcast(bits, _FLOATS) for bits in (low, high)]

    def after(self, at, steps):
        return self.builder.add(at, ir.Constant(_INT64, steps))

    def steps(self, size):
        """Return a loop over the row in steps of `size` numbers."""
        return cgutils.for_range(
            self.builder, self.builder.sdiv(self.count, ir.Constant(_INT64, size)), intp=_INT64
        )

    def times(self, index, size):
        return self.builder.mul(index, ir.Constant(_INT64, size))

    def products(self, xs, passes):
        """Return the inner products of the row with arrays that begin at `xs`.

        Args:
            passes: the halves of a block of 64 that are read in each pass over the row; the fewer, the fewer registers.
        """
        builder = self.builder
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), "llvm.fma.v16f32"
        )
        sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(BLOCK // WIDTH)] for _ in xs]
        for total in itertools.chain(*sums):
            builder.store(ir.Constant(_FLOATS, [0.0] * WIDTH), total)
        for halves in passes:
            with self.steps(BLOCK) as loop:
                for half in halves:
                    at = self.after(self.times(loop.index, BLOCK), _PAIR * half)
                    weights = self.weights(at)
                    for x, own in zip(xs, sums, strict=True):
                        pairs = zip(self.numbers(x, at), weights, own[2 * half : 2 * half + 2], strict=True)
                        for number, weight, total in pairs:
                            builder.store(builder.call(fma, [number, weight, builder.load(total)]), total)
        return [self._total([builder.load(vector) for vector in own]) for own in sums]

    def _total(self, sums):
        """Return the sum of all numbers of four vectors, always added in the same order."""
        builder = self.builder
        left, right = (builder.fadd(sums[v], sums[v + 1]) for v in (0, 2))
        total, width = builder.fadd(left, right), WIDTH
        while width > 1:  # add the upper half to the lower half
            width //= 2
            undefined = ir.Constant(total.type, ir.Undefined)
            chosen = ir.VectorType(_INT32, width)
            total = builder.fadd(
                *(
                    builder.shuffle_vector(total, undefined, ir.Constant(chosen, list(range(k, k + width))))
                    for k in (0, width)
                )
            )
        return builder.extract_element(total, ir.Constant(_INT32, 0))


@intrinsic
def dot(typingctx, x, x_at, w, w_at, count):
    """Return the inner product of `count` numbers of x from x_at on with the packed weights from w_at on.

    `count` is a multiple of 64.
    """

    def generate(context, builder, signature, arguments):
        row = _Row(context, builder, signature, arguments)
        return row.products([row.x], _TOGETHER)[0]

    return types.float32(x, x_at, w, w_at, count), generate


@intrinsic
def dots(typingctx, x, x_at, w, w_at, count, stride, lanes, out, out_at):
    """Write what `dot` returns for `lanes` arrays to `out`, from out_at on; they begin `stride` numbers apart in x.

    The weights are read and widened once for some lanes.
    """

    def generate(context, builder, signature, arguments):
        row = _Row(context, builder, signature, arguments)
        stride, lanes, out_at = (
            context.cast(builder, arguments[k], signature.args[k], types.intp) for k in (5, 6, 8)
        )
        out = builder.gep(
            context.make_array(signature.args[7])(context, builder, arguments[7]).data, [out_at]
        )
        many, passes = _tile(target())

        def write(lane, size, passes):
            xs = [builder.gep(row.x, [builder.mul(stride, row.after(lane, m))]) for m in range(size)]
            for m, product in enumerate(row.products(xs, passes)):
                builder.store(product, builder.gep(out, [row.after(lane, m)]))

        tiles = builder.sdiv(lanes, ir.Constant(_INT64, many))
        with cgutils.for_range(builder, tiles, intp=_INT64) as loop:
            write(row.times(loop.index, many), many, passes)
        if many > 1:
            done = row.times(tiles, many)
            with cgutils.for_range(builder, builder.sub(lanes, done), intp=_INT64) as loop:
                write(builder.add(done, loop.index), 1, _TOGETHER)
        return context.get_dummy_value()

    return types.void(x, x_at, w, w_at, count, stride, lanes, out, out_at), generate


def _tile(target):
    """Return how many lanes share a row of weights, and the passes over it, so that the sums stay in registers."""
    if target.floats == WIDTH:
        return 4, _TOGETHER
    return (2 if target.fused else 1), _APART


@intrinsic
def add_row(typingctx, x, x_at, w, w_at, count):
    """Add the packed weights from w_at on to `count` numbers of x from x_at on.

    `count` and w_at are multiples of 32.
    """

    def generate(context, builder, signature, arguments):
        row = _Row(context, builder, signature, arguments)
        with row.steps(_PAIR) as loop:
            at = row.times(loop.index, _PAIR)
            for v, (number, weight) in enumerate(zip(row.numbers(row.x, at), row.weights(at), strict=True)):
                where = row.place(row.x, row.after(at, WIDTH * v), _FLOATS)
                builder.store(builder.fadd(number, weight), where).align = 4
        return context.get_dummy_value()

    return types.void(x, x_at, w, w_at, count), generate
