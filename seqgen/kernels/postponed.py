"""Kernels that only make a request faster: used at once where they are kept, else compiled when it has run for a while.

Otherwise they would keep the first request of a machine from its first symbol for as long as they take to compile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from numba.core.registry import cpu_target

_postponing = True


@contextlib.contextmanager
def nothing_postponed() -> Iterator[None]:
    """Compile within the context without waiting, for whoever compiles ahead of use."""
    global _postponing
    before, _postponing = _postponing, False
    try:
        yield
    finally:
        _postponing = before


class Postponed:
    """Determines from when on a request uses a kernel that it can do without.

    Args:
        kernel: its dispatcher.
        after: work that the request does without it before it is compiled, in any unit.
    """

    def __init__(self, kernel: Any, after: int) -> None:
        self._kernel, self._after = kernel, after
        self._done = 0
        self._ready = False
        self._compiling = 0  # the process that does; a forked child would wait for it in vain

    def did(self, work: int) -> None:
        """Report work that was done without the kernel."""
        self._done += work

    def ready(self, begin: Callable[[Callable[[], None]], bool], *arguments: Any) -> bool:
        """Return whether to use the kernel now; never before any work is done, since other kernels come first.

        Args:
            begin: starts a call in another thread; returns False if that is not possible now.
            arguments: such as the kernel will be called with.
        """
        if self._ready or not self._done:
            return self._ready
        kernel, signature = self._kernel, tuple(map(self._kernel.typeof_pyval, arguments))
        if not _postponing:
            kernel.compile(signature)
        codegen = cpu_target.target_context.codegen()
        self._ready = signature in kernel.overloads or kernel._cache.holds(signature, codegen)
        here = os.getpid()
        if not self._ready and self._compiling != here and self._done >= self._after:
            self._compiling = here if begin(lambda: kernel.compile(signature)) else 0
        return self._ready
