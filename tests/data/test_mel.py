"""Mel features: equal to torchaudio's, exactly aligned, in fixed units, and independent of the recording's length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from seqgen.data.mel import fft_size, mel_features


def noise(count: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).normal(size=count)).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize(("rate", "hop", "mels"), [(16000, 200, 80), (22050, 256, 80), (8000, 64, 20)])
@pytest.mark.parametrize("frames", [1.0, 6.5, 20.0])
def test_features_are_torchaudios(rate, hop, mels, frames):
    samples = noise(int(frames * hop))
    spectrum = MelSpectrogram(
        rate, fft_size(hop), 4 * hop, hop, 0.0, 0.475 * rate, n_mels=mels, power=1.0, center=True,
        pad_mode="constant", norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    expected = (spectrum(torch.from_numpy(samples)).clamp(min=1e-5).log10() + 2) / 3
    found = mel_features(samples, rate, hop=hop, mels=mels)
    assert found.dtype == np.float32
    assert found.shape == (int(np.ceil(frames)), mels)
    # torchaudio has one frame more if the last one is full
    np.testing.assert_allclose(found, expected.T[: len(found)].numpy(), atol=1e-4)


@pytest.mark.parametrize("frame", [0, 3, 9])
def test_frame_i_is_centred_on_sample_i_hop(frame):
    samples = np.zeros(2000, np.float32)
    samples[200 * frame] = 1.0
    loudness = mel_features(samples, hop=200).mean(1)
    assert loudness.argmax() == frame
    for distance in (1, 2):
        beside = [loudness[k] for k in (frame - distance, frame + distance) if 0 <= k < 10]
        np.testing.assert_allclose(beside, beside[0], atol=1e-5)
        assert beside[0] < loudness[frame]


def test_a_tone_is_in_its_band():
    for frequency in (200.0, 1000.0, 5000.0):
        tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(8000) / 16000)
        band = mel_features(tone)[20].argmax()
        mel = lambda f: f * 3 / 200 if f < 1000 else 15 + np.log(f / 1000) * 27 / np.log(6.4)  # noqa: E731
        assert band == pytest.approx(81 * mel(frequency) / mel(7600.0) - 1, abs=0.6)


def test_units_are_fixed():
    assert mel_features(np.zeros(1000))[0, 0] == pytest.approx(-1.0)
    loud = mel_features(np.sign(np.sin(np.arange(16000) * 0.1)).astype(np.float32))
    assert 0.5 < loud.max() < 1.1
    quiet = mel_features(0.01 * noise(16000))
    np.testing.assert_allclose(mel_features(0.1 * noise(16000)) - quiet, 1 / 3, atol=1e-2)


def test_frames_depend_on_their_window_alone():
    samples = noise(200 * 4100)
    found = mel_features(samples)  # more than one block
    for frame in (5, 4093, 4094, 4095, 4096, 4097):
        part = mel_features(samples[(frame - 5) * 200 : (frame + 5) * 200])
        np.testing.assert_allclose(found[frame], part[5], atol=1e-4)


def test_integers_and_nothing():
    whole = (noise(1000) * 32767).astype(np.int16)
    np.testing.assert_allclose(mel_features(whole), mel_features(whole / 32768), atol=1e-6)
    assert mel_features(np.zeros(0)).shape == (0, 80)


@pytest.mark.parametrize(
    ("audio", "arguments", "words"),
    [
        (np.zeros((100, 2)), {}, "one channel"),
        (np.array([0.0, np.nan]), {}, "must be finite"),
        (np.array([0.0, 2.0]), {}, "between -1 and 1"),
        (np.zeros(100), {"hop": 2}, "hop must be at least 4, got 2"),
        (np.zeros(100), {"mels": 0}, "mels must be at least 1, got 0"),
        (np.zeros(100), {"hop": 20, "mels": 80}, "mels must be fewer for hop=20"),
    ],
)
def test_what_has_no_features_is_refused(audio, arguments, words):
    with pytest.raises(ValueError, match=words):
        mel_features(audio, **arguments)
