"""Chunks: the same sample however it is cut, and bookkeeping that a consumer can rely on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conformance.running import chunks, plain, samples, size

N = 5


@pytest.mark.parametrize("varied", [False, True], ids=["plain", "varied"])
def test_chunked_equals_whole(case, engine, varied):
    request = case.everything() if varied else {"log_probs": True}
    whole = samples(case.stream(engine, N, case.length, seed=2, batch=2, chunk=64, **request))
    for chunk in (1, 3, 7):
        assert samples(case.stream(engine, N, case.length, seed=2, batch=3, chunk=chunk, **request)) == whole


@pytest.mark.parametrize("chunk", [1, 5])
def test_offsets_follow_on_and_the_last_chunk_says_why(case, engine, chunk):
    stream = case.stream(engine, 7, case.length, batch=3, chunk=chunk, start=3, **case.everything())
    position: dict[int, int] = {}
    ended: set[int] = set()
    for piece in chunks(stream):
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
    assert ended == set(range(3, 10))


def test_alone_samples_come_one_after_another(case, engine):
    indices = [chunk.index for chunk in case.stream(engine, 4, case.length, chunk=5)]
    assert indices == sorted(indices)


def test_a_lane_that_ends_takes_the_next_index(case, engine):
    seen = [
        (piece["index"], piece["last"])
        for piece in chunks(case.stream(engine, 8, case.length, batch=3, chunk=5, **case.everything()))
    ]
    running: set[int] = set()
    first_seen = list(dict.fromkeys(index for index, _ in seen))
    assert first_seen == list(range(8)), "indices begin in their order"
    for index, last in seen:
        running.add(index)
        assert len(running) <= 3
        if last:
            running.discard(index)


def test_sample_is_the_stream_drained(case, engine):
    model = case.model(engine)
    drained = samples(case.stream(engine, N, case.length, seed=8))
    whole = model.sample(N, case.length, seed=8, engine=engine, **case.required)
    assert [plain(sample) for sample in whole] == [sample["data"] for sample in drained.values()]
    if isinstance(whole, np.ndarray):
        assert len(whole) == N
        assert all(len(plain(sample)) == case.length for sample in whole)
    start = model.sample(2, case.length, seed=8, engine=engine, start=3, batch=1, chunk=4, **case.required)
    assert [plain(sample) for sample in start] == [drained[i]["data"] for i in (3, 4)]


def test_collect_gathers_the_chunks_of_every_sample(case, engine):
    gathered = case.stream(engine, 3, case.length, start=2, batch=2, chunk=6).collect()
    assert list(gathered) == [2, 3, 4]
    assert all(parts[-1].last and parts[0].offset == 0 for parts in gathered.values())


def test_stop_sequences_end_a_sample_at_the_same_place_for_every_chunk_size(case, engine):
    if case.stopping is None:
        pytest.skip("the model has no finite vocabulary")
    request = {"controls": case.stopping, "log_probs": True, "seed": 4}
    whole = samples(case.stream(engine, 12, case.length, chunk=64, **request))
    stopped = [sample for sample in whole.values() if sample["reason"] == "stop"]
    assert stopped, "some sample of this case must stop"
    assert any(len(sample["log_prob"]) < case.length for sample in stopped)
    for chunk in (1, 2, 5):
        assert samples(case.stream(engine, 12, case.length, chunk=chunk, batch=5, **request)) == whole


def test_a_sample_includes_the_stop_sequence_that_ended_it_and_nothing_after(case, engine):
    if case.stopping is None or not isinstance(next(iter(case.stopping.stop)), str):
        pytest.skip("the stop sequences are not texts")
    stops = [stop for stop in case.stopping.stop if isinstance(stop, str)]
    for sample in samples(case.stream(engine, 12, case.length, seed=4, controls=case.stopping)).values():
        ends = [sample["data"].find(stop) + len(stop) for stop in stops if stop in sample["data"]]
        if ends and sample["reason"] == "stop":
            assert min(ends) == len(sample["data"])
        elif sample["reason"] != "stop":
            assert not ends


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
