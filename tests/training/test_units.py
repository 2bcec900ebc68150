"""Losses and scores of a training are reported, drawn and printed in one unit, which is said."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from seqgen.data.image_set import ImageSet
from seqgen.image.objective import ImageObjective
from seqgen.models.fvsbn.model import FVSBN
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.rnade.model import RNADE
from seqgen.models.rnade.objective import VectorObjective
from seqgen.registry import FAMILIES, recipe
from seqgen.training.fitting import Fit
from seqgen.training.loop import Progress
from seqgen.training.plots import loss_curve
from tests.training.tiny_runs import DATA

TRAINED = [name for name in FAMILIES if recipe(name).resumable]


def scaled_loss(objective: object, model: torch.nn.Module) -> float:
    return float(objective.loss(model, 0, {})[0].detach()) * objective.scale


@pytest.mark.parametrize(("levels", "unit"), [(2, "nats/image"), (4, "bits/dim")])
def test_the_loss_of_all_images_is_their_score(levels, unit):
    # intensities that are levels, so that binarizing draws nothing
    images = np.random.default_rng(0).integers(0, levels, (12, 1, 5, 6)) * (255 // (levels - 1))
    data = ImageSet(images.astype(np.uint8))
    objective = ImageObjective(data, data, levels=levels, batch=12, seed=0, conditional=False)
    model = (
        FVSBN(30, shape=(1, 5, 6))
        if levels == 2
        else PixelCNN((1, 5, 6), levels=levels, layers=2, channels=8)
    )
    assert objective.unit == unit
    assert scaled_loss(objective, model) == pytest.approx(objective.validate(model), rel=1e-4)


def test_the_loss_of_all_vectors_is_their_score():
    data = np.random.default_rng(0).normal(size=(20, 7))
    objective = VectorObjective(data, data, batch=20, seed=0)
    model = RNADE(7, 8, 2)
    assert scaled_loss(objective, model) == pytest.approx(objective.validate(model), rel=1e-4)


@pytest.mark.parametrize("family", [name for name in TRAINED if name in DATA])
def test_every_recipe_reports_losses_in_the_unit_of_its_score(family, tmp_path):
    """At the learning rate of nearly nothing, a model's loss and held-out score are about the same."""
    reported: list[tuple[int, int, float, float | None]] = []
    units: list[str] = []
    trained = recipe(family).train(
        DATA[family](tmp_path), tmp_path / "a.safetensors", preset="tiny",
        settings={"steps": 1, "learning_rate": 1e-9, "warmup": 0, "validate_every": 1},
        report=lambda *figures: reported.append(figures), announce=units.append,
    )  # fmt: skip
    ((step, steps, loss, score),) = reported
    assert (step, steps) == (1, 1)
    assert units == [trained.card["score_unit"]]
    assert score is not None
    # the models are untrained, and the data of both parts alike; an error is that of outputs which are not yet cut off
    assert loss == pytest.approx(score, rel=0.35 if family != "autoencoder" else 0.5)


def test_the_curve_has_both_in_the_unit_of_its_axis(tmp_path, monkeypatch):
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    progress = Progress([(0, math.log(4)), (1, math.log(2))], [(2, 1.5)])
    loss_curve(progress, tmp_path / "a.png", "bits/sample", 1 / math.log(2))
    (axes,) = drawn[0].axes
    training, held_out = axes.lines
    np.testing.assert_allclose(training.get_ydata(), [2.0, 1.0])
    assert list(held_out.get_ydata()) == [1.5]
    assert axes.get_ylabel() == "bits/sample"


@pytest.mark.parametrize(
    ("family", "unit"),
    [
        ("wavenet", "bits/sample"),
        ("char-rnn", "nats/character"),
        ("fvsbn", "nats/image"),
        ("hmm", "nats/observation"),
    ],
)
def test_the_command_line_prints_the_unit(family, unit, tmp_path, capsys):
    import pipelines.cli

    data: Path | None = DATA[family](tmp_path)
    steps = (
        ["--set", "iterations=1"] if family == "hmm" else ["--set", "steps=2", "--set", "validate_every=1"]
    )
    with pytest.raises(SystemExit) as left:
        pipelines.cli.run(
            ["train", family, str(data), "-o", str(tmp_path / "a.safetensors"), "--preset", "tiny", *steps]
        )
    printed = capsys.readouterr().err
    assert not left.value.code, printed
    lines = [line for line in printed.splitlines() if line.startswith("step")]
    assert lines
    for line in lines:
        assert re.fullmatch(rf"step \d+/\d+: loss -?[\d.]+(, held out -?[\d.]+)? {unit}", line)


def test_a_fit_that_reports_nothing_has_no_unit():
    assert Fit(lambda report: (None, {})).unit == ""
