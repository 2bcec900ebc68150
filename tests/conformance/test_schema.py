"""A family's schema matches its models, their weights and every engine's state; anything else is refused at once."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from seqgen import AutoEncoder, pretrained
from seqgen.checkpoint import Weights, save_weights
from seqgen.errors import SeqgenError
from seqgen.fields import FLOATS
from seqgen.packed import digest, pack, unpack
from seqgen.registry import FAMILIES, validated
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.damaging import damaged_arrays, damaged_config, forbidden, with_arrays, with_config
from tests.conformance.test_resuming import begun, refuses, through_json

SECONDS = 0.5
"""Seconds of processor time, far more than any check takes, and far less than compiling or allocating would."""


def models() -> dict[str, Weights]:
    """Return a model of every case and every built-in one; the auto-encoder, which does not stream, has no case."""
    found = {case.id: case.model().weights() for case in CASES}
    found |= {f"{case.id}-exact": case.model(case.reference).weights() for case in CASES}
    found |= {name: pretrained.find(name) for name in pretrained.names()}
    coder = AutoEncoder((3, 5, 6), levels=4, bottleneck=3, channels=4)
    return found | {"autoencoder": Weights(coder.family, coder.config(), coder.arrays())}


MODELS = models()
SMALL = [
    name
    for name, weights in MODELS.items()
    if sum(a.size for a in weights.arrays.values()) < 50_000 and not name.endswith("-exact")
]


def schema_of(weights: Weights) -> Any:
    return FAMILIES[weights.family].schema_of(weights.config)


def configuration_of(family: str) -> Any:
    """Return the `Configuration` of a family."""
    module = import_module(FAMILIES[family].schema.split(":")[0])
    return getattr(module, "MIXTURE_CONFIGURATION" if family == "gaussian-mixture" else "CONFIGURATION")


def refused(weights: Weights, most: int = 1 << 21) -> str:
    """Return the error message for a refused model, raised at once and without allocating more than `most` bytes."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(SeqgenError) as error:
            validated(weights)
        took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took < SECONDS
    assert peak < most
    return str(error.value)


# ---- models ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_exactly_the_arrays_that_its_configuration_tells(name):
    weights = MODELS[name]
    stored = Weights(weights.family, json.loads(json.dumps(weights.config)), weights.arrays)
    schema = validated(stored)
    assert schema.family == weights.family
    sizes = schema.sizes(weights.arrays)
    for array, field in schema.fields(weights.arrays):
        shape = tuple(sizes[n] if isinstance(n, str) else n for n in field.shape)
        assert weights.arrays[array].shape == shape
        assert weights.arrays[array].dtype.name in field.dtypes


def test_every_family_has_a_schema_and_a_model_here():
    for name, family in FAMILIES.items():
        assert callable(family.schema_of)
        assert configuration_of(name).family == name
    assert {weights.family for weights in MODELS.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", SMALL)
def test_arrays_with_one_thing_wrong_are_refused(name):
    weights = MODELS[name]
    fields = dict(schema_of(weights).fields(weights.arrays))
    count = 0
    for number, (what, arrays) in enumerate(damaged_arrays(fields, weights.arrays, seed=len(name))):
        assert refused(with_arrays(weights, arrays)), what
        count = number
    assert count > 10


@pytest.mark.parametrize("name", SMALL)
def test_configurations_with_one_thing_wrong_are_refused(name):
    weights = MODELS[name]
    for what, config in damaged_config(configuration_of(weights.family), weights.config):
        assert len(refused(with_config(weights, config))) < 800, what


@pytest.mark.parametrize("name", SMALL)
def test_a_configuration_that_asks_for_more_than_the_file_holds_is_refused(name):
    """Each integer in turn becomes large; for those on which no array depends, the largest value is known."""
    weights = MODELS[name]
    for path, number in whole_numbers(weights.config):
        for large in (number + 4096, 10**9, 10**18):
            changed = replaced(weights.config, path, large + (large - number) % 2)
            try:
                validated(with_config(weights, changed))
            except SeqgenError:
                refused(with_config(weights, changed))
            else:
                assert (
                    path[-1] in ("local_channels", "sample_rate", "hop", "kernel_size") or path[-2] == "shape"
                ), path


def whole_numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield every integer in a configuration, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from whole_numbers(item, (*path, key))
    elif isinstance(value, list) and path[-1] != "vocabulary":
        for place, item in enumerate(value):
            yield from whole_numbers(item, (*path, place))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, value


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return the same with `new` in one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


# ---- states ---------------------------------------------------------------------------------------------


def test_a_state_is_what_the_schema_declares_at_any_time(case, engine):
    for request, steps in (({}, 3), (case.everything(), 9)):
        stream = begun(case, engine, steps=0, **request)
        weights = case.model(engine).weights()
        schema, wanted = schema_of(weights), bool(request)
        sizes = {**schema.sizes(weights.arrays), **stream._engine.lengths(), "B": 3}
        for _ in range(steps):
            arrays = stream._engine.snapshot()
            schema.check_state(engine, arrays, sizes, log_probs=wanted)
            declared = dict(schema.state(engine, wanted))
            for name, array in arrays.items():
                assert array.dtype.name in declared[name].dtypes
            if next(stream, None) is None:
                break
            output = stream._rounds.output
            for lane, count in enumerate(output.counts.tolist()):
                made = {"symbols": output.symbols, **output.extra}
                own = {name: array[lane, :count] for name, array in made.items()}
                schema.check_output(own, {**sizes, "N": count}, log_probs=wanted)


@pytest.mark.common
def test_a_state_with_one_thing_wrong_is_refused_and_does_no_harm(case, engine):
    request = case.everything()
    stream = begun(case, engine, **request)
    state = through_json(begun(case, engine, steps=5, **request).state_dict())
    before = stream.state_dict()
    for number, (what, forged) in enumerate(forged_states(case, engine, state)):
        assert refuses(stream, {**forged, "digest": digest(forged)}), f"{what} went unnoticed"
        if number < 8:
            fresh = begun(case, engine, steps=0, **request)
            unused = fresh.state_dict()
            assert refuses(fresh, {**forged, "digest": digest(forged)})
            assert fresh.state_dict() == unused, what
    assert stream.state_dict() == before


def forged_states(case: Case, engine: str, state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the state with one array, one number or one chunk wrong."""
    schema = schema_of(case.model(engine).weights())
    fields = dict(schema.state(engine, True))
    arrays = {name: unpack(packed) for name, packed in state["caches"].items()}
    for what, damaged in damaged_arrays({n: fields[n] for n in arrays}, arrays, seed=len(case.id)):
        yield what, {**state, "caches": {name: pack(array) for name, array in damaged.items()}}
    name, packed = next(iter(state["caches"].items()))
    for wrong in ("(1,,2)i4", "(1,2", "O", "V8", "i4, f4", "U4", "M8[s]", ">i8", None, 8, ["<i8"], {"a": 1}):
        yield f"dtype {wrong!r}", {**state, "caches": {**state["caches"], name: {**packed, "dtype": wrong}}}
    for wrong in ([-1, -1], [-1], [2**62, 2], "text", [0.5], None, [1] * 99):
        yield f"shape {wrong!r}", {**state, "caches": {**state["caches"], name: {**packed, "shape": wrong}}}
    yield "an unknown entry", {**state, "more": 1}
    for key in ("index", "offset"):
        for wrong in (-2, 10**6, 0.5, True):
            yield f"{key} {wrong}", {**state, key: [wrong, *state[key][1:]]}
    for wrong in (-1, 99, 2.0, None, "3"):
        yield f"next_index {wrong!r}", {**state, "next_index": wrong}
    for key in ("decoders", "tails"):
        for wrong in ({"a": 1}, 10**9, "text", [0.5]):
            yield f"{key} {wrong!r}", {**state, key: [wrong] * len(state[key])}
    yield "a sample elsewhere", {**state, "offset": [max(0, offset - 1) or 1 for offset in state["offset"]]}
    for number, piece in enumerate(state["waiting"]):
        for key, wrong in (
            ("lane", -1), ("lane", 3), ("lane", 0.5), ("index", -1), ("offset", -1), ("count", piece["count"] + 1),
            ("count", -1), ("reason", "boredom"), ("symbols", {}), ("extra", {}), ("extra", None),
        ):  # fmt: skip
            yield f"waiting {key} {wrong!r}", _with_piece(state, number, {**piece, key: wrong})
        symbols = unpack(piece["symbols"])
        for what, value in forbidden(schema.output["symbols"], symbols.dtype) if symbols.size else ():
            changed = symbols.copy()
            changed.flat[0] = value
            yield f"waiting symbols {what}", _with_piece(state, number, {**piece, "symbols": pack(changed)})
        yield "waiting twice", {**state, "waiting": [*state["waiting"], piece]}


def _with_piece(state: dict[str, Any], number: int, piece: dict[str, Any]) -> dict[str, Any]:
    waiting = list(state["waiting"])
    waiting[number] = piece
    return {**state, "waiting": waiting}


# ---- files ----------------------------------------------------------------------------------------------


def test_checkpoints_of_every_case_open(case, tmp_path):
    weights = case.model().weights({"data": "none"})
    floats = [f for _, f in schema_of(weights).fields(weights.arrays) if {*f.dtypes} & {*FLOATS}]
    rounded = all("float32" in field.dtypes for field in floats)
    for precision in ("auto", "float32", "bfloat16") if rounded else ("auto", "float32"):
        save_weights(weights, tmp_path / "model.safetensors", precision=precision)
        opened = pretrained.find(tmp_path / "model.safetensors")
        if precision == "auto":
            assert opened.hash == weights.hash
        for name, array in weights.arrays.items():
            np.testing.assert_allclose(opened.arrays[name], array, rtol=2**-8, atol=1e-30)
