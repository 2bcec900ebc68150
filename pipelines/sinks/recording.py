"""A recording on disk, written block by block with libsndfile, that remains valid if writing is interrupted.

Legend: T audio samples.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgen.codecs import Codec
from seqgen.errors import SeqgenError, choice, integer
from seqgen.files import replace_whole

ENCODINGS = ("pcm16", "pcm24", "float32")
_RESERVE = 1 << 18  # bytes of disk space reserved ahead of the encoder
_BLOCK = 1 << 14  # samples per call of the encoder, so that a block always fits into the reserved space
_HEADERS = 1 << 12  # bytes of a WAV's 4 GiB kept for the chunks other than the data


class _Kind(NamedTuple):
    """libsndfile's names of a format and of its encodings, default first, and the maximum file size in bytes."""

    format: str
    subtypes: dict[str, str]
    most: int | None = None


_PCM = {"pcm16": "PCM_16", "pcm24": "PCM_24"}
KINDS = {
    ".wav": _Kind("WAV", {**_PCM, "float32": "FLOAT"}, 2**32 - _HEADERS),
    ".rf64": _Kind("RF64", {**_PCM, "float32": "FLOAT"}),
    ".flac": _Kind("FLAC", _PCM),
    ".ogg": _Kind("OGG", {"float32": "VORBIS"}),
    ".s16le": _Kind("RAW", {"pcm16": "PCM_16"}),
    ".f32le": _Kind("RAW", {"float32": "FLOAT"}),
}
"""File formats by suffix. The last two are little-endian samples without a header."""

WIDTHS = {"pcm16": 2, "pcm24": 3, "float32": 4}
"""Bytes per sample."""


def encoded(audio: np.ndarray, encoding: str) -> np.ndarray:
    """Convert audio (T,) in [-1, 1] to int16, to int32 whose upper 24 bits are used, or to float32.

    Full scale is 2^15 (2^23), by which readers divide, so that 16-bit symbols are recovered exactly; 1 becomes the
    largest integer.

    Example:
        >>> encoded(np.array([-1.0, 0.5, 1.0], np.float32), "pcm16").tolist()
        [-32768, 16384, 32767]
    """
    if encoding == "float32":
        return np.ascontiguousarray(audio, np.float32)
    if encoding == "pcm16":
        return np.clip(np.rint(audio * np.float32(2**15)), -(2**15), 2**15 - 1).astype(np.int16)
    levels = np.clip(np.rint(np.asarray(audio, np.float64) * 2**23), -(2**23), 2**23 - 1)
    return levels.astype(np.int32) << 8


def require_encoding(suffix: str, encoding: str | None) -> str:
    """Return the requested encoding, or the format's default if None; raise SeqgenError if it is not supported."""
    known = KINDS[suffix].subtypes
    if encoding is None:
        return next(iter(known))
    choice("encoding", encoding, ENCODINGS)
    if encoding not in known:
        raise SeqgenError(f"the format {suffix} cannot hold {encoding}; it can hold {' or '.join(known)}")
    return encoding


def require_rate(codec: Codec) -> int:
    """Return the sample rate of an audio codec, or raise SeqgenError."""
    if codec.sample_rate is None:
        raise SeqgenError(f"this format holds audio, the model makes {codec.unit}")
    return codec.sample_rate


class RecordingFile:
    """A mono recording that gets its name when it is closed, even if it is short.

    Disk space is reserved ahead of the encoder. If the disk is full, `write` raises before the encoder receives the
    block; the reserved space is released, so that closing has the space it needs. Equal audio gives equal bytes, except
    for Ogg, whose stream numbers are random.

    Args:
        path: the file.
        sample_rate: samples per second.
        suffix: suffix of the format, one of `KINDS`; None is that of the name.
        encoding: "pcm16", "pcm24" or "float32", if the format supports it; None is the format's default.

    Attributes:
        frames: samples written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        *,
        suffix: str | None = None,
        encoding: str | None = None,
    ) -> None:
        import soundfile

        self.path, self.frames = Path(path), 0
        self._rate = integer("sample_rate", sample_rate, low=1)
        self._suffix = suffix or self.path.suffix.lower()
        self._encoding = require_encoding(self._suffix, encoding)
        self._exit = contextlib.ExitStack()
        temporary = self._exit.enter_context(replace_whole(self.path))
        try:
            # a file descriptor, because the callbacks of a file object would swallow Ctrl-C
            self._descriptor = os.open(temporary, os.O_RDWR | getattr(os, "O_BINARY", 0))
            self._exit.callback(os.close, self._descriptor)
            self._reserved = 0
            self._reserve()
            format_ = KINDS[self._suffix]
            self._file = soundfile.SoundFile(
                self._descriptor, "w", self._rate, 1, format_.subtypes[self._encoding], format=format_.format,
                endian="LITTLE" if format_.format == "RAW" else "FILE", closefd=False,
            )  # fmt: skip
            if format_.format in ("WAV", "RF64"):
                _keep_header_current(self._file)
            self._exit.callback(self._zero_time)
            self._exit.callback(self._file.close)
        except BaseException as error:
            self._exit.__exit__(type(error), error, error.__traceback__)
            raise

    @property
    def seconds(self) -> float:
        """The duration of the recording in seconds."""
        return self.frames / self._rate

    def write(self, audio: np.ndarray) -> None:
        """Append audio (T,) in [-1, 1].

        Raises:
            OSError: if the disk is full or the file cannot grow; the recording so far can still be closed.
            SeqgenError: if a WAV would exceed 4 GiB.
        """
        for begin in range(0, len(audio), _BLOCK):
            block = audio[begin : begin + _BLOCK]
            self._require_size(len(block))
            self._reserve()
            self._file.write(encoded(block, self._encoding))
            self.frames += len(block)

    def close(self) -> None:
        """Complete the file and rename it to its final name."""
        # remove the unused part of the reserved space
        try:
            os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR))
        except BaseException as error:
            self.discard(error)
            raise
        self._exit.__exit__(None, None, None)

    def discard(self, error: BaseException) -> None:
        """Remove the file; an existing one of that name is kept."""
        self._exit.__exit__(type(error), error, error.__traceback__)

    def _zero_time(self) -> None:
        """Zero the time stamp in the PEAK chunk of a float WAV (id, size, version, time)."""
        if not hasattr(os, "pread") or self._suffix != ".wav":
            return
        at = os.pread(self._descriptor, _HEADERS, 0).find(b"PEAK")
        if self._encoding == "float32" and at >= 0:
            os.pwrite(self._descriptor, bytes(4), at + 12)

    def _reserve(self) -> None:
        """Reserve at least `_RESERVE` bytes after the current end of the file."""
        if not hasattr(os, "pwrite"):
            return
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if end + _RESERVE <= self._reserved:
            return
        self._reserved = max(self._reserved, end)
        try:
            while self._reserved < end + 2 * _RESERVE:
                missing = end + 2 * _RESERVE - self._reserved
                self._reserved += os.pwrite(self._descriptor, bytes(missing), self._reserved)
        except OSError as error:
            if self._reserved >= end + _RESERVE:
                return
            self._reserved = end
            os.ftruncate(self._descriptor, end)
            kept = f"after {self.seconds:.1f} s of audio, which are kept"
            why = f"{error.strerror} {kept if self.frames else 'before there was any audio'}"
            raise OSError(error.errno, why, str(self.path)) from None

    def _require_size(self, more: int) -> None:
        most = KINDS[self._suffix].most
        if most is not None and (self.frames + more) * WIDTHS[self._encoding] > most:
            hours = self.seconds / 3600
            raise SeqgenError(
                f"{self.path} is full: a {self._suffix} file holds 4 GiB, here {hours:.1f} hours, which are kept; "
                "write .flac or .rf64 for more"
            )


def _keep_header_current(file: Any) -> None:
    """Have the header written with every block, so that the recording of a killed process can be opened."""
    import soundfile

    update_header_auto = 0x1061  # of libsndfile's sf_command; soundfile has no method for it
    with contextlib.suppress(AttributeError):
        soundfile._snd.sf_command(file._file, update_header_auto, soundfile._ffi.NULL, 1)


def samples_of(data: Any) -> np.ndarray:
    """Return a chunk's data as audio (T,), or raise TypeError."""
    audio = np.asarray(data)
    if audio.ndim != 1 or audio.dtype.kind != "f":
        raise TypeError(f"expected audio (T,) of floats, got {audio.dtype} of shape {audio.shape}")
    return audio
