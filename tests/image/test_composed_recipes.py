"""The recipes of two-scale models and auto-encoders: from a data set to a checkpoint that loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.models.autoencoder.model import AutoEncoder
from seqgen.registry import recipe

torch.set_num_threads(1)
SETTINGS: dict[str, Any] = {"steps": 3, "batch": 4, "warmup": 1, "validate_every": 2}
SMALL = {"channels": 4, "layers": 1}
CODED = {"encoder_channels": 2, "bottleneck": 3}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return forty images of 8 × 6 pixels with two classes."""
    noise = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    images = noise.integers(0, 256, (40, 1, 8, 6)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 2)
    return path


@pytest.mark.parametrize(
    ("family", "settings", "unit"),
    [
        ("two-scale", {**SMALL, "small_channels": 4, "small_layers": 1}, "nats/image"),
        (
            "two-scale",
            {**SMALL, "small_channels": 2, "small_layers": 1, "conditional": True, "levels": 4},
            "bits/dim",
        ),
        ("pixel-cnn-autoencoder", {**SMALL, **CODED}, "nats/image given the code"),
        ("pixel-cnn-autoencoder", {**SMALL, **CODED, "levels": 3, "dropout": 0.5}, "bits/dim given the code"),
        ("autoencoder", {"channels": 2, "bottleneck": 3}, "mean squared error"),
    ],
)
def test_training_writes_a_checkpoint_with_its_score(data, tmp_path, family, settings, unit):
    output = tmp_path / "model.safetensors"
    card = recipe(family).train(data, output, settings=SETTINGS | settings).card
    assert card["score_unit"] == unit
    assert np.isfinite(card["score"])
    assert card["command"].startswith(f"seqgen train {family} images.npz")
    loaded: Any = AutoEncoder.load(output) if family == "autoencoder" else seqgen.load(output)
    assert loaded.family == family
    assert loaded.codec.shape == (1, 8, 6)


@pytest.mark.parametrize("family", ["two-scale", "pixel-cnn-autoencoder", "autoencoder"])
def test_presets_name_settings_that_there_are(family):
    from seqgen.training.config import TrainingConfig
    from seqgen.training.settings import split_settings

    found = recipe(family)
    assert {"tiny", "digits", "fashion"} <= set(found.presets)
    for preset in found.presets.values():
        split_settings(preset, dict(found.defaults), TrainingConfig)


@pytest.mark.parametrize("family", ["pixel-cnn-autoencoder", "autoencoder"])
def test_the_code_has_a_hundred_numbers_in_one_preset_and_ten_in_the_other(family):
    found = recipe(family)
    for data_set in ("digits", "fashion"):
        assert found.presets[data_set].get("bottleneck", found.defaults["bottleneck"]) == 10
        assert found.presets[f"{data_set}-100"]["bottleneck"] == 100


@pytest.mark.parametrize(
    ("family", "settings", "error", "words"),
    [
        (
            "two-scale",
            {"factor": 4},
            ValueError,
            "factor must divide the 8 rows and 6 columns of the images, got 4",
        ),
        ("two-scale", {"factor": 1}, ValueError, "factor must be at least 2, got 1"),
        ("pixel-cnn-autoencoder", {"conditional": True}, SeqgenError, "leave out conditional"),
        ("autoencoder", {"conditional": True}, SeqgenError, "leave out conditional"),
    ],
)
def test_settings_that_cannot_be_are_refused(data, tmp_path, family, settings, error, words):
    with pytest.raises(error, match=words):
        recipe(family).train(data, tmp_path / "model.safetensors", settings=SETTINGS | settings)
    assert not (tmp_path / "model.safetensors").exists()
