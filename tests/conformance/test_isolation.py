"""Streams share no state: not with each other, not with their model, not with global random state."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from seqgen.checkpoint import Weights
from seqgen.errors import SeqgenError
from seqgen.streaming import Stream
from tests.conformance.case import Case
from tests.conformance.running import chunks, plain_chunk
from tests.conformance.streams import drained

REQUEST = {"n": 3, "length": 9, "batch": 2, "chunk": 4}


def varied(case: Case) -> dict[str, Any]:
    return REQUEST | case.everything()


def test_two_live_streams_of_one_model_do_not_touch_each_other(case, engine):
    requests = [varied(case), REQUEST | {"seed": 2, "log_probs": True}]
    alone = [drained(case, engine, **request) for request in requests]
    one, other = (case.stream(engine, **request) for request in requests)
    woven: list[list] = [[], []]
    for k in range(max(map(len, alone))):
        for stream, found in ((one, woven[0]), (other, woven[1])):
            chunk = next(stream, None)
            if chunk is not None:
                found.append(plain_chunk(chunk))
        if k == 2:
            case.stream(engine, 2, 2).collect()
    assert woven == alone


def test_streams_of_one_model_run_in_threads_at_once(case, engine):
    requests = [varied(case), REQUEST | {"seed": 2, "log_probs": True}, varied(case)]
    alone = [drained(case, engine, **request) for request in requests]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda request: chunks(case.stream(engine, **request)), requests)) == alone


def test_global_random_state_is_neither_read_nor_moved(case, engine):
    def states() -> tuple:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    expected = drained(case, engine, **varied(case))
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = states()
    assert chunks(case.stream(engine, **varied(case))) == expected
    assert states() == before


@pytest.mark.needs("retrain")
def test_a_stream_keeps_the_parameters_it_began_with(case, engine):
    request = varied(case)
    model = case.exact(case.make(0)) if engine == case.reference else case.make(0)
    stream = model.stream(engine=engine, **case.required | request)
    weights, before = model.weights(), model.weights().hash
    begun = [plain_chunk(next(stream))]
    case.retrain(model)
    assert model.weights().hash != before
    assert weights.hash == before, "weights are a snapshot"
    assert begun + chunks(stream) == drained(case, engine, **request)
    case.stream(engine, **request).load_state_dict(stream.state_dict())


def test_a_stream_of_weights_needs_no_model(case, engine):
    weights: Weights = case.model(engine).weights()
    stream = Stream(weights, engine=engine, **case.required | varied(case))
    assert chunks(stream) == drained(case, engine, **varied(case))


@pytest.mark.common
def test_async_for_yields_the_same_chunks(case, engine):
    async def gather() -> list:
        return [plain_chunk(chunk) async for chunk in case.stream(engine, **varied(case))]

    async def both() -> list:
        return await asyncio.gather(gather(), gather())

    expected = drained(case, engine, **varied(case))
    assert asyncio.run(both()) == [expected, expected]


@pytest.mark.common
def test_leaving_an_async_loop_early_keeps_the_stream_usable(case, engine):
    stream = case.stream(engine, **varied(case))

    async def two() -> list:
        found = []
        async for chunk in stream:
            found.append(plain_chunk(chunk))
            if len(found) == 2:
                break
        return found

    assert asyncio.run(two()) + chunks(stream) == drained(case, engine, **varied(case))


def test_close_may_be_called_twice_and_ends_the_stream(case, engine):
    stream = case.stream(engine, **varied(case))
    next(stream)
    state = stream.state_dict()
    stream.close()
    stream.close()
    for use in (lambda: next(stream), stream.state_dict, lambda: stream.load_state_dict(state)):
        with pytest.raises(SeqgenError, match="the stream is closed"):
            use()
    assert stream.stats.chunks == 1
    reopened = case.stream(engine, **varied(case))
    reopened.load_state_dict(state)
    assert chunks(reopened) == drained(case, engine, **varied(case))[1:]


@pytest.mark.common
def test_a_stream_is_a_context_manager_that_closes(case, engine):
    def fail(stream: Stream) -> None:
        with stream:
            next(stream)
            raise KeyError

    stream = case.stream(engine, **varied(case))
    with pytest.raises(KeyError):
        fail(stream)
    with pytest.raises(SeqgenError, match="closed"):
        next(stream)
    with case.stream(engine, **varied(case)) as stream:
        list(stream)
        assert next(stream, None) is None
