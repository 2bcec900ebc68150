"""Recordings contain what was streamed and are valid however they end, and pipes carry plain samples."""

from __future__ import annotations

import errno
import io
import json
import os
import time
import tracemalloc

import numpy as np
import pytest
import soundfile

import seqgen
from pipelines import open_sink
from pipelines.sinks import recording as recording_module
from pipelines.sinks.audio import RecordingSink
from pipelines.sinks.audio_pipe import AudioPipeSink
from pipelines.sinks.recording import KINDS, RecordingFile, encoded
from seqgen.codecs import Waveform
from seqgen.errors import SeqgenError
from tests.pipelines.audio_chunks import CODEC, random_sound, sound_chunks

FILES = (".wav", ".rf64", ".flac", ".ogg", ".s16le", ".f32le")
_RAW = {".s16le": "PCM_16", ".f32le": "FLOAT"}


def write(path, chunks, *, codec=CODEC, **options):
    with open_sink(path, codec, **options) as sink:
        for chunk in chunks:
            sink.write(chunk)


def read(path, suffix: str | None = None) -> np.ndarray:
    suffix = suffix or path.suffix
    if suffix in _RAW:
        how = {
            "format": "RAW",
            "subtype": _RAW[suffix],
            "channels": 1,
            "samplerate": 16000,
            "endian": "LITTLE",
        }
        return soundfile.read(path, dtype="float32", **how)[0]
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == 16000
    return audio


@pytest.mark.parametrize("chunk", [1, 320, 100_000])
@pytest.mark.parametrize("suffix", [".wav", ".rf64", ".flac", ".s16le", ".f32le"])
def test_sixteen_bits_come_back_exactly(tmp_path, suffix, chunk):
    sound = random_sound(1, 40_000 if chunk > 1 else 500)
    write(tmp_path / f"a{suffix}", sound_chunks(sound, chunk=chunk))
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}"), sound[0])
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize(
    ("suffix", "encoding", "error"),
    [
        (".wav", "pcm24", 2**-24),
        (".flac", "pcm24", 2**-24),
        (".wav", "float32", 0.0),
        (".flac", "pcm16", 2**-16),
    ],
)
def test_encodings_have_their_precision(tmp_path, suffix, encoding, error):
    sound = np.random.default_rng(1).uniform(-1, 1, (1, 5000)).astype(np.float32)
    write(tmp_path / f"a{suffix}", sound_chunks(sound), codec=Waveform(16000), options={"encoding": encoding})
    wanted = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT"}[encoding]
    assert soundfile.info(tmp_path / f"a{suffix}").subtype == wanted
    got = read(tmp_path / f"a{suffix}")
    assert np.abs(got - sound[0]).max() <= error * 1.01
    assert error == 0.0 or np.abs(got - sound[0]).max() > error / 4


def test_full_scale_is_cut_and_not_wrapped():
    loud = np.array([-2.0, -1.0, 1.0, 2.0], np.float32)
    assert encoded(loud, "pcm16").tolist() == [-32768, -32768, 32767, 32767]
    assert encoded(loud, "pcm24").tolist() == [-(2**31), -(2**31), (2**23 - 1) << 8, (2**23 - 1) << 8]
    assert encoded(loud, "float32").tolist() == loud.tolist()


@pytest.mark.parametrize(
    ("suffix", "encoding"),
    [(suffix, encoding) for suffix, kind in KINDS.items() if suffix != ".ogg" for encoding in kind.subtypes],
)
def test_the_same_sound_is_the_same_file_at_another_time(tmp_path, suffix, encoding):
    written = []
    for name in ("first", "second"):
        file = RecordingFile(tmp_path / f"{name}{suffix}", 16000, encoding=encoding)
        file.write(random_sound(1, 5000)[0])
        file.close()
        written.append(file.path.read_bytes())
        time.sleep(1.1 if encoding == "float32" and name == "first" else 0.0)  # headers count seconds
    assert written[0] == written[1]


def test_vorbis_is_near(tmp_path):
    time = np.arange(32000) / 16000
    sound = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    write(tmp_path / "a.ogg", sound_chunks(sound, chunk=30_000), codec=Waveform(16000))
    assert np.abs(read(tmp_path / "a.ogg") - sound[0]).max() < 0.05


@pytest.mark.parametrize("batch", [1, 3])
def test_a_pattern_makes_a_file_for_each_sample(tmp_path, batch):
    sounds = random_sound(4, 1000)
    write(tmp_path / "a-{index:03d}.wav", sound_chunks(sounds, batch=batch, start=7))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a-{k:03d}.wav" for k in (7, 8, 9, 10)]
    for number, sound in enumerate(sounds):
        np.testing.assert_array_equal(read(tmp_path / f"a-{7 + number:03d}.wav"), sound)


def test_a_plain_name_holds_one_sample(tmp_path):
    sounds = random_sound(2, 1000)
    with pytest.raises(SeqgenError, match=r"can hold only one sample.*a-\{index:05d\}\.wav"):
        write(tmp_path / "a.wav", sound_chunks(sounds))
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), sounds[0])
    with pytest.raises(ValueError, match=r"only \{index\} is replaced"):
        open_sink(tmp_path / "a{index!r:.0}.wav", CODEC)
    with pytest.raises(ValueError, match="is not a valid pattern"):
        open_sink(tmp_path / "a{number}.wav", CODEC)


def test_a_prompt_stands_first(tmp_path):
    sound, prompt = random_sound(1, 900), random_sound(1, 300, seed=1)[0]
    write(tmp_path / "a.wav", sound_chunks(sound), prompt=prompt)
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), np.concatenate([prompt, sound[0]]))


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), SeqgenError("features end")])
def test_whatever_ends_a_recording_it_is_kept(tmp_path, suffix, error):
    sound, path = random_sound(1, 50_000), tmp_path / f"a{suffix}"
    sink = RecordingSink(path, CODEC)

    def part():
        with sink:
            for chunk in sound_chunks(sound, chunk=1600):
                sink.write(chunk)
                if chunk.offset == 16_000:
                    raise error

    with pytest.raises(type(error)):
        part()
    got = read(path)
    assert len(got) == 17_600
    if suffix != ".ogg":
        np.testing.assert_array_equal(got, sound[0, :17_600])
    assert list(tmp_path.iterdir()) == [path]


def _then(chunk, error):
    yield chunk
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_without_any_sound_the_old_file_stays(tmp_path, error):
    path = tmp_path / "a.wav"
    path.write_text("old")
    with pytest.raises(error), open_sink(path, CODEC):
        raise error
    empty = next(sound_chunks(random_sound(1, 320)))._replace(data=np.zeros(0, np.float32), last=False)
    with pytest.raises(error):
        write(path, _then(empty, error))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", FILES)
def test_a_file_that_may_not_grow_ends_whole(tmp_path, suffix):
    """The limit of the process stands in for a full disk: the operating system reports both."""
    resource = pytest.importorskip("resource")
    sound, path = random_sound(1, 2_000_000), tmp_path / f"a{suffix}"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
    try:
        with pytest.raises(OSError, match="of audio, which are kept") as caught:
            write(path, sound_chunks(sound, chunk=1600))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert 250_000 < path.stat().st_size <= 600_000
    got = read(path)
    assert len(got) > 80_000
    if suffix != ".ogg":
        np.testing.assert_array_equal(got, sound[0, : len(got)])
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_met_before_the_encoder_meets_it(tmp_path, monkeypatch):
    sound, room, pwrite = random_sound(1, 1_000_000), 600_000, os.pwrite

    def full(descriptor, data, offset):
        if offset + len(data) > room:
            if offset >= room:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = data[: room - offset]
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device after \d+\.\d s of audio, which are kept"):
        write(tmp_path / "a.flac", sound_chunks(sound, chunk=1600))
    got = read(tmp_path / "a.flac")
    np.testing.assert_array_equal(got, sound[0, : len(got)])
    assert 100_000 < len(got) < 300_000


def test_a_disk_without_room_for_a_beginning_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor, data, offset):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a.wav", sound_chunks(random_sound(1, 1000)))
    assert list(tmp_path.iterdir()) == []


def test_a_wav_ends_at_four_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setitem(recording_module.KINDS, ".wav", KINDS[".wav"]._replace(most=10_000))
    with pytest.raises(SeqgenError, match=r"4 GiB.*write \.flac or \.rf64"):
        write(tmp_path / "a.wav", sound_chunks(random_sound(1, 20_000)))
    assert 4_500 < len(read(tmp_path / "a.wav")) <= 5_000
    write(tmp_path / "a.rf64", sound_chunks(random_sound(1, 20_000)))
    assert len(read(tmp_path / "a.rf64")) == 20_000


def test_an_hour_takes_no_memory(tmp_path):
    minute = random_sound(1, 960_000)[0]
    path = tmp_path / "a.wav"
    peaks = []
    recording = RecordingFile(path, 16000)
    recording.write(minute)
    tracemalloc.start()
    for _ in range(3):
        tracemalloc.reset_peak()
        for _ in range(20):
            recording.write(minute)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    recording.close()
    assert max(peaks) < 2_000_000
    assert soundfile.info(path).frames == 61 * 960_000


# ---- pipes -------------------------------------------------------------------------------------------------


class Pipe:
    """A standard output of bytes that cannot seek."""

    def __init__(self) -> None:
        self.bytes = b""
        self.buffer = self

    def write(self, data) -> int:
        self.bytes += bytes(data)
        return len(data)

    def flush(self) -> None:
        pass


def piped(monkeypatch, chunks, kind, codec=CODEC, **options) -> bytes:
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    write("-", chunks, codec=codec, kind=kind, **options)
    return pipe.bytes


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("kind", "scale", "dtype"), [(".s16le", 32768, "<i2"), (".f32le", 1, "<f4")])
def test_raw_samples_follow_one_another(monkeypatch, kind, scale, dtype, batch):
    sounds = random_sound(4, 1000)
    data = piped(monkeypatch, sound_chunks(sounds, batch=batch), kind)
    np.testing.assert_array_equal(np.frombuffer(data, dtype), sounds.reshape(-1) * scale)


@pytest.mark.parametrize("encoding", [None, "pcm16", "pcm24", "float32"])
def test_a_wav_without_a_length_is_read(monkeypatch, encoding):
    sound = random_sound(1, 1000)
    data = piped(monkeypatch, sound_chunks(sound), ".wav", options={"encoding": encoding})
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    width = {"pcm24": 3, "float32": 4}.get(encoding or "", 2)
    assert len(data) == 44 + 1000 * width
    # as a file of known length, any program can read it
    patched = data[:4] + (36 + 1000 * width).to_bytes(4, "little") + data[8:40]
    patched += (1000 * width).to_bytes(4, "little") + data[44:]
    audio, rate = soundfile.read(io.BytesIO(patched), dtype="float32")
    assert rate == 16000
    np.testing.assert_array_equal(audio, sound[0])


def test_each_chunk_is_written_at_once(monkeypatch):
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    prompt = np.zeros(10, np.float32)
    with AudioPipeSink("-", CODEC, kind=".s16le", prefix=prompt) as sink:
        sizes = []
        for chunk in sound_chunks(random_sound(2, 1000), chunk=500):
            sink.write(chunk)
            sizes.append(len(pipe.bytes))
    assert sizes == [1020, 2020, 3040, 4040]


def test_a_closed_pipe_is_no_finished_stream(monkeypatch):
    class Closed(Pipe):
        def write(self, data):
            if len(self.bytes) > 1000:
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")
            return super().write(data)

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError):
        write("-", sound_chunks(random_sound(1, 9000)), kind=".s16le")


# ---- other formats, and refusals ---------------------------------------------------------------------------


def test_numbers_as_text_json_and_archives(tmp_path):
    sounds = random_sound(2, 50)
    write(tmp_path / "a.txt", sound_chunks(sounds[:1], chunk=20))
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.txt"), sounds[0], rtol=1e-5)
    write(tmp_path / "a.jsonl", sound_chunks(sounds, chunk=20, batch=2))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    np.testing.assert_array_equal(np.array([line["data"] for line in lines], np.float32), sounds)
    write(tmp_path / "a.npz", sound_chunks(sounds, chunk=20, batch=2))
    with np.load(tmp_path / "a.npz") as archive:
        np.testing.assert_array_equal(archive["data"], sounds.reshape(-1))
        assert archive["length"].tolist() == [50, 50]


def test_what_does_not_fit_is_refused(tmp_path):
    for suffix, encoding in ((".flac", "float32"), (".ogg", "pcm24"), (".s16le", "float32")):
        with pytest.raises(SeqgenError, match=f"cannot hold {encoding}"):
            open_sink(tmp_path / f"a{suffix}", CODEC, options={"encoding": encoding})
    with pytest.raises(ValueError, match="encoding must be one of"):
        open_sink(tmp_path / "a.wav", CODEC, options={"encoding": "mp3"})
    text = seqgen.load("weather").codec
    with pytest.raises(SeqgenError, match=r"\.wav file cannot hold"):
        open_sink(tmp_path / "a.wav", text)
    with pytest.raises(SeqgenError, match="holds audio, the model makes"):
        RecordingSink(tmp_path / "a.wav", text)
    with pytest.raises(SeqgenError, match=r"\.y4m file cannot hold samples"):
        open_sink(tmp_path / "a.y4m", CODEC)
    with (
        pytest.raises(FileNotFoundError, match="create it first"),
        open_sink(tmp_path / "no" / "a.wav", CODEC),
    ):
        pass
    stereo = next(sound_chunks(random_sound(1, 320)))._replace(data=np.zeros((5, 2), np.float32))
    with pytest.raises(TypeError, match=r"audio \(T,\)"):
        write(tmp_path / "a.wav", [stereo])
    assert list(tmp_path.iterdir()) == []
