"""Shared numbers by which two concurrent kernels synchronise; each is written by one side only, and mostly increases.

Writes made before a number is stored are visible to the side that has read the number (release and acquire).
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.compile import inline

_APART = 16  # in 8-byte numbers: two cache lines, because the adjacent line may be prefetched
_PAUSE = "llvm.x86.sse2.pause" if llvm.get_default_triple().startswith("x86_64") else None


def signals(count: int) -> np.ndarray:
    """Return `count` numbers that are 0, spaced so that the two sides do not contend for a cache line."""
    return np.zeros(count * _APART, np.int64)


def read(numbers: np.ndarray, at: int) -> int:
    """Return number `at`, outside kernels."""
    return int(numbers[at * _APART])


def write(numbers: np.ndarray, at: int, value: int) -> None:
    """Set number `at`, outside kernels."""
    numbers[at * _APART] = value


def _place(context, builder, kind, array, at):
    number = builder.mul(at, ir.Constant(at.type, _APART))
    return builder.gep(context.make_array(kind)(context, builder, array).data, [number])


@intrinsic
def store_release(typingctx, numbers, at, value):
    """Set number `at` after all preceding memory accesses."""
    signature = types.void(numbers, types.intp, types.int64)

    def generate(context, builder, sig, arguments):
        array, at, value = arguments
        builder.store_atomic(value, _place(context, builder, sig.args[0], array, at), "release", 8)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def load_acquire(typingctx, numbers, at):
    """Return number `at`, read before all subsequent memory accesses."""
    signature = types.int64(numbers, types.intp)

    def generate(context, builder, sig, arguments):
        array, at = arguments
        return builder.load_atomic(_place(context, builder, sig.args[0], array, at), "acquire", 8)

    return signature, generate


@intrinsic
def pause(typingctx):
    """Tell the core that this is a spin-wait loop, on processors that have an instruction for it."""

    def generate(context, builder, sig, arguments):
        if _PAUSE is not None:
            builder.call(
                cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), _PAUSE), []
            )
        return context.get_dummy_value()

    return types.void(), generate


@inline
def reached(numbers, at, value, patience):
    """Return whether number `at` reaches `value` within `patience` reads."""
    for _ in range(patience):
        if load_acquire(numbers, at) >= value:
            return True
        pause()
    return False


@inline
def reached_while(numbers, at, value, kept, as_it_is):
    """Wait until number `at` is at least `value`; return False if number `kept` differs from `as_it_is` before that."""
    while load_acquire(numbers, at) < value:
        if load_acquire(numbers, kept) != as_it_is:
            return False
        pause()
    return True
