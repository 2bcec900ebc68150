"""The built-in models of sound: equal to the reference over a second, and a vocoder that follows its features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqgen
from seqgen import rng

RATE = 16000


@torch.no_grad()
def same_noise_through_the_parallel_pass(model: seqgen.WaveNet, symbols: np.ndarray, seed: int) -> np.ndarray:
    """Draw at every position from the parallel pass over the previous symbols, with a stream's random numbers."""
    probabilities = torch.softmax(model(torch.as_tensor(symbols)[None])[0].double(), -1)
    uniforms = rng.uniforms(seed, 0, np.arange(len(symbols)), rng.Purpose.TOKEN)
    return rng.categorical(probabilities.numpy(), uniforms)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_second_of_speech_is_token_for_token_that_of_the_parallel_pass(seed):
    """This covers 16,000 symbols in float32, each drawn after the same previous symbols."""
    model = seqgen.load("speech")
    sound = model.sample(1, RATE, seed=seed, engine="numba", precision="float32")[0]
    symbols = model.codec.encode(sound)
    assert len(np.unique(symbols)) > 50
    np.testing.assert_array_equal(same_noise_through_the_parallel_pass(model, symbols, seed), symbols)


@pytest.mark.parametrize("length", [RATE // 10, pytest.param(RATE, marks=pytest.mark.slow)])
def test_speech_is_token_for_token_that_of_the_reference(length):
    model = seqgen.load("speech")
    fast = model.sample(1, length, seed=3, precision="float32")
    np.testing.assert_array_equal(fast, model.sample(1, length, seed=3, engine="torch"))


def test_speech_has_the_rate_and_the_loudness_of_speech():
    sound = np.concatenate([chunk.data for chunk in seqgen.stream("speech", 1, 4 * RATE, seed=1)])
    assert seqgen.load("speech").codec.sample_rate == RATE
    assert 0.01 < np.sqrt(np.mean(sound**2)) < 0.5
    # a voice has most of its energy below 4 kHz
    power = np.abs(np.fft.rfft(sound)) ** 2
    assert power[: len(power) // 2].sum() > 0.8 * power.sum()


def test_the_vocoder_says_what_its_features_say():
    model = seqgen.load("vocoder")
    natural = seqgen.load("speech").sample(1, 2 * RATE, seed=1)[0]
    features = model.features(natural)
    sound = model.sample(1, condition=features, seed=1)[0]
    assert len(sound) == len(features) * model.hop
    heard = model.features(sound[: len(natural)])
    other = np.random.default_rng(0).permutation(features)
    assert np.abs(heard - features).mean() < 0.5 * np.abs(heard - other).mean()
