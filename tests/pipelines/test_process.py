"""The command line as a process: signals, closed and full standard streams, exit codes."""

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

import seqgen

COMMAND = [sys.executable, "-m", "seqgen"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

pytestmark = pytest.mark.xdist_group("processes")

_STARTED: list[subprocess.Popen] = []


def started(*words: object, **how) -> subprocess.Popen:
    how.setdefault("stderr", subprocess.PIPE)
    # shells start background jobs, and so these tests, with SIGINT ignored
    how.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    process = subprocess.Popen([*COMMAND, *map(str, words)], text=True, **how)
    _STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A test that fails must not leave its endless stream behind."""
    yield
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", list(CODES), ids=lambda number: number.name)
def test_a_signal_ends_a_stream_and_keeps_what_there_is(tmp_path, number):
    process = started("stream", "weather", "-o", "out.txt", cwd=tmp_path)
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.txt.*")))
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == CODES[number], errors
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == ["out.txt"]
    text = (tmp_path / "out.txt").read_text()
    begins = seqgen.load("weather").sample(1, length=2000)[0]
    assert text.startswith(begins[:100])


def test_two_signals_at_once_end_it_once(tmp_path):
    process = started("stream", "weather", "-o", "out.txt", cwd=tmp_path)
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.txt.*")))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (143, 129)
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == ["out.txt"]


def test_what_nohup_ignores_stays_ignored(tmp_path):
    process = started(
        "stream", "weather", "-o", "out.txt", cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".out.txt.*")))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".rf64"])
def test_the_sound_of_a_killed_process_can_be_opened(tmp_path, suffix):
    seqgen.WaveNet(2, 2, 8, 8, 8, seed=1).save(tmp_path / "m.safetensors")
    process = started("stream", "m.safetensors", "-o", f"out{suffix}", cwd=tmp_path)
    # more than the space that is reserved before there is any sound
    wait_for(lambda: any(path.stat().st_size > 1_000_000 for path in tmp_path.glob(".out*")))
    process.kill()
    process.communicate()
    (left,) = tmp_path.glob(".out*.partial")
    left.rename(tmp_path / f"out{suffix}")
    sound = soundfile.SoundFile(tmp_path / f"out{suffix}").read(10_000)
    whole = seqgen.load(tmp_path / "m.safetensors").sample(1, length=10_000)[0]
    if suffix == ".ogg":
        assert np.corrcoef(sound, whole)[0, 1] > 0.8  # noise is hard to compress
    else:
        np.testing.assert_allclose(sound, whole, atol=1e-4)


@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2"])
def test_closed_standard_streams_lose_nothing(tmp_path, closed):
    words = " ".join(f"{number}>&-" if number != "0" else "<&-" for number in closed.split())
    line = f"{sys.executable} -m seqgen stream weather -n 3 --length 5 -o out.txt {words}"
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "out.txt").read_text() == "".join(
        f"{text}\n" for text in seqgen.load("weather").sample(3, length=5)
    )


def run(line: str, **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        line.replace("seqgen", f"{sys.executable} -m seqgen", 1), shell=True, text=True, **how
    )


def test_data_that_cannot_be_written_are_an_error():
    for line in ("seqgen stream weather -n 1 --length 5 >&-", "seqgen models >&-"):
        done = run(line, stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert (
            done.stderr.splitlines()[-1]
            == "seqgen: error: standard output is closed; write to a file with -o"
        )
    for line in ("seqgen stream weather -n 1 --length 5 >/dev/full", "seqgen models >/dev/full"):
        done = run(line, stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr


def test_messages_that_cannot_be_written_are_no_error():
    whole = run("seqgen stream weather -n 1 --length 5", capture_output=True).stdout
    for where in ("2>/dev/full", "2>&-"):
        done = run(f"seqgen stream weather -n 1 --length 5 {where}", stdout=subprocess.PIPE)
        assert (done.returncode, done.stdout) == (0, whole)


def test_a_pipe_gets_utf_8_and_an_ascii_terminal_what_it_can_show(tmp_path):
    seqgen.MarkovChain(order=1, unit="characters").fit(["äöü" * 20]).save(tmp_path / "m.safetensors")
    words = ["stream", "m.safetensors", "-n", "1", "--length", "9", "-q"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*COMMAND, *words], capture_output=True, cwd=tmp_path, env=environment, check=True)
    text = done.stdout.decode("utf-8").strip()
    assert set(text) == set("äöü")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *words], stdout=theirs, cwd=tmp_path, env=environment)
    assert process.wait(60) == 0
    os.close(theirs)
    shown = os.read(ours, 1000).decode("ascii").strip()
    os.close(ours)
    assert shown == text.encode("ascii", "backslashreplace").decode()


def test_a_pipe_by_name_is_written_into(tmp_path):
    pipe: Path = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    process = started("stream", "weather", "-n", "2", "--length", "5", "-o", pipe)
    text = pipe.read_text()
    process.communicate(timeout=60)
    assert text == "".join(f"{each}\n" for each in seqgen.load("weather").sample(2, length=5))
    assert pipe.is_fifo()


def on_terminal(words: list[str], cwd: Path) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *words], stdout=theirs, stderr=theirs, cwd=cwd)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    process.wait(60)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_a_terminal_shows_control_characters_and_a_pipe_gets_them(tmp_path):
    evil = "a\x1b]0;title\x07\x1b[2J\u202e\x9b\tb\nc\r"
    chain = seqgen.MarkovChain(order=1, unit="characters").fit([evil * 3])
    chain.save(tmp_path / "m.safetensors", card={"score_unit": "nats\x1b[2J"})
    words = ["stream", "m.safetensors", "-n", "3", "--length", "40"]
    text = "".join(f"{each}\n" for each in chain.sample(3, length=40))
    assert "\x1b" in text
    piped = subprocess.run([*COMMAND, *words, "-q"], capture_output=True, cwd=tmp_path, check=True).stdout
    assert piped.decode() == text
    shown = on_terminal([*words, "-q"], tmp_path)
    assert not set("\x1b\x07\x9b\u202e\r") & set(shown)
    for character, escape in (
        ("\x1b", "\\x1b"),
        ("\x07", "\\x07"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\r", "\\r"),
    ):
        text = text.replace(character, escape)
    assert shown.split() == text.split()
    assert "\x1b" not in on_terminal(["stream", "nothing\x1b[2J"], tmp_path)
