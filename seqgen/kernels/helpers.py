"""Numba's compiler for helpers of kernels: they are type-checked and lowered, and optimized only within a kernel.

By default Numba optimizes a function, and makes machine code of it, for itself and again in every function that calls
it. A helper is never called from elsewhere than compiled code, so one pass over the whole kernel is enough; it takes a
third of the time.
"""

from __future__ import annotations

import ctypes
from typing import Any

from numba.core import compiler
from numba.core.codegen import JITCodeLibrary


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


class HelperCompiler(compiler.Compiler):
    """Numba's compiler, for a helper."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library or HelperLibrary(targetctx.codegen(), "helper"), *rest)
