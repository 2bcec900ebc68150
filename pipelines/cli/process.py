"""The process of the command line: its signals, its standard streams, and its exit codes.

Exit codes: 0 success, 1 failure, 2 wrong usage; 130, 143 and 129 after Ctrl-C, SIGTERM and SIGHUP, which keep the
output so far. A closed pipe on standard output (`seqgen … | head`) is a success.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from _thread import interrupt_main
from types import FrameType
from typing import Any, TextIO

STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that, like Ctrl-C, end a command and keep its output so far."""


class Stopped(KeyboardInterrupt):
    """A signal has asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(interrupt: BaseException) -> int:
    """Return the exit code after an interrupt, by the convention of shells."""
    return 128 + (interrupt.number if isinstance(interrupt, Stopped) else signal.SIGINT)


def prepare() -> None:
    """Set up signals and standard streams, once, at the start of the process."""
    _open_missing()
    for number in STOPS:
        # what was ignored, as by nohup, stays so
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    sys.unraisablehook = _raise_again
    if sys.stdout is None:
        sys.stdout = _Closed()
    elif isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            # a terminal that cannot show a character gets its number
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="")
    sys.stderr = _Tolerant(sys.stderr)


def _open_missing() -> None:
    """Open standard streams that are closed on the null device, so that no other file gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _stop(number: int, frame: FrameType | None) -> None:
    # one is enough: files are being finished
    for other in STOPS:
        if signal.getsignal(other) == _stop:
            # not SIG_IGN: Python complains of signals that are ignored after they arrived
            signal.signal(other, _ignore)
    raise Stopped(number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _raise_again(unraisable: Any) -> None:
    """Have an interrupt raised again that came in a callback, where Python can only print it."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
    elif isinstance(unraisable.exc_value, Stopped):
        signal.signal(unraisable.exc_value.number, _stop)
        interrupt_main(signal.Signals(unraisable.exc_value.number))
    else:
        interrupt_main()


class _Closed(io.TextIOBase):
    """Standard output that was closed before the start: writing fails."""

    encoding = "utf-8"

    @property
    def buffer(self) -> Any:
        return self

    def write(self, text: Any) -> int:
        raise OSError(errno.EBADF, "standard output is closed; write to a file with -o")

    def fileno(self) -> int:
        return 1


class _Tolerant:
    """Standard error, whose loss (a full disk, a terminal that was closed) is no reason to lose the output."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)  # type: ignore[union-attr]
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()  # type: ignore[union-attr]

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
