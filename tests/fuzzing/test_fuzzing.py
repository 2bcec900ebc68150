"""A short run of the fuzzer, and proof that it notices what it looks for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seqgen.errors import SeqgenError
from seqgen.registry import FAMILIES
from tests.fuzzing import server
from tests.fuzzing.server import in_child
from tests.fuzzing.trial import Outcome, judged, require_shapes
from tests.kernel_cache import ROOT

CASES = 40

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.fuzzing", "--json", "--no-built-in", "--cases", str(CASES)]
    # large pages make forks cheaper, as in `make fuzz`
    pages = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | pages, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("family", FAMILIES)
def test_changed_files_and_states_are_refused_or_stream(run, family):
    assert not [fault for fault in run["faults"] if fault["family"] == family]
    counts = run["counts"][family]
    assert counts["refused"] > CASES // 5
    assert counts.get("streamed", 0) + counts.get("loaded", 0) > CASES // 20
    assert counts["refused"] + counts.get("streamed", 0) + counts.get("loaded", 0) == CASES


# ---- what the fuzzer notices ----------------------------------------------------------------------------


def judgement(use: Callable[[], tuple[str, tuple[str, ...]]]) -> Outcome:
    trial: Any = SimpleNamespace(prepare=lambda: None, use=use, change="none")
    outcome: Outcome = in_child(lambda: judged(trial, 0x55, {"seconds": 0.0}))
    return outcome


def raising(error: BaseException) -> Callable[[], Any]:
    def use() -> Any:
        raise error

    return use


@pytest.mark.parametrize("error", [SeqgenError("no"), ValueError("no")])
def test_a_refusal_is_allowed(error):
    assert judgement(raising(error)).kind == "refused"
    assert judgement(lambda: ("streamed", ("abc",))).same == ("abc",)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (raising(KeyError("weight")), "KeyError"),
        (raising(AssertionError("a wrong shape")), "a wrong shape"),
        (raising(SystemExit(0)), "SystemExit"),
        (raising(MemoryError("no room")), "MemoryError"),
        (raising(SeqgenError("such samples do not fit into the memory")), "do not fit"),
        (lambda: ("streamed", str(np.ones(80_000_000).sum())), "streamed after taking 6"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "signal 11"),
        (lambda: os._exit(3), "exit status 3"),
    ],
)
def test_anything_else_is_a_fault(use, words):
    outcome = judgement(use)
    assert outcome.kind == "fault"
    assert words in outcome.said


def test_a_slow_refusal_is_a_fault():
    def use() -> Any:
        until = time.process_time() + 2.2
        while time.process_time() < until:
            pass
        raise ValueError("at last")

    assert "refused after 2." in judgement(use).said


@pytest.mark.parametrize("busy", [True, False])
def test_a_child_that_hangs_is_ended(monkeypatch, busy):
    monkeypatch.setattr(server, "PATIENCE", 1)

    def use() -> Any:
        while True:
            time.sleep(0 if busy else 1)

    assert judgement(use).said.startswith("signal")


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": np.zeros((1, 2, 3), np.uint8)},
        {"data": np.full((1, 2, 4), 5, np.uint8)},
        {"data": np.zeros((1, 2, 4))},
        {"data": np.zeros((1, 9, 4), np.uint8)},
        {"extra": {"log_prob": np.zeros((2, 1, 4)), "log_prob_drawn": np.full((2, 1, 4), np.nan)}},
        {"extra": {}},
        {"offset": -1},
    ],
)
def test_wrong_shapes_are_noticed(wrong):
    config = {"codec": {"name": "pixels", "shape": [1, 6, 4], "levels": 4}}
    request = {"chunk": 2, "length": 6, "log_probs": True}
    extra = {"log_prob": np.zeros((2, 1, 4)), "log_prob_drawn": np.zeros((2, 1, 4))}
    right = {"data": np.zeros((1, 2, 4), np.uint8), "offset": 0, "extra": extra}
    require_shapes(config, request, SimpleNamespace(**right))
    with pytest.raises(AssertionError):
        require_shapes(config, request, SimpleNamespace(**{**right, **wrong}))
