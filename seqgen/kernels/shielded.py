"""Deferral of signal handlers that would run inside LLVM's callbacks.

LLVM calls back into Python while it compiles and loads kernels. An exception of a signal handler in such a callback is
printed and lost, or the callback returns without a result and the process crashes.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from types import FrameType
from typing import Any

_LATER = 0.02  # seconds


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Call Python's handler of a signal that arrives in a callback of LLVM after the callback. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: set[int] = set()
    handlers: dict[int, Any] = {
        number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))
    }

    def handle(number: int, frame: FrameType | None) -> None:
        if not _in_callback(frame):
            waiting.discard(number)
            handlers[number](number, frame)
            return
        waiting.add(number)
        # the handler of a signal runs between two bytecodes only, so it has to be called again
        timer = threading.Timer(
            _LATER, lambda: interrupt_main(signal.Signals(number)) if number in waiting else None
        )
        timer.daemon = True
        timer.start()

    try:
        for number in handlers:
            signal.signal(number, handle)
        yield
    finally:
        # a handler that raises here must not keep the others from being restored
        errors: list[BaseException] = []
        for number, handler in handlers.items():
            try:
                signal.signal(number, handler)
            except BaseException as error:
                errors.append(error)
                signal.signal(number, handler)
        while waiting:
            number = waiting.pop()
            handlers[number](number, None)
        if errors:
            raise errors[0]


def _in_callback(frame: FrameType | None) -> bool:
    """Return whether LLVM, or a callback of the garbage collector, is running."""
    while frame is not None:
        name = frame.f_code.co_filename
        if "llvmlite" in name or name.endswith(("weakref.py", "_weakrefset.py")):
            return True
        frame = frame.f_back
    return False
