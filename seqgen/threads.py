"""The number of threads, and the pool that runs a kernel on groups of lanes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from seqgen.errors import integer


def usable_threads() -> int:
    """Return the default number of threads: $SEQGEN_THREADS, or the cores that this process may use."""
    given = os.environ.get("SEQGEN_THREADS")
    if given is not None:
        try:
            return integer("SEQGEN_THREADS", int(given), low=1)
        except ValueError:
            raise ValueError(f"SEQGEN_THREADS must be a positive integer, got {given!r}") from None
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


_GRACE = 0.0005  # seconds


class Workers:
    """A thread pool that runs a nogil kernel on contiguous groups of lanes, one group per thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._beside: Future[None] | None = None

    def run(self, work: Callable[[np.ndarray], None], lanes: np.ndarray) -> None:
        """Call `work` on a partition of `lanes` in parallel, and wait."""
        parts = min(self.threads, len(lanes))
        if parts <= 1:
            if len(lanes):
                work(lanes)
            return
        first, *others = np.array_split(lanes, parts)
        futures = [self._others().submit(work, part) for part in others]
        work(first)
        for future in futures:
            future.result()

    def run_longest_first(self, work: Callable[[np.ndarray], None], counts: np.ndarray) -> None:
        """Call `work` on groups of the lanes that have anything to do, the most first in each, and wait.

        Lanes are dealt by `counts` (B,), so that threads end together; those of a group that are still running after
        some steps are always a prefix of it.
        """
        running = np.flatnonzero(counts)
        running = running[np.argsort(-counts[running], kind="stable")]
        dealt = [running[k :: self.threads] for k in range(self.threads)]
        self.run(lambda part: work(part[np.argsort(-counts[part], kind="stable")]), np.concatenate(dealt))

    def begin_beside(self, work: Callable[[], None]) -> bool:
        """Start `work` in another thread without waiting; return False if the previous one is still running."""
        if self._beside is not None:
            # work that has just ended needs the GIL to report it
            if not wait((self._beside,), _GRACE).done:
                return False
            self._beside.result()
        self._beside = self._others().submit(work)
        return True

    def _others(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="seqgen")
        return self._pool

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
