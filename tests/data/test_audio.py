"""Readers of sound: formats, rates, channels, silence, splits, and unusable files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqgen.data.audio import (
    loudness,
    read_audio,
    read_recordings,
    resample,
    split_recordings,
    without_silence,
)
from seqgen.errors import MissingPackageError, SeqgenError

RATE = 16000


def tone(seconds: float = 0.5, rate: int = RATE, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def folder_of(path: Path, count: int = 10) -> Path:
    """Create a folder of recordings of different lengths and pitches."""
    path.mkdir(exist_ok=True)
    for number in range(count):
        soundfile.write(
            path / f"{number:02}.wav", tone(0.2 + 0.05 * number, frequency=200.0 + 50 * number), RATE
        )
    return path


# ---- one file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "tolerance"), [(".wav", 1e-4), (".flac", 1e-4), (".ogg", 0.1), (".mp3", 0.1)]
)
def test_formats(suffix, tolerance, tmp_path):
    soundfile.write(tmp_path / f"a{suffix}", tone(), RATE)
    found = read_audio(tmp_path / f"a{suffix}")
    assert (found.name, found.sample_rate, found.samples.dtype) == (f"a{suffix}", RATE, np.float32)
    assert found.conversions == ()
    np.testing.assert_allclose(found.samples[: len(tone())], tone(), atol=tolerance)
    assert found.seconds == pytest.approx(0.5, abs=0.1)


def test_sixteen_bits_are_read_exactly(tmp_path):
    whole = np.arange(-32768, 32768, 7, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", whole, RATE, subtype="PCM_16")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav").samples * 32768, whole)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_rate_is_resampled_and_said(rate, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(rate=rate), rate, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav").sample_rate == rate
    found = read_audio(tmp_path / "a.wav", RATE)
    assert found.conversions == (f"resampled from {rate} to {RATE} Hz",)
    assert len(found.samples) == RATE // 2
    np.testing.assert_allclose(found.samples[400:-400], tone()[400:-400], atol=5e-3)
    np.testing.assert_array_equal(found.samples, resample(tone(rate=rate), rate, RATE).clip(-1, 1))


def test_several_channels_are_mixed_only_when_asked(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(), -0.5 * tone()], 1), RATE, subtype="FLOAT")
    with pytest.raises(SeqgenError, match=r"a.wav has 2 channels; give mono=True to mix them"):
        read_audio(tmp_path / "a.wav")
    found = read_audio(tmp_path / "a.wav", mono=True)
    assert found.conversions == ("mixed 2 channels into one",)
    np.testing.assert_allclose(found.samples, 0.25 * tone(), atol=1e-6)


def test_what_is_too_loud_is_cut_off_and_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", 3 * tone(), RATE, subtype="FLOAT")
    found = read_audio(tmp_path / "a.wav")
    assert found.conversions == ("cut off at -1 and 1",)
    assert (found.samples.min(), found.samples.max()) == (-1, 1)


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("this is no sound")


def write_part(path: Path) -> None:
    soundfile.write(path, tone(), RATE)
    path.write_bytes(path.read_bytes()[:30])


def write_nan(path: Path) -> None:
    soundfile.write(
        path, np.where(np.arange(8000) == 77, np.nan, tone()).astype(np.float32), RATE, subtype="FLOAT"
    )


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_nothing, "a.wav is empty"), (write_text, "a.wav is not a readable audio file"),
        (write_part, "a.wav is not a readable audio file"), (write_nan, "a.wav holds nan at sample 77"),
        (lambda path: path.mkdir(), "it is a folder"), (lambda path: None, "there is no such file"),
    ],
    ids=["empty", "text", "cut off", "NaN", "folder", "missing"],
)  # fmt: skip
def test_files_that_cannot_be_read_are_named(write, words, tmp_path):
    write(tmp_path / "a.wav")
    with pytest.raises(SeqgenError, match=words):
        read_audio(tmp_path / "a.wav")


def test_without_pyav_its_formats_say_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"something")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        MissingPackageError,
        match=r"reading .m4a files needs av, which is not installed; .*\[media\]'.*, or convert a.m4a",
    ):
        read_audio(tmp_path / "a.m4a")


def test_pyav_reads_what_soundfile_does_not(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone()[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    found = read_audio(tmp_path / "a.m4a")
    assert found.sample_rate == RATE
    assert found.seconds == pytest.approx(0.5, abs=0.2)
    assert loudness(found.samples, RATE).max() == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


# ---- folders ------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path):
    folder_of(tmp_path / "b", 2)
    soundfile.write(tmp_path / "a.flac", tone(), RATE)
    (tmp_path / "notes.txt").write_text("not read")
    found = read_recordings(tmp_path, RATE)
    assert [item.name for item in found.items] == ["a.flac", "b/00.wav", "b/01.wav"]
    assert (found.classes, found.labels) == ((), ())
    assert found.notes == ("3 files read", "1 left out, of other kinds: notes.txt")
    assert found.samples == sum(len(item.samples) for item in found.items)


def test_conversions_are_counted_and_silent_files_left_out(tmp_path):
    folder_of(tmp_path, 2)
    soundfile.write(tmp_path / "fast.wav", tone(rate=44100), 44100)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone(), tone()], 1), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), RATE)
    soundfile.write(tmp_path / "short.wav", np.zeros(0), RATE)
    (tmp_path / "empty.wav").write_bytes(b"")
    found = read_recordings(tmp_path, RATE)
    assert [item.name for item in found.items] == ["00.wav", "01.wav", "fast.wav", "stereo.wav"]
    assert found.notes == (
        "4 files read",
        "2 of 7 files left out, as they are empty: empty.wav, short.wav",
        "1 of 7 files left out, as they are silent: silent.wav",
        "1 of 7 files mixed 2 channels into one",
        "1 of 7 files resampled from 44100 to 16000 Hz",
    )


def test_sub_folders_are_classes(tmp_path):
    for name in ("zoe", "ann"):
        folder_of(tmp_path / name, 2)
    found = read_recordings(tmp_path, RATE)
    assert (found.classes, found.labels) == (("ann", "zoe"), (0, 0, 1, 1))
    assert found.take(np.array([3, 0])).labels == (1, 0)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "has no audio files; supported are .wav, .flac"),
        (
            lambda path: soundfile.write(path / "a.wav", np.zeros(100), RATE),
            "all 1 files of .* are silent or empty",
        ),
        (lambda path: (path / "a.wav").write_text("x"), "a.wav is not a readable audio file"),
    ],
    ids=["nothing", "silence", "damaged"],
)
def test_folders_that_cannot_be_used(write, words, tmp_path):
    write(tmp_path)
    with pytest.raises(SeqgenError, match=words):
        read_recordings(tmp_path, RATE)


def test_a_single_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    assert read_recordings(tmp_path / "a.wav", RATE).items[0].name == "a.wav"
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), RATE)
    with pytest.raises(SeqgenError, match=r"b.wav is silent; give a recording with sound"):
        read_recordings(tmp_path / "b.wav", RATE)
    with pytest.raises(SeqgenError, match="there is no such file or folder"):
        read_recordings(tmp_path / "none", RATE)


# ---- silence ------------------------------------------------------------------------------------------


def around(before: float, after: float, level: float = 1e-4) -> np.ndarray:
    """Return a tone of half a second between soft noise."""
    noise = np.random.default_rng(0).normal(size=round((before + after) * RATE)) * level
    first = round(before * RATE)
    return np.concatenate([noise[:first], tone(), noise[first:]]).astype(np.float32)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.5])
def test_silence_before_and_after_is_trimmed_to_the_margin(margin):
    found = without_silence(around(0.3, 0.2), RATE, 40.0, margin)
    expected = min(margin, 0.3) + 0.5 + min(margin, 0.2)
    assert len(found) / RATE == pytest.approx(expected, abs=0.02)


def test_what_is_above_the_threshold_stays():
    soft = around(0.3, 0.2, level=0.05)  # 17 dB below the tone
    assert len(without_silence(soft, RATE, 40.0)) == len(soft)
    assert len(without_silence(soft, RATE, 10.0)) < len(soft)


def test_long_silence_inside_is_shortened_when_asked():
    whole = np.concatenate([tone(), np.zeros(RATE, np.float32), tone(frequency=300.0)])
    assert len(without_silence(whole, RATE, 40.0)) == len(whole)
    found = without_silence(whole, RATE, 40.0, 0.05, 0.25)
    assert len(found) == len(whole) - RATE + RATE // 4
    np.testing.assert_array_equal(found[: RATE // 2], tone())
    np.testing.assert_array_equal(found[-RATE // 2 :], tone(frequency=300.0))


def test_reading_trims_when_asked(tmp_path):
    soundfile.write(tmp_path / "a.wav", around(0.5, 0.5), RATE)
    assert read_recordings(tmp_path, RATE).items[0].seconds == pytest.approx(1.5)
    assert read_recordings(tmp_path, RATE, trim_db=40.0, margin=0.1).items[0].seconds == pytest.approx(
        0.7, abs=0.02
    )
    with pytest.raises(ValueError, match=r"trim_db must be >=0.0, got -3"):
        read_recordings(tmp_path, RATE, trim_db=-3)


# ---- splits -------------------------------------------------------------------------------------------


def test_whole_recordings_are_held_out_by_the_seed(tmp_path):
    whole = read_recordings(folder_of(tmp_path, 40), RATE)
    found = split_recordings(whole, 3)
    names = [[item.name for item in part.items] for part in (found.train, found.validation, found.test)]
    assert [len(part) for part in names] == [38, 1, 1]
    assert sorted(name for part in names for name in part) == [item.name for item in whole.items]
    assert found.how == "38 recordings to train on, 1 for validation and 1 held out, by seed 3"
    again, other = split_recordings(whole, 3), split_recordings(whole, 4)
    assert [item.name for item in again.train.items] == names[0]
    assert [item.name for item in other.train.items] != names[0]


def test_one_recording_is_split_in_time(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(2.0), RATE)
    whole = read_recordings(tmp_path / "a.wav", RATE)
    found = split_recordings(whole)
    parts = [part.items[0].samples for part in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [30400, 800, 800]
    np.testing.assert_array_equal(np.concatenate(parts), whole.items[0].samples)
    soundfile.write(tmp_path / "b.wav", tone(2 / RATE) + 0.5, RATE)
    with pytest.raises(SeqgenError, match=r"b.wav is too short to be split: it has 2 samples"):
        split_recordings(read_recordings(tmp_path / "b.wav", RATE))
