"""The cost of a run of the tests: CPU seconds of all processes, those of compiling kernels, and the slowest ten."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

SLOWEST = 10


def cpu_seconds() -> float:
    """Return user and system time of this process and of those that it started and waited for."""
    return sum(os.times()[:4])


class Spending:
    """A plugin of pytest; with xdist one in each worker, which counts, and one that sums up and prints."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.began = time.monotonic()
        self.since = cpu_seconds()
        self.compiled: Counter[str] = Counter()  # functions and CPU seconds
        self.by_test: Counter[str] = Counter()

    # ---- counting ---------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        result = yield
        if "numba" in sys.modules:  # imported by the tests that compile
            listen(self.compiled)
        self.since = cpu_seconds()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[Any]:
        report = yield
        now = cpu_seconds()
        report.cpu_seconds, self.since = now - self.since, now
        return report

    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["compiled"] = dict(self.compiled)

    # ---- printing ---------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.by_test[report.nodeid] += getattr(report, "cpu_seconds", 0.0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.compiled.update(getattr(node, "workeroutput", {}).get("compiled", {}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        functions, compiling, spent = self.compiled["functions"], self.compiled["seconds"], cpu_seconds()
        write = terminalreporter.write_line
        terminalreporter.section("what it took")
        write(
            f"{spent:.0f} CPU seconds, of which {compiling:.0f} to compile {functions} functions that were not kept "
            f"from before and {spent - compiling:.0f} to run; {time.monotonic() - self.began:.0f} s by the clock. "
            "The most took, in CPU seconds:"
        )
        for name, spent in self.by_test.most_common(SLOWEST):
            write(f"{spent:8.1f}  {name}")


def listen(compiled: Counter[str]) -> None:
    """Count the functions that Numba compiles from now on, and their CPU seconds."""
    from numba.core import event

    class Compiling(event.Listener):
        """A function that is compiled into another begins and ends within it."""

        depth, since = 0, 0.0

        def on_start(self, started: Any) -> None:
            if self.depth == 0:
                self.since = time.thread_time()
            self.depth += 1

        def on_end(self, ended: Any) -> None:
            self.depth -= 1
            if self.depth == 0:
                compiled.update({"functions": 1, "seconds": time.thread_time() - self.since})

    event.register("numba:compile", Compiling())
