"""A stream that is interrupted anywhere continues as if nothing had happened, and so does a state taken then."""

from __future__ import annotations

import random
from functools import partial

import pytest

from seqgen.errors import SeqgenError
from tests.conformance.cases import CASES
from tests.conformance.interrupting import Interrupter, alarmed
from tests.conformance.running import chunks, plain_chunk
from tests.conformance.streams import through_json, whole_way
from tests.conformance.test_resuming import varied


@pytest.mark.sweep("seed", [0, 1, 2, 3])
def test_after_an_interrupt_follow_the_same_chunks_and_states(case, engine, seed):
    states, delivered = whole_way(case, engine)
    interrupter = Interrupter(seed)
    stream = case.stream(engine, **varied(case))
    for done, wanted in enumerate(delivered):
        assert plain_chunk(interrupter.call(lambda: next(stream))) == wanted
        if (done + seed) % 3 == 0:
            assert through_json(interrupter.call(stream.state_dict)) == states[done + 1]
    assert interrupter.call(lambda: next(stream, None)) is None
    interrupter.call(stream.close)
    assert interrupter.raised > len(delivered) // 2


@pytest.mark.sweep("seed", [0, 1])
def test_a_state_that_is_loaded_with_interrupts_is_gone_on_from(case, engine, seed):
    states, delivered = whole_way(case, engine)
    interrupter = Interrupter(seed)
    stream = case.stream(engine, **varied(case))
    for done in range(seed, len(delivered), 4):
        interrupter.call(lambda state=states[done]: stream.load_state_dict(state))
        for wanted in delivered[done : done + 3]:
            assert plain_chunk(interrupter.call(lambda: next(stream))) == wanted
    assert interrupter.raised


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # raised in a callback, and ignored
@pytest.mark.common
def test_a_stream_of_several_threads_is_interrupted_by_a_signal(case, engine):
    states, delivered = whole_way(case, engine)
    generator = random.Random(case.id)
    stream = case.stream(engine, **varied(case) | {"threads": 3})
    raised = 0
    with alarmed() as alarm:
        for done, wanted in enumerate(delivered):
            for _ in range(3):
                alarm(10 ** generator.uniform(-5.5, -2.5))
                try:
                    chunk = next(stream)
                    break
                except KeyboardInterrupt:
                    raised += 1
            else:
                chunk = next(stream)
            alarm(0)
            assert plain_chunk(chunk) == wanted
            assert through_json(stream.state_dict()) == states[done + 1]
    stream.close()


FIRST = {case.model().family: case.id for case in reversed(CASES)}
"""One case of each family."""


@pytest.mark.common
def test_a_signal_handler_may_take_the_state_at_any_time(case, engine):
    """It is the state after the last delivered chunk; any other call is refused, and neither does any harm."""
    states, delivered = whole_way(case, engine)
    stream, seen, refused = case.stream(engine, **varied(case)), [], []

    def handle() -> None:
        try:
            seen.append(through_json(stream.state_dict()))
        except SeqgenError as error:
            assert stream._engine.begins_once
            assert "its condition is read while it is generated" in str(error)  # noqa: PT017
        if not stream._turns.holder:
            return  # the other call has not begun, or is over
        refused.append(True)
        for call in (lambda: next(stream), stream.close, lambda: stream.load_state_dict(states[0])):
            with pytest.raises(SeqgenError, match="the stream is in use: a signal handler called it"):
                call()

    visitor = Interrupter(11, visit=handle)
    for done, wanted in enumerate(delivered):
        assert plain_chunk(visitor.call(partial(next, stream))) == wanted
        for state in seen:
            # it may come before the first or after the last step that counts, and after new samples have begun
            if state not in (states[done], states[done + 1]):
                resumed = case.stream(engine, **varied(case))
                resumed.load_state_dict(state)
                assert chunks(resumed) == delivered[done:]
        seen.clear()
    assert len(refused) > len(delivered) // 3


@pytest.mark.common
def test_five_hundred_interrupts(case, engine):
    """In `next`, `state_dict` and `close`, for several numbers of lanes and threads, one model of each family."""
    if case.id != FIRST[case.model().family]:
        pytest.skip("another case of the family is interrupted so often")
    shapes = [(batch, threads) for batch in (1, 2, 5) for threads in (1, 2, 3)]
    delivered = {
        batch: chunks(case.stream(engine, **varied(case) | {"batch": batch, "threads": 1}))
        for batch in (1, 2, 5)
    }
    interrupter, number = Interrupter(7), 0
    while interrupter.raised < 500:
        batch, threads = shapes[number % len(shapes)]
        request = varied(case) | {"batch": batch, "threads": threads}
        stream = case.stream(engine, **request)
        wanted = delivered[batch]
        middle = number % len(wanted)
        ahead = partial(next, stream)
        got = [plain_chunk(interrupter.call(ahead)) for _ in wanted[:middle]]
        state = through_json(interrupter.call(stream.state_dict))
        got += [plain_chunk(interrupter.call(ahead)) for _ in wanted[middle:]]
        assert got == wanted
        interrupter.call(stream.close)
        resumed = case.stream(engine, **request)
        interrupter.call(partial(resumed.load_state_dict, state))
        assert chunks(resumed) == wanted[middle:]
        number += 1
