"""Turns of threads at an object that one of them may use at a time.

A lock would not do: an exception of a signal handler can come between taking it and the `try` that releases it, and a
handler that calls the object again would wait for itself. A turn is given back by an assignment, `holder = {}`, which
no exception can follow. Turns that exceptions left behind are recognised by the stacks of the threads.

This relies on CPython: threads switch and signal handlers run only at calls, at the beginning of functions and when
loops go back, so that the statements between them are not interrupted.
"""

from __future__ import annotations

import os
import sys
import time
from threading import get_ident
from types import FrameType
from typing import Any

from seqgen.errors import SeqgenError

_WAIT = 0.0005  # seconds

Turn = list[int]
"""What identifies the turn of a call: a list of its own with the number of the thread."""


class Turns:
    """The turn at an object.

    Attributes:
        holder: {"thread": turn} of the call that has the turn, or {}.
        wanted: when a thread was last seen waiting, or 0.
    """

    def __init__(self) -> None:
        self.holder: dict[str, Turn] = {}
        self._process = os.getpid()
        self.wanted = 0.0

    def take(self, owner: Any, own: Turn) -> bool:
        """Wait for the turn at `owner`, in a method of it, and return whether a process that was forked has left it.

        Raises:
            SeqgenError: if this thread has it: a signal handler runs during a call, and calls again.
        """
        if self.wanted:
            if time.perf_counter() - self.wanted < 4 * _WAIT:
                # another thread has its turn first
                time.sleep(2 * _WAIT)
            else:
                self.wanted = 0.0
        forked, waited = False, 0
        while True:
            turn = self.holder
            holder = turn.setdefault("thread", own)
            if holder is own:
                return forked
            if holder == own:
                if self.is_nested(owner):
                    raise SeqgenError(
                        "the stream is in use: a signal handler called it during another call. Set a flag in the "
                        "handler, and use the stream after that call; only state_dict() may be called at any time"
                    )
                left = True
            else:
                # after a fork, and once in a while, look whether the other call is still there
                another = self._process != os.getpid()
                self._process = os.getpid()
                looks = another or waited % 64 == 63
                left = looks and not _in_call(owner, sys._current_frames().get(holder[0]))
                forked |= another and left
            if left:
                if self.holder is turn:
                    self.holder = {}
                continue
            waited += 1
            self.wanted = time.perf_counter()
            time.sleep(_WAIT)

    def end(self, own: Turn) -> None:
        """Give back the turn if it was taken."""
        if self.holder.get("thread") is own:
            self.holder = {}

    def is_nested(self, owner: Any) -> bool:
        """Return whether the methods of `owner` that are being called were called from within another call of one."""
        if self.holder.get("thread") != [get_ident()]:
            return False
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _is_of(frame, owner, self):
            frame = frame.f_back
        return _in_call(owner, frame)


def _in_call(owner: Any, frame: FrameType | None) -> bool:
    """Return whether a frame or one of its callers is a method of an object."""
    while frame is not None:
        if _is_of(frame, owner):
            return True
        frame = frame.f_back
    return False


def _is_of(frame: FrameType, *owners: Any) -> bool:
    """Return whether a frame is a method of one of some objects."""
    called = frame.f_locals.get("self")
    return any(called is owner for owner in owners)
