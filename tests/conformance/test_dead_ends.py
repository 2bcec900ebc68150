"""Controls that leave no symbol to draw: an error at that symbol, and none if the sample stops before it."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen import MarkovChain
from seqgen.errors import SeqgenError
from tests.conformance.cases import CASES
from tests.conformance.running import chunks, samples

# after "b" only "c" can follow, which the controls forbid
CHAIN = MarkovChain(order=1, boundaries=False).fit(["aabcaabcaabc"])
both_engines = pytest.mark.parametrize("engine", ["numba", "torch"])


@both_engines
@pytest.mark.parametrize("chunk", [1, 2, 5, 64])
def test_a_sample_that_stops_before_the_dead_end_does_not_see_it(engine, chunk):
    controls = {"allowed": "ab", "stop": "b"}
    stream = CHAIN.stream(6, 30, chunk=chunk, batch=2, engine=engine, controls=controls)
    found = [sample["data"] for sample in samples(stream).values()]
    assert all(text.strip("a") == "b" for text in found)
    assert found == CHAIN.sample(6, 30, engine="torch", controls=controls, chunk=1)


@both_engines
@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_the_dead_end_itself_is_an_error_that_says_where(engine, chunk):
    stream = CHAIN.stream(1, 30, chunk=chunk, engine=engine, controls={"allowed": "ab"})
    begun = []
    with pytest.raises(
        SeqgenError, match=r"no symbol to draw at position (\d+) of sample 0; allow"
    ) as raised:
        begun.extend(stream)
    position = CHAIN.sample(1, 30, controls={"allowed": "ab", "stop": "b"})[0].index("b") + 1
    assert f"position {position} of" in str(raised.value)
    with pytest.raises(SeqgenError, match="no symbol to draw"):
        next(stream)
    assert sum(len(chunk["data"]) for chunk in chunks(begun)) <= position


@both_engines
def test_a_length_that_ends_before_the_dead_end_is_no_error(engine):
    for chunk in (1, 2, 64):
        assert CHAIN.sample(4, 1, engine=engine, chunk=chunk, controls={"allowed": "b"}) == ["b"] * 4


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of summing the weights
@pytest.mark.parametrize("name", ["lstm-bytes", "nade-colour", "wavenet", "pixel-cnn-plain"])
def test_numbers_that_overflow_are_not_said_to_be_the_controls(name):
    (case,) = (case for case in CASES if case.id == name)
    model = case.make(0)
    for parameter in model.parameters():
        parameter.data.fill_(3e38)
    request = {"length": 2, "engine": case.engines[0], **case.required}
    with pytest.raises(SeqgenError, match=r"the model has no symbol to draw.*: its numbers overflow"):
        model.stream(1, **request).collect()
    with pytest.raises(SeqgenError, match="the controls leave no symbol to draw"):
        model.stream(1, controls={"temperature": 0.5}, **request).collect()


def test_a_log_probability_that_is_no_number_is_an_error(monkeypatch):
    (case,) = (case for case in CASES if case.id == "lstm-bytes")
    stream = case.stream(case.engines[0], 2, 12, chunk=5, log_probs=True)
    next(stream)
    advance = stream._engine.advance

    def overflowing(counts):
        made = advance(counts)
        made.extra["log_prob"][0, 2] = np.nan
        return made

    monkeypatch.setattr(stream._engine, "advance", overflowing)
    with pytest.raises(SeqgenError, match="the log-probability at position 7 of sample 0 is not a number"):
        next(stream)
