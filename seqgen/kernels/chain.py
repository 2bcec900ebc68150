"""Calls of the chain of controls by its address: `kernels.chain_kernel` compiles it for all kernels that draw.

Most requests have no controls. A kernel that contains them compiles for a second longer, and every family's would
contain its own.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ARGUMENTS = (
    types.float64[::1], types.float64[::1], types.boolean[::1], types.boolean[::1], types.int64[::1],
    types.float64[::1],
)  # fmt: skip
"""Numba's types of the arguments of `draw.apply_controls`, in its order."""


@intrinsic
def call_chain(typingctx, address, logits, parameters, allowed, seen, order, work):
    """Call the chain at an address; return False if no symbol is left, or if the address is 0.

    The other arguments are those of `draw.apply_controls`.
    """

    def generate(context, builder, signature, arguments):
        where, kinds = arguments[0], signature.args[1:]
        arrays = []
        for kind, value in zip(kinds, arguments[1:], strict=True):
            # the caller holds the arrays as long as the call lasts: without their owners, nobody counts references
            array = context.make_array(kind)(context, builder, value)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            arrays.append(array._getvalue())
        result = cgutils.alloca_once_value(builder, cgutils.false_bit)
        with builder.if_then(cgutils.is_not_null(builder, where)):
            convention = context.call_conv
            kind = convention.get_function_type(signature.return_type, kinds)
            function = builder.inttoptr(where, kind.as_pointer())
            _, left = convention.call_function(builder, function, signature.return_type, kinds, arrays)
            builder.store(left, result)
        return builder.load(result)

    return types.boolean(types.intp, *ARGUMENTS), generate
