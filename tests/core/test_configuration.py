"""The parts of schemas: configurations, codecs in them, and the fields of arrays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen.checkpoint import from_bfloat16, to_bfloat16
from seqgen.codecs import Bytes, Characters, Integers
from seqgen.configuration import Boolean, Choice, Configuration, Integer, Real, read_codec
from seqgen.errors import SeqgenError
from seqgen.fields import Field, affine, described, prefixed
from seqgen.registry import FAMILIES
from seqgen.schema import Schema, log_probs

TOY = Configuration(
    "toy",
    ("bytes", "characters"),
    {
        "width": Integer(most=99),
        "taps": Integer(low=3, odd=True),
        "dropout": Real(low=0.0, below=1.0),
        "kind": Choice(("row", "diagonal"), default="row"),
        "gated": Boolean(optional=True),
    },
)
GIVEN: dict[str, Any] = {"width": 3, "taps": 5, "dropout": 0.0, "kind": "diagonal", "gated": True}
CODEC = {"name": "bytes"}


def test_a_configuration_is_read_as_a_constructor_is_checked():
    codec, given = TOY.read({"codec": CODEC, **GIVEN})
    assert isinstance(codec, Bytes)
    assert given == TOY.check(Bytes(), **GIVEN) == GIVEN
    older = {name: value for name, value in GIVEN.items() if name != "kind"}
    assert TOY.read({"codec": CODEC, **older})[1]["kind"] == "row"
    assert TOY.read({"codec": CODEC, **GIVEN, "gated": None})[1]["gated"] is None


@pytest.mark.parametrize(
    ("entry", "value", "error", "words"),
    [
        ("width", 0, ValueError, "width must be at least 1, got 0"),
        ("width", 100, ValueError, "width must be at most 99, got 100"),
        ("width", 3.0, TypeError, "width must be an integer, got 3.0"),
        ("taps", 4, ValueError, "taps must be odd, got 4"),
        ("dropout", 1, ValueError, "dropout must be >=0.0 and <1.0, got 1"),
        ("dropout", True, TypeError, "dropout must be a number, got True"),
        ("kind", "column", ValueError, "kind must be one of 'row', 'diagonal', got 'column'"),
        ("gated", 1, TypeError, "gated must be True or False, got 1"),
    ],
)
def test_an_entry_is_refused_in_the_same_words_wherever_it_comes_from(entry, value, error, words):
    with pytest.raises(error, match=words):
        TOY.check(Bytes(), **GIVEN | {entry: value})
    with pytest.raises(SeqgenError, match=words):
        TOY.read({"codec": CODEC, **GIVEN, entry: value})


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ({"name": "integers", "size": 3}, "the codec must be one of 'bytes', 'characters', got 'integers'"),
        ({"name": "morse"}, "unknown codec 'morse'"),
        ({"name": "characters"}, "must have the entries name, vocabulary, got name"),
        ({"name": "characters", "vocabulary": "aa"}, "must not repeat a character"),
        ({"name": "characters", "vocabulary": 7}, "the codec 'characters' is wrong"),
        ("bytes", "the configuration's codec must be a mapping, got 'bytes'"),
    ],
)
def test_a_codec_that_does_not_fit_is_refused(codec, words):
    with pytest.raises(SeqgenError, match=words):
        TOY.read({"codec": codec, **GIVEN})


def test_any_codec_may_be_allowed():
    assert isinstance(read_codec({"name": "integers", "size": 3}, None), Integers)
    assert isinstance(read_codec({"name": "characters", "vocabulary": "ab"}, None), Characters)


def test_probabilities_that_were_rounded_to_bfloat16_are_right_and_others_are_not():
    field = Field(("K", "K"), low=0.0, rows="probabilities")
    rows = np.random.default_rng(0).dirichlet(np.ones(40), 40)
    rounded = from_bfloat16(to_bfloat16(rows.astype(np.float32))).reshape(rows.shape)
    assert np.abs(rounded.sum(-1) - 1).max() > 1e-4
    for array in (rows, rounded):
        field.check("transition", array, {}, "an hmm")
    with pytest.raises(ValueError, match="row 0 of transition sums to"):
        field.check("transition", rounded.astype(np.float64), {}, "an hmm")


def test_lengths_that_the_configuration_does_not_tell_agree_between_arrays():
    def arrays() -> Any:
        yield "start", Field(("K",))
        yield from prefixed("cell.", affine("gate", 4, 3, by=described(GIVEN, "width")))
        yield "transition", Field(("K", "K"))

    schema = Schema("toy", Bytes(), (arrays,))
    right = {
        "start": np.zeros(2, np.float32), "transition": np.zeros((2, 2), np.float32),
        "cell.gate.weight": np.zeros((4, 3), np.float32), "cell.gate.bias": np.zeros(4, np.float32),
    }  # fmt: skip
    schema.check(right)
    assert schema.sizes(right) == {"K": 2}
    with pytest.raises(SeqgenError, match=r"transition has the shape \(3, 3\), a toy needs \(2, 2\)"):
        schema.check({**right, "transition": np.zeros((3, 3), np.float32)})
    with pytest.raises(SeqgenError, match=r"no array cell\.gate\.bias, which a toy with width 3 needs"):
        schema.check({name: array for name, array in right.items() if name != "cell.gate.bias"})


def test_an_endless_schema_ends_at_the_first_array_that_is_missing():
    def arrays() -> Any:
        for layer in range(10**30):
            yield f"layers.{layer}", Field((3,))

    some = {f"layers.{layer}": np.zeros(3, np.float32) for layer in range(5)}
    with pytest.raises(SeqgenError, match=r"there is no array layers\.5, which a toy needs"):
        Schema("toy", Bytes(), (arrays,)).check(some)


def test_numbers_that_overflow_only_in_their_sum_are_finite():
    Field(("N",)).check("weight", np.full(9, 3e38, np.float32), {}, "a toy")
    with pytest.raises(ValueError, match="weight is not finite: it has inf at 4"):
        Field(("N",)).check(
            "weight", np.where(np.arange(9) == 4, np.inf, 3e38).astype(np.float32), {}, "a toy"
        )
    assert set(log_probs("N")) == {"log_prob", "log_prob_drawn"}


def test_the_registry_names_the_schema_of_every_family():
    for name, family in FAMILIES.items():
        assert family.schema.startswith(f"{family.folder}.schema:")
        with pytest.raises(SeqgenError, match="the configuration must be a mapping, got None"):
            family.schema_of(None)
        assert Path(sys.modules[family.schema.split(":")[0]].__file__).name == "schema.py", name
