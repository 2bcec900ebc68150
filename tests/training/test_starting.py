"""Training that starts from the parameters of an existing model."""

from __future__ import annotations

import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.registry import recipe

TEXT = "she sells sea shells by the sea shore\n" * 12
SETTINGS = {
    "hidden_size": 8, "layers": 1, "dropout": 0.0, "steps": 10, "batch": 2, "window": 16, "warmup": 2,
    "validate_every": 5, "save_every": 3, "threads": 1,
}  # fmt: skip


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "shells.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def first(data, tmp_path):
    recipe("char-rnn").train(data, tmp_path / "first.safetensors", settings=SETTINGS)
    return tmp_path / "first.safetensors"


def test_the_first_step_finds_the_parameters_of_the_model(data, first, tmp_path):
    standing = SETTINGS | {"steps": 1, "ema": 0.0, "weight_decay": 0.0, "warmup": 1, "learning_rate": 1e-12}
    begun, _, _ = recipe("char-rnn").train(
        data, tmp_path / "b.safetensors", settings=standing | {"start": str(first), "dropout": 0.5}
    )
    for name, tensor in seqgen.load(first).state_dict().items():
        assert torch.equal(begun.state_dict()[name], tensor), name


def test_the_card_names_the_model_and_no_folder(data, first, tmp_path):
    _, card, _ = recipe("char-rnn").train(
        data, tmp_path / "b.safetensors", settings=SETTINGS | {"start": str(first)}
    )
    assert card["started_from"] == {"model": "first.safetensors", "hash": seqgen.load(first).weights().hash}
    assert "--set start=first.safetensors" in card["command"]
    assert str(tmp_path) not in str(card)


def test_a_run_that_started_from_a_model_resumes(data, first, tmp_path):
    settings = SETTINGS | {"start": str(first)}
    whole, _, _ = recipe("char-rnn").train(data, tmp_path / "whole.safetensors", settings=settings)
    recipe("char-rnn").train(data, tmp_path / "parts.safetensors", settings=settings, stop_after=4)
    parts, _, _ = recipe("char-rnn").train(
        data, tmp_path / "parts.safetensors", settings=settings, resume=True
    )
    assert parts.weights().hash == whole.weights().hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "nowhere.safetensors"}, "no file 'nowhere.safetensors'"),
        ({"start": "weather"}, "of the family 'markov', not 'char-rnn'"),
        ({"start": "shakespeare"}, "start=shakespeare has other symbols than the data"),
        ({"hidden_size": 9}, "hidden_size=8, not 9; train with its settings"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(data, first, tmp_path, change, message):
    output = tmp_path / "b.safetensors"
    with pytest.raises(SeqgenError, match=message):
        recipe("char-rnn").train(data, output, settings=SETTINGS | {"start": str(first)} | change)
    assert not output.exists()
    assert not output.with_suffix(".training.safetensors").exists()
