"""Settings as they come from the command line."""

from __future__ import annotations

import pytest

from seqgen.training.config import TrainingConfig
from seqgen.training.settings import split_settings

DEFAULTS = {"cell": "lstm", "layers": 2, "dropout": 0.2, "bias": True}


def test_texts_take_the_type_of_the_default():
    settings = {
        "layers": "3",
        "dropout": "0",
        "cell": "gru",
        "bias": "no",
        "steps": "7",
        "ema": "0.5",
        "autocast": "1",
    }
    model, config = split_settings(settings, DEFAULTS, TrainingConfig)
    assert model == {"cell": "gru", "layers": 3, "dropout": 0.0, "bias": False}
    assert config == TrainingConfig(steps=7, ema=0.5, autocast=True)


def test_what_is_not_set_keeps_its_default():
    assert split_settings({}, DEFAULTS, TrainingConfig) == (DEFAULTS, TrainingConfig())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hiden_size": 3}, r"unknown setting 'hiden_size'; there are cell, layers.*steps"),
        ({"steps": "many"}, "steps must be an integer, got 'many'"),
        ({"layers": "2.5"}, "layers must be an integer, got '2.5'"),
        ({"ema": "half"}, "ema must be a number, got 'half'"),
        ({"autocast": "maybe"}, "autocast must be true or false, got 'maybe'"),
        ({"learning_rate": "nan"}, "learning_rate must be >0"),
        ({"steps": "-4"}, "steps must be at least 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unknown_names_and_wrong_values_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        split_settings(settings, DEFAULTS, TrainingConfig)
