"""Counts of the kernels that are compiled in this process, and of those that are loaded from the cache instead."""

from __future__ import annotations

from collections import Counter
from typing import Any

from numba.core.registry import cpu_target

from seqgen.kernels.compile import KERNELS


class KernelCounts:
    """The kernels that are compiled and loaded from the creation of this object on."""

    def __init__(self) -> None:
        self._hits, self._misses = self._counts()

    def compiled(self) -> tuple[str, ...]:
        """Return the compiled kernels as "module.function", once for each variant, that is types of arguments."""
        return tuple(sorted((self._counts()[1] - self._misses).elements()))

    def ready(self) -> int:
        """Return the number of variants that were loaded from the cache."""
        return (self._counts()[0] - self._hits).total()

    @staticmethod
    def lost() -> tuple[str, ...]:
        """Return the kernels of which a variant in this process is not in the cache."""
        codegen = cpu_target.target_context.codegen()
        missing = (
            kernel
            for kernel in KERNELS
            if not all(kernel._cache.holds(signature, codegen) for signature in kernel.overloads)
        )
        return tuple(sorted(map(_name, missing)))

    @staticmethod
    def _counts() -> tuple[Counter[str], Counter[str]]:
        hits: Counter[str] = Counter()
        misses: Counter[str] = Counter()
        for kernel in KERNELS:
            hits[_name(kernel)] += kernel.stats.cache_hits.total()
            misses[_name(kernel)] += kernel.stats.cache_misses.total()
        return hits, misses


def _name(kernel: Any) -> str:
    return f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}"
