"""Loops over part of a flat array, written so that LLVM vectorises them.

If a signed index is a sum, Numba tests whether it is negative, and LLVM then does not vectorise the loop, which makes
a gate ten times slower. The indices here are therefore unsigned.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from seqgen.kernels import activations
from seqgen.kernels.compile import inline

_ZERO = np.float32(0.0)


@inline
def put(source, target):
    """Copy an array to the beginning of another that is at least as long.

    `target[:] = source` would make Numba compile its error message about different sizes, which takes seconds.
    """
    for j in range(len(source)):
        target[j] = source[j]


@intrinsic
def copy(typingctx, source, source_at, target, target_at, size):
    """Copy `size` numbers from an array to another one of the same type.

    The C library copies them: a loop would be vectorised anew wherever it is inlined, which was a tenth of the time
    that a WaveNet's kernel takes to compile.
    """

    if source.dtype != target.dtype or "A" in (source.layout, target.layout):
        raise TypingError(f"copy between {source} and {target}")

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        source, source_at, target, target_at, size = (
            context.cast(builder, value, kind, types.intp) if isinstance(kind, types.Integer) else value
            for value, kind in zip(arguments, kinds, strict=True)
        )
        begin, end = (
            builder.gep(context.make_array(kind)(context, builder, array).data, [at])
            for kind, array, at in ((kinds[0], source, source_at), (kinds[2], target, target_at))
        )
        nothing = ir.Constant(size.type, 0)
        size = builder.select(builder.icmp_signed("<", size, nothing), nothing, size)
        cgutils.raw_memcpy(builder, end, begin, size, context.get_abi_sizeof(begin.type.pointee))
        return context.get_dummy_value()

    return types.void(source, source_at, target, target_at, size), generate


@inline
def add(source, source_at, target, target_at, size):
    """Add `size` numbers of `source` to `target`."""
    for j in range(size):
        target[np.uintp(target_at + j)] += source[np.uintp(source_at + j)]


@inline
def relu(source, source_at, target, target_at, size):
    """Write max(0, x) for `size` numbers x."""
    for j in range(size):
        target[np.uintp(target_at + j)] = max(source[np.uintp(source_at + j)], _ZERO)


@inline
def gate(sums, left_at, right_at, target, target_at, size):
    """Write tanh(l) sigmoid(r) for `size` numbers l and r of `sums`, from left_at and right_at on."""
    for j in range(size):
        left, right = sums[np.uintp(left_at + j)], sums[np.uintp(right_at + j)]
        target[np.uintp(target_at + j)] = activations.tanh(left) * activations.sigmoid(right)
