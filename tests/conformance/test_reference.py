"""Engines against the reference: the same symbols with the same random numbers, log-probabilities to a tolerance."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

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
