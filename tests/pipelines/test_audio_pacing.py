"""Pacing on a clock that the test advances: chunks are delivered on time, and delays are counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipelines import Paced, Pipeline, Stage
from pipelines.operators import Map
from seqgen.streaming import Chunk

RATE, CHUNK = 1000, 20  # 20 ms


class Clock:
    """Time that advances only when code sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class Worker(Stage[Chunk]):
    """Delivers chunks, each of which takes as long as `costs` says."""

    def __init__(self, clock: Clock, costs: list[float]) -> None:
        self.clock, self.costs, self.place = clock, costs, 0

    def __next__(self) -> Chunk:
        if self.place == len(self.costs):
            raise StopIteration
        self.clock.now += self.costs[self.place]
        self.place += 1
        return Chunk(0, (self.place - 1) * CHUNK, np.zeros(CHUNK, np.float32), False)

    def own_state(self):
        return {"place": self.place}

    def load_own_state(self, state) -> None:
        self.place = state["place"]


def paced(costs, lead=0.1):
    clock = Clock()
    return clock, Paced(Worker(clock, costs), RATE, lead=lead, clock=clock, sleep=clock.sleep)


def deliveries(costs, lead=0.1, writing=0.0):
    """Return when each chunk was delivered, from the first one on, and the stage at the end."""
    clock, stage = paced(costs, lead)
    times = []
    for _ in stage:
        times.append(clock.now)
        clock.now += writing
    return np.array(times) - times[0], stage


@pytest.mark.parametrize("lead", [0.02, 0.1, 0.5])
def test_a_fast_source_stays_within_the_lead(lead):
    times, stage = deliveries([0.5] + [0.001] * 99, lead)
    # the remaining playback time when a chunk arrives and is queued, if the player started with the first chunk
    left = np.arange(1, 101) * 0.02 - times
    assert left.max() <= lead + 1e-9
    assert left[40:].min() >= lead - 1e-9
    assert (stage.underruns, stage.starved) == (0, 0.0)
    assert stage.symbols == 2000


def test_a_chunk_longer_than_the_lead_waits_for_its_turn():
    times, stage = deliveries([0.001] * 10, lead=0.0)
    np.testing.assert_allclose(times, np.arange(10) * 0.02, atol=1e-9)
    assert stage.underruns == 0


def test_a_slow_source_starves_its_player_each_time():
    times, stage = deliveries([0.03] * 10)
    np.testing.assert_allclose(times, np.arange(10) * 0.03)
    assert stage.underruns == 9
    assert stage.starved == pytest.approx(9 * 0.01)


def test_a_pause_is_bridged_by_the_lead_or_counted_once():
    _, bridged = deliveries([0.001] * 50 + [0.09] + [0.001] * 50, lead=0.1)
    assert bridged.underruns == 0
    times, late = deliveries([0.001] * 50 + [0.15] + [0.001] * 50, lead=0.1)
    assert late.underruns == 1
    # of the lead, 80 ms were left when the last chunk before the pause had been delivered and its time had come
    assert 0.04 < late.starved < 0.08
    # the player's clock is late from then on, and the lead is built up again
    assert np.diff(times)[-1] == pytest.approx(0.02)


def test_a_slow_consumer_is_not_the_source_s_fault():
    _, stage = deliveries([0.001] * 50, lead=0.02, writing=0.05)
    assert stage.underruns == 0


def test_empty_chunks_pass_at_once():
    clock = Clock()
    worker = Worker(clock, [0.0, 0.0])
    empty = Map(worker, lambda chunk: chunk._replace(data=chunk.data[:0]))
    stage = Paced(empty, RATE, clock=clock, sleep=clock.sleep)
    assert len(list(stage)) == 2
    assert clock.now == 100.0


def test_resumes_with_a_clock_of_its_own():
    _, first = paced([0.03] * 10)
    for _ in range(4):
        next(first)
    state = json.loads(json.dumps(first.state_dict()))
    clock, second = paced([0.03] * 10)
    clock.now = 5000.0
    second.load_state_dict(state)
    assert len(list(second)) == 6
    assert second.symbols == 10 * CHUNK
    assert second.underruns == 3 + 5


def test_bad_arguments_are_named():
    clock = Clock()
    with pytest.raises(ValueError, match="rate must be >0"):
        Paced(Worker(clock, []), 0)
    with pytest.raises(ValueError, match="lead must be >=0"):
        Pipeline(Worker(clock, [])).paced(16000, lead=-1.0)
