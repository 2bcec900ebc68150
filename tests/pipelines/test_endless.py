"""Samples that never end are not collected for ever: what is written at an end needs a length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import seqgen
from pipelines.sinks.formats import FORMATS


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    made: dict[str, Any] = {
        "mixture": seqgen.GaussianMixture([0.5, 0.5], [[0.0, 0.0], [3.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]]),
        "hmm": seqgen.HMM([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], seqgen.Categorical([[0.5, 0.5], [0.1, 0.9]])),
        "chain": seqgen.MarkovChain(order=1, unit="words", boundaries=False).fit(["a b a c a b", "a b c a"]),
        "lines": seqgen.MarkovChain(order=1, unit="words").fit(["a b a c a b", "a b c a"]),
        "rnn": seqgen.CharRNN("ab", hidden_size=4, layers=1),
        "sound": seqgen.WaveNet(layers=2, residual_channels=4, gate_channels=4, skip_channels=4),
        "rnade": seqgen.RNADE(3, 4, 2),
        "image": seqgen.NADE(6, 4, shape=(1, 2, 3)),
    }
    folder = tmp_path_factory.mktemp("models")
    for name, model in made.items():
        model.save(folder / f"{name}.safetensors", card={})
    return {name: folder / f"{name}.safetensors" for name in made}


@pytest.mark.parametrize(
    ("model", "output"),
    [
        ("mixture", "x.npz"), ("mixture", "x.jsonl"), ("hmm", "x.jsonl"), ("chain", "x.jsonl"), ("rnn", "x.jsonl"),
        ("sound", "x.npz"), ("sound", "x.png"), ("sound", "x.jsonl"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [(), ("-n", 9)])
def test_an_endless_sample_needs_a_length(seqgen_command, models, tmp_path, model, output, count):
    done = seqgen_command("stream", models[model], "-o", output, *count, cwd=tmp_path)
    assert done.returncode == 2
    assert "never end; give --length" in done.stderr
    assert not list(tmp_path.iterdir())
    done = seqgen_command("stream", models[model], "-o", output, *count, "--length", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("model", ["mixture", "hmm", "chain"])
def test_endless_samples_are_not_written_side_by_side(seqgen_command, models, tmp_path, model):
    done = seqgen_command("stream", models[model], "-o", "x.txt", "--batch", 3, cwd=tmp_path)
    assert done.returncode == 2
    assert "--batch above 1 needs --length or --stop" in done.stderr


def test_a_format_of_all_samples_needs_their_number(seqgen_command, models, tmp_path):
    done = seqgen_command("stream", models["rnade"], "-o", "x.npz", cwd=tmp_path)
    assert done.returncode == 2
    assert "give -n, the number of samples" in done.stderr
    done = seqgen_command("stream", models["rnade"], "-o", "x.npz", "-n", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert seqgen_command("stream", models["lines"], "-o", "x.jsonl", "-n", 2, cwd=tmp_path).returncode == 0
    assert seqgen_command("stream", models["image"], "-o", "x.png", cwd=tmp_path).returncode == 0


def test_a_stop_sequence_ends_samples(seqgen_command, models, tmp_path):
    done = seqgen_command("stream", models["rnn"], "-n", 2, "-o", "x.jsonl", "--stop", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_format_says_what_it_keeps():
    kept = {entry.sink.split(":")[1]: entry.keeps for entry in FORMATS}
    assert {name for name, keeps in kept.items() if keeps == "all"} == {
        "NPZSink", "ImageNPZSink", "PNGGridSink", "StrokesSink", "SpectrogramSink",
    }  # fmt: skip
    assert {name for name, keeps in kept.items() if keeps == "sample"} == {"JSONLSink"}
