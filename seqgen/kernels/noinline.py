"""A marker against the inlining of large helpers, which LLVM would copy to every caller and compile for minutes."""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic
def noinline(typingctx):
    """Mark the compiled function that calls this: LLVM never inlines it into its callers."""

    def generate(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate
