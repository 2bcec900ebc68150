"""A stream that is interrupted anywhere continues as if nothing had happened, and so does a state taken then."""

from __future__ import annotations

import random

import pytest

from tests.conformance.interrupting import Interrupter, alarmed
from tests.conformance.running import plain_chunk
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
