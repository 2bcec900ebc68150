"""Audio data sets: read files and folders of recordings, trim silence, and split by file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seqgen.data.audio_codings import NOT_READ, TRUNCATED, UNFINISHED, NoAudioError
from seqgen.data.audio_files import SUFFIXES, Recording, read_audio, require_readers, resample
from seqgen.data.folders import Listing, first_names, list_files
from seqgen.data.inputs import is_stream, shown
from seqgen.data.splits import split
from seqgen.errors import SeqgenError, integer, real

__all__ = [
    "AudioSplits",
    "Recording",
    "Recordings",
    "read_audio",
    "read_recordings",
    "resample",
    "split_recordings",
]

FRAME_SECONDS = 0.02
SILENCE = 1e-4
"""A recording whose loudest 20 ms have less than this root mean square (-80 dB) is silent."""

HELD_OUT = 0.025

_EMPTY, _SILENT = "left out, as they are empty", "left out, as they are silent"
_WITHOUT = "left out, as they have no audio stream"
_NAMED = (_EMPTY, _SILENT, _WITHOUT, TRUNCATED, UNFINISHED, NOT_READ)


@dataclass(frozen=True)
class Recordings:
    """The recordings of a data set, in the order of the files' paths.

    Attributes:
        items: the recordings. labels: the sub-folder number of each; empty if there are no sub-folders.
        classes: the names of the sub-folders.
        notes: descriptions of what was left out, with the first names, and of what was converted.
    """

    items: tuple[Recording, ...]
    labels: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def take(self, numbers: np.ndarray) -> Recordings:
        """Return a subset by number."""
        chosen = [int(n) for n in numbers]
        labels = tuple(self.labels[n] for n in chosen) if self.labels else ()
        return replace(self, items=tuple(self.items[n] for n in chosen), labels=labels)

    @property
    def samples(self) -> int:
        """The total number of samples."""
        return sum(len(item.samples) for item in self.items)


@dataclass(frozen=True)
class AudioSplits:
    """Training, validation and test recordings; `how` describes the split."""

    train: Recordings
    validation: Recordings
    test: Recordings
    how: str


def read_recordings(
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    trim_db: float = 0.0,
    margin: float = 0.05,
    longest_silence: float = 0.0,
) -> Recordings:
    """Read an audio file, or all of a folder and its sub-folders in the order of their paths.

    `seqgen.data.folders` defines which files of a folder are read. Several channels are mixed into one, other rates are
    resampled, truncated files are read as far as they go, and silent and empty files of a folder are left out; `notes`
    counts each. Sub-folders are classes (for example speakers) if every file is in one.

    Args:
        path: a file or a folder, or "-" for standard input. sample_rate: the rate of the result.
        trim_db: trim leading and trailing silence: 20 ms windows this many decibels below the loudest one; 0 is off.
        margin: seconds of silence to keep at either end.
        longest_silence: shorten silences inside a recording to this many seconds; 0 is off.

    Raises:
        SeqgenError: if there is nothing to read, a file is damaged or contains NaN, or the only file is silent.
        MissingPackageError: if a package that reads one of the files is not installed.
    """
    folder = Path(path)
    integer("sample_rate", sample_rate, low=1)
    for name, value in (("trim_db", trim_db), ("margin", margin), ("longest_silence", longest_silence)):
        real(name, value, low=0.0)
    listing = _listed(folder)
    files = listing.files
    read, labels = [], []
    notes: dict[str, list[str]] = {}
    require_readers(files)
    parts = [file.relative_to(folder).parts[0] for file in files] if folder.is_dir() else []
    nested = bool(parts) and all(len(file.relative_to(folder).parts) > 1 for file in files)
    classes = tuple(sorted(set(parts))) if nested else ()
    for number, file in enumerate(files):
        name = str(file.relative_to(folder)) if parts else shown(file) if is_stream(file) else file.name
        if folder.is_dir() and not file.stat().st_size:
            notes.setdefault(_EMPTY, []).append(name)
            continue
        try:
            whole = read_audio(file, sample_rate, mono=True)
        except NoAudioError:
            if not parts:
                raise
            notes.setdefault(_WITHOUT, []).append(name)
            continue
        loud = loudness(whole.samples, sample_rate)
        if not len(loud) or float(loud.max()) < SILENCE:
            if not folder.is_dir():
                kind = "silent" if len(loud) else "empty"
                raise SeqgenError(f"{shown(file)} is {kind}; give a recording with sound")
            notes.setdefault(_SILENT if len(loud) else _EMPTY, []).append(name)
            continue
        for conversion in whole.conversions:
            notes.setdefault(conversion, []).append(name)
        kept = whole.samples
        if trim_db:
            kept = without_silence(kept, sample_rate, trim_db, margin, longest_silence)
        read.append(replace(whole, samples=kept, name=name))
        if nested:
            labels.append(classes.index(parts[number]))
    if not read:
        raise SeqgenError(f"all {len(files)} files of {folder} are silent or empty")
    return Recordings(tuple(read), tuple(labels), classes, _described(listing, len(read), notes))


def split_recordings(recordings: Recordings, seed: int = 0) -> AudioSplits:
    """Hold out whole recordings: 2.5 % for validation and 2.5 % for testing, at least one each.

    Fewer than three recordings are split in time instead: the first 95 % of each for training, the next 2.5 % for
    validation, the rest for testing.
    """
    count = len(recordings.items)
    if count < 3:
        return _cut(recordings)
    held = max(1, round(HELD_OUT * count))
    train, validation, test = (
        recordings.take(numbers) for numbers in split(count, (count - 2 * held, held, held), seed)
    )
    how = f"{count - 2 * held} recordings to train on, {held} for validation and {held} held out, by seed {seed}"
    return AudioSplits(train, validation, test, how)


def loudness(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the root mean square of each 20 ms window of (T,) samples; the last window may be shorter."""
    size = max(1, round(FRAME_SECONDS * sample_rate))
    starts = np.arange(0, len(samples), size)
    if not len(starts):
        return np.zeros(0)
    energy = np.add.reduceat(samples.astype(np.float64) ** 2, starts)
    return np.asarray(np.sqrt(energy / np.minimum(size, len(samples) - starts)))


def without_silence(
    samples: np.ndarray, sample_rate: int, trim_db: float, margin: float = 0.05, longest_silence: float = 0.0
) -> np.ndarray:
    """Trim silence at both ends and shorten long silences inside; see `read_recordings`."""
    size = max(1, round(FRAME_SECONDS * sample_rate))
    loud = loudness(samples, sample_rate)
    sounding = np.flatnonzero(loud >= loud.max() * 10.0 ** (-trim_db / 20.0))
    room = round(margin * sample_rate)
    first = max(0, int(sounding[0]) * size - room)
    end = min(len(samples), (int(sounding[-1]) + 1) * size + room)
    if not longest_silence:
        return samples[first:end]
    keep = np.ones(len(samples), bool)
    most = round(longest_silence * sample_rate)
    for before, after in zip(sounding[:-1].tolist(), sounding[1:].tolist(), strict=True):
        begin, stop = (before + 1) * size, after * size
        if stop - begin > most:
            keep[begin + most // 2 : stop - (most - most // 2)] = False
    return samples[first:end][keep[first:end]]


def _cut(recordings: Recordings) -> AudioSplits:
    parts: list[list[Recording]] = [[], [], []]
    for item in recordings.items:
        held = max(1, round(HELD_OUT * len(item.samples)))
        if len(item.samples) < 4 * held:
            raise SeqgenError(f"{item.name} is too short to be split: it has {len(item.samples)} samples")
        cuts = np.split(item.samples, [len(item.samples) - 2 * held, len(item.samples) - held])
        for part, samples in zip(parts, cuts, strict=True):
            part.append(replace(item, samples=samples))
    train, validation, test = (replace(recordings, items=tuple(part)) for part in parts)
    how = "of each recording the first 95 % to train on, 2.5 % for validation and the last 2.5 % held out"
    return AudioSplits(train, validation, test, how)


def _listed(path: Path) -> Listing:
    if is_stream(path):
        return Listing((path,), {})
    if not path.exists():
        raise SeqgenError(f"cannot read {path}: there is no such file or folder")
    if not path.is_dir():
        return Listing((path,), {})
    listing = list_files(path, SUFFIXES)
    if not listing.files:
        found = "".join(f"; {note}" for note in listing.notes)
        raise SeqgenError(f"the folder {path} has no audio files; supported are {', '.join(SUFFIXES)}{found}")
    return listing


def _described(listing: Listing, read: int, notes: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the notes of a data set: what was left out and what is not as it should be by name, the rest by number."""
    found = []
    if listing.left_out or read < len(listing.files):
        found.append(f"{read} file{'s' if read != 1 else ''} read")
    found += listing.notes
    for what, names in sorted(notes.items()):
        named = f": {first_names(names)}" if what in _NAMED else ""
        found.append(f"{len(names)} of {len(listing.files)} files {what}{named}")
    return tuple(found)
