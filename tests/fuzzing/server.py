"""The server: a process that has loaded everything and never streamed, and forks a child for each trial.

A first child streams from every subject and sends back states and the signatures of the kernels that it loaded; the
server loads the same kernels without calling them.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numba.core import event

from seqgen.kernels import compile as compiling
from tests.fuzzing.subjects import Subject
from tests.fuzzing.trial import Outcome, Recorded, Trial, judged, record

PATIENCE = 120
"""CPU seconds, also of compiling, after which a child hangs."""

ADDRESSES = 6 << 30
"""Bytes of virtual memory that a child may have beyond those of the server; more raises MemoryError."""


class _Clock(event.Listener):
    """Adds up the CPU seconds of compiling and of loading compiled kernels."""

    def __init__(self) -> None:
        self.total, self.depth, self.began = {"seconds": 0.0}, 0, 0.0

    def on_start(self, started: Any) -> None:
        if not self.depth:
            self.began = time.process_time()
        self.depth += 1

    def on_end(self, ended: Any) -> None:
        self.depth -= 1
        if not self.depth:
            self.total["seconds"] += time.process_time() - self.began


CLOCK = _Clock()


def in_child(call: Callable[[], Any], *, limited: bool = True) -> Any:
    """Return the result of a call in a forked child, or an `Outcome` of kind "fault" if the child did not end well."""
    with tempfile.TemporaryFile() as complaints:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            os.close(reading)
            os.dup2(complaints.fileno(), 2)
            _be_child(call, writing, limited)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            # a child that sleeps takes no CPU: it is ended by the clock
            ready, _, _ = select.select([file], [], [], 5 * PATIENCE)
            if not ready:
                os.kill(child, signal.SIGKILL)
            message = file.read()
        _, status = os.waitpid(child, 0)
        if status == 0:
            return pickle.loads(message)
        complaints.seek(0)
        said = complaints.read()[-1500:].decode(errors="replace")
    end = (
        f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {os.WEXITSTATUS(status)}"
    )
    return Outcome("fault", "?", f"{end}{'' if ready else ' (hung)'}\n{said}")


def _be_child(call: Callable[[], Any], writing: int, limited: bool) -> NoReturn:
    """Send the result of a call, and end the process."""
    code = 1
    faulthandler.disable()  # pytest's would print what is reported anyway
    try:
        if limited:
            # no core files; a child that hangs ends by SIGXCPU
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 5))
            most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ADDRESSES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        message = pickle.dumps(call())
        with os.fdopen(writing, "wb") as out:
            out.write(message)
        code = 0
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)


class Server:
    """Carries out trials of the given subjects."""

    def __init__(self, subjects: list[Subject], folder: Path) -> None:
        self.subjects, self.folder = {subject.id: subject for subject in subjects}, folder
        event.register("numba:compile", CLOCK)
        answer = in_child(self._recorded, limited=False)
        if isinstance(answer, Outcome):
            raise RuntimeError(answer.said)
        self._records, signatures = answer
        for module, _ in signatures:
            importlib.import_module(module)
        for kernel in compiling.KERNELS:
            for signature in signatures.get(_name(kernel), ()):
                kernel.compile(signature)
        # a collection in a child would touch, and so copy, the memory of all objects
        gc.collect()
        gc.freeze()

    def _recorded(self) -> tuple[dict[str, Recorded], dict[Any, Any]]:
        records = {subject.id: record(subject) for subject in self.subjects.values()}
        # requests hold functions, which are not sent: they are looked up by their number
        for subject in self.subjects.values():
            states = tuple(
                ({**given, **_numbered(subject, given)}, state) for given, state in records[subject.id].states
            )
            records[subject.id] = Recorded(states, records[subject.id].sample)
        return records, {_name(kernel): list(kernel.overloads) for kernel in compiling.KERNELS}

    def trial(self, subject: str, number: int, seed: int) -> tuple[Outcome, Trial]:
        """Carry out a trial, twice if it streams, in heaps with different contents."""
        made = self._trial(subject, number, seed)
        outcome: Outcome = in_child(lambda: judged(made, 0x55, CLOCK.total))
        if outcome.kind == "streamed":
            again = in_child(lambda: judged(self._trial(subject, number, seed), 0xAA, CLOCK.total))
            if again.kind == "fault":
                outcome = again
            elif any(one != other for one, other in zip(again.same, outcome.same, strict=False)):
                outcome = Outcome(
                    "fault", outcome.change, "the chunks depend on memory that was never written"
                )
        return outcome, made

    def _trial(self, subject: str, number: int, seed: int) -> Trial:
        rng = np.random.default_rng([seed, zlib.crc32(subject.encode()), number])
        recorded = self._records[subject]
        own = self.subjects[subject]
        states = tuple(({**given, **_functions(own, given)}, state) for given, state in recorded.states)
        return Trial(own, Recorded(states, recorded.sample), rng, self.folder)


def _name(kernel: Any) -> tuple[str, str]:
    return kernel.py_func.__module__, kernel.py_func.__qualname__


def _numbered(subject: Subject, given: dict[str, Any]) -> dict[str, Any]:
    """Return what in a request is by index, as the number of the subject's request that holds it."""
    found = {}
    for name in ("prompt", "condition", "controls"):
        for number, request in enumerate(subject.requests):
            if name in given and given[name] is request.get(name):
                found[name] = ("request", number)
    return found


def _functions(subject: Subject, given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: subject.requests[value[1]][name]
        for name, value in given.items()
        if isinstance(value, tuple) and value[:1] == ("request",)
    }
