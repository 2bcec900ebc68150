"""The chain of controls as a kernel of its own, whose address other kernels call."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from functools import cache
from typing import Any

from seqgen.kernels.chain import ARGUMENTS
from seqgen.kernels.compile import kernel
from seqgen.kernels.draw import apply_controls


@kernel
def chain(logits, parameters, allowed, seen, order, work):
    """Apply the controls of a lane, see `draw.apply_controls`."""
    return apply_controls(logits, parameters, allowed, seen, order, work)


@cache
def chain_address() -> int:
    """Load or compile the chain, and return its address for `chain.call_chain`."""
    dispatcher: Any = chain
    dispatcher.compile(ARGUMENTS)
    compiled = dispatcher.overloads[ARGUMENTS]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
