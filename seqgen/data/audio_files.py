"""Read one audio file as single-channel audio at a given rate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import extras
from seqgen.data.audio_codings import PYAV_SUFFIXES, SUFFIXES, decode
from seqgen.data.inputs import is_stream, shown
from seqgen.errors import SeqgenError, integer

__all__ = ["SUFFIXES", "Recording", "read_audio", "require_readers", "resample"]


@dataclass(frozen=True, eq=False)
class Recording:
    """Single-channel audio.

    Attributes:
        name: file name. samples: (T,) float32 in [-1, 1]. sample_rate: in samples per second.
        conversions: descriptions of the conversions made on reading.
    """

    name: str
    samples: np.ndarray
    sample_rate: int
    conversions: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.samples) / self.sample_rate


def read_audio(
    path: str | os.PathLike[str], sample_rate: int | None = None, *, mono: bool = False
) -> Recording:
    """Read an audio file.

    Args:
        path: .wav, .flac, .ogg, .mp3 and other formats of soundfile; .m4a, .webm, … with PyAV installed; or "-",
            standard input.
        sample_rate: rate to resample to; None keeps the rate.
        mono: mix several channels into one; otherwise they are refused.

    Returns:
        The recording. `conversions` notes what was changed: samples outside [-1, 1], which floating-point and lossy
            files may contain, are clipped; a truncated file is read as far as it goes, and one whose header states no
            length, as the recorder was cut off, to its end.

    Raises:
        SeqgenError: if the file is missing or damaged, has several channels, or contains NaN or infinity.
    """
    path = Path(path)
    channels, rate, notes = decode(path)
    named = shown(path)
    if not np.isfinite(channels).all():
        where = int(np.argwhere(~np.isfinite(channels))[0, 0])
        raise SeqgenError(
            f"{named} holds {channels[where][~np.isfinite(channels[where])][0]} at sample {where}"
        )
    done = list(notes)
    if channels.shape[1] != 1:
        if not mono:
            raise SeqgenError(
                f"{named} has {channels.shape[1]} channels; give mono=True to mix them into one"
            )
        done.append(f"mixed {channels.shape[1]} channels into one")
    samples = channels.mean(1) if channels.shape[1] > 1 else channels[:, 0]
    if sample_rate is not None and integer("sample_rate", sample_rate, low=1) != rate:
        samples = resample(samples, rate, sample_rate)
        done.append(f"resampled from {rate} to {sample_rate} Hz")
        rate = sample_rate
    if len(samples) and float(np.abs(samples).max()) > 1.0:
        samples = np.clip(samples, -1.0, 1.0)
        done.append("cut off at -1 and 1")
    return Recording(
        named if is_stream(path) else path.name, np.ascontiguousarray(samples, np.float32), rate, tuple(done)
    )


def require_readers(
    paths: Iterable[str | os.PathLike[str]], *more: str, for_what: str = "reading sound"
) -> None:
    """Raise MissingPackageError unless the packages needed to read the named files, and `more`, are installed."""
    suffixes = {"" if is_stream(path) else Path(path).suffix.lower() for path in paths}
    readers = {"av" if suffix in PYAV_SUFFIXES else "soundfile" for suffix in suffixes}
    extras.require(*more, *sorted(readers), for_what=for_what)


def resample(audio: Any, before: int, after: int) -> np.ndarray:
    """Resample audio from rate `before` to rate `after`, float32 (T,), by windowed sinc interpolation."""
    extras.require("torch", "torchaudio", for_what="resampling sound")
    import torch
    from torchaudio.functional import resample as convert

    given = torch.as_tensor(np.asarray(audio, np.float32))
    return np.asarray(
        convert(given, integer("before", before, low=1), integer("after", after, low=1)).numpy()
    )
