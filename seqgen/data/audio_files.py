"""Reading one audio file: through soundfile, or PyAV for what soundfile does not know."""

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
    """One channel of sound.

    Attributes:
        name: of the file. samples: (T,) float32 in [-1, 1]. sample_rate: in samples per second.
        conversions: what was done to it when it was read, in words.
    """

    name: str
    samples: np.ndarray
    sample_rate: int
    conversions: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.sample_rate


def read_audio(
    path: str | os.PathLike[str], sample_rate: int | None = None, *, mono: bool = False
) -> Recording:
    """Read a file of sound.

    Args:
        path: .wav, .flac, .ogg, .mp3 and what else soundfile reads; .m4a, .webm, … with PyAV installed.
        sample_rate: to resample to; None leaves the rate as it is.
        mono: mix several channels into one; else they are refused.

    Returns:
        the recording. Numbers beyond [-1, 1], which floating-point and lossy files may have, are cut off, and
        `conversions` says so.

    Raises:
        SeqgenError: if the file is missing, damaged, or of several channels, or holds NaN or infinity.
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
    """Raise MissingPackageError unless the packages that read files of these names, and `more`, are installed."""
    suffixes = {Path(path).suffix.lower() for path in paths}
    readers = {"av" if suffix in PYAV_SUFFIXES else "soundfile" for suffix in suffixes}
    extras.require(*more, *sorted(readers), for_what=for_what)


def resample(audio: Any, before: int, after: int) -> np.ndarray:
    """Sound of the rate `before` as that of the rate `after`, float32 (T,), by windowed sinc interpolation."""
    extras.require("torch", "torchaudio", for_what="resampling sound")
    import torch
    from torchaudio.functional import resample as convert

    given = torch.as_tensor(np.asarray(audio, np.float32))
    return np.asarray(
        convert(given, integer("before", before, low=1), integer("after", after, low=1)).numpy()
    )


def _read(path: Path) -> tuple[np.ndarray, int]:
    """Samples (T, C) float32 and the rate."""
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
        raise SeqgenError(f"{path} is not a file of sound that can be read: {error}") from None
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
                raise SeqgenError(f"{path} holds no sound")
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            converter = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                parts += [part.to_ndarray().T for part in converter.resample(frame)]
            parts += [part.to_ndarray().T for part in converter.resample(None)]
    except (av.error.FFmpegError, OSError) as error:
        raise SeqgenError(f"{path} is not a file of sound that can be read: {error}") from None
    if not parts:
        return np.zeros((0, 1), np.float32), rate
    return np.concatenate(parts).astype(np.float32), rate
