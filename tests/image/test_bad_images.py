"""Unsupported inputs of image models are refused with a message that says what would be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError

SHAPE = (1, 2, 4)
SIZES: dict[str, Any] = {"channels": 4, "layers": 1}
MODELS: dict[str, Callable[[], Any]] = {
    "fvsbn": lambda: seqgen.FVSBN(8, shape=SHAPE),
    "nade": lambda: seqgen.NADE(8, 4, shape=SHAPE),
    "eonade": lambda: seqgen.EoNADE(8, 4, shape=SHAPE),
    "pixel-cnn": lambda: seqgen.PixelCNN(SHAPE, **SIZES),
    "pixel-rnn": lambda: seqgen.PixelRNN(SHAPE, **SIZES),
    "pixel-cnn-pp": lambda: seqgen.PixelCNNpp(SHAPE, 2, 4, 1, 1, mixtures=2),
    "two-scale": lambda: seqgen.TwoScale(
        seqgen.PixelCNN((1, 1, 2), **SIZES), seqgen.PixelCNN(SHAPE, guide=(1, 1, 2), **SIZES)
    ),
    "pixel-cnn-autoencoder": lambda: seqgen.PixelCNNAutoEncoder(SHAPE, 2, 3, 4, 1, 4),
}
every_model = pytest.mark.parametrize("family", list(MODELS))
ZEROS = np.zeros((2, *SHAPE), np.int64)
BAD_IMAGES: list[tuple[Any, type[Exception], str]] = [
    (np.zeros((2, 1, 2, 5), int), ValueError, r"shape \(1, 2, 4\) .* got \(2, 1, 2, 5\)"),
    (np.zeros((2, 3, 2, 4), int), ValueError, r"shape \(1, 2, 4\) .* got \(2, 3, 2, 4\)"),
    (ZEROS[:0], ValueError, "at least one image"),
    (ZEROS - 1, ValueError, "levels must be between 0 and 1, got -1"),
    (ZEROS + 2, ValueError, "levels must be between 0 and 1, got 2"),
    (ZEROS + 0.5, TypeError, "images must be integers from 0 to 1, got float64"),
    (ZEROS * np.nan, TypeError, "images must be integers from 0 to 1, got float64"),
    (torch.zeros(SHAPE, dtype=torch.bfloat16), TypeError, "images must be an array of numbers, got torch.bfloat16"),
    (torch.zeros(SHAPE, requires_grad=True), TypeError, "images must be integers from 0 to 1, got float32"),
    ([[0, 1], [0]], TypeError, "images must be an array of numbers, got list of elements of different sizes"),
    ("image", TypeError, "images must be integers from 0 to 1, got <U5"),
    (None, TypeError, "images must be integers"),
]  # fmt: skip


@every_model
def test_images_that_cannot_be_scored(family):
    model = MODELS[family]()
    calls = [model.log_prob, *([model.encode] if hasattr(model, "encode") else [])]
    for call in calls:
        for images, error, words in BAD_IMAGES:
            with pytest.raises(error, match=words):
                call(images)


@every_model
def test_tensors_are_scored_as_arrays_are(family):
    model = MODELS[family]()
    images = np.random.default_rng(0).integers(0, 2, (3, *SHAPE))
    expected = model.log_prob(images)
    for dtype in (torch.uint8, torch.int64, torch.bool):
        assert torch.equal(model.log_prob(torch.as_tensor(images).to(dtype)), expected)


@every_model
@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        (np.full((1, 2, 5), -1), ValueError, r"shape \(1, 2, 4\) .* got \(1, 2, 5\)"),
        (np.full((2, *SHAPE), -1), ValueError, "expected one image"),
        (np.full(SHAPE, np.nan), TypeError, "must be integers"),
        (np.full(SHAPE, -2), ValueError, "levels must be between 0 and 1, or -1 where a pixel is unknown, got -2"),
        (np.full(SHAPE, 2), ValueError, "levels must be between 0 and 1, or -1 .* got 2"),
        (np.ones(SHAPE, bool), TypeError, "got a mask of bool; seqgen.data.images.keep_known combines"),
    ],
    ids=["size", "two", "NaN", "below", "above", "mask"],
)  # fmt: skip
def test_prompts_that_are_no_images(family, prompt, error, words):
    model = MODELS[family]()
    given = {"condition": np.zeros(3)} if family == "pixel-cnn-autoencoder" else {}
    with pytest.raises(error, match=words):
        model.sample(1, prompt=prompt, engine="torch", **given)


@every_model
def test_a_mask_that_a_model_cannot_hold_exactly(family):
    model = MODELS[family]()
    given = {"condition": np.zeros(3)} if family == "pixel-cnn-autoencoder" else {}
    prompt = np.full(SHAPE, -1)
    prompt[0, 1, 1] = 1
    if model.completes == "any":
        assert model.sample(1, prompt=prompt, engine="torch")[0, 0, 1, 1] == 1
        return
    assert model.completes == ("coarse-first" if family == "two-scale" else "raster")
    with pytest.raises(SeqgenError, match="known pixels come first"):
        model.sample(1, prompt=prompt, engine="torch", **given)


CLASSES: list[tuple[Any, type[Exception], str]] = [
    (3, ValueError, "class must be between 0 and 2, got 3"),
    (-1, ValueError, "class must be between 0 and 2, got -1"),
    (1.0, TypeError, "class must be an integer, got 1.0"),
    (True, TypeError, "class must be an integer, got True"),
    (np.True_, TypeError, "class must be an integer, got True"),
    (torch.tensor(True), TypeError, "class must be an integer, got True"),
    (torch.tensor(1.0), TypeError, "class must be an integer, got 1.0"),
    ("1", TypeError, "class must be an integer, got '1'"),
    (None, SeqgenError, "conditioned on a class from 0 to 2; give condition"),
    ({"label": 1}, ValueError, "condition must be a class from 0 to 2, got"),
]


@pytest.mark.parametrize("family", ["pixel-cnn", "pixel-cnn-pp"])
def test_classes(family):
    model: Any
    if family == "pixel-cnn":
        model = seqgen.PixelCNN(SHAPE, classes=3, **SIZES)
    else:
        model = seqgen.PixelCNNpp(SHAPE, 2, 4, 1, 1, classes=3, mixtures=2)
    for condition, error, words in CLASSES:
        for call in (lambda c: model.log_prob(ZEROS, condition=c), lambda c: model.sample(2, condition=c)):
            with pytest.raises(error, match=words):
                call(condition)
    with pytest.raises(TypeError, match=r"got array\(\[0, 1\]\); a list gives one for each sample"):
        model.sample(2, condition=np.array([0, 1]))
    expected = model.log_prob(ZEROS, condition=[0, 2])
    for several in (np.array([0, 2]), torch.tensor([0, 2]), [np.int64(0), torch.tensor(2)]):
        assert torch.equal(model.log_prob(ZEROS, condition=several), expected)


def test_vectors_and_guides():
    model = seqgen.PixelCNN(SHAPE, condition_size=2, guide=(1, 1, 2), **SIZES)
    right = {"vector": (0.5, 1.0), "guide": [[[0, 1]]]}
    same = {"vector": torch.tensor([0.5, 1.0], requires_grad=True), "guide": torch.tensor([[[0, 1]]])}
    assert torch.equal(model.log_prob(ZEROS, condition=same), model.log_prob(ZEROS, condition=right))
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"vector": (1.0,)}, ValueError, r"vector must be 2 numbers, got \(1.0,\)"),
        ({"vector": np.ones((2, 2))}, ValueError, "vector must be 2 numbers, .* a list gives one for each sample"),
        ({"vector": (1.0, np.nan)}, ValueError, "vector must be finite"),
        ({"vector": (1.0, 1e300)}, ValueError, "vector must be finite"),
        ({"guide": [[[0, 2]]]}, ValueError, "condition's guide: levels must be between 0 and 1, got 2"),
        ({"guide": [[[0.0, 1.0]]]}, TypeError, "condition's guide: images must be integers"),
        ({"guide": [[[0], [1]]]}, ValueError, "condition's guide: images must have the shape"),
    ]  # fmt: skip
    for change, error, words in wrong:
        with pytest.raises(error, match=words):
            model.log_prob(ZEROS, condition=right | change)


def test_orders():
    model = seqgen.EoNADE(8, 4, shape=SHAPE)
    backwards = np.arange(8)[::-1].copy()
    expected = model.log_prob(ZEROS, condition=backwards)
    assert torch.equal(model.log_prob(ZEROS, condition=torch.as_tensor(backwards)), expected)
    assert torch.equal(model.log_prob(ZEROS, condition=torch.as_tensor(np.stack([backwards] * 2))), expected)
    with pytest.raises(
        TypeError, match="condition must be an array of numbers, got tuple of elements of different"
    ):
        model.log_prob(ZEROS, condition=([1], [1, 2]))
    with pytest.raises(TypeError, match="orders must be a list of orders, got 3"):
        model.ensemble_log_prob(ZEROS, 3)


@pytest.mark.parametrize("name", ["classes", "condition_size", "guide"])
def test_the_decoder_of_an_auto_encoder_is_conditioned_on_the_code_alone(name):
    with pytest.raises(TypeError, match=f"{name} must be left out"):
        seqgen.PixelCNNAutoEncoder(SHAPE, 2, 3, 4, 1, 4, **{name: 3})
