"""The limits of this machine: fused multiply-adds in registers, and repeated reads of a buffer, measured in C.

The code is not that of the engines: `limits.c`, compiled here for the vectors that Numba uses. One multiply-accumulate
(MAC) is two floating-point operations. `python -m benchmarks.limits` prints the limits by number of threads and by
cache, and the clock, from which the multiply-adds per cycle follow: a whole number on an undisturbed core.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from benchmarks.compiler import NoCompilerError, library, version
from benchmarks.machine import cache_bytes
from benchmarks.side_by_side import short
from seqgen.threads import usable_threads

SOURCE = "limits.c"
OPTIONS = ("-O2",)
ROUNDS, SECONDS = 5, 0.3  # of a measurement, at least
TOLERANCE = 0.15  # of the multiply-adds per cycle, beyond which they are said not to be a whole number


class Limits(NamedTuple):
    """Limits of all threads together: 1e9 multiply-accumulates per second, and 1e9 bytes read per second.

    Both are None without a compiler.
    """

    gmacs: float | None
    gbytes: float | None

    def words(
        self, gmacs: float | None = None, gbytes: float | None = None, *, ratio: float | None = None
    ) -> str:
        """Return what was reached, beside the limits: "12.6 of 61 GMAC/s, 50 of 91 GB/s of weights, 5.1× at most".

        Args:
            ratio: ours to the peer's; the last figure is what it would be at the nearer of the limits.
        """
        parts = [
            f"{reached:{form}} of {limit:.0f} {unit}" if limit else f"{reached:{form}} {unit}"
            for reached, limit, form, unit in (
                (gmacs, self.gmacs, ".1f", "GMAC/s"),
                (gbytes, self.gbytes, ".0f" if gbytes is None or gbytes >= 9.5 else ".1f", "GB/s of weights"),
            )
            if reached is not None
        ]
        room = [
            limit / reached
            for reached, limit in ((gmacs, self.gmacs), (gbytes, self.gbytes))
            if reached and limit
        ]
        if ratio is not None and room:
            parts.append(f"{short(ratio * min(room))}× at most")
        return ", ".join(parts) + ("" if self.gmacs else " (limits unknown without a C compiler)")


class Core(NamedTuple):
    """What one core does in registers, and its clock, measured in turns.

    Attributes:
        width: floats in a vector. registers, chains: vector registers, and independent sums of the measurement.
        fused: whether one instruction multiplies and adds.
        gmacs: 1e9 multiply-accumulates per second. ghz: clock, by dependent additions of one cycle each.
    """

    width: int
    registers: int
    chains: int
    fused: bool
    gmacs: float
    ghz: float

    @property
    def per_cycle(self) -> float:
        """Vector multiply-adds per cycle."""
        return self.gmacs / (self.width * self.ghz)

    def __str__(self) -> str:
        units = max(1, round(self.per_cycle))
        wanted = units * self.width * self.ghz
        text = (
            f"{self.gmacs:.1f} GMAC/s in {self.chains} of {self.registers} registers of {self.width} floats; "
            f"{self.ghz:.2f} GHz × {self.width} floats × {units} = {wanted:.1f}"
        )
        if abs(self.gmacs / wanted - 1) > TOLERANCE:
            text += f", from which it differs by {100 * abs(self.gmacs / wanted - 1):.0f} %"
        return text + ("" if self.fused else "; without fused multiply-add")


@cache
def limits(size: int, threads: int = 1) -> Limits:
    """Return the limits for weights of `size` bytes that every thread reads repeatedly."""
    try:
        gmacs = multiply_add_rate(threads)
    except NoCompilerError:
        return Limits(None, None)
    return Limits(gmacs, read_rate(size, threads))


@cache
def multiply_add_rate(threads: int = 1) -> float:
    """Return 1e9 multiply-accumulates per second of all threads together."""
    code = _code()
    count = 400_000
    per_call = count * code.limits_chains() * code.limits_width()
    return threads * per_call / fastest(lambda: code.limits_multiply_add(count, 0.5), threads) / 1e9


@cache
def read_rate(size: int, threads: int = 1) -> float:
    """Return 1e9 bytes per second that all threads together read of one buffer of `size` bytes."""
    code = _code()
    step = 16 * 4 * code.limits_width()
    size = max(step, size // step * step)
    memory = np.ones(size + 4096, np.uint8)
    begin = memory.ctypes.data + -memory.ctypes.data % 4096
    repeats = max(1, 200_000_000 // size)
    seconds = fastest(lambda: code.limits_read(begin, size, repeats), threads)
    return threads * repeats * size / seconds / 1e9


@cache
def core() -> Core:
    """Return the rate of one core in registers, and its clock."""
    code = _code()
    count = 500_000
    work = {
        "fma": lambda: code.limits_multiply_add(count, 0.5),
        "clock": lambda: code.limits_additions(count // 4, 1),
    }
    seconds = dict.fromkeys(work, float("inf"))
    for _ in range(4 * ROUNDS):
        for name, once in work.items():
            seconds[name] = min(seconds[name], _timed(once))
    width, chains = code.limits_width(), code.limits_chains()
    return Core(
        width, code.limits_registers(), chains, bool(code.limits_fused()),
        count * chains * width / seconds["fma"] / 1e9, count // 4 * 32 / seconds["clock"] / 1e9,
    )  # fmt: skip


def levels() -> dict[str, int]:
    """Return a size in bytes for each cache, half of it, and one for memory, four times the last cache."""
    caches = cache_bytes()
    sizes = {f"{level}, {_bytes(size // 2)}": size // 2 for level, size in caches.items()}
    beyond = min(4 * max(caches.values()), 1 << 30)
    return {**sizes, f"memory, {_bytes(beyond)}": beyond}


def lines() -> list[str]:
    """Return the limits in words, a line for each number of threads, after one for a core's arithmetic."""
    try:
        found = [f"one core, by {version()}: {core()}"]
    except NoCompilerError as error:
        return [f"not measured: {error}"]
    for threads in sorted({1, usable_threads()}):
        rates = [f"{read_rate(size, threads):.0f} GB/s ({level})" for level, size in levels().items()]
        named = f"{threads} thread{'s' * (threads > 1)}"
        found.append(f"{named}: {multiply_add_rate(threads):.1f} GMAC/s; reads {', '.join(rates)}")
    return found


def fastest(work: Callable[[], object], threads: int = 1) -> float:
    """Return the seconds in which every thread does `work` once: those of the slowest thread in the fastest round.

    The threads of a round begin together. Rounds should take few milliseconds, so that some are not interrupted by
    other processes; the first is not counted.
    """
    barrier = threading.Barrier(threads)
    taken: list[list[float]] = [[] for _ in range(threads)]
    began = time.perf_counter()
    unfinished = True

    def repeat(own: list[float]) -> None:
        nonlocal unfinished
        while True:
            if barrier.wait() == 0:
                unfinished = len(own) <= ROUNDS or time.perf_counter() - began < SECONDS
            barrier.wait()
            if not unfinished:
                return
            own.append(_timed(work))

    others = [threading.Thread(target=repeat, args=(own,)) for own in taken[1:]]
    for other in others:
        other.start()
    repeat(taken[0])
    for other in others:
        other.join()
    return min(max(seconds) for seconds in list(zip(*taken, strict=True))[1:])


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _code() -> Any:
    """Return `limits.c`, compiled. Its functions are called without the GIL."""
    code = library(SOURCE, OPTIONS)
    code.limits_multiply_add.argtypes = [ctypes.c_int64, ctypes.c_float]
    code.limits_multiply_add.restype = ctypes.c_float
    code.limits_read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    code.limits_read.restype = None
    code.limits_additions.argtypes = [ctypes.c_int64, ctypes.c_int64]
    code.limits_additions.restype = ctypes.c_int64
    return code


def _bytes(size: int) -> str:
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size / (1 << 20):g} MiB"


if __name__ == "__main__":
    print("\n".join(lines()))
