"""One WaveNet stream on two cores: the bits of one, whether the assistant keeps up, is late or is missing."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from seqgen.engine import Request, Start
from seqgen.errors import SeqgenError
from seqgen.kernels.lanes import StepArrays
from seqgen.kernels.postponed import Postponed
from seqgen.kernels.signals import read, write
from seqgen.kernels.trial import Trial
from seqgen.models.wavenet import numba_engine as engine_module
from seqgen.models.wavenet.numba_engine import WaveNetEngine
from seqgen.models.wavenet.numba_lane import ASSISTED, MOST_ROUNDS, READY, ROUND, WANTED, Shared, assist, lead
from seqgen.threads import Workers
from tests.models.wavenet.cases import CASES
from tests.models.wavenet.test_engines import wavenet

pytestmark = pytest.mark.serial


@pytest.fixture
def always(monkeypatch):
    """Use two cores at every opportunity; return the signals of every round."""
    rounds: list[np.ndarray] = []

    def ready(self, begin, *arguments):
        # compiled before the leader begins, which may have ended before an assistant that is compiled meanwhile
        self._kernel.compile(tuple(map(self._kernel.typeof_pyval, arguments)))
        return True

    def watched(*arguments):
        rounds.append(Shared(*arguments[-1]).numbers)
        return lead(*arguments)

    monkeypatch.setattr(Postponed, "ready", ready)
    monkeypatch.setattr(Trial, "choose", lambda self: True)
    monkeypatch.setattr(engine_module, "lead", watched)
    return rounds


def was_assisted(numbers: np.ndarray) -> bool:
    return read(numbers, ASSISTED) > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_two_cores_give_the_bits_of_one(case, always):
    length = None if case.ends else 700
    one, two = (
        list(case.stream("numba", 1, length, chunk=200, seed=4, threads=threads, **case.everything()))
        for threads in (1, 2)
    )
    assert len(one) == len(two)
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
        np.testing.assert_array_equal(ours.extra["log_prob"], theirs.extra["log_prob"])


@pytest.mark.parametrize("sizes", [(6, 4, 10, 12, 9), (4, 2, 70, 130, 200), (3, 3, 1, 2, 1)], ids=str)
def test_an_assistant_is_taken_and_changes_no_bit(sizes, always):
    model = wavenet(*sizes, levels=200, kernel_size=3)
    expected = model.sample(1, 60_000, seed=2, threads=1)
    always.clear()
    with model.stream(1, 60_000, seed=2, threads=2, chunk=4000) as stream:
        chunks = [chunk.data for chunk in stream]
    np.testing.assert_array_equal(np.concatenate(chunks), expected[0])
    assert any(was_assisted(numbers) for numbers in always)
    assert all(read(numbers, ROUND) < 0 for numbers in always)


class Led:
    """A lane of a small network with a leader that the test controls."""

    def __init__(self, count: int) -> None:
        self.count = count
        model = wavenet(levels=200)
        self.engine = WaveNetEngine(model.weights(), Request(seed=6))
        self.engine.begin(np.array([0]), np.array([0], np.uint64), Start())
        self.shared = self.engine._shared()
        self.numbers = self.shared.numbers

    def run(self) -> np.ndarray:
        own, out = self.engine, StepArrays.of(1, self.count, np.float64, log_probs=False)
        code = lead(
            own._model, 0, self.count, np.uint64(6), tuple(own.sound), tuple(own.cache), tuple(own._none),
            own.controls.for_kernels(), tuple(out), tuple(self.shared),
        )  # fmt: skip
        assert code == 0
        return out.symbols[0]

    def assist(self) -> None:
        assist(self.engine._model, tuple(self.shared))


def test_without_an_answer_the_leader_goes_on_alone():
    led = Led(1000)
    write(led.numbers, READY, 1)  # an assistant that reported to be ready and never answers again
    np.testing.assert_array_equal(led.run(), Led(1000).run())
    assert (read(led.numbers, WANTED), read(led.numbers, ROUND)) == (1, -2)


def test_an_assistant_that_comes_late_again_and_again_is_given_up():
    led = Led(1000)
    numbers, over = led.numbers, threading.Event()

    def appear() -> None:
        while not over.is_set():
            turn = read(numbers, ROUND)
            if turn >= 0:
                write(numbers, READY, turn + 1)

    thread = threading.Thread(target=appear)
    thread.start()
    try:
        while read(numbers, READY) == 0:
            time.sleep(0.001)
        drawn = led.run()
    finally:
        over.set()
        thread.join()
    np.testing.assert_array_equal(drawn, Led(1000).run())
    assert 0 < -1 - read(numbers, ROUND) <= MOST_ROUNDS


def test_an_assistant_that_was_late_is_taken_back():
    count = 200_000
    expected = Led(count).run()
    led = Led(count)
    write(led.numbers, READY, 1)

    def come_late() -> None:
        while read(led.numbers, ROUND) == 0:
            time.sleep(0)
        led.assist()

    thread = threading.Thread(target=come_late)
    thread.start()
    drawn = led.run()
    thread.join(60)
    assert not thread.is_alive()
    np.testing.assert_array_equal(drawn, expected)
    assert read(led.numbers, WANTED) >= 2
    assert was_assisted(led.numbers)


def test_an_error_dismisses_the_assistant(always):
    model = wavenet(levels=200)
    model.output.weight.data.fill_(3e38)  # sums of such products are infinite, and then NaN
    with (
        model.stream(1, 100_000, chunk=4000, threads=2) as stream,
        pytest.raises(SeqgenError, match="no symbol to draw"),
    ):
        list(stream)
    assert always
    assert all(read(numbers, ROUND) < 0 for numbers in always)


def test_workers_keep_one_thing_beside_at_a_time():
    workers, held, seen = Workers(2), threading.Event(), []
    assert workers.begin_beside(held.wait)
    assert not workers.begin_beside(lambda: seen.append(1))
    held.set()
    while not workers.begin_beside(lambda: seen.append(2)):
        time.sleep(0.001)
    while not seen:
        time.sleep(0.001)
    workers.close()
    assert seen == [2]


def test_an_error_beside_is_not_lost():
    workers = Workers(2)

    def fail() -> None:
        raise RuntimeError("beside")

    assert workers.begin_beside(fail)

    def go_on() -> None:
        while not workers.begin_beside(lambda: None):
            time.sleep(0.001)

    with pytest.raises(RuntimeError, match="beside"):
        go_on()
    workers.close()
