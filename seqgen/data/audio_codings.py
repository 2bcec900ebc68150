"""Decode one audio file with soundfile or PyAV, whichever reads its format; truncated files as far as they go."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from seqgen import extras
from seqgen.data.audio_lengths import UNKNOWN, Samples, find_samples, lacks_end, mpeg_states_length
from seqgen.data.inputs import is_stream, read_bytes, shown
from seqgen.errors import MissingPackageError, SeqgenError

SOUNDFILE_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf", ".opus", ".rf64", ".oga", ".sph", ".aifc",
    ".gsm", ".wave", ".bwf", ".bw64", ".snd", ".nist", ".mp2", ".mpga", ".voc", ".vox", ".ircam", ".sf", ".avr",
    ".8svx", ".svx", ".paf", ".pvf", ".htk", ".sds", ".wve", ".xi",
)  # fmt: skip
PYAV_SUFFIXES = (
    ".m4a", ".aac", ".mp4", ".mka", ".mkv", ".webm", ".wma", ".g722", ".ac3", ".amr", ".m4b", ".m4r", ".m4v", ".mov",
    ".3gp", ".3g2", ".adts", ".weba", ".asf", ".wmv", ".eac3", ".awb", ".wv", ".ape", ".tta", ".tak", ".mpc", ".dts",
    ".spx", ".ogv", ".avi", ".mpg", ".mpeg", ".flv", ".ra", ".rm", ".dsf", ".shn",
)  # fmt: skip
SUFFIXES = SOUNDFILE_SUFFIXES + PYAV_SUFFIXES
HEADERLESS = (".raw", ".pcm", ".s16le", ".f32le", ".s16be", ".s24le", ".s32le", ".u8", ".ul", ".al")

TRUNCATED = "truncated: read up to where the file ends"
UNFINISHED = "read to the end, as the header states no length"
NOT_READ = "read up to the length that the header states, which is before the end of the file"

_BLOCK = 1 << 12
_SLACK = 0.1  # seconds by which stated durations may differ from the samples, for encoders' delays


class Decoded(NamedTuple):
    """The samples (T, C) float32 of a file, their rate, and descriptions of what its length is not."""

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...] = ()


class NoAudioError(SeqgenError):
    """A file of a known format, such as a video, holds no audio."""


class _DamagedError(SeqgenError):
    """A file of a known format cannot be decoded; another reader might make noise of it."""


class _Source:
    """A file by its path, or what was read from a stream."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, shown(path)
        self.suffix = path.suffix.lower()
        self._data = read_bytes(path) if is_stream(path) else None

    def open(self) -> BinaryIO:
        return io.BytesIO(self._data) if self._data is not None else open(self.path, "rb")

    def corrected(self, corrections: tuple[tuple[int, bytes], ...]) -> BinaryIO:
        """Return the contents with bytes replaced at the given places."""
        with self.open() as file:
            data = bytearray(file.read())
        for place, new in corrections:
            data[place : place + len(new)] = new
        return io.BytesIO(data)


def decode(path: Path) -> Decoded:
    """Decode a file or stream by the reader of its suffix, or by the other one if the first does not know the format.

    Raises:
        SeqgenError: if neither can read it; the message is that of the reader of its suffix.
        MissingPackageError: if the reader of its suffix is not installed.
    """
    if path.is_dir():
        raise SeqgenError(f"cannot read {path}: it is a folder")
    if not is_stream(path) and not path.is_file():
        raise SeqgenError(f"cannot read {path}: there is no such file")
    if path.suffix.lower() in HEADERLESS:
        raise SeqgenError(
            f"{path} has samples without a header, whose rate and encoding are not known; convert it to .wav"
        )
    source = _Source(path)
    try:
        with source.open() as file:
            empty = not file.read(1)
    except OSError as error:
        raise SeqgenError(f"cannot read {source.name}: {error.strerror or error}") from None
    if empty:
        raise SeqgenError(f"{source.name} is empty")
    with_av = source.suffix in PYAV_SUFFIXES
    first, second = (_with_av, _with_soundfile) if with_av else (_with_soundfile, _with_av)
    try:
        return first(source)
    except (MissingPackageError, NoAudioError, _DamagedError):
        raise
    except SeqgenError:
        if extras.missing("soundfile" if with_av else "av"):
            raise
        try:
            return second(source)
        except SeqgenError:
            pass
        raise


def _with_soundfile(source: _Source) -> Decoded:
    soundfile = extras.load("soundfile", f"reading {source.name}")
    with source.open() as contents:
        found = find_samples(contents)
        cut = found.truncated if found is not None else lacks_end(contents)
        # without a header that states it, the length of MPEG audio is an estimate
        estimated = not mpeg_states_length(contents)
    try:
        with soundfile.SoundFile(_for_soundfile(source, found)) as file:
            rate, stated = int(file.samplerate), 0 if file.format == "MP3" and estimated else int(file.frames)
            try:
                samples = file.read(-1 if file.seekable() else stated, "float32", always_2d=True)
            except soundfile.SoundFileError:
                samples, at_end = _part(soundfile, source)
                if not at_end or not len(samples):
                    raise _DamagedError(
                        f"{source.name} is not a readable audio file: it is damaged"
                    ) from None
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # without the name that libsndfile was given
        why = getattr(error, "error_string", None) or error
        raise SeqgenError(f"{source.name} is not a readable audio file: {why}") from None
    if found is not None and found.unfinished:
        return Decoded(samples, rate, (UNFINISHED,))
    if cut or len(samples) < stated:
        return Decoded(samples, rate, (TRUNCATED,))
    if found is not None and 0 <= found.stated < found.present - 1 and not found.followed:
        return Decoded(samples, rate, (NOT_READ,))
    return Decoded(samples, rate)


def _for_soundfile(source: _Source, found: Samples | None) -> Any:
    """Return what `SoundFile` opens: the path, or contents whose header states the length that the file has."""
    if found is not None and found.corrections:
        # libsndfile refuses a CAF that has no length or is truncated
        refused = found.container == "CAF" and (found.stated == UNKNOWN or found.truncated)
        if found.unfinished or refused:
            return source.corrected(found.corrections)
    if is_stream(source.path):
        return source.open()
    # bytes, because the module cannot encode names that are not UTF-8
    return os.fsencode(source.path) if os.name == "posix" else os.fspath(source.path)


def _part(soundfile: Any, source: _Source) -> tuple[np.ndarray, bool]:
    """Return the samples up to where decoding fails, and whether that is the end of the file."""
    parts = [np.zeros((0, 1), np.float32)]
    with source.open() as contents:
        end = contents.seek(0, 2)
        contents.seek(0)
        try:
            with soundfile.SoundFile(contents) as file:
                parts = [np.zeros((0, file.channels), np.float32)]
                while len(part := file.read(_BLOCK, "float32", always_2d=True)):
                    parts.append(part)
        except soundfile.SoundFileError:
            pass
        return np.concatenate(parts), contents.tell() == end


def _with_av(source: _Source) -> Decoded:
    try:
        av = extras.load("av", f"reading {source.suffix} files")
    except MissingPackageError as error:
        raise MissingPackageError(f"{error}, or convert {source.path.name} to .wav or .flac") from error
    parts: list[np.ndarray] = []
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    try:
        with source.open() as file, av.logging.Capture() as messages:
            # the name tells a format without a header, and must not contain more than its suffix
            name = f"recording{source.suffix if source.suffix in PYAV_SUFFIXES else ''}"
            with av.open(_Named(file, name)) as container:
                rate, short, failed = _decode_audio(av, container, source, parts)
        said = " ".join(text for _, _, text in messages)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SeqgenError(f"{source.name} is not a readable audio file: {error}") from None
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
    cut = any(words in said for words in ("ended prematurely", "Packet corrupt", "incomplete frame"))
    if "Estimating duration" in said:
        short = 0.0
    with source.open() as file:
        cut = cut or failed or short > _SLACK or lacks_end(file)
    samples = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return Decoded(samples.astype(np.float32), rate, (TRUNCATED,) if cut else ())


def _decode_audio(
    av: Any, container: Any, source: _Source, parts: list[np.ndarray]
) -> tuple[int, float, bool]:
    """Decode the first audio stream into `parts`.

    Returns:
        The rate, by how many seconds it is shorter than stated, and whether its last packet could not be decoded.

    A packet that cannot be decoded ends the stream if it is the last one, as where a file was cut off.
    """
    if not container.streams.audio:
        raise NoAudioError(f"{source.name} has no audio stream")
    stream = container.streams.audio[0]
    converter = av.AudioResampler(format="fltp")
    failed: Exception | None = None
    try:
        for packet in container.demux(stream):
            if failed is not None and packet.size:
                raise failed
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                if not parts:
                    raise
                failed = error
                continue
            for frame in frames:
                parts += [part.to_ndarray().T for part in converter.resample(frame)]
    except av.error.InvalidDataError as error:
        # the container itself ends within a packet
        if not parts or error is failed:
            raise
        failed = error
    parts += [part.to_ndarray().T for part in converter.resample(None)]
    rate = int(stream.rate or stream.codec_context.sample_rate)
    seconds = sum(map(len, parts)) / rate
    stated = seconds
    if stream.duration is not None:
        stated = float(stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        stated = container.duration / av.time_base
    return rate, stated - seconds, failed is not None


class _Named:
    """A file with a name of our choice, from which FFmpeg guesses formats."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False
