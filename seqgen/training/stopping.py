"""Stopping a training between two steps when a signal asks for it, so that its state can be saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopping:
    """Whether a signal has arrived; `leave` then calls its handler, which usually raises."""

    def __init__(self) -> None:
        self._leave: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        return self._leave is not None

    def leave(self) -> None:
        if self._leave is not None:
            self._leave()


@contextlib.contextmanager
def between_steps() -> Iterator[Stopping]:
    """Hold back the first signal that has a Python handler until `leave`; a second one is handled at once.

    Without effect outside of the main thread, where no handler runs.
    """
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    handlers: dict[int, Any] = {
        number: handler for number in _STOPS if callable(handler := signal.getsignal(number))
    }

    def handle(number: int, frame: FrameType | None) -> None:
        if stopping.asked:
            handlers[number](number, frame)
        stopping._leave = lambda: handlers[number](number, None)

    try:
        for number in handlers:
            signal.signal(number, handle)
        yield stopping
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
