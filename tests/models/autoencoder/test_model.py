"""The plain auto-encoder: shapes, the squared error as objective, files, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.models.autoencoder.model import AutoEncoder

torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (3, 5, 7), (1, 8, 6), (2, 4, 9)])
def test_images_of_any_size_come_back_with_their_shape(shape):
    model = AutoEncoder(shape, 4, 3, 2)
    images = np.random.default_rng(0).integers(0, 4, (5, *shape))
    codes = model.encode(images)
    assert codes.shape == (5, 3)
    back = model.reconstruct(images)
    assert back.shape == images.shape
    assert back.dtype == np.float32
    assert (back >= 0).all()
    assert (back <= 1).all()
    np.testing.assert_array_equal(back, model.decode(codes))


def test_the_score_is_the_mean_squared_error_of_intensities():
    model = AutoEncoder((1, 3, 4), 5, 2, 2)
    images = np.random.default_rng(1).integers(0, 5, (300, 1, 3, 4)).astype(np.uint8)
    expected = np.mean((model.reconstruct(images).astype(np.float64) - images / 4) ** 2)
    assert model.score(images) == pytest.approx(expected, rel=1e-6)
    assert float(model.training_loss(images).detach()) == pytest.approx(expected, rel=1e-5)


def train(model: AutoEncoder, images: np.ndarray, steps: int) -> None:
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        model.training_loss(images).backward()
        optimizer.step()


def test_it_learns_images_that_the_code_can_tell_apart():
    noise = np.random.default_rng(5)
    images = noise.integers(0, 2, (4, 1, 6, 6)).astype(np.uint8)
    model = AutoEncoder((1, 6, 6), 2, 3, 8, seed=3)
    before = model.score(images)
    train(model, images, 150)
    assert model.score(images) < 0.01 < before


def test_dark_images_do_not_train_it_to_black():
    # one pixel in twenty is white: with a saturated output, black pixels would have no gradient
    noise = np.random.default_rng(8)
    images = np.zeros((20, 1, 6, 6), np.uint8)
    images[np.arange(20), 0, noise.integers(0, 6, 20), noise.integers(0, 6, 20)] = 1
    model = AutoEncoder((1, 6, 6), 2, 20, 8, seed=1)
    train(model, images, 150)
    assert model.score(images) < images.mean() / 4


def test_what_the_code_leaves_open_comes_back_as_the_mean():
    images = np.random.default_rng(6).integers(0, 2, (64, 1, 3, 3)).astype(np.uint8)
    model = AutoEncoder((1, 3, 3), 2, 1, 8, seed=3)
    model.encoder.code.weight.data.zero_()
    model.encoder.requires_grad_(False)
    train(model, images, 100)
    back = model.reconstruct(images)
    np.testing.assert_allclose(back, np.broadcast_to(images.mean(0), images.shape), atol=0.02)


def test_saved_equals_loaded(tmp_path):
    model = AutoEncoder((1, 5, 5), 3, 4, 6, seed=7)
    path = tmp_path / "model.safetensors"
    model.save(path, card={"data": "none"})
    loaded = AutoEncoder.load(path)
    images = np.random.default_rng(0).integers(0, 3, (2, 1, 5, 5))
    np.testing.assert_array_equal(loaded.reconstruct(images), model.reconstruct(images))
    assert loaded.config() == model.config()


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "chain.safetensors"
    seqgen.MarkovChain(order=1).fit(["abab"]).save(path)
    with pytest.raises(SeqgenError, match="family 'markov', not 'autoencoder'"):
        AutoEncoder.load(path)
    with pytest.raises(SeqgenError, match="no file"):
        AutoEncoder.load(str(tmp_path / "absent.safetensors"))


def test_seqgen_load_opens_generators_only(tmp_path):
    path = tmp_path / "model.safetensors"
    AutoEncoder((1, 2, 2), 2, 2, 2).save(path)
    for opened in (seqgen.load, seqgen.stream):
        with pytest.raises(SeqgenError, match=r"not a generator: .* seqgen\.AutoEncoder\.load"):
            opened(path)
    assert seqgen.AutoEncoder.load(path).codec.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda m: m.decode(np.zeros((2, 3))),
            ValueError,
            r"codes must have the shape \(B, 4\), got \(2, 3\)",
        ),
        (lambda m: m.decode(np.zeros(4)), ValueError, r"codes must have the shape \(B, 4\), got \(4,\)"),
        (lambda m: m.decode(np.full((1, 4), np.inf)), ValueError, "codes must be finite"),
        (lambda m: m.decode(np.full((1, 4), 1e300)), ValueError, "codes must be finite"),
        (lambda m: m.decode(np.zeros((0, 4))), ValueError, "codes must have the shape"),
        (lambda m: m.decode([["a"] * 4]), TypeError, "codes must be numbers"),
        (lambda m: m.decode([[1], [1, 2]]), TypeError, "codes must be an array of numbers"),
        (lambda m: m.encode(np.zeros((1, 1, 3, 3), np.uint8)), ValueError, "images must have the shape"),
        (lambda m: m.encode(np.full((1, 1, 2, 2), 2)), ValueError, "levels must be between 0 and 1, got 2"),
        (
            lambda m: m.training_loss(np.zeros((1, 1, 2, 2), np.uint8), condition=1),
            SeqgenError,
            "no condition",
        ),
        (lambda m: AutoEncoder((1, 2, 2), bottleneck=0), ValueError, "bottleneck must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(AutoEncoder((1, 2, 2), 2, 4, 2))
