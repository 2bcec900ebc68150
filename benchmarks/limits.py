"""The limits of this machine: fused multiply-adds in registers, and repeated reads of a buffer.

Both are measured with the same 16-lane vectors as the engines' products, so that a figure of an engine can be compared
with the maximum. One multiply-accumulate (MAC) is two floating-point operations.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.checkpoint import to_bfloat16
from seqgen.kernels.vector import matmul

_WIDTH = 16
_CHAINS = 16  # independent accumulators: enough to hide the latency of two units
_INT64, _INT32, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
_FLOATS, _INTS = ir.VectorType(_FLOAT, _WIDTH), ir.VectorType(_INT32, _WIDTH)


@intrinsic
def _multiply_add(typingctx: Any, count: Any, factor: Any) -> Any:
    """Compute `count` rounds of 16 independent vector fused multiply-adds in registers; return one of the sums."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        n, scalar = arguments
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), "llvm.fma.v16f32"
        )
        first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(_INT32, 0))
        spread = builder.shuffle_vector(
            first, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTS, [0] * _WIDTH)
        )
        sums = [cgutils.alloca_once(builder, _FLOATS) for _ in range(_CHAINS)]
        for k, place in enumerate(sums):
            builder.store(ir.Constant(_FLOATS, [float(k + 1)] * _WIDTH), place)
        with cgutils.for_range(builder, n, intp=_INT64):
            for place in sums:
                builder.store(builder.call(fma, [builder.load(place), spread, spread]), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        return builder.extract_element(total, ir.Constant(_INT32, 0))

    return types.float32(types.int64, types.float32), generate


@intrinsic
def _read(typingctx: Any, buffer: Any) -> Any:
    """Load a whole uint32 buffer once, 16 vectors at a time; return a value that depends on all of it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        steps = builder.udiv(array.nitems, ir.Constant(_INT64, _WIDTH * _CHAINS))
        sums = [cgutils.alloca_once(builder, _INTS) for _ in range(_CHAINS)]
        for place in sums:
            builder.store(ir.Constant(_INTS, [0] * _WIDTH), place)
        with cgutils.for_range(builder, steps, intp=_INT64) as loop:
            begin = builder.mul(loop.index, ir.Constant(_INT64, _WIDTH * _CHAINS))
            for k, place in enumerate(sums):
                at = builder.gep(array.data, [builder.add(begin, ir.Constant(_INT64, _WIDTH * k))])
                load = builder.load(builder.bitcast(at, _INTS.as_pointer()))
                load.align = 4
                builder.store(builder.xor(builder.load(place), load), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.xor(total, builder.load(place))
        folded = builder.extract_element(total, ir.Constant(_INT32, 0))
        for lane in range(1, _WIDTH):
            folded = builder.xor(folded, builder.extract_element(total, ir.Constant(_INT32, lane)))
        return folded

    return types.uint32(buffer), generate


@numba.njit(nogil=True)
def _multiply_adds(count):
    return _multiply_add(count, np.float32(0.5))


@numba.njit(nogil=True)
def _reads(buffer, repeats):
    total = np.uint32(0)
    for _ in range(repeats):
        total ^= _read(buffer)
    return total


@numba.njit(nogil=True)
def _products(x, w, y, inputs, outputs, lanes, repeats):
    for _ in range(repeats):
        matmul(x, 0, inputs, lanes, w, 0, inputs, outputs, y, outputs)


class Limits(NamedTuple):
    """Limits of all threads together: 1e9 multiply-accumulates per second, and 1e9 bytes read per second."""

    gmacs: float
    gbytes: float


@cache
def limits(size: int, threads: int = 1) -> Limits:
    """Return the limits for weights of `size` bytes that every thread reads repeatedly."""
    count = 2_000_000
    macs = _best(lambda: _multiply_adds(count), threads)
    words = max(_WIDTH * _CHAINS, size // 4 // (_WIDTH * _CHAINS) * _WIDTH * _CHAINS)
    buffer = np.ones(words, np.uint32)
    repeats = max(1, 200_000_000 // buffer.nbytes)
    seconds = _best(lambda: _reads(buffer, repeats), threads)
    multiplied, read = count * _CHAINS * _WIDTH, repeats * buffer.nbytes
    return Limits(threads * multiplied / macs / 1e9, threads * read / seconds / 1e9)


def product_rate(inputs: int, outputs: int, lanes: int, precision: str) -> float:
    """Return 1e9 multiply-accumulates per second of the engines' matrix product alone, on one thread."""
    rows = np.random.default_rng(0).standard_normal(inputs * outputs).astype(np.float32)
    w = to_bfloat16(rows) if precision == "bfloat16" else rows
    x, y = np.full(inputs * lanes, 1e-3, np.float32), np.zeros(outputs * lanes, np.float32)
    repeats = max(1, 300_000_000 // (inputs * outputs * lanes))
    seconds = _best(lambda: _products(x, w, y, inputs, outputs, lanes, repeats), 1)
    return repeats * inputs * outputs * lanes / seconds / 1e9


def _best(work: Callable[[], object], threads: int, rounds: int = 5) -> float:
    """Return the seconds of the fastest of some rounds in which every thread does `work` once; the first compiles."""
    work()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        others = [threading.Thread(target=work) for _ in range(threads - 1)]
        for other in others:
            other.start()
        work()
        for other in others:
            other.join()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    for threads in (1, 2):
        for kilobytes in (16, 512, 4096, 16384):
            found = limits(kilobytes * 1024, threads)
            print(f"{threads} thread(s), {kilobytes} KiB: {found.gmacs:.1f} GMAC/s, {found.gbytes:.1f} GB/s")
    for precision in ("float32", "bfloat16"):
        for inputs, outputs, lanes in ((256, 512, 1), (1024, 2048, 1), (1024, 2048, 32)):
            rate = product_rate(inputs, outputs, lanes, precision)
            print(f"product {inputs} x {outputs}, {lanes} lanes, {precision}: {rate:.1f} GMAC/s")
