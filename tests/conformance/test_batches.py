"""A sample is a pure function of the model, the seed, its index and its request, in any batch."""

from __future__ import annotations

import pytest

from tests.conformance.running import chunks, samples
from tests.conformance.streams import SEED, N, alone, cut, side_by_side

KINDS = pytest.mark.sweep("kind", ["varied", "same", "plain"])


@KINDS
@pytest.mark.sweep("batch, threads", [(3, 1), (5, 1), (16, 3)])
def test_a_sample_is_the_same_alone_and_in_any_batch(case, engine, kind, batch, threads):
    """A matrix product takes up to four lanes of a thread together; five lanes leave one over."""
    expected = alone(case, engine, kind)
    assert list(expected) == list(range(N))
    request = {"length": case.length, "seed": SEED, "chunk": 64, **case.request(kind)}
    with case.stream(engine, N, batch=batch, threads=threads, **request) as stream:
        assert samples(stream) == expected


@KINDS
@pytest.mark.sweep("start, n, batch", [(2, 3, 2), (0, 1, 1), (3, 1, 1), (N - 1, 1, 1)])
def test_a_sample_can_be_had_without_the_ones_before(case, engine, kind, start, n, batch):
    expected = alone(case, engine, kind)
    request = {"length": case.length, "seed": SEED, "start": start, "batch": batch, **case.request(kind)}
    found = samples(case.stream(engine, n, **request))
    assert found == {index: expected[index] for index in range(start, start + n)}


@pytest.mark.sweep("start", [2**63 - 3, 2**32 - 1, 2**40])
def test_indices_may_be_as_large_as_63_bits(case, engine, start):
    both = samples(case.stream(engine, 3, 5, start=start, batch=2))
    assert list(both) == [start, start + 1, start + 2]
    assert samples(case.stream(engine, 1, 5, start=start + 1)) == {start + 1: both[start + 1]}
    if start >= 2**32:
        low = samples(case.stream(engine, 3, 5, start=start % 2**32, batch=2))
        assert list(low.values()) != list(both.values()), "the upper half counts"


@pytest.mark.common
@pytest.mark.parametrize("batch", [1, 3])
def test_an_endless_stream_ends_with_the_last_index(case, engine, batch):
    start = 2**63 - 2
    with case.stream(engine, None, 5, start=start, batch=batch) as stream:
        found = samples(stream)
        assert found == samples(case.stream(engine, 2, 5, start=start))
        state = stream.state_dict()
    with case.stream(engine, None, 5, start=start, batch=batch) as ended:
        ended.load_state_dict(state)
        assert list(ended) == []


@pytest.mark.common
def test_all_bits_of_the_seed_count(case, engine):
    seeds = (0, 1, 2**32, 2**64 - 1)
    drawn = [samples(case.stream(engine, 2, case.length, seed=seed)) for seed in seeds]
    assert samples(case.stream(engine, 2, case.length, seed=seeds[-1])) == drawn[-1]
    for k, one in enumerate(drawn):
        assert all(one != other for other in drawn[k + 1 :])


@pytest.mark.common
def test_samples_differ_from_each_other(case, engine):
    drawn = alone(case, engine, "plain")
    assert len({repr(sample) for sample in drawn.values()}) > 1


@KINDS
@pytest.mark.sweep("length", ["half", "one", "two"])
def test_a_shorter_sample_is_the_beginning_of_a_longer_one(case, engine, kind, length):
    symbols = {"half": case.length // 2, "one": 1, "two": 2}[length]
    longer = alone(case, engine, kind)
    shorter = samples(case.stream(engine, 4, symbols, seed=SEED, batch=3, **case.request(kind)))
    assert list(shorter) == [0, 1, 2, 3]
    for index, sample in shorter.items():
        whole = longer[index]
        for name in set(sample) - {"reason", "data"}:
            assert sample[name] == whole[name][: len(sample[name])]
        # a character that a shorter sample cuts in two shows as U+FFFD there
        begins = sample["data"].rstrip("\ufffd") if isinstance(sample["data"], str) else sample["data"]
        assert whole["data"][: len(begins)] == begins
        if len(whole["log_prob"]) > symbols:
            assert sample["reason"] == "length"
            assert len(sample["log_prob"]) == symbols


@pytest.mark.common
def test_the_order_of_chunks_is_the_same_in_every_run(case, engine):
    for threads in (1, 2):
        again = chunks(case.stream(engine, **cut(case, "varied") | {"threads": threads}))
        assert again == side_by_side(case, engine, "varied")
