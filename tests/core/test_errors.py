"""Checks of arguments: accepted values, and errors that give the name, the value and what would be right."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.errors import choice, integer, optional_integer, real


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)], ids=repr)
def test_integers_of_any_kind_pass(value):
    assert integer("n", value, low=1) == 3
    assert type(integer("n", value)) is int


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.True_, [3], 3j], ids=repr)
def test_what_is_no_integer_is_a_typeerror(value):
    with pytest.raises(TypeError, match="n must be an integer, got"):
        integer("n", value)


@pytest.mark.parametrize(
    ("bounds", "value", "message"),
    [
        ({"low": 1}, 0, "n must be at least 1, got 0"),
        ({"high": 5}, 6, "n must be at most 5, got 6"),
        ({"low": 1, "high": 5}, -2, "n must be between 1 and 5, got -2"),
    ],
    ids=["low", "high", "both"],
)
def test_an_integer_out_of_range_is_a_valueerror(bounds, value, message):
    with pytest.raises(ValueError, match=message):
        integer("n", value, **bounds)


def test_an_optional_integer_may_be_none():
    assert optional_integer("n", None, low=1) is None
    with pytest.raises(ValueError, match="n must be"):
        optional_integer("n", 0, low=1)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2)], ids=repr)
def test_numbers_of_any_kind_pass(value):
    assert real("rate", value, above=0, high=2) == 2.0


@pytest.mark.parametrize("value", ["2", None, True, 2j, [1, 2]], ids=repr)
def test_what_is_no_number_is_a_typeerror(value):
    with pytest.raises(TypeError, match="rate must be a number, got"):
        real("rate", value)


@pytest.mark.parametrize(
    ("bounds", "value", "message"),
    [
        ({"above": 0}, 0.0, "rate must be >0, got 0.0"),
        ({"low": 0, "below": 1}, 1.0, "rate must be >=0 and <1, got 1.0"),
        ({"above": 0, "high": 1}, 1.5, "rate must be >0 and <=1, got 1.5"),
        ({}, float("inf"), "rate must be finite, got inf"),
        ({"above": 0}, float("nan"), "rate must be >0, got nan"),
        ({}, 10**400, "rate must be finite"),
    ],
    ids=["above", "below", "high", "infinite", "nan", "huge"],
)
def test_a_number_out_of_range_is_a_valueerror(bounds, value, message):
    with pytest.raises(ValueError, match=message):
        real("rate", value, **bounds)


@pytest.mark.parametrize("value", ["c", "", None, 3], ids=repr)
def test_a_choice_lists_the_options(value):
    assert choice("cell", "a", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="cell must be one of 'a', 'b', got"):
        choice("cell", value, ("a", "b"))
