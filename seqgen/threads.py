"""The number of threads, and the pool that runs a kernel on groups of lanes."""

from __future__ import annotations

import contextlib
import os
import weakref
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock
from typing import Any

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


_CALLER, _POOL = "caller", "pool"


class _Task:
    """One call of `work`, made by the caller or by a thread of the pool, whichever claims it first.

    Each step is one atomic operation that may be repeated, because an exception of a signal handler can be raised in
    the caller after any of them.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._work, self._arguments = work, arguments
        self._claims: dict[str, str] = {}
        self._running = Lock()
        self._running.acquire()
        self._ended = False
        self._error: BaseException | None = None

    def _claim(self, claimant: str) -> bool:
        return self._claims.setdefault("by", claimant) == claimant

    def run_in_pool(self) -> None:
        """Call `work`, unless the caller has claimed the task; an exception is kept for the caller."""
        if self._claim(_POOL):
            try:
                self._work(*self._arguments)
            except BaseException as error:
                self._error = error
            finally:
                self._ended = True
                self._running.release()

    def finish(self) -> None:
        """Call `work`, or wait if a thread has claimed it and raise its exception."""
        if self._claim(_CALLER):
            self._work(*self._arguments)
        else:
            self.result()

    def cancel(self) -> None:
        """Keep the task from being begun; if a thread has begun it, wait until it ends."""
        if not self._claim(_CALLER):
            self.ended()

    def ended(self, timeout: float = -1) -> bool:
        """Wait for the thread that has claimed the task; return whether the task has ended."""
        # the lock may be lost to an interrupt after it was acquired; by then the task has ended
        if not self._ended and self._running.acquire(timeout=timeout):
            self._running.release()
        return self._ended

    def result(self) -> None:
        """Wait for the thread that has claimed the task, and raise its exception."""
        self.ended()
        if self._error is not None:
            raise self._error


class Workers:
    """A thread pool that runs a nogil kernel on contiguous groups of lanes, one group per thread.

    The calling thread takes part in the work. An exception of a signal handler may leave `run` while other threads are
    still at work: call `settle` before the lanes are used again. In a forked child the threads are started again.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._tasks: list[_Task] = []
        self._beside: _Task | None = None
        self._forget()

    def run(self, work: Callable[[np.ndarray], None], lanes: np.ndarray) -> None:
        """Call `work` on a partition of `lanes` in parallel, and wait."""
        parts = min(self.threads, len(lanes))
        if parts <= 1:
            if len(lanes):
                work(lanes)
            return
        first, *others = np.array_split(lanes, parts)
        # known to `settle` before any of them can begin
        self._tasks = [_Task(work, part) for part in others]
        for task in self._tasks:
            self._submit(task)
        work(first)
        for task in self._tasks:
            task.finish()

    def run_longest_first(self, work: Callable[[np.ndarray], None], counts: np.ndarray) -> None:
        """Call `work` on groups of the lanes that have anything to do, the most first in each, and wait.

        Lanes are dealt by `counts` (B,), so that threads end together; those of a group that are still running after
        some steps are always a prefix of it.
        """
        running = counts.nonzero()[0]
        if len(running) <= 1:
            self.run(work, running)
            return
        running = running[np.argsort(-counts[running], kind="stable")]
        dealt = [running[k :: self.threads] for k in range(self.threads)]
        self.run(lambda part: work(part[np.argsort(-counts[part], kind="stable")]), np.concatenate(dealt))

    def begin_beside(self, work: Callable[[], None]) -> bool:
        """Start `work` in another thread without waiting; return False if the previous one is still running."""
        if self._beside is not None:
            # work that has just ended needs the GIL to report it
            if not self._beside.ended(_GRACE):
                return False
            self._beside.result()
        self._beside = _Task(work)
        self._submit(self._beside)
        return True

    def settle(self) -> None:
        """Wait until no other thread is at work, and cancel what none has begun. May be interrupted and repeated."""
        if self._process != os.getpid():
            # the threads of the parent do not exist here
            self._tasks, self._beside = [], None
            return
        for task in [*self._tasks, *([self._beside] if self._beside else [])]:
            task.cancel()
        self._tasks, self._beside = [], None

    def close(self) -> None:
        """Stop the threads. May be called twice."""
        self.settle()
        self._stop()
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._started = 0
        # threads also end when the pool is garbage
        self._stop = weakref.finalize(self, self._queue.put, None)
        self._stop.atexit = False

    def _submit(self, task: _Task) -> None:
        if self._process != os.getpid():
            self._stop.detach()
            self._forget()
        if self._started < self.threads - 1:
            self._started += 1
            # one atomic call, where the start of a `threading.Thread` can be interrupted half-way
            with contextlib.suppress(
                RuntimeError
            ):  # no more threads can be started: the caller does the work
                start_new_thread(_serve, (self._queue,))
        self._queue.put(task)


def _serve(queue: SimpleQueue[_Task | None]) -> None:
    while (task := queue.get()) is not None:
        task.run_in_pool()
        del task
    queue.put(None)  # for the other threads
