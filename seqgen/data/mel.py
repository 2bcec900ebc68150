"""Log-mel features of a recording, with a fixed normalisation that does not depend on data.

A frame is the mel-weighted magnitude spectrum of a Hann window of four hops. Frame i is centred on sample i hop (with
zero padding at both ends), and T samples have F = ⌈T / hop⌉ frames.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from seqgen import extras
from seqgen.codecs.audio import Waveform
from seqgen.errors import integer

FLOOR = 1e-5
FORMULA = "(log10 max(m, 1e-5) + 2) / 3"
RANGE = (-1.0, 1.05)
"""The range of the features: silence, and somewhat more than what sound of full scale reaches with the usual hops."""

HIGHEST_FREQUENCY = 0.475
"""The highest frequency of the bands as a fraction of the sample rate: 7600 Hz at 16 kHz."""


def mel_features(audio: Any, sample_rate: int = 16000, *, hop: int = 200, mels: int = 80) -> np.ndarray:
    """Compute log-mel features (F, M) float32 of a recording (T,), roughly from -1 (silence) to 1.

    The magnitudes m are mapped to (log10 max(m, 1e-5) + 2) / 3. The bands use Slaney's mel scale from 0 to 0.475 of the
    sample rate, with his normalisation.

    Args:
        audio: (T,) floats in [-1, 1] or int16. sample_rate: in samples per second.
        hop: samples per frame; 200 is 12.5 ms at 16 kHz. mels: M, number of bands.

    Raises:
        ValueError: if the audio is not finite, has several channels or exceeds [-1, 1], or if there are more bands than
            the window can resolve.

    Example:
        >>> mel_features(np.zeros(1000, np.float32), hop=200, mels=80).shape
        (5, 80)
    """
    extras.require("torch", "torchaudio", for_what="computing mel features")
    samples = Waveform(sample_rate).encode(audio)
    hop, mels = integer("hop", hop, low=4), integer("mels", mels, low=1)
    bands = _bands(sample_rate, hop, mels)
    count = -(-len(samples) // hop)
    if not count:
        return np.zeros((0, mels), np.float32)
    import torch

    size = fft_size(hop)
    window = torch.hann_window(4 * hop)
    parts = []
    with torch.no_grad():
        padded = torch.nn.functional.pad(torch.as_tensor(samples), (size // 2, size // 2 + hop))
        # process frames in blocks to bound the memory; each block needs only the samples under its windows
        for first in range(0, count, 4096):
            frames = min(4096, count - first)
            stretch = padded[first * hop :][: (frames - 1) * hop + size]
            spectrum = torch.stft(
                stretch, size, hop, 4 * hop, window, center=False, return_complex=True
            ).abs()
            parts.append(spectrum.T @ bands)
    magnitudes = torch.cat(parts)
    return ((magnitudes.clamp(min=FLOOR).log10() + 2.0) / 3.0).numpy()


def described(sample_rate: int, hop: int, mels: int) -> str:
    """Return a description of the features, for a model's card."""
    return (
        f"{FORMULA} of {mels} mel magnitudes (Slaney's scale and normalisation) from 0 to "
        f"{HIGHEST_FREQUENCY * sample_rate:g} Hz, Hann window of {4 * hop} samples, FFT of {fft_size(hop)}, "
        f"frame i centred on sample {hop} i"
    )


def fft_size(hop: int) -> int:
    """Return the smallest power of two that holds a window of four hops.

    Example:
        >>> fft_size(200)
        1024
    """
    return 1 << (4 * hop - 1).bit_length()


@lru_cache(maxsize=8)
def _bands(sample_rate: int, hop: int, mels: int) -> Any:
    """Return the weights (frequencies, M) of the bands."""
    from torchaudio.functional import melscale_fbanks

    size = fft_size(hop)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bands = melscale_fbanks(
            size // 2 + 1, 0.0, HIGHEST_FREQUENCY * sample_rate, mels, sample_rate, "slaney", "slaney"
        )
    if bool((bands.sum(0) == 0).any()):
        raise ValueError(
            f"mels must be fewer for hop={hop}: a window of {4 * hop} samples cannot resolve {mels} bands, and some "
            "would be empty"
        )
    return bands
