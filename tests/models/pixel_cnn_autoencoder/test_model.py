"""The PixelCNN auto-encoder: an exact likelihood given the code, codes that are learned, and refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder

torch.set_num_threads(1)
ALL = np.array(list(itertools.product(range(2), repeat=9)))


def autoencoder(shape=(1, 3, 3), levels=2, bottleneck=3, **arguments) -> PixelCNNAutoEncoder:
    """Return a small model that is far from uniform."""
    model = PixelCNNAutoEncoder(shape, levels, bottleneck, 6, 2, 4, **arguments)
    for parameter in model.parameters():
        parameter.data *= 2.0
    return model


@pytest.mark.parametrize("number", [0, 77, 511])
def test_the_probabilities_of_all_images_given_a_code_add_up_to_one(number):
    model = autoencoder()
    code = model.encode(ALL[number])
    assert code.shape == (1, 3)
    assert code.dtype == np.float32
    scores = model.log_prob(ALL, condition=code[0])
    assert float(scores.exp().sum()) == pytest.approx(1.0, abs=1e-6)
    assert float(scores.max() - scores.min()) > 3.0


def test_without_a_code_each_image_is_scored_given_its_own():
    model = autoencoder()
    scores = model.log_prob(ALL)
    own = model.log_prob(ALL, condition=model.encode(ALL))
    torch.testing.assert_close(scores, own, rtol=1e-6, atol=1e-6)
    assert abs(float(scores.exp().sum()) - 1.0) > 1e-3, "it is no density"


def test_codes_are_bounded_however_large_the_encoder_s_weights_are():
    for bottleneck in (1, 100):
        model = autoencoder(bottleneck=bottleneck)
        model.encoder.code.weight.data *= 1e6
        codes = model.encode(ALL)
        assert np.isfinite(codes).all()
        assert (codes**2).mean(1).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("layer", [0, 1])
def test_every_layer_sees_the_code(layer):
    model = autoencoder()
    for k, other in enumerate(model.decoder.layers):
        if k != layer:
            other.condition.weight.data.zero_()
    one, two = (model.log_prob(ALL[5], condition=np.full(3, value)) for value in (-1.0, 1.0))
    assert float((one - two).abs()) > 1e-3


def test_training_teaches_encoder_and_decoder():
    # sixteen images that only a code can distinguish: the decoder alone has a loss of log 16 nats per image
    images = np.random.default_rng(4).integers(0, 2, (16, 1, 5, 6)).astype(np.uint8)
    model = PixelCNNAutoEncoder((1, 5, 6), 2, 6, 8, 2, 8, seed=2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(140):
        optimizer.zero_grad()
        loss = model.training_loss(images)
        loss.backward()
        optimizer.step()
    nats = -model.log_prob(images)
    assert float(nats.mean()) < np.log(16) / 2
    wrong = -model.log_prob(images, condition=np.roll(model.encode(images), 1, 0))
    assert float(wrong.mean()) > 5 * float(nats.mean())
    back = model.reconstruct(images, seed=3)
    assert back.shape == images.shape
    assert (back == images).mean() > 0.95


def test_reconstructions_are_draws_given_the_code():
    model = autoencoder()
    images = ALL[[3, 200]].reshape(-1, 1, 3, 3)
    codes = model.encode(images)
    drawn = model.reconstruct(images, seed=9)
    for k in range(2):
        alone = model.sample(1, seed=9, start=k, condition=codes[k])[0]
        np.testing.assert_array_equal(drawn[k], alone)
    many = model.sample(60, seed=1, condition=codes[0]).reshape(60, -1)
    assert len(np.unique(many, axis=0)) > 5


def test_colours_and_levels():
    model = autoencoder((3, 4, 5), levels=5, bottleneck=2)
    images = np.random.default_rng(0).integers(0, 5, (7, 3, 4, 5))
    assert model.encode(images).shape == (7, 2)
    assert model.log_prob(images).shape == (7,)
    assert model.reconstruct(images[:1]).shape == (1, 3, 4, 5)
    assert model.score_unit == "bits/dim given the code"


def test_saved_equals_loaded(tmp_path):
    model = autoencoder(dropout=0.25, kernel_size=5)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = seqgen.load(path)
    assert isinstance(loaded, PixelCNNAutoEncoder)
    assert loaded.weights().hash == model.weights().hash
    assert loaded.decoder.dropout == 0.25
    assert loaded.bottleneck == 3
    np.testing.assert_array_equal(loaded.encode(ALL[:9]), model.encode(ALL[:9]))


def test_more_than_one_block_is_encoded_as_one_by_one():
    model = autoencoder()
    codes = model.encode(ALL)
    alone = np.concatenate([model.encode(ALL[k]) for k in (0, 255, 256, 511)])
    np.testing.assert_allclose(codes[[0, 255, 256, 511]], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        ([[1.0, 2.0]], ValueError, "condition's vector must be 3 numbers"),
        ([[1.0, 2.0, float("nan")]], ValueError, "condition's vector must be finite"),
        ([np.zeros(3)] * 3, ValueError, "one item for each of the 1 images, got 3"),
    ],
)
def test_codes_that_cannot_be_are_refused(condition, error, words):
    with pytest.raises(error, match=words):
        autoencoder().log_prob(ALL[0], condition=condition)


def test_sampling_needs_a_code():
    with pytest.raises(SeqgenError, match="conditioned on a vector of 3 numbers; give condition"):
        next(autoencoder().stream(1))
    with pytest.raises(ValueError, match="vector must be 3 numbers"):
        next(autoencoder().stream(1, condition=np.zeros(4)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bottleneck": 0}, "bottleneck must be at least 1, got 0"),
        ({"encoder_channels": 0}, "encoder_channels"),
    ],
)
def test_wrong_sizes_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        PixelCNNAutoEncoder((1, 3, 3), **arguments)


def test_images_of_the_wrong_size_are_refused():
    with pytest.raises(ValueError, match=r"images must have the shape \(1, 3, 3\)"):
        autoencoder().encode(np.zeros((2, 1, 3, 4), np.uint8))
