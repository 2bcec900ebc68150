"""Vector code that LLVM does not generate by itself: matrix-vector products with the accumulators in registers.

A matrix (inputs, outputs) is packed in blocks of 64 outputs, each block row by row, as float32 or as bfloat16, of which
two vectors share one of 32-bit words (`bfloat16.in_pairs`). Every output is one chain of fused multiply-adds over the
inputs in order, whichever tile computes it, so the result of a lane does not depend on how lanes are grouped. On
narrower machines LLVM splits the 16-lane vectors, which does not change the result either.
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.bfloat16 import in_pairs
from seqgen.kernels.compile import inline, splice
from seqgen.kernels.padding import BLOCK, WIDTH, padded

_VECTORS = BLOCK // WIDTH

_FLOAT = ir.FloatType()
_INT64 = ir.IntType(64)
_V16F = ir.VectorType(_FLOAT, WIDTH)
_V16I32 = ir.VectorType(ir.IntType(32), WIDTH)


def pack(matrix: np.ndarray, precision: str) -> np.ndarray:
    """Pack a float32 matrix (inputs, outputs) for `matmul`, outputs padded with zeros to whole blocks.

    Args:
        matrix: (inputs, outputs).
        precision: "float32" or "bfloat16".

    Returns:
        one-dimensional float32, or uint32 with two bfloat16 in each word.
    """
    inputs, outputs = matrix.shape
    whole = np.zeros((inputs, padded(outputs)), np.float32)
    whole[:, :outputs] = matrix
    blocks = np.ascontiguousarray(
        whole.reshape(inputs, padded(outputs) // BLOCK, BLOCK).transpose(1, 0, 2)
    ).ravel()
    return in_pairs(blocks) if precision == "bfloat16" else blocks


def _tile(lanes: int, blocks: int):
    """Return an intrinsic that adds x @ W to `lanes` rows of y for `blocks` blocks of outputs."""

    @intrinsic
    def tile(typingctx, x, x_at, x_stride, w, w_at, y, y_at, y_stride, inputs):
        signature = types.void(x, x_at, x_stride, w, w_at, y, y_at, y_stride, inputs)
        narrow = w.dtype == types.uint32

        def generate(context, builder, sig, arguments):
            kinds = sig.args
            values = [
                context.cast(builder, value, kind, types.intp) if isinstance(kind, types.Integer) else value
                for value, kind in zip(arguments, kinds, strict=True)
            ]
            x_a, x_o, x_s, w_a, w_o, y_a, y_o, y_s, n = values

            def pointer(kind, array, offset):
                return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])

            def at(base, offset):
                return builder.gep(base, [offset])

            def constant(k):
                return ir.Constant(_INT64, k)

            def vector_load(p, kind, align):
                load = builder.load(builder.bitcast(p, kind.as_pointer()))
                load.align = align
                return load

            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_V16F, [_V16F] * 3), "llvm.fma.v16f32"
            )
            if narrow:
                w_o = builder.sdiv(w_o, constant(2))
            x_p, w_p, y_p = (
                pointer(kinds[0], x_a, x_o),
                pointer(kinds[3], w_a, w_o),
                pointer(kinds[5], y_a, y_o),
            )
            rows = [at(y_p, builder.mul(y_s, constant(lane))) for lane in range(lanes)]
            columns = blocks * _VECTORS
            sums = [[cgutils.alloca_once(builder, _V16F) for _ in range(columns)] for _ in range(lanes)]
            for lane in range(lanes):
                for v in range(columns):
                    builder.store(vector_load(at(rows[lane], constant(WIDTH * v)), _V16F, 4), sums[lane][v])
            lane_x = [at(x_p, builder.mul(x_s, constant(lane))) for lane in range(lanes)]
            block_w = [
                at(w_p, builder.mul(n, constant((BLOCK // 2 if narrow else BLOCK) * b)))
                for b in range(blocks)
            ]
            with cgutils.for_range(builder, n, intp=_INT64) as loop:
                k = loop.index
                spread = []
                for lane in range(lanes):
                    scalar = builder.load(at(lane_x[lane], k))
                    one = builder.insert_element(
                        ir.Constant(_V16F, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
                    )
                    mask = ir.Constant(_V16I32, [0] * WIDTH)
                    spread.append(builder.shuffle_vector(one, ir.Constant(_V16F, ir.Undefined), mask))
                low = None
                for v in range(columns):
                    block, within = divmod(v, _VECTORS)
                    if narrow:
                        # offsets are in weights, and a word holds two of them
                        row = builder.add(
                            builder.mul(k, constant(BLOCK // 2)), constant(WIDTH * (within // 2))
                        )
                        if within % 2 == 0:
                            low = vector_load(at(block_w[block], row), _V16I32, 4)
                            bits = builder.shl(low, ir.Constant(_V16I32, [16] * WIDTH))
                        else:
                            bits = builder.and_(low, ir.Constant(_V16I32, [0xFFFF0000] * WIDTH))
                        weight = builder.bitcast(bits, _V16F)
                    else:
                        row = builder.add(builder.mul(k, constant(BLOCK)), constant(WIDTH * within))
                        weight = vector_load(at(block_w[block], row), _V16F, 4)
                    for lane in range(lanes):
                        total = builder.call(fma, [spread[lane], weight, builder.load(sums[lane][v])])
                        builder.store(total, sums[lane][v])
            for lane in range(lanes):
                for v in range(columns):
                    where = builder.bitcast(at(rows[lane], constant(WIDTH * v)), _V16F.as_pointer())
                    store = builder.store(builder.load(sums[lane][v]), where)
                    store.align = 4
            return context.get_dummy_value()

        return signature, generate

    return tile


# 4 lanes x 4 vectors of sums leave room for weights and inputs in the 32 registers of AVX-512 (6 lanes spill). Other
# targets have 16 registers of half the width, which one lane and one block already fill
_WIDE = bool(llvm.get_host_cpu_features().get("avx512f", False))
_LANES = 4 if _WIDE else 2
_many = _tile(_LANES, 1)
_two = _tile(2, 1)
_one = _tile(1, 1)
_one_wide = _tile(1, 2 if _WIDE else 1)
_ONE_WIDE_BLOCKS = 2 if _WIDE else 1


@inline
def matvec(x, x_at, w, w_at, inputs, outputs, y):
    """Add x @ W to the first `outputs` of y: `matmul` for one row, with less to compile.

    Blocks are computed in pairs where possible, because one has too few chains of sums to keep the core busy.
    """
    for begin in range(0, outputs, BLOCK * _ONE_WIDE_BLOCKS):
        if begin + BLOCK * _ONE_WIDE_BLOCKS <= outputs:
            _one_wide(x, x_at, 0, w, w_at + begin * inputs, y, begin, 0, inputs)
        else:
            _one(x, x_at, 0, w, w_at + begin * inputs, y, begin, 0, inputs)


# for many small products, the time of a call is measurable
_spliced_matvec = splice(matvec.py_func)  # type: ignore[attr-defined]


@inline
def matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
    """Add x @ W to y for `lanes` rows.

    Args:
        x: float32 array; row l begins at flat position x_at + l * x_stride and has `inputs` values.
        w: packed matrix that begins at flat position w_at; (inputs, outputs), outputs in whole blocks.
        y: float32 array whose row l begins at l * y_stride; holds the bias on entry and the result on exit.
    """
    if lanes == 1:
        _spliced_matvec(x, x_at, w, w_at, inputs, outputs, y)
        return
    for begin in range(0, outputs, BLOCK):
        at = w_at + begin * inputs
        lane = 0
        while lane + _LANES <= lanes:
            _many(x, x_at + lane * x_stride, x_stride, w, at, y, begin + lane * y_stride, y_stride, inputs)
            lane += _LANES
        while lane + 2 <= lanes:
            _two(x, x_at + lane * x_stride, x_stride, w, at, y, begin + lane * y_stride, y_stride, inputs)
            lane += 2
        if lane < lanes:
            _one(x, x_at + lane * x_stride, x_stride, w, at, y, begin + lane * y_stride, y_stride, inputs)
