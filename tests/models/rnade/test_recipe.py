"""The recipe of `seqgen train rnade`: better than independent Gaussians, in the data's units, and resumable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

import seqgen
from seqgen.checkpoint import open_weights
from seqgen.errors import SeqgenError
from seqgen.evaluation.held_out import held_out
from seqgen.registry import recipe

SETTINGS = {"hidden_size": 6, "components": 2, "steps": 12, "batch": 8, "warmup": 2, "save_every": 4}


def bent(count: int) -> np.ndarray:
    """Return vectors around a parabola, far from 0 and of very different sizes: (count, 2)."""
    noise = np.random.default_rng(0)
    x = noise.normal(size=count)
    y = x**2 + 0.1 * noise.normal(size=count)
    return np.stack([5000.0 + 0.5 * x, -3.0 + 0.01 * y], 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "bent.npy"
    np.save(path, bent(1000))
    return path


def test_it_beats_a_diagonal_gaussian_in_the_units_of_the_data(data, tmp_path):
    output = tmp_path / "bent.safetensors"
    card = recipe("rnade").train(data, output, preset="tiny", settings={"learning_rate": "0.01"}).card
    before, after = np.split(bent(1000), [900])
    gaussian = -norm.logpdf(after, before.mean(0), before.std(0)).sum(1).mean()
    assert card["score_unit"] == "nats/vector"
    assert card["score"] < gaussian - 0.5
    assert card["split"] == "the last 100 observations held out"
    assert card["command"] == (
        "seqgen train rnade bent.npy -o bent.safetensors --preset tiny --set learning_rate=0.01"
    )
    # the file has the density that was scored, and draws vectors like the training data
    model = seqgen.load(output)
    assert -float(model.log_prob(after).mean()) == pytest.approx(card["score"], abs=1e-3)
    drawn = np.stack(model.sample(2000, seed=1))
    standard = (drawn - before.mean(0)) / before.std(0)
    np.testing.assert_allclose(standard.mean(0), 0.0, atol=0.3)
    np.testing.assert_allclose(standard.std(0), 1.0, atol=0.4)


def test_the_checkpoint_keeps_the_place_of_the_data(tmp_path):
    """In bfloat16, 5000 would be 4992 or 5024, many deviations away."""
    path = tmp_path / "bent.npy"
    np.save(path, bent(200))
    recipe("rnade").train(path, tmp_path / "bent.safetensors", settings=SETTINGS)
    weights = open_weights(tmp_path / "bent.safetensors")
    assert weights.precision == "float32"
    np.testing.assert_allclose(weights.arrays["location"], bent(200)[:180].mean(0), rtol=1e-6)
    np.testing.assert_allclose(weights.arrays["scale"], bent(200)[:180].std(0), rtol=1e-6)


def test_resumed_equals_uninterrupted(data, tmp_path):
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    expected = recipe("rnade").train(data, whole, settings=SETTINGS)[0]
    recipe("rnade").train(data, part, settings=SETTINGS, stop_after=5)
    assert not part.exists()
    found = recipe("rnade").train(data, part, settings=SETTINGS, resume=True)[0]
    assert found.weights().hash == expected.weights().hash
    assert part.exists()
    assert not list(tmp_path.glob("*.training.safetensors"))


def test_evaluation_gives_the_score_of_the_card(data, tmp_path):
    output = tmp_path / "bent.safetensors"
    card = recipe("rnade").train(data, output, settings=SETTINGS)[1]
    np.save(tmp_path / "after.npy", bent(1000)[900:])
    found = held_out(output, tmp_path / "after.npy")
    assert found["symbols"] == 100
    assert found["unit"] == "vectors"
    assert found["nats_per_symbol"] == found["score"] == pytest.approx(card["score"], abs=1e-3)
    assert found["score_unit"] == card["score_unit"] == "nats/vector"


@pytest.mark.parametrize(
    ("array", "settings", "error", "words"),
    [
        (bent(20) * [1, np.nan], {}, SeqgenError, r"must hold finite numbers, got nan at \[0, 1\]"),
        (bent(1), {}, SeqgenError, "a single observation"),
        (bent(9), {"batch": 9}, SeqgenError, "8 vectors to train on, fewer than batch=9"),
        (np.zeros((2, 3, 4, 5)), {}, SeqgenError, "numeric sequences of shape"),
        (bent(20), {"components": 0}, ValueError, "components must be at least 1, got 0"),
        (bent(20), {"levels": 2}, ValueError, "unknown setting 'levels'; there are hidden_size, components"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused(tmp_path, array, settings, error, words):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(error, match=words):
        recipe("rnade").train(tmp_path / "x.npy", tmp_path / "x.safetensors", settings=SETTINGS | settings)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
