"""Arguments of a stream: one value, a list, or a function of the index; and refusals that name the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seqgen import Controls
from seqgen.errors import SeqgenError
from tests.conformance.case import Case
from tests.conformance.running import samples
from tests.conformance.streams import FAR, SEED, few

N = 4


def values_of(case: Case, name: str) -> tuple[Any, ...]:
    found = {"prompt": case.prompts, "condition": case.conditions, "controls": case.controls}[name]
    if not found:
        pytest.skip(f"the model takes no {name}")
    return found


by_name = pytest.mark.parametrize("name", ["prompt", "condition", "controls"])
once = pytest.mark.once_per


@by_name
@pytest.mark.common
def test_one_value_a_list_and_a_function_mean_the_same(case, engine, name):
    values = [values_of(case, name)[i % 2] for i in range(N)]
    alone = {
        i: samples(case.stream(engine, 1, case.length, start=i, **{name: value}))[i]
        for i, value in enumerate(values)
    }
    assert samples(case.stream(engine, N, case.length, batch=3, **{name: values})) == alone
    assert samples(case.stream(engine, N, case.length, batch=2, **{name: lambda i: values[i]})) == alone
    later = samples(case.stream(engine, 2, case.length, start=2, **{name: values}))
    assert later == {i: alone[i] for i in (2, 3)}


@by_name
@pytest.mark.common
def test_different_values_give_different_samples(case, engine, name):
    one, other = values_of(case, name)[:2]
    first = other if name in case.required else None
    drawn = [samples(case.stream(engine, 8, 8, **{name: value})) for value in (first, one, other)]
    assert drawn[0] != drawn[1] != drawn[2]
    assert (drawn[0] == drawn[2]) == (name in case.required)


@by_name
@pytest.mark.needs("prompts", "conditions", "controls")
@once
def test_a_list_that_is_too_short_is_refused_before_anything_is_computed(case, engine, name):
    values = list(values_of(case, name)[:2])
    with pytest.raises(ValueError, match=rf"{name} is a list .* must have 3 items.* got 2"):
        case.stream(engine, 2, case.length, start=1, **{name: values})
    endless = case.stream(engine, None, 3, chunk=3, **{name: values})
    assert [next(endless).index for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match=f"{name} is a list of 2 items, there is none for sample 2"):
        next(endless)


@pytest.mark.needs("controls")
@once
def test_controls_may_be_a_mapping(case, engine):
    assert samples(case.stream(engine, N, case.length, controls={"temperature": 0.5, "top_k": 2})) == samples(
        case.stream(engine, N, case.length, controls=Controls(temperature=0.5, top_k=2))
    )


def nothing_known(case: Case) -> Any:
    """Return a prompt without known symbols."""
    prompt = case.prompts[0]
    if case.model().codec.name == "pixels":
        return np.full(np.shape(prompt), -1)
    return prompt[:0] if isinstance(prompt, np.ndarray) else type(prompt)()


@pytest.mark.common
@pytest.mark.needs("prompts")
def test_an_empty_prompt_is_no_prompt(case, engine):
    request = {"length": case.length, "seed": SEED, "start": FAR, "prompt": nothing_known(case)}
    found = samples(case.stream(engine, 3, batch=2, **request | case.request("plain")))
    assert found == few(case, engine)


@pytest.mark.common
@pytest.mark.needs("prompts")
def test_a_prompt_is_not_part_of_the_sample(case, engine):
    stream = case.stream(engine, 2, case.length, prompt=case.prompts[1], log_probs=True, chunk=5)
    for index, sample in samples(stream).items():
        assert index in (0, 1)
        assert len(sample["log_prob"]) == case.length or sample["reason"] == "end"
    assert next(case.stream(engine, 1, 5, prompt=case.prompts[1])).offset == 0


@once
@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"n": 0}, "n"), ({"n": -1}, "n"), ({"length": 0}, "length"), ({"length": -5}, "length"),
        ({"batch": 0}, "batch"), ({"batch": -2}, "batch"), ({"chunk": 0}, "chunk"), ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"), ({"start": -1}, "start"), ({"start": 2**63}, "start"),
        ({"n": 3, "start": 2**63 - 2}, "start"), ({"threads": 0}, "threads"),
        ({"n": 2**64}, "n"), ({"n": 2**63}, "n"), ({"length": 2**63}, "length"), ({"chunk": 2**64}, "chunk"),
        ({"threads": 2**64}, "threads"), ({"start": 2**64}, "start"), ({"batch": 2**64}, "batch"),
        ({"engine": "cuda"}, "engine"), ({"engine": None}, "engine"), ({"precision": "float8"}, "precision"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_values_out_of_range_are_named(case, request_, name):
    with pytest.raises(ValueError, match=rf"^{name} must be .* got"):
        case.model().stream(**case.required, **request_)


@once
@pytest.mark.parametrize("name", ["n", "length", "batch", "chunk", "seed", "start", "threads"])
@pytest.mark.parametrize("value", [1.5, "3", True, [1]], ids=repr)
def test_values_of_the_wrong_type_are_named(case, name, value):
    with pytest.raises(TypeError, match=rf"^{name} must be an integer, got"):
        case.model().stream(**case.required, **{name: value})


@once
def test_an_engine_that_the_family_has_not_says_which_there_are(case):
    if "triton" in case.engines:
        pytest.skip("this family has all engines")
    with pytest.raises(SeqgenError, match=rf"engine 'triton' cannot run the family .*{case.engines[0]}"):
        case.model().stream(1, 3, engine="triton", **case.required)


def test_auto_chooses_an_engine_and_says_which(case):
    stream = case.model().stream(1, 3, **case.required)
    assert stream.engine in case.engines
    assert samples(stream) == samples(case.model().stream(1, 3, engine=stream.engine, **case.required))


def test_an_unknown_symbol_in_a_prompt_is_refused(case):
    if case.unknown is None:
        pytest.skip("the codec knows every prompt")
    for prompt in (case.unknown, [case.unknown], lambda _: case.unknown):
        with pytest.raises((ValueError, TypeError), match=r"^prompt: "):
            next(case.model().stream(1, 3, prompt=prompt, **case.required))


@once
@pytest.mark.parametrize("controls", [0.7, "cold", Controls], ids=["number", "text", "class"])
def test_what_is_no_set_of_controls_is_refused(case, controls):
    with pytest.raises((TypeError, ValueError), match=r"controls|Controls"):
        next(case.model().stream(1, 3, controls=controls, **case.required))


@once
def test_an_unknown_control_is_refused(case):
    with pytest.raises(ValueError, match="unknown control 'heat'"):
        case.model().stream(1, 3, controls={"heat": 2}, **case.required)


def test_a_condition_that_cannot_act_is_refused(case, engine):
    if case.conditions:
        pytest.skip("the model takes conditions")
    with pytest.raises((SeqgenError, ValueError, TypeError), match="condition"):
        next(case.stream(engine, 1, 3, condition=3))


def test_controls_without_a_finite_vocabulary_are_refused(case):
    if case.controls:
        pytest.skip("the model has a finite vocabulary")
    with pytest.raises(SeqgenError, match="the controls temperature cannot act on this model"):
        case.model().stream(1, 3, controls=Controls(temperature=0.5), **case.required)


@once
def test_a_list_cannot_be_collected_without_an_end(case, engine):
    with pytest.raises(ValueError, match="endless stream cannot be collected; give n"):
        case.stream(engine, None, 3).collect()


def test_sample_needs_a_length_where_nothing_ends_a_sample(case):
    if case.ends:
        pytest.skip("the model ends its samples")
    with pytest.raises(ValueError, match="length must be given"):
        case.model().sample(1)


@pytest.mark.once_per("model.sample", "model.stream")
@pytest.mark.parametrize("value", [0, -3])
def test_sample_names_arguments_out_of_range(case, value):
    with pytest.raises(ValueError, match=r"^n must be"):
        case.model().sample(value, 5, **case.required)
    with pytest.raises(ValueError, match=r"^length must be"):
        case.model().sample(1, value, **case.required)
