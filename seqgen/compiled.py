"""Counts of the kernels that are compiled in this process, and of those that are loaded from the cache instead."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from seqgen.kernels import compile as compiling


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
        """Return the kernels of which fewer variants are in the cache than in this process."""
        return tuple(
            sorted(_name(kernel) for kernel in compiling._kernels if _kept(kernel) < len(kernel.overloads))
        )

    @staticmethod
    def _counts() -> tuple[Counter[str], Counter[str]]:
        hits: Counter[str] = Counter()
        misses: Counter[str] = Counter()
        for kernel in compiling._kernels:
            hits[_name(kernel)] += kernel.stats.cache_hits.total()
            misses[_name(kernel)] += kernel.stats.cache_misses.total()
        return hits, misses


def _name(kernel: Any) -> str:
    return f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}"


def _kept(kernel: Any) -> int:
    """Return the number of a kernel's files in the cache."""
    function = kernel.py_func
    stem = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"
    return sum(1 for _ in Path(kernel.stats.cache_path).glob(f"{stem}-*.nbc"))
