"""Parts shared by all engines: threads, and the controls of every lane."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from seqgen.codecs import Characters
from seqgen.controls import BoundControls, Controls
from seqgen.engines.lane_controls import LaneControls
from seqgen.threads import Workers, usable_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("lanes", [0, 1, 2, 3, 7, 16])
def test_every_lane_is_worked_on_once(lanes, threads):
    workers, seen, lock = Workers(threads), [], threading.Lock()

    def work(part: np.ndarray) -> None:
        with lock:
            seen.append(part.tolist())

    for _ in range(2):
        seen.clear()
        workers.run(work, np.arange(lanes))
        assert sorted(lane for part in seen for lane in part) == list(range(lanes))
        assert len(seen) <= threads
    workers.close()
    workers.close()


@pytest.mark.parametrize("bad", [0, 3], ids=["own thread", "other thread"])
def test_an_error_in_a_thread_comes_out(bad):
    def work(part: np.ndarray) -> None:
        if bad in part:
            raise KeyError(bad)

    workers = Workers(2)
    with pytest.raises(KeyError):
        workers.run(work, np.arange(4))
    workers.close()


def test_the_environment_says_how_many_threads_to_use(monkeypatch):
    monkeypatch.setenv("SEQGEN_THREADS", "3")
    assert usable_threads() == 3
    monkeypatch.delenv("SEQGEN_THREADS")
    assert usable_threads() >= 1
    for value in ("0", "-2", "many", "1.5", ""):
        monkeypatch.setenv("SEQGEN_THREADS", value)
        with pytest.raises(ValueError, match="SEQGEN_THREADS must be a positive integer, got"):
            usable_threads()


def test_controls_of_a_lane_come_back_as_they_were_given():
    codec = Characters("abcd")
    given = Controls(temperature=0.5, top_k=2, repetition_penalty=1.5, allowed="abc").bind(codec)
    lanes = LaneControls(3, codec.size)
    lanes.begin(np.array([0, 2]), given, np.array([1, 1, 3]))
    for lane in (0, 2):
        assert lanes.of(lane).parameters == given.parameters
        assert lanes.of(lane).allowed.tolist() == [True, True, True, False]
        assert lanes.seen[lane].tolist() == [False, True, False, True]
    assert lanes.of(1) == BoundControls()
    lanes.begin(np.array([0]), BoundControls(), None)
    assert lanes.of(0) == BoundControls()
    assert not lanes.seen[0].any()
    assert lanes.seen[2].any()
