"""Numba's compiler for helpers of kernels: they are type-checked and lowered, and optimized only within a kernel.

By default Numba optimizes a function, and makes machine code of it, for itself and again in every function that calls
it. A helper is never called from elsewhere than compiled code, so one pass over the whole kernel is enough; it takes a
third of the time.

Numba also counts the references to every array that a function receives, also as a member of a tuple, with an atomic
instruction for each. A caller holds the arrays as long as the call lasts, so a helper that neither makes nor returns an
array does not count. Counting took a fifth of the time of a WaveNet, and threads that share weights waited for each
other's counts.
"""

from __future__ import annotations

import ctypes
from typing import Any

from numba import types
from numba.core import compiler, ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import AnnotateTypes

_UNCOUNTED = (types.Number, types.Boolean, types.NoneType, types.Omitted, types.RangeType, types.SliceType)
# expressions whose value is, or is part of, another one; an index that is an array selects a copy
_PARTS = {
    "build_tuple", "cast", "exhaust_iter", "getattr", "getitem", "getiter", "iternext", "pair_first", "pair_second",
    "static_getitem", "typed_getitem",
}  # fmt: skip


class _Codegen:
    """Stands for Numba's code generator where an environment is set, which a helper has none of."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        pass


class HelperLibrary(JITCodeLibrary):
    """The code of a helper, for linking into other libraries; it cannot be executed."""

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        self._raise_if_finalized()
        linked = set()
        for library in self._linking_libraries:
            if library not in linked:
                self._reload_init.update(library._reload_init)
                linked.add(library)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    @property
    def codegen(self) -> Any:
        return _Codegen(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """Return what raises TypeError when Python calls it."""
        self._ensure_finalized()
        address = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value
        assert address is not None
        return address


@register_pass(mutates_CFG=False, analysis_only=True)
class BorrowArrays(LoweringPass):
    """Turns off the counting of references in a helper that neither makes nor returns an array."""

    _name = "borrow_arrays"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        if not _counted(state.return_type) and not any(map(_counted, _made(state))):
            state.targetctx = state.targetctx.subtarget(enable_nrt=False)
        return False


def _made(state: Any) -> list[Any]:
    """Return the types of all values that may be new: results of calls, but for tuples, and of operations."""
    found = []
    for block in state.func_ir.blocks.values():
        for assignment in block.find_insts(ir.Assign):
            value = assignment.value
            if not isinstance(value, ir.Expr):
                continue
            if value.op == "call":
                if not isinstance(state.typemap[value.func.name], types.NamedTupleClass):
                    found.append(state.calltypes[value].return_type)
            elif value.op not in _PARTS or (
                value.op == "getitem" and _counted(state.typemap[value.index.name])
            ):
                found.append(state.typemap[assignment.target.name])
    return found


def _counted(kind: Any) -> bool:
    """Return whether values of a type may count references."""
    if isinstance(kind, types.BaseTuple):
        return any(map(_counted, kind.types))
    return not isinstance(kind, _UNCOUNTED)


class HelperCompiler(compiler.CompilerBase):
    """Numba's compiler, for a helper."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library or HelperLibrary(targetctx.codegen(), "helper"), *rest)

    def define_pipelines(self) -> list[Any]:
        passes = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(BorrowArrays, AnnotateTypes)
        passes.finalize()
        return [passes]
