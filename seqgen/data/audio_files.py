"""Read one audio file with soundfile, or with PyAV for formats that soundfile does not support."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import extras
from seqgen.errors import MissingPackageError, SeqgenError, integer

SOUNDFILE_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf", ".opus")
PYAV_SUFFIXES = (".m4a", ".aac", ".mp4", ".mka", ".mkv", ".webm", ".wma", ".g722", ".ac3", ".amr")
SUFFIXES = SOUNDFILE_SUFFIXES + PYAV_SUFFIXES


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
        path: .wav, .flac, .ogg, .mp3 and other formats of soundfile; .m4a, .webm, … with PyAV installed.
        sample_rate: rate to resample to; None keeps the rate.
        mono: mix several channels into one; otherwise they are refused.

    Returns:
        The recording. Samples outside [-1, 1], which floating-point and lossy files may contain, are clipped, which
            `conversions` notes.

    Raises:
        SeqgenError: if the file is missing or damaged, has several channels, or contains NaN or infinity.
    """
    path = Path(path)
    channels, rate = _read(path)
    if not np.isfinite(channels).all():
        where = int(np.argwhere(~np.isfinite(channels))[0, 0])
        raise SeqgenError(
            f"{path} holds {channels[where][~np.isfinite(channels[where])][0]} at sample {where}"
        )
    done = []
    if channels.shape[1] != 1:
        if not mono:
            raise SeqgenError(f"{path} has {channels.shape[1]} channels; give mono=True to mix them into one")
        done.append(f"mixed {channels.shape[1]} channels into one")
    samples = channels.mean(1) if channels.shape[1] > 1 else channels[:, 0]
    if sample_rate is not None and integer("sample_rate", sample_rate, low=1) != rate:
        samples = resample(samples, rate, sample_rate)
        done.append(f"resampled from {rate} to {sample_rate} Hz")
        rate = sample_rate
    if len(samples) and float(np.abs(samples).max()) > 1.0:
        samples = np.clip(samples, -1.0, 1.0)
        done.append("cut off at -1 and 1")
    return Recording(path.name, np.ascontiguousarray(samples, np.float32), rate, tuple(done))


def require_readers(
    paths: Iterable[str | os.PathLike[str]], *more: str, for_what: str = "reading sound"
) -> None:
    """Raise MissingPackageError unless the packages needed to read the named files, and `more`, are installed."""
    suffixes = {Path(path).suffix.lower() for path in paths}
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


def _read(path: Path) -> tuple[np.ndarray, int]:
    """Return samples (T, C) float32 and the rate."""
    if not path.is_file():
        raise SeqgenError(
            f"cannot read {path}: {'it is a folder' if path.is_dir() else 'there is no such file'}"
        )
    if not path.stat().st_size:
        raise SeqgenError(f"{path} is empty")
    if path.suffix.lower() in PYAV_SUFFIXES:
        return _read_with_pyav(path)
    soundfile = extras.load("soundfile", f"reading {path.name}")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise SeqgenError(f"{path} is not a readable audio file: {error}") from None
    return samples, int(rate)


def _read_with_pyav(path: Path) -> tuple[np.ndarray, int]:
    try:
        av = extras.load("av", f"reading {path.suffix} files")
    except MissingPackageError as error:
        raise MissingPackageError(f"{error}, or convert {path.name} to .wav or .flac") from error
    parts: list[np.ndarray] = []
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.audio:
                raise SeqgenError(f"{path} has no audio stream")
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            converter = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                parts += [part.to_ndarray().T for part in converter.resample(frame)]
            parts += [part.to_ndarray().T for part in converter.resample(None)]
    except (av.error.FFmpegError, OSError) as error:
        raise SeqgenError(f"{path} is not a readable audio file: {error}") from None
    if not parts:
        return np.zeros((0, 1), np.float32), rate
    return np.concatenate(parts).astype(np.float32), rate
