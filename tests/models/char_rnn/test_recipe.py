"""The recipe of `seqgen train char-rnn`: files in, files out, and clear refusals."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import seqgen
from seqgen.checkpoint import is_bfloat16, open_weights
from seqgen.data.text import split_text
from seqgen.errors import SeqgenError
from seqgen.registry import recipe

TEXT = "how much wood would a woodchuck chuck?\n" * 12
SETTINGS = {
    "hidden_size": 8, "layers": 1, "dropout": 0.0, "steps": 10, "batch": 2, "window": 16, "warmup": 2,
    "validate_every": 5, "save_every": 3,
}  # fmt: skip


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "wood.txt"
    path.write_text(TEXT)
    return path


def test_training_writes_a_checkpoint_and_a_picture_and_nothing_else(data, tmp_path):
    output = tmp_path / "wood.safetensors"
    reported = []
    model, card, progress = recipe("char-rnn").train(
        data, output, settings=SETTINGS, card={"licence": "MIT"}, report=lambda *f: reported.append(f)
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["wood.png", "wood.safetensors", "wood.txt"]
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [(step, steps) for step, steps, _, _ in reported] == [(k, 10) for k in range(1, 11)]
    assert len(progress.losses) == 10
    loaded = seqgen.load(output)
    assert loaded.weights().hash == model.weights().hash
    assert all(is_bfloat16(array) for array in loaded.arrays().values())
    assert loaded.codec.vocabulary == "".join(sorted(set(TEXT)))
    weights = open_weights(output)
    assert dict(weights.card) == card
    assert weights.precision == "bfloat16"


def test_the_card_says_how_to_make_the_model_again(data, tmp_path):
    _, card, _ = recipe("char-rnn").train(
        data, tmp_path / "wood.safetensors", settings={**SETTINGS, "seed": 4}
    )
    held_out = len(split_text(TEXT)[1])
    assert card["data"] == "wood.txt"
    assert card["split"] == f"first {len(TEXT) - held_out} characters for training, last {held_out} held out"
    assert card["seed"] == 4
    assert card["command"].startswith(
        "seqgen train char-rnn wood.txt -o wood.safetensors --set hidden_size=8"
    )
    assert str(tmp_path) not in str(card)
    assert datetime.date.fromisoformat(card["date"])
    assert card["training"]["steps"] == 10
    assert card["score_unit"] == "nats/character"
    model = seqgen.load(tmp_path / "wood.safetensors")
    exact = -float(model.log_prob(TEXT[-held_out:]).detach()) / held_out
    assert card["score"] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_an_interrupted_run_ends_in_the_same_model(stop, data, tmp_path):
    whole, card, _ = recipe("char-rnn").train(data, tmp_path / "whole.safetensors", settings=SETTINGS)
    output = tmp_path / "parts.safetensors"
    recipe("char-rnn").train(data, output, settings=SETTINGS, stop_after=stop)
    assert not output.exists()
    assert output.with_suffix(".training.safetensors").exists()
    resumed, again, _ = recipe("char-rnn").train(data, output, settings=SETTINGS, resume=True)
    assert resumed.weights().hash == whole.weights().hash
    assert again["score"] == card["score"]
    assert not output.with_suffix(".training.safetensors").exists()


def test_changed_settings_are_refused_on_resume(data, tmp_path):
    output = tmp_path / "wood.safetensors"
    recipe("char-rnn").train(data, output, settings=SETTINGS, stop_after=2)
    with pytest.raises(SeqgenError, match="was made with window=16, this run has window=8"):
        recipe("char-rnn").train(data, output, settings={**SETTINGS, "window": 8}, resume=True)
    data.write_text(TEXT.replace("wood", "good"))
    with pytest.raises(SeqgenError, match=r"was made with (codec|data)="):
        recipe("char-rnn").train(data, output, settings=SETTINGS, resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"abc\xff", "not UTF-8"),
        (b"a", "training text has 0 characters"),
        (b"short text", r"training text has 9 characters, batch=2 rows of window=16 need 34"),
    ],
    ids=["empty", "binary", "one character", "short"],
)
def test_unusable_text_is_refused_and_leaves_nothing(content, message, tmp_path):
    (tmp_path / "data.txt").write_bytes(content)
    with pytest.raises(SeqgenError, match=message):
        recipe("char-rnn").train(tmp_path / "data.txt", tmp_path / "out.safetensors", settings=SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == ["data.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "out.bin"}, "must end in .safetensors"),
        ({"output": "none/out.safetensors"}, "does not exist; create it first"),
        ({"data": "none.txt"}, "cannot read"),
        ({"preset": "huge"}, "preset must be one of default, tiny, shakespeare"),
        ({"settings": {"depth": 3}}, "unknown setting 'depth'"),
        ({"settings": {"cell": "relu"}}, "cell must be one of"),
        ({"settings": {"hidden_size": 0}}, "hidden_size must be"),
        ({"settings": {"steps": 0}}, "steps must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused_and_leave_nothing(changes, message, data, tmp_path):
    arguments = {"data": "wood.txt", "output": "out.safetensors", "settings": {}} | changes
    paths = {name: tmp_path / arguments.pop(name) for name in ("data", "output")}
    with pytest.raises((SeqgenError, ValueError), match=message):
        recipe("char-rnn").train(paths["data"], paths["output"], **arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["wood.txt"]


def test_presets_are_settings(data, tmp_path):
    model, card, _ = recipe("char-rnn").train(
        data,
        tmp_path / "wood.safetensors",
        preset="tiny",
        settings={**SETTINGS, "steps": 2, "hidden_size": 6},
    )
    assert model.hidden_size == 6
    assert "--preset tiny" in card["command"]
