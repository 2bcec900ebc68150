"""A mark for large helpers that are called from many places: LLVM would copy them to each, and compile for minutes."""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic
def noinline(typingctx):
    """Called anywhere in a compiled function: that function is never inlined into its callers."""

    def generate(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate
