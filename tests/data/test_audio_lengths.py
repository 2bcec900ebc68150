"""Recordings whose header does not state what is in the file: cut-off recorders, truncated files, streams."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqgen.data.audio import read_audio, read_recordings
from seqgen.data.audio_codings import NOT_READ, SUFFIXES, TRUNCATED, UNFINISHED
from seqgen.errors import SeqgenError
from tests.data.test_audio import RATE, folder_of, tone

SOUND = tone(2.0)
FORMATS = {
    "wav": ("WAV", "PCM_16"), "float.wav": ("WAV", "FLOAT"), "wavex": ("WAVEX", "PCM_24"), "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"), "aiff": ("AIFF", "PCM_16"), "aifc": ("AIFF", "FLOAT"), "8svx": ("SVX", "PCM_16"),
    "au": ("AU", "PCM_16"), "caf": ("CAF", "PCM_16"), "sph": ("NIST", "PCM_16"), "nist": ("NIST", "ULAW"),
    "ima.wav": ("WAV", "IMA_ADPCM"), "gsm.wav": ("WAV", "GSM610"), "flac": ("FLAC", "PCM_16"), "mp3": ("MP3", None),
    "alac.caf": ("CAF", "ALAC_16"),
}  # fmt: skip


def write(path: Path, sound: np.ndarray = SOUND) -> bytes:
    """Write a recording in the format of its suffix, and return its bytes."""
    format_, subtype = FORMATS[path.name.partition(".")[2]]
    soundfile.write(path, sound, RATE, format=format_, subtype=subtype)
    return path.read_bytes()


def replaced(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


# ---- truncated ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_whole_file_has_no_note(suffix, tmp_path):
    write(tmp_path / f"a.{suffix}")
    found = read_audio(tmp_path / f"a.{suffix}")
    assert (found.conversions, found.seconds) == ((), pytest.approx(2.0, abs=0.05))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_truncated_file_is_read_as_far_as_it_goes_with_a_note(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    whole = write(path)
    reference = read_audio(path).samples
    path.write_bytes(whole[: len(whole) * 7 // 10])
    found = read_audio(path)
    assert found.conversions == (TRUNCATED,)
    assert 0.5 < found.seconds < 1.6
    if suffix != "mp3":
        np.testing.assert_array_equal(found.samples[:8000], reference[:8000])


@pytest.mark.parametrize("header", [b"Xing", b"Info", b""], ids=["Xing", "Info", "none"])
def test_mpeg_audio_of_any_header_that_ends_within_a_frame(header, tmp_path):
    path = tmp_path / "a.mp3"
    whole = write(path)
    if not header:
        # the first frame is the header; what follows are frames that do not state their number
        sync = whole.index(whole[:2], 4)
        whole = whole[sync:]
    else:
        whole = whole.replace(b"Xing", header).replace(b"Info", header)
    path.write_bytes(whole + b"TAG" + bytes(125))
    assert read_audio(path).conversions == ()
    path.write_bytes(whole[:-20])
    assert read_audio(path).conversions == (TRUNCATED,)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_last_page(subtype, tmp_path):
    noise = np.random.default_rng(0).normal(size=RATE * 10).astype(np.float32) * 0.1
    path = tmp_path / "a.oga"
    soundfile.write(path, noise, RATE, format="OGG", subtype=subtype)
    whole = path.read_bytes()
    assert read_audio(path).conversions == ()
    path.write_bytes(whole[: whole.rindex(b"OggS")])
    found = read_audio(path)
    assert (found.conversions, 5 < found.seconds < 10) == ((TRUNCATED,), True)
    # libsndfile refuses a page that is not whole, FFmpeg reads the pages before it
    pytest.importorskip("av")
    path.write_bytes(whole[:-100])
    assert read_audio(path).conversions == (TRUNCATED,)


AV_FORMATS = {
    "webm": ("webm", "libopus", {}), "live.webm": ("webm", "libopus", {"live": "1"}), "mka": ("matroska", "aac", {}),
    "m4a": ("mp4", "aac", {"movflags": "faststart"}), "aac": ("adts", "aac", {}), "ac3": ("ac3", "ac3", {}),
    "tta": ("tta", "tta", {}), "mp3": ("mp3", "libmp3lame", {}),
}  # fmt: skip


@pytest.mark.parametrize("suffix", AV_FORMATS)
def test_a_truncated_file_that_ffmpeg_reads(suffix, tmp_path):
    av = pytest.importorskip("av")
    format_, codec, options = AV_FORMATS[suffix]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = tmp_path / f"a.{suffix}"
    rate = 48000
    with av.open(str(path), "w", format=format_, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(2.0, rate)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        size = stream.codec_context.frame_size or 1024
        made = av.AudioResampler(stream.codec_context.format.name, "mono", rate, frame_size=size)
        for part in [*made.resample(frame), *made.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    found = read_audio(path)
    assert (found.conversions, found.seconds) == ((), pytest.approx(2.0, abs=0.1))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    found = read_audio(path)
    assert (found.conversions, 0.9 < found.seconds < 1.6) == ((TRUNCATED,), True)


def test_a_file_that_is_damaged_before_its_end_is_refused(tmp_path):
    noise = np.random.default_rng(0).normal(size=RATE * 4).astype(np.float32) * 0.1
    path = tmp_path / "a.flac"
    whole = write(path, noise)
    middle = len(whole) // 2
    path.write_bytes(
        whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 4]) + whole[middle + 4 :]
    )
    with pytest.raises(SeqgenError, match=r"a\.flac is not a readable audio file"):
        read_audio(path)


# ---- cut-off recorders and streams --------------------------------------------------------------------


def unfinished(suffix: str, whole: bytes, size: int) -> bytes:
    """Return a file whose header states `size` bytes of samples (-1: unknown), and none in all."""
    unsigned = size & 0xFFFFFFFF
    if suffix in ("wav", "float.wav"):
        return replaced(replaced(whole, 4, bytes(4)), whole.index(b"data") + 4, struct.pack("<I", unsigned))
    if suffix == "rf64":
        return replaced(whole, whole.index(b"ds64") + 8, bytes(24))
    if suffix == "aiff":
        size = unsigned if size else 8
        whole = replaced(replaced(whole, 4, bytes(4)), whole.index(b"COMM") + 10, bytes(4))
        return replaced(whole, whole.index(b"SSND") + 4, struct.pack(">I", size))
    if suffix == "au":
        return replaced(whole, 8, struct.pack(">I", unsigned))
    if suffix == "w64":
        return replaced(whole, whole.index(b"data") + 16, struct.pack("<Q", 24))
    assert suffix == "caf"
    return replaced(whole, whole.index(b"data") + 4, struct.pack(">q", size))


@pytest.mark.parametrize("suffix", ["wav", "float.wav", "rf64", "aiff", "au", "w64", "caf"])
def test_a_recording_whose_header_states_no_samples_is_read_to_the_end(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    whole = write(path)
    reference = read_audio(path).samples
    path.write_bytes(unfinished(suffix, whole, 0))
    found = read_audio(path)
    assert found.conversions == (UNFINISHED,)
    np.testing.assert_array_equal(found.samples[: len(reference)], reference)
    assert len(found.samples) - len(reference) < 10


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "caf"])
def test_a_length_that_is_unknown_by_convention_needs_no_note(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(unfinished(suffix, write(path), -1))
    found = read_audio(path)
    assert (found.conversions, found.seconds) == ((), 2.0)


def test_chunks_after_the_samples_are_not_samples(tmp_path):
    path = tmp_path / "a.wav"
    tail = b"LIST" + struct.pack("<I", 9) + b"INFOabcde\0"
    path.write_bytes(write(path, np.zeros(0, np.float32)) + tail)
    assert (len(read_audio(path).samples), read_audio(path).conversions) == (0, ())
    path.write_bytes(write(path) + tail)
    assert (read_audio(path).seconds, read_audio(path).conversions) == (2.0, ())


def test_samples_that_the_header_does_not_count_are_noted(tmp_path):
    path = tmp_path / "a.wav"
    whole = write(path)
    path.write_bytes(replaced(whole, whole.index(b"data") + 4, struct.pack("<I", 2 * RATE)))
    assert (read_audio(path).seconds, read_audio(path).conversions) == (1.0, (NOT_READ,))


# ---- folders, names, streams --------------------------------------------------------------------------


def test_a_folder_names_what_is_not_whole(tmp_path):
    folder_of(tmp_path, 2)
    for name in ("c.wav", "d.au"):
        (tmp_path / name).write_bytes(write(tmp_path / name)[:-1000])
    (tmp_path / "e.wav").write_bytes(unfinished("wav", write(tmp_path / "e.wav"), 0))
    assert read_recordings(tmp_path, RATE).notes == (
        f"1 of 5 files {UNFINISHED}: e.wav",
        f"2 of 5 files {TRUNCATED}: c.wav, d.au",
    )


def test_a_folder_is_read_by_the_rule_for_folders(tmp_path):
    data = tmp_path / "data"
    for name in ("ann", ".trash", "__MACOSX"):
        (data / name).mkdir(parents=True)
        soundfile.write(data / name / "a.wav", tone(), RATE)
    (data / "ann" / "._a.wav").write_bytes(b"\0\5\x16\7 a resource fork")
    (data / "ann" / "b.xyz").write_bytes(b"what is this")
    folder_of(tmp_path / "elsewhere", 1)
    (data / "zoe").symlink_to(tmp_path / "elsewhere")
    (data / "ann" / "circle").symlink_to(data)
    found = read_recordings(data, RATE)
    assert [item.name for item in found.items] == ["ann/a.wav", "zoe/00.wav"]
    assert found.classes == ("ann", "zoe")
    assert found.notes == (
        "2 files read",
        "2 left out, hidden: .trash/, ann/._a.wav",
        "1 left out, made by the system: __MACOSX/",
        "1 left out, links to folders that contain them: ann/circle/",
        "1 left out, of other kinds: ann/b.xyz",
    )


def test_a_video_without_sound_is_left_out_of_a_folder_and_refused_alone(tmp_path):
    av = pytest.importorskip("av")
    folder_of(tmp_path, 2)
    with av.open(str(tmp_path / "c.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    found = read_recordings(tmp_path, RATE)
    assert found.notes == ("2 files read", "1 of 3 files left out, as they have no audio stream: c.mkv")
    with pytest.raises(SeqgenError, match=r"c\.mkv has no audio stream"):
        read_recordings(tmp_path / "c.mkv", RATE)


def test_a_folder_without_recordings_says_what_it_has(tmp_path):
    (tmp_path / "._a.wav").write_bytes(b"x")
    with pytest.raises(SeqgenError, match=r"has no audio files; .*; 1 left out, hidden: \._a\.wav"):
        read_recordings(tmp_path, RATE)


@pytest.mark.parametrize(
    ("suffix", "format_", "subtype"),
    [
        (".rf64", "RF64", "PCM_16"), (".oga", "OGG", "VORBIS"), (".sph", "NIST", "PCM_16"), (".aifc", "AIFF", "ULAW"),
        (".gsm", "RAW", "GSM610"), (".WAVE", "WAV", "PCM_16"), (".bwf", "WAVEX", "PCM_16"), (".voc", "VOC", "PCM_16"),
        (".snd", "AU", "PCM_16"), (".sds", "SDS", "PCM_16"), (".xi", "XI", "DPCM_16"), (".paf", "PAF", "PCM_16"),
    ],
)  # fmt: skip
def test_a_folder_has_every_format_that_is_read_alone(suffix, format_, subtype, tmp_path):
    rate = 8000 if suffix == ".gsm" else RATE
    soundfile.write(tmp_path / f"a{suffix}", tone(1.0, rate), rate, format=format_, subtype=subtype)
    alone = read_audio(tmp_path / f"a{suffix}")
    assert suffix.lower() in SUFFIXES
    assert alone.conversions == ()
    (found,) = read_recordings(tmp_path, alone.sample_rate).items
    np.testing.assert_array_equal(found.samples, alone.samples)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "caf"])
def test_a_name_that_is_not_utf_8(suffix, tmp_path):
    plain = tmp_path / f"a.{suffix}"
    write(plain)
    path = Path(tmp_path, os.fsdecode(b"caf\xe9." + suffix.encode()))
    plain.rename(path)
    assert read_audio(path).seconds == pytest.approx(2.0, abs=0.1)
    assert read_recordings(tmp_path, RATE).items[0].name == path.name
    path.write_bytes(b"this is no sound")
    with pytest.raises(SeqgenError, match=r"caf\udce9\.\w+ is not a readable audio file: (?!.*caf)"):
        read_audio(path)


def test_samples_without_a_header_are_refused_with_a_reason(tmp_path):
    for suffix in (".raw", ".s16le", ".f32le"):
        (tmp_path / f"a{suffix}").write_bytes(bytes(1000))
        with pytest.raises(SeqgenError, match="without a header, whose rate and encoding are not known"):
            read_audio(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "mp3", "caf"])
def test_standard_input_and_pipes_are_read(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    whole = write(path)
    reference = read_audio(path).samples
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(whole)))
    found = read_audio("-", RATE)
    assert found.name == "standard input"
    np.testing.assert_array_equal(found.samples, reference)
    with pytest.raises(SeqgenError, match="standard input is empty; it can be read only once"):
        read_audio("-", RATE)
    if hasattr(os, "mkfifo"):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(whole,))
        writer.start()
        np.testing.assert_array_equal(read_recordings(pipe, RATE).items[0].samples, reference)
        writer.join()
