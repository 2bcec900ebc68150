"""What two kernels that run at the same time tell each other: numbers, each written by one of them, mostly upwards.

What was written before a number is published is seen by whoever has seen the number (release and acquire).
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.compile import inline

_APART = 16  # of 8 bytes: two cache lines, as the next one may be fetched along
_PAUSE = "llvm.x86.sse2.pause" if llvm.get_default_triple().startswith("x86_64") else None


def signals(count: int) -> np.ndarray:
    """`count` numbers that are 0, far enough apart that the two sides do not wait for each other's cache lines."""
    return np.zeros(count * _APART, np.int64)


def read(numbers: np.ndarray, at: int) -> int:
    """Number `at`, outside of kernels."""
    return int(numbers[at * _APART])


def write(numbers: np.ndarray, at: int, value: int) -> None:
    """Set number `at`, outside of kernels."""
    numbers[at * _APART] = value


def _place(context, builder, kind, array, at):
    number = builder.mul(at, ir.Constant(at.type, _APART))
    return builder.gep(context.make_array(kind)(context, builder, array).data, [number])


@intrinsic
def store_release(typingctx, numbers, at, value):
    """Set number `at`, after everything that stands before."""
    signature = types.void(numbers, types.intp, types.int64)

    def generate(context, builder, sig, arguments):
        array, at, value = arguments
        builder.store_atomic(value, _place(context, builder, sig.args[0], array, at), "release", 8)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def load_acquire(typingctx, numbers, at):
    """Number `at`; what stands behind comes after it."""
    signature = types.int64(numbers, types.intp)

    def generate(context, builder, sig, arguments):
        array, at = arguments
        return builder.load_atomic(_place(context, builder, sig.args[0], array, at), "acquire", 8)

    return signature, generate


@intrinsic
def pause(typingctx):
    """Tell the core that this is a loop that waits, if it wants to know."""

    def generate(context, builder, sig, arguments):
        if _PAUSE is not None:
            builder.call(
                cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), _PAUSE), []
            )
        return context.get_dummy_value()

    return types.void(), generate


@inline
def reached(numbers, at, value, patience):
    """Whether number `at` is `value` or more, looked at `patience` times."""
    for _ in range(patience):
        if load_acquire(numbers, at) >= value:
            return True
        pause()
    return False


@inline
def reached_while(numbers, at, value, kept, as_it_is):
    """Wait until number `at` is `value` or more; false if number `kept` is another than `as_it_is` before."""
    while load_acquire(numbers, at) < value:
        if load_acquire(numbers, kept) != as_it_is:
            return False
        pause()
    return True
