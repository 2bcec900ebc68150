"""Streams inside other programs: pickled, forked, cancelled, used by several threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import seqgen
from seqgen import Controls, SeqgenError
from tests.conformance.cases import CASES
from tests.conformance.running import plain_chunk
from tests.conformance.streams import RESUMED, through_json, whole_way
from tests.conformance.test_resuming import varied

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.common
def test_threads_that_share_a_stream_get_each_chunk_once(case, engine):
    _, delivered = whole_way(case, engine)
    stream, taken, lock = case.stream(engine, **varied(case)), [], threading.Lock()

    def take() -> None:
        for chunk in stream:
            with lock:
                taken.append(plain_chunk(chunk))
            time.sleep(0)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(map(repr, taken)) == sorted(map(repr, delivered))


@pytest.mark.common
def test_a_pickled_stream_goes_on_where_it_stood(case, engine):
    states, delivered = whole_way(case, engine, "plain")
    stream = case.stream(engine, **RESUMED | case.request("plain"))
    for done in range(len(delivered) // 2):
        assert plain_chunk(next(stream)) == delivered[done]
    copy = pickle.loads(pickle.dumps(stream))
    middle = len(delivered) // 2
    assert through_json(copy.state_dict()) == states[middle]
    for other in (copy, stream):
        assert [plain_chunk(chunk) for chunk in other] == delivered[middle:]
        other.close()


def test_a_closed_stream_cannot_be_pickled():
    stream = CASES[0].stream(CASES[0].engines[0], n=1, length=3)
    stream.close()
    with pytest.raises(SeqgenError, match="closed"):
        pickle.dumps(stream)


@pytest.mark.common
@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_goes_on_in_a_forked_child(case, engine, threads):
    if not case.fused(engine):
        pytest.skip("PyTorch does not promise to work in a forked child")
    _, delivered = whole_way(case, engine)
    stream = case.stream(engine, **varied(case) | {"threads": threads})
    assert plain_chunk(next(stream)) == delivered[0]

    def go_on() -> None:
        assert [plain_chunk(chunk) for chunk in stream] == delivered[1:]
        stream.close()

    in_child(go_on)
    assert [plain_chunk(chunk) for chunk in stream] == delivered[1:]


@pytest.mark.common
def test_a_child_that_is_forked_during_a_round_goes_on_from_the_last_chunk(case, engine):
    if not case.fused(engine):
        pytest.skip("PyTorch does not promise to work in a forked child")
    _, delivered = whole_way(case, engine)
    reached, release = threading.Event(), threading.Event()
    stream = case.stream(engine, **varied(case))
    assert plain_chunk(next(stream)) == delivered[0]
    live = stream._engine
    advance = live.advance

    def slow(counts):
        made = advance(counts)
        reached.set()
        release.wait(60)
        return made

    live.advance = slow
    rest: list = []
    thread = threading.Thread(target=lambda: rest.extend(map(plain_chunk, stream)))
    thread.start()
    assert reached.wait(60)

    def go_on() -> None:
        del live.advance
        done = stream._at[0] * 3  # the other lanes' chunks of the first round were delivered by the thread
        assert [plain_chunk(chunk) for chunk in stream] == delivered[done:]

    try:
        in_child(go_on)
    finally:
        release.set()
        thread.join(60)
    assert rest == delivered[1:]


@pytest.mark.common
def test_a_chunk_that_is_computed_when_a_task_is_cancelled_is_the_next_one(case, engine):
    _, delivered = whole_way(case, engine)
    stream, taken = case.stream(engine, **varied(case)), []
    advance, calls = stream._engine.advance, []

    def slow(counts):
        calls.append(1)
        time.sleep(0.02)
        return advance(counts)

    stream._engine.advance = slow

    async def take() -> None:
        async for chunk in stream:
            taken.append(plain_chunk(chunk))

    async def run() -> None:
        for _ in range(4):
            task = asyncio.create_task(take())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await take()

    asyncio.run(run())
    assert taken == delivered
    assert calls


def test_controls_and_chunks_can_be_pickled():
    controls = Controls(temperature=0.5, top_k=3, stop="ab")
    assert pickle.loads(pickle.dumps(controls)) == controls


def in_child(work: Callable[[], None], seconds: float = 60) -> None:
    """Call `work` in a forked child; fail if it raises or hangs."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(int(seconds))
            work()
            code = 0
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0, said or f"the child ended with status {status}, which is 14 if it hung"


# ---- turns ----------------------------------------------------------------------------------------------


def test_other_threads_get_in_between_the_chunks_of_one_that_iterates():
    stream = seqgen.stream("weather", chunk=50)
    seen = []

    def iterate() -> None:
        with contextlib.suppress(SeqgenError):  # the stream is closed
            for chunk in stream:
                seen.append(chunk.offset)

    threads = [threading.Thread(target=iterate, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        assert stream.state_dict()["offset"]
    stream.close()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert sorted(seen) == [50 * k for k in range(len(seen))]


def test_a_turn_that_was_left_behind_is_taken_over():
    """As by an exception between two statements of a call, of this thread, of another or of one that has ended."""
    stream = seqgen.stream("weather", 1, 40, chunk=10, seed=3)
    whole = [chunk.data for chunk in seqgen.stream("weather", 1, 40, chunk=10, seed=3)]
    got = [next(stream).data]
    for number in (threading.get_ident(), 12345):
        stream._turns.holder = {"thread": [number]}
        got.append(next(stream).data)
    stream._turns.holder = {"thread": [threading.get_ident()]}
    with ThreadPoolExecutor(1) as pool:
        got.append(pool.submit(next, stream).result(timeout=60).data)
    assert got == whole


class _Odd:
    """A caller that cannot be compared, as an array cannot."""

    def __init__(self, stream):
        self.stream = stream

    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = None

    def next(self):
        return next(self.stream)


def test_callers_are_not_compared():
    stream = seqgen.stream("weather", 1, 40, chunk=10, seed=3)
    stream._turns.holder = {"thread": [threading.get_ident()]}
    assert _Odd(stream).next().offset == 0
