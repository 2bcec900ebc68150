"""Engines against the reference: with the same noise the same symbols, and log-probabilities to a tolerance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conformance.running import assert_close, plain, samples

REQUESTS = ("plain", "varied", "conditions")


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("start", [0, 2**40], ids=["first", "far"])
def test_engine_equals_reference(case, engine, kind, start):
    if engine == case.reference:
        pytest.skip("this is the reference")
    request = {"plain": {"log_probs": True}, "varied": case.everything()}.get(kind)
    if request is None:
        if not case.conditions:
            pytest.skip("the model takes no condition")
        request = {"condition": lambda i: case.conditions[i % len(case.conditions)], "log_probs": True}
    request |= {"n": 8, "length": case.length, "seed": 2**40 + 17, "start": start, "batch": 3}
    ours = samples(case.stream(engine, **request))
    theirs = samples(case.stream(case.reference, **request))
    assert_close(ours, theirs, case.tolerance)


def test_controls_change_what_is_drawn(case, engine):
    if not case.controls:
        pytest.skip("the model has no finite vocabulary")
    plain = samples(case.stream(engine, 6, case.length, log_probs=True))
    for sample in plain.values():
        assert sample["log_prob_drawn"] == sample["log_prob"], (
            "without controls the model's own is drawn from"
        )
    for controls in case.controls:
        changed = samples(case.stream(engine, 6, case.length, log_probs=True, controls=controls))
        assert changed != plain
        assert any(sample["log_prob_drawn"] != sample["log_prob"] for sample in changed.values())


def test_one_allowed_symbol_is_all_that_is_drawn(case, engine):
    if not case.controls or case.ends:
        pytest.skip("the model has no finite vocabulary, or its end is always allowed")
    codec = case.model().codec
    only = codec.encode(case.prompts[0])[:1]
    expected = plain(codec.decode(np.repeat(only, 5)))
    stream = case.stream(engine, 2, 5, controls={"allowed": only})
    assert [sample["data"] for sample in samples(stream).values()] == [expected, expected]
