"""Chunks: the same sample for any chunk size, and reliable indices and offsets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conformance.running import chunks, joined, plain, samples, size
from tests.conformance.streams import FAR, SEED, N, alone, cut, drained, drained_samples, few, side_by_side


@pytest.mark.sweep("kind", ["varied", "plain"])
@pytest.mark.sweep("chunk", [3, 1, 7])
def test_chunked_equals_whole(case, engine, kind, chunk):
    parts = drained(case, engine, **cut(case, kind) | {"chunk": chunk})
    assert joined(parts) == alone(case, engine, kind)


@pytest.mark.sweep("chunk, start", [(3, 0), (1, 3), (5, 3)])
def test_offsets_follow_on_and_the_last_chunk_says_why(case, engine, chunk, start):
    position: dict[int, int] = {}
    ended: set[int] = set()
    for piece in drained(case, engine, **cut(case, "varied") | {"chunk": chunk, "start": start}):
        index = piece["index"]
        assert index not in ended
        assert piece["offset"] == position.get(index, 0)
        assert size(piece) <= chunk
        position[index] = piece["offset"] + size(piece)
        if piece["last"]:
            ended.add(index)
            assert piece["reason"] in ("length", "stop", "end")
            assert (piece["reason"] == "length") <= (position[index] == case.length)
        else:
            assert "reason" not in piece
            assert size(piece) == chunk
    assert ended == set(range(start, start + N))


@pytest.mark.common
def test_alone_samples_come_one_after_another(case, engine):
    indices = [chunk.index for chunk in case.stream(engine, 4, case.length, chunk=5)]
    assert indices == sorted(indices)


def test_a_lane_that_ends_takes_the_next_index(case, engine):
    seen = [(piece["index"], piece["last"]) for piece in side_by_side(case, engine, "varied")]
    running: set[int] = set()
    first_seen = list(dict.fromkeys(index for index, _ in seen))
    assert first_seen == list(range(N)), "indices begin in their order"
    for index, last in seen:
        running.add(index)
        assert len(running) <= 3
        if last:
            running.discard(index)


def test_sample_is_the_stream_drained(case, engine):
    request = {"length": case.length, "seed": SEED, "engine": engine, **case.required}
    part = case.model(engine).sample(2, start=FAR + 1, batch=1, chunk=4, **request)
    expected = few(case, engine)
    assert [plain(sample) for sample in part] == [expected[FAR + k]["data"] for k in (1, 2)]


@pytest.mark.common
def test_samples_from_the_first_on_are_an_array_where_they_are_alike(case, engine):
    drained = samples(case.stream(engine, 5, case.length, seed=8))
    whole = case.model(engine).sample(5, case.length, seed=8, engine=engine, **case.required)
    assert [plain(sample) for sample in whole] == [sample["data"] for sample in drained.values()]
    if isinstance(whole, np.ndarray):
        assert len(whole) == 5
        assert all(len(plain(sample)) == case.length for sample in whole)


@pytest.mark.common
def test_collect_gathers_the_chunks_of_every_sample(case, engine):
    gathered = case.stream(engine, 3, case.length, start=2, batch=2, chunk=6).collect()
    assert list(gathered) == [2, 3, 4]
    assert all(parts[-1].last and parts[0].offset == 0 for parts in gathered.values())


@pytest.mark.common
@pytest.mark.needs("stopping")
def test_stop_sequences_end_a_sample_at_the_same_place_for_every_chunk_size(case, engine):
    request = {"controls": case.stopping, "log_probs": True, "seed": 4}
    whole = drained_samples(case, engine, n=12, length=case.length, chunk=64, **request)
    stopped = [sample for sample in whole.values() if sample["reason"] == "stop"]
    assert stopped, "some sample of this case must stop"
    assert any(len(sample["log_prob"]) < case.length for sample in stopped)
    for chunk in (1, 2, 5):
        assert samples(case.stream(engine, 12, case.length, chunk=chunk, batch=5, **request)) == whole


@pytest.mark.common
@pytest.mark.needs("stopping")
def test_a_sample_includes_the_stop_sequence_that_ended_it_and_nothing_after(case, engine):
    if not isinstance(next(iter(case.stopping.stop)), str):
        pytest.skip("the stop sequences are not texts")
    stops = [stop for stop in case.stopping.stop if isinstance(stop, str)]
    request = {"controls": case.stopping, "log_probs": True, "seed": 4}
    for sample in drained_samples(case, engine, n=12, length=case.length, chunk=64, **request).values():
        ends = [sample["data"].find(stop) + len(stop) for stop in stops if stop in sample["data"]]
        if ends and sample["reason"] == "stop":
            assert min(ends) == len(sample["data"])
        elif sample["reason"] != "stop":
            assert not ends


@pytest.mark.common
@pytest.mark.parametrize("length", [None, 6], ids=["one endless sample", "samples without end"])
def test_an_endless_stream_begins_like_a_finite_one(case, engine, length):
    finite = chunks(case.stream(engine, 4, length or 40, batch=2, chunk=3, seed=1))
    endless = case.stream(engine, None, length, batch=2, chunk=3, seed=1)
    begun = [next(endless) for _ in range(6)]
    if length is None:
        assert chunks(begun) == [{**c} for c in finite[:6]]
    else:
        assert chunks(begun) == finite[:6]
    endless.close()
