"""Controls as users write them: accepted values, printing, and the order of application."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from seqgen.codecs import Bytes, Characters, Symbols, Vectors, Words
from seqgen.controls import ORDER, BoundControls, Controls, Parameters, as_controls
from seqgen.errors import SeqgenError
from tests.core import naive_controls as naive

LETTERS = Characters("abcdef")

OUT_OF_RANGE = [
    ("temperature", (0, -1, float("nan"), float("inf"))),
    ("top_k", (0, -3)),
    ("top_p", (0, 1.0001, -0.5, float("nan"))),
    ("min_p", (-0.1, 2, float("nan"))),
    ("typical_p", (0, 1.5)),
    ("repetition_penalty", (0, -1, float("inf"))),
]
WRONG_TYPE = [
    ("temperature", ("hot", True, [1.0], 1j)),
    ("top_k", (1.5, "3", True)),
    ("top_p", ("most", None.__class__)),
]


def test_the_default_is_the_models_own_distribution():
    logits = np.random.default_rng(0).normal(size=(3, 6))
    bound = Controls().bind(LETTERS)
    assert not bound.reshapes
    expected = [np.log(naive.probabilities(row.tolist())) for row in logits]
    np.testing.assert_allclose(bound.apply(logits), expected, rtol=1e-12)
    assert str(Controls()) == "none"


def test_controls_print_in_the_order_in_which_they_act():
    everything = Controls(
        stop="f", typical_p=0.9, min_p=0.01, top_p=0.8, top_k=4, temperature=0.7, repetition_penalty=1.2, allowed="abc"
    )  # fmt: skip
    assert everything.active() == tuple(name for name in ORDER if name != "greedy")
    assert str(Controls(greedy=True, allowed="ab", stop="b")) == "allowed('ab') → greedy → stop('b')"
    assert str(everything) == (
        "allowed('abc') → repetition_penalty(1.2) → temperature(0.7) → top_k(4) → top_p(0.8) → min_p(0.01) "
        "→ typical_p(0.9) → stop('f')"
    )
    assert {f.name for f in dataclasses.fields(Controls)} == set(ORDER)


def test_greedy_is_the_first_of_the_largest():
    bound = Controls(greedy=True).bind(LETTERS)
    generator = np.random.default_rng(5)
    logits = generator.integers(0, 3, (200, 6)).astype(float)  # many ties
    logits[generator.random((200, 6)) < 0.2] = -np.inf
    logits[:, 3] = np.maximum(logits[:, 3], -2.0)
    drawn = bound.apply(logits)
    np.testing.assert_array_equal(drawn.argmax(-1), logits.argmax(-1))
    assert (np.sort(drawn, -1)[:, :-1] == -np.inf).all()
    assert (drawn.max(-1) == 0).all()
    assert Controls(greedy=False).active() == ()


def test_the_chain_equals_the_steps_written_out_one_after_another():
    generator = np.random.default_rng(3)
    controls = Controls(
        allowed="abcde", repetition_penalty=1.4, temperature=0.8, top_k=4, top_p=0.913, min_p=0.0517, typical_p=0.877
    )  # fmt: skip
    bound = controls.bind(LETTERS)
    for _ in range(50):
        logits, seen = generator.normal(size=6) * 2, generator.random(6) < 0.5
        chain = naive.allowed(logits.tolist(), [True] * 5 + [False])
        chain = naive.repetition_penalty(chain, 1.4, seen.tolist())
        chain = naive.temperature(chain, 0.8)
        chain = naive.top_k(chain, 4)
        chain = naive.top_p(chain, 0.913)
        chain = naive.min_p(chain, 0.0517)
        chain = naive.typical_p(chain, 0.877)
        np.testing.assert_allclose(np.exp(bound.apply(logits, seen)), naive.probabilities(chain), rtol=1e-12)


def test_temperature_acts_before_truncation():
    logits = np.log([0.6, 0.3, 0.1] + [1e-9] * 3)
    kept = np.isfinite(Controls(temperature=0.5, top_p=0.75).bind(LETTERS).apply(logits))
    assert kept.tolist() == [True] + [False] * 5


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in OUT_OF_RANGE for v in values], ids=str)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Controls(**{name: value})


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG_TYPE for v in values], ids=str)
def test_values_of_the_wrong_type_are_named(name, value):
    with pytest.raises(TypeError, match=f"{name} must be"):
        Controls(**{name: value})


def test_a_mapping_of_names_works_and_unknown_names_list_what_there_is():
    assert as_controls({"top_k": 3}) == Controls(top_k=3)
    assert as_controls(None) == Controls()
    with pytest.raises(ValueError, match=r"unknown control 'topk'.*top_k"):
        as_controls({"topk": 3})
    with pytest.raises(TypeError, match="controls must be"):
        as_controls(0.7)


@pytest.mark.parametrize(
    "control", [{"temperature": 0.5}, {"top_k": 1}, {"allowed": [0]}, {"stop": [[0]]}], ids=str
)
def test_a_control_that_cannot_act_raises(control):
    with pytest.raises(SeqgenError, match=next(iter(control))):
        Controls(**control).bind(Vectors(2))
    assert Controls().bind(Vectors(2)) == BoundControls()


@pytest.mark.parametrize("allowed", ["fa", np.array([0, 5])], ids=["text", "symbols"])
def test_allowed_leaves_only_its_symbols(allowed):
    probabilities = np.exp(Controls(allowed=allowed).bind(LETTERS).apply(np.zeros(6)))
    np.testing.assert_allclose(probabilities, [0.5, 0, 0, 0, 0, 0.5])


@pytest.mark.parametrize(
    ("codec", "allowed", "kept"),
    [
        (Words(["sun", "rain", "fog"]), "sun fog", [0, 2]),
        (Symbols(["sun", "rain", "fog"]), ["rain"], [1]),
        (Bytes(), "é", [0xA9, 0xC3]),
    ],
    ids=["words", "symbols", "bytes"],
)
def test_allowed_is_read_by_the_codec(codec, allowed, kept):
    mask = Controls(allowed=allowed).bind(codec).allowed
    assert np.flatnonzero(mask).tolist() == kept


@pytest.mark.parametrize("name", ["allowed", "stop"])
@pytest.mark.parametrize(
    "value", ["xyz", np.array([17]), 3, 2.5], ids=["unknown", "too large", "number", "float"]
)
def test_symbols_that_the_codec_does_not_know_name_the_control(name, value):
    with pytest.raises((ValueError, TypeError), match=f"^{name}: "):
        Controls(**{name: value}).bind(LETTERS)


@pytest.mark.parametrize(("name", "value"), [("allowed", ""), ("stop", ""), ("stop", ["a", ""])], ids=str)
def test_nothing_is_not_a_set_of_symbols(name, value):
    with pytest.raises(ValueError, match=f"{name} must"):
        Controls(**{name: value}).bind(LETTERS)


def test_if_nothing_possible_is_allowed_the_error_says_so():
    logits = np.array([0.0, -np.inf, -np.inf, 0.0, 0.0, 0.0])
    with pytest.raises(SeqgenError, match="no symbol to draw"):
        Controls(allowed="bc").bind(LETTERS).apply(logits)


@pytest.mark.parametrize(
    ("stop", "sequences"),
    [
        (None, ()),
        ("ab", ((0, 1),)),
        (["ab", "f"], ((0, 1), (5,))),
        (("ab", "f"), ((0, 1), (5,))),
        (np.array([0, 1]), ((0, 1),)),
    ],
    ids=str,
)
def test_stop_is_one_sequence_or_several(stop, sequences):
    bound = Controls(stop=stop).bind(LETTERS)
    assert bound.stops == sequences
    assert not bound.reshapes


def test_a_very_low_temperature_takes_the_most_likely_symbol():
    logits = np.array([1.0, 1.5, -2.0, 0.0, 1.25, -np.inf])
    for temperature in (1e-3, 1e-30, 1e-308):
        log_probs = Controls(temperature=temperature).bind(LETTERS).apply(logits)
        np.testing.assert_allclose(np.exp(log_probs), [0, 1, 0, 0, 0, 0], atol=1e-100)


def test_bound_parameters_are_zero_where_a_control_is_off():
    assert Controls(top_k=3).bind(LETTERS).parameters == Parameters(top_k=3.0)
