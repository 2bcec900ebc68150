"""KeyboardInterrupt at any place of the library where a signal handler may raise it.

CPython runs signal handlers after calls and at the beginning of functions. `Interrupter` raises at such a place,
selected by counting them; `alarmed` raises from a signal handler at a given time, wherever the library is then.
"""

from __future__ import annotations

import contextlib
import inspect
import random
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import seqgen

LIBRARY = str(Path(seqgen.__file__).parent)


class Interrupter:
    """Calls functions, raising KeyboardInterrupt after a random number of calls and returns inside of them.

    Args:
        visit: called there instead, as a signal handler that returns.

    Attributes:
        raised: number of exceptions raised, or of visits.
    """

    def __init__(self, seed: int, most: int = 400, *, visit: Callable[[], Any] | None = None) -> None:
        self._random, self._most, self._visit = random.Random(seed), most, visit
        self._left = 0
        self.raised = 0

    def call(self, function: Callable[[], Any], *, again: int = 3) -> Any:
        """Call a function until it returns; the first `again` calls may be interrupted."""
        for _ in range(again):
            # both short and long distances
            self._left = int(2 ** self._random.uniform(0, self._most.bit_length()))
            sys.setprofile(self._count)
            try:
                return function()
            except KeyboardInterrupt:
                self.raised += 1
            finally:
                sys.setprofile(None)
        return function()

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        # at the return of a method of the interface its effect has taken place; an exception that comes before the
        # caller assigns the result is outside of the library
        if event == "return" and frame.f_back is not None and not _inside(frame.f_back):
            return
        # a generator that is closed, or a callback of the garbage collector elsewhere, would swallow the exception
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
            return
        if not frame.f_code.co_filename.startswith(LIBRARY) or not _inside(frame):
            return
        self._left -= 1
        if self._left == 0 and self._visit is not None:
            self.raised += 1
            self._visit()
        elif self._left == 0:
            raise KeyboardInterrupt


def _inside(frame: FrameType | None) -> bool:
    """Return whether a frame belongs to the library, or was called by it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(LIBRARY):
            return True
        frame = frame.f_back
    return False


def _in_finalizer(frame: FrameType | None) -> bool:
    """Return whether a weak reference's callback is running, in which Python ignores exceptions."""
    while frame is not None:
        if frame.f_code.co_filename == weakref.__file__:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def alarmed() -> Iterator[Callable[[float], None]]:
    """Yield a function that raises KeyboardInterrupt after so many seconds, if the library is running then."""

    armed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal armed
        if armed and _in_finalizer(frame):
            signal.setitimer(signal.ITIMER_REAL, 1e-4)
            return
        # another thread may receive the signal after the alarm was called off
        if armed and _inside(frame):
            armed = False
            raise KeyboardInterrupt

    def alarm(seconds: float) -> None:
        nonlocal armed
        armed = seconds > 0
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        yield alarm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
