"""Engines against the reference: the same symbols with the same random numbers, log-probabilities to a tolerance."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.conformance.cases import CASES
from tests.conformance.running import assert_close, plain, samples
from tests.conformance.streams import FAR, N, alone

slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("kind", "start", "n"),
    [
        ("varied", 0, N), ("plain", FAR, 3), ("conditions", 0, 3),
        slow("varied", FAR, 8), slow("plain", 0, 8), slow("conditions", FAR, 8), slow("conditions", 3, 8),
    ],
)  # fmt: skip
def test_engine_equals_reference(case, engine, kind, start, n):
    if engine == case.reference:
        pytest.skip("this is the reference")
    if kind == "conditions" and not case.conditions:
        pytest.skip("the model takes no condition")
    ours, theirs = (alone(case, name, kind, start=start, n=n) for name in (engine, case.reference))
    assert_close(ours, theirs, case.tolerance)


@pytest.mark.common
@pytest.mark.needs("controls")
def test_controls_change_what_is_drawn(case, engine):
    plain = samples(case.stream(engine, 6, case.length, log_probs=True))
    for sample in plain.values():
        assert sample["log_prob_drawn"] == sample["log_prob"], (
            "without controls the model's own is drawn from"
        )
    for controls in case.controls:
        changed = samples(case.stream(engine, 6, case.length, log_probs=True, controls=controls))
        assert changed != plain
        assert any(sample["log_prob_drawn"] != sample["log_prob"] for sample in changed.values())


@pytest.mark.common
@pytest.mark.needs("controls")
def test_one_allowed_symbol_is_all_that_is_drawn(case, engine):
    if case.ends:
        pytest.skip("the end of the model's samples is always allowed")
    codec = case.model().codec
    only = codec.encode(case.prompts[0])[:1] if case.prompts else np.zeros(1, np.int64)
    expected = plain(codec.decode(np.repeat(only, 5)))
    stream = case.stream(engine, 2, 5, controls={"allowed": only})
    assert [sample["data"] for sample in samples(stream).values()] == [expected, expected]


@pytest.mark.common
@pytest.mark.needs("controls")
def test_greedy_is_the_most_probable_symbol(case, engine):
    """It takes no random number, and its log-probability after the controls is 0; hidden states remain random."""
    request = {"controls": {"greedy": True}, "log_probs": True}
    ours = samples(case.stream(engine, 2, case.length, seed=1, **request))
    for sample in ours.values():
        if "states" not in sample:
            assert not np.any(sample["log_prob_drawn"])
    if not any("states" in sample for sample in ours.values()):
        assert ours == samples(case.stream(engine, 2, case.length, seed=2, **request))
    top = samples(case.stream(engine, 2, case.length, seed=1, log_probs=True, controls={"top_k": 1}))
    for sample, other in zip(ours.values(), top.values(), strict=True):
        # later symbols may differ, since top_k=1 draws among symbols that tie
        first, same = (np.ravel(each["log_prob"])[0] for each in (sample, other))
        assert_close(float(first), float(same), case.tolerance)
    assert_close(
        ours, samples(case.stream(case.reference, 2, case.length, seed=1, **request)), case.tolerance
    )


@pytest.mark.parametrize("name", ["tanh", "lstm-bytes", "nade-colour", "fvsbn", "wavenet", "pixel-cnn-plain"])
def test_greedy_takes_the_first_of_symbols_that_tie(name):
    (case,) = (case for case in CASES if case.id == name)
    model = case.make(0)
    for parameter in model.parameters():
        parameter.data.zero_()
    for engine in case.engines:
        stream = model.stream(2, case.length, engine=engine, controls={"greedy": True}, **case.required)
        for _ in stream:
            assert not np.any(stream._rounds.output.symbols)
