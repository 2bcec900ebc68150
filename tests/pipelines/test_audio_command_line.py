"""Audio models on the command line: recordings, pipes, real time, prompts, and one-line errors."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from pipelines.audio_demo import speak
from pipelines.cli import run
from pipelines.cli.players import player_line
from pipelines.spectrograms import spectrogram
from seqgen.models.wavenet.model import WaveNet
from tests.pipelines.audio_models import RATE, as_input, pcm, saved


@pytest.fixture(scope="module")
def model() -> WaveNet:
    model = WaveNet(4, 2, 8, 16, 8, levels=256, sample_rate=RATE, seed=1)
    # kernels compiled here, including those for two cores, are not compiled by each of the processes below
    model.sample(1, length=200, threads=2)
    return model


@pytest.fixture(scope="module")
def checkpoint(model: WaveNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(model, "wave.safetensors", tmp_path_factory)


def test_a_pipe_gets_a_wav_and_stderr_how_to_hear_it(seqgen_process, checkpoint, model):
    done = seqgen_process("stream", checkpoint, "--seconds", 0.5, "--seed", 5, text=False)
    assert done.stdout[:4] == b"RIFF"
    sound = model.sample(1, length=8000, seed=5)[0]
    np.testing.assert_array_equal(np.frombuffer(done.stdout[44:], np.int16), pcm(sound))
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("16,000 Hz, mono, wav; to play it:  … | ")
    assert lines[1].startswith("0.5 s of audio, ")
    assert "samples/s, " in lines[1]
    assert "× real time" in lines[1]


def test_raw_samples_say_their_format_to_the_player(seqgen_bytes, checkpoint, model):
    done = seqgen_bytes("stream", checkpoint, "--length", 700, "--format", "s16le")
    np.testing.assert_array_equal(np.frombuffer(done.stdout, "<i2"), pcm(model.sample(1, length=700)[0]))
    line = player_line(RATE, ".s16le", lambda name: name == "aplay")
    assert line.endswith("… | aplay -q -t raw -f S16_LE -r 16000 -c 1")
    floats = seqgen_bytes("stream", checkpoint, "--length", 700, "--format", "f32le", "-q")
    np.testing.assert_array_equal(np.frombuffer(floats.stdout, "<f4"), model.sample(1, length=700)[0])
    assert floats.stderr == b""


@pytest.mark.parametrize(
    ("name", "options", "subtype"),
    [
        ("a.wav", [], "PCM_16"),
        ("a.flac", [], "PCM_16"),
        ("a.wav", ["--encoding", "float32"], "FLOAT"),
        ("a.sound", ["--format", "flac", "--encoding", "pcm24"], "PCM_24"),
    ],
)
def test_a_recording_by_its_suffix(seqgen_bytes, checkpoint, model, tmp_path, name, options, subtype):
    done = seqgen_bytes("stream", checkpoint, "--length", 5000, "-o", name, *options, cwd=tmp_path)
    assert done.stdout == b"", done.stderr
    assert soundfile.info(tmp_path / name).subtype == subtype
    sound, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == RATE
    error = {"PCM_16": 2**-15, "PCM_24": 2**-23, "FLOAT": 0.0}[subtype]
    assert np.abs(sound - model.sample(1, length=5000)[0]).max() <= error


def test_several_samples_are_several_files(seqgen_bytes, checkpoint, model, tmp_path):
    done = seqgen_bytes(
        "stream", checkpoint, "-n", 3, "--start", 4, "--batch", 2, "--length", 900, "-o", "a.wav", "--picture",
        "b.png", cwd=tmp_path,
    )  # fmt: skip
    assert b"3 recordings, " in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-00004.wav", "a-00005.wav", "a-00006.wav", "b.png",
    ]  # fmt: skip
    for index, sound in enumerate(model.sample(3, length=900, start=4), 4):
        written = soundfile.read(tmp_path / f"a-{index:05d}.wav", dtype="int16")[0]
        np.testing.assert_array_equal(written, pcm(sound))
    assert np.asarray(Image.open(tmp_path / "b.png")).shape[0] > 3 * 256


def test_a_spectrogram_by_its_suffix(seqgen_bytes, checkpoint, model, tmp_path):
    seqgen_bytes("stream", checkpoint, "--seconds", 0.5, "-o", tmp_path / "a.png")
    wanted = spectrogram(model.sample(1, length=8000)[0], RATE)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), wanted)


@pytest.mark.serial
def test_live_takes_its_time_and_counts_underruns(checkpoint):
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "stream", checkpoint, "--live", "--seconds", "1.5", "--format", "s16le"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.read(640)
    since = time.monotonic()
    rest = process.stdout.read()
    took = time.monotonic() - since
    errors = process.stderr.read().decode()
    process.wait(timeout=30)
    process.stdout.close()
    process.stderr.close()
    assert len(first) + len(rest) == 48_000
    # of 1.5 s, at most 0.2 s are delivered early
    assert took > 1.5 - 0.02 - 0.2 - 0.1
    assert took < time.monotonic() - began
    assert "no underruns" in errors or " underrun" in errors


def test_the_demo_writes_a_recording_and_its_picture(checkpoint, model, tmp_path, capsys):
    sound, picture = speak(checkpoint, tmp_path, seed=4, seconds=0.5)
    written = soundfile.read(sound, dtype="int16")[0]
    np.testing.assert_array_equal(written, pcm(model.sample(1, length=8000, seed=4)[0]))
    assert np.asarray(Image.open(picture)).shape == (276, 44 + 63, 3)
    assert "0.5 s of audio, " in capsys.readouterr().out


def test_a_prompt_is_written_first_and_gone_on_from(seqgen_bytes, checkpoint, model, tmp_path):
    prompt = (0.3 * np.sin(np.arange(2000) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "p.wav", prompt, RATE, subtype="FLOAT")
    seqgen_bytes("stream", checkpoint, "--prompt", "p.wav", "--length", 500, "-o", "a.wav", cwd=tmp_path)
    wanted = np.concatenate([prompt, model.sample(1, length=500, prompt=prompt)[0]])
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], pcm(wanted))


@pytest.mark.parametrize(
    ("which", "arguments", "code", "words"),
    [
        ("wave", ["--seconds", "0"], 2, "seconds must be >0"),
        ("wave", ["--seconds", "nan"], 2, "seconds must be >0"),
        ("wave", ["--seconds", "1", "--length", "5"], 2, "not both"),
        ("wave", ["--seconds", "1", "--like", "r0.wav"], 1, "models that are conditioned on features"),
        ("wave", ["--seconds", "1", "--condition", "3"], 1, "this model is not"),
        ("wave", ["--seconds", "1", "--format", "flac"], 2, "cannot be written to a pipe"),
        ("wave", ["--seconds", "1", "-o", "x.flac", "--encoding", "float32"], 1, "cannot hold float32"),
        ("wave", ["--seconds", "1", "-o", "x.y4m"], 1, "cannot hold samples"),
        ("wave", ["--seconds", "1", "-o", "no/x.wav"], 1, "create it first"),
        ("wave", ["--seconds", "1", "--scale", "2"], 1, "image models"),
        ("wave", ["--seconds", "1", "--keep-rows", "2"], 1, "image models"),
        ("wave", ["--seconds", "1", "--live", "--batch", "2"], 2, "leave out --batch"),
        ("wave", ["--live", "--lead", "-1"], 2, "lead must be >=0"),
        ("wave", ["-n", "2", "--batch", "2"], 2, "--length"),
        ("wave", ["--seconds", "1", "--prompt", "none.wav"], 1, "no such file"),
        ("voc", [], 1, "give --like RECORDING"),
        ("voc", ["--like", "r0.wav", "--features", "f.npy"], 1, "not both"),
        ("voc", ["--like", "none.wav"], 1, "no such file"),
        ("voc", ["--like", "nan.wav"], 1, "nan"),
        ("voc", ["--like", "none.npy"], 1, "no such file"),
        ("voc", ["--like", "empty.wav"], 1, "is empty"),
        ("voc", ["--features", "wide.npy"], 2, "wide.npy: condition's features must have the shape (frames, 20)"),
        ("voc", ["--features", "turned.npy"], 2, "transpose"),
        ("voc", ["--features", "holes.npy"], 2, "must be finite"),
        ("voc", ["--features", "r0.wav"], 1, "not a complete .npy file"),
        ("voc", ["--features", "none.npy"], 1, "No such file"),
        ("speakers", ["--like", "r0.wav"], 1, "give --condition: 0 (anna), 1 (ben), or each"),
        ("speakers", ["--like", "r0.wav", "--condition", "carl"], 2, "no class 'carl'"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line(
    seqgen_command, checkpoint, vocoder_checkpoint, speakers, tmp_path, recordings, which, arguments, code, words
):  # fmt: skip
    paths = {"wave": checkpoint, "voc": vocoder_checkpoint, "speakers": speakers[1]}
    np.save(tmp_path / "wide.npy", np.zeros((5, 21)))
    np.save(tmp_path / "turned.npy", np.zeros((20, 5)))
    np.save(tmp_path / "holes.npy", np.full((5, 20), np.nan))
    np.save(tmp_path / "f.npy", np.zeros((5, 20)))
    soundfile.write(tmp_path / "nan.wav", np.full(500, np.nan), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    before = sorted(tmp_path.iterdir())
    done = seqgen_command("stream", paths[which], *arguments, cwd=tmp_path)
    errors = done.stderr
    assert done.returncode == code, errors
    assert words in errors
    assert len(errors.splitlines()) == 1 or "Usage" in errors
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "option",
    [["--live"], ["--like", "a.wav"], ["--encoding", "pcm16"], ["--picture", "a.png"], ["--lead", "1"]],
)
def test_options_of_audio_are_refused_for_text(seqgen_command, option):
    done = seqgen_command("stream", "weather", "--length", 3, *option)
    assert done.returncode == 1
    assert f"{option[0]} is for audio models" in done.stderr


def test_a_terminal_is_spared(checkpoint):
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "seqgen", "stream", str(checkpoint), "--length", "100"],
            stdout=follower, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(follower)
        os.close(leader)
    assert done.returncode == 2
    assert "audio cannot be written to a terminal: write a file with -o speech.wav" in done.stderr
    assert "--live | " in done.stderr


def test_a_closed_pipe_ends_quietly(checkpoint):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m seqgen stream {checkpoint} -q | head -c 9999 | wc -c"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.strip() == "9999"
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_an_interrupt_leaves_a_whole_recording(checkpoint, model, tmp_path, name):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "seqgen",
            "stream",
            str(checkpoint),
            "-o",
            str(tmp_path / name),
            "--seed",
            "3",
        ],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(p.stat().st_size > 600_000 for p in tmp_path.iterdir()):
        time.sleep(0.05)
    assert not (tmp_path / name).exists()
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == [name]
    sound = soundfile.read(tmp_path / name, dtype="int16")[0]
    assert len(sound) > 1600
    np.testing.assert_array_equal(sound[:1600], pcm(model.sample(1, length=1600, seed=3)[0]))


def test_a_full_disk_leaves_a_whole_recording(checkpoint, tmp_path):
    resource = pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "stream", str(checkpoint), "--seconds", "60", "-o", "a.wav"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "s of audio, which are kept: " in done.stderr
    assert "Traceback" not in done.stderr
    assert soundfile.info(tmp_path / "a.wav").frames > 80_000
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


# ---- streams, warnings --------------------------------------------------------------------------------


def test_a_prompt_from_standard_input(seqgen_bytes, checkpoint, tmp_path, recordings, monkeypatch):
    for number, path in enumerate((tmp_path / "r0.wav", "-")):
        as_input(monkeypatch, (tmp_path / "r0.wav").read_bytes())
        done = seqgen_bytes(
            "stream", checkpoint, "--seconds", "0.1", "--prompt", path, "-o", f"{number}.wav", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "0.wav").read_bytes() == (tmp_path / "1.wav").read_bytes()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("q.svg", "--picture must end in .png, got 'q.svg'"),
        ("q", "--picture must end in .png"),
        ("q.wav", "--picture must end in .png"),
        ("./same.png", "--picture and -o name the same file"),
    ],
)
def test_a_picture_is_a_png_of_its_own(tmp_path, monkeypatch, capsys, picture, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(["stream", "speech", "--seconds", "0.01", "-o", "same.png", "--picture", picture])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
