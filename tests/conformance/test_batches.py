"""A sample is a pure function of the model, the seed, its index and its request, whatever is computed beside it."""

from __future__ import annotations

import pytest

from tests.conformance.case import Case
from tests.conformance.running import chunks, samples

N = 7


def request_of(case: Case, varied: bool) -> dict:
    return case.everything() if varied else {"log_probs": True}


@pytest.mark.parametrize("varied", [False, True], ids=["plain", "varied"])
def test_a_sample_is_the_same_alone_and_in_any_batch(case, engine, varied):
    request = request_of(case, varied)
    alone = samples(case.stream(engine, N, case.length, seed=5, threads=1, **request))
    assert len(alone) == N
    for batch, threads in ((3, 1), (5, 2), (16, 3)):
        stream = case.stream(engine, N, case.length, seed=5, batch=batch, threads=threads, **request)
        assert samples(stream) == alone
        stream.close()


@pytest.mark.parametrize("varied", [False, True], ids=["plain", "varied"])
def test_a_sample_can_be_had_without_the_ones_before(case, engine, varied):
    request = request_of(case, varied)
    longer = samples(case.stream(engine, N, case.length, seed=6, batch=4, **request))
    for start in (0, 3, N - 1):
        assert samples(case.stream(engine, 1, case.length, seed=6, start=start, **request)) == {
            start: longer[start]
        }
    assert samples(case.stream(engine, 3, case.length, seed=6, start=2, batch=2, **request)) == {
        i: longer[i] for i in (2, 3, 4)
    }


@pytest.mark.parametrize("start", [2**32 - 1, 2**40, 2**63 - 3], ids=["2^32", "2^40", "2^63"])
def test_indices_may_be_as_large_as_63_bits(case, engine, start):
    both = samples(case.stream(engine, 3, 5, start=start, batch=2))
    assert list(both) == [start, start + 1, start + 2]
    assert samples(case.stream(engine, 1, 5, start=start + 1)) == {start + 1: both[start + 1]}


def test_all_bits_of_the_seed_count(case, engine):
    seeds = (0, 1, 2**32, 2**64 - 1)
    drawn = [samples(case.stream(engine, 2, case.length, seed=seed)) for seed in seeds]
    assert samples(case.stream(engine, 2, case.length, seed=seeds[-1])) == drawn[-1]
    for k, one in enumerate(drawn):
        assert all(one != other for other in drawn[k + 1 :])


def test_samples_differ_from_each_other(case, engine):
    drawn = samples(case.stream(engine, N, case.length))
    assert len({repr(sample) for sample in drawn.values()}) > 1


@pytest.mark.parametrize("varied", [False, True], ids=["plain", "varied"])
def test_a_shorter_sample_is_the_beginning_of_a_longer_one(case, engine, varied):
    request = request_of(case, varied)
    longer = samples(case.stream(engine, 4, case.length, seed=9, batch=2, **request))
    for length in (1, 2, case.length // 2):
        for index, sample in samples(case.stream(engine, 4, length, seed=9, batch=3, **request)).items():
            whole = longer[index]
            for name in set(sample) - {"reason", "data"}:
                assert sample[name] == whole[name][: len(sample[name])]
            # a character that a shorter sample cuts in two shows as U+FFFD there
            begins = sample["data"].rstrip("\ufffd") if isinstance(sample["data"], str) else sample["data"]
            assert whole["data"][: len(begins)] == begins
            if len(whole["log_prob"]) > length:
                assert sample["reason"] == "length"
                assert len(sample["log_prob"]) == length


def test_the_order_of_chunks_is_the_same_in_every_run(case, engine):
    def run(threads: int) -> list:
        stream = case.stream(engine, N, case.length, batch=3, chunk=4, threads=threads, **case.everything())
        return chunks(stream)

    assert run(1) == run(2)
