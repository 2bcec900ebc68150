"""Audio codecs: mu-law codes, 16-bit integers and real numbers; a symbol is one sample, data are float32 in [-1, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.arrays import as_array
from seqgen.codecs.base import Codec
from seqgen.errors import integer

PCM_SCALE = 32768.0
LOWEST, HIGHEST = -32768, 32767


class Audio(Codec):
    """Base class of codecs for single-channel audio.

    Input is floats in [-1, 1], int16 samples, or tensors of either; `sample_rate` is in samples per second.
    """

    medium = "audio"
    unit = "samples"
    default_suffix = ".wav"
    sample_rate: int

    def __init__(self, sample_rate: int = 16000) -> None:
        self.sample_rate = integer("sample_rate", sample_rate, low=1, most=2**31 - 1)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """Encode one recording, a list of recordings, or an array (B, T)."""
        if isinstance(data, list):
            return [self.encode(data)] if data and np.ndim(data[0]) == 0 else [self.encode(x) for x in data]
        array = as_array("audio", data)
        if array.ndim == 2 and not (array.dtype.kind == "f" and array.shape[1] == 2 < array.shape[0]):
            return [self.encode(row) for row in array]
        return [self.encode(array)]

    def join(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "sample_rate": self.sample_rate}

    def samples(self, data: Any) -> np.ndarray:
        """Convert float or int16 samples to floats (T,) in [-1, 1], float32 or float64.

        Raises:
            TypeError: for other dtypes. ValueError: for stereo, NaN, or numbers outside [-1, 1].
        """
        array = one_channel(data)
        if array.dtype == np.int16:
            return array.astype(np.float32) / np.float32(PCM_SCALE)
        if array.dtype.kind != "f" and array.size:
            raise TypeError(f"audio must be floats from -1 to 1 or int16 samples, got {array.dtype}")
        floats = array.astype(np.float64) if array.dtype == np.float64 else array.astype(np.float32)
        if not np.isfinite(floats).all():
            where = int(np.argmin(np.isfinite(floats)))
            raise ValueError(f"audio must be finite, got {floats[where]} at sample {where}")
        if floats.size and float(np.abs(floats).max()) > 1.0:
            where = int(np.argmax(np.abs(floats)))
            raise ValueError(
                f"audio must be between -1 and 1, got {floats[where]:g} at sample {where}; divide 16-bit samples by "
                "32768, and scale down louder samples"
            )
        return floats


class MuLaw(Audio):
    """Samples as `levels` mu-law codes, computed as in torchaudio (mu = levels - 1).

    Integers of dtypes other than int16 are codes.

    Example:
        >>> MuLaw().encode(np.array([-1.0, 0.0, 1.0])).tolist()
        [0, 128, 255]
    """

    name = "mu-law"

    def __init__(self, levels: int = 256, sample_rate: int = 16000) -> None:
        super().__init__(sample_rate)
        self.levels = self.size = integer("levels", levels, low=2, high=65536)
        self._table = self._decoded()

    def encode(self, data: Any) -> np.ndarray:
        array = one_channel(data)
        if array.dtype.kind in "iu" and array.dtype != np.int16:
            return self._symbols(array)
        x, mu = self.samples(array), self.levels - 1
        squeezed = np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu, dtype=x.dtype)
        return ((squeezed + 1.0) / 2.0 * mu + 0.5).astype(np.int64)

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        return self._table[symbols]

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "levels": self.levels, "sample_rate": self.sample_rate}

    def _decoded(self) -> np.ndarray:
        """Return the sample value of each code, (levels,) float32."""
        mu = self.levels - 1
        x = np.arange(self.levels) / mu * 2.0 - 1.0
        return (np.sign(x) * np.expm1(np.abs(x) * np.log1p(mu)) / mu).astype(np.float32)


class PCM16(Audio):
    """Samples as integers from -32768 to 32767, where 32768 corresponds to 1.

    Floats are rounded to the nearest integer; 1 becomes 32767.

    Example:
        >>> PCM16().encode(np.array([-1.0, 0.25, 1.0])).tolist()
        [-32768, 8192, 32767]
    """

    name = "pcm16"

    def encode(self, data: Any) -> np.ndarray:
        array = one_channel(data)
        if array.dtype.kind in "iu":
            integers = array.astype(np.int64)
            if integers.size and (integers.min() < LOWEST or integers.max() > HIGHEST):
                bad = int(integers[(integers < LOWEST) | (integers > HIGHEST)][0])
                raise ValueError(f"16-bit samples must be between {LOWEST} and {HIGHEST}, got {bad}")
            return integers
        scaled = np.floor(self.samples(array).astype(np.float64) * PCM_SCALE + 0.5)
        return np.clip(scaled, LOWEST, HIGHEST).astype(np.int64)

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        return (symbols / PCM_SCALE).astype(np.float32)


class Waveform(Audio):
    """Samples as float32 numbers, unchanged; decoding clips to [-1, 1].

    Example:
        >>> Waveform().decode(np.array([0.5, 1.5], np.float32)).tolist()
        [0.5, 1.0]
    """

    name = "waveform"
    exact = False  # beyond [-1, 1]

    def encode(self, data: Any) -> np.ndarray:
        return self.samples(data).astype(np.float32)

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        return np.clip(symbols, -1.0, 1.0).astype(np.float32)


def one_channel(data: Any) -> np.ndarray:
    """Convert numbers to a one-dimensional array; the error for several channels explains how to mix them."""
    array = as_array("audio", data)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"audio must be an array of numbers, got {array.dtype}")
    if array.ndim == 2:
        axis = int(array.shape[1] <= array.shape[0])
        raise ValueError(
            f"audio must have one channel and the shape (T,), got {array.shape}; mix stereo with x.mean({axis})"
        )
    if array.ndim != 1:
        raise ValueError(f"audio must have the shape (T,), got {array.shape}")
    return array
