"""Small untrained models on disk, recordings, and the command line: in this process, or in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import pipelines.cli
from seqgen.models.char_rnn.model import CharRNN
from seqgen.models.wavenet.model import WaveNet
from tests.pipelines.audio_models import RATE, saved

Command = Callable[..., subprocess.CompletedProcess[Any]]


@pytest.fixture(scope="session")
def model() -> CharRNN:
    model = CharRNN("abcdefgh\n", cell="gru", hidden_size=16, layers=1, seed=3)
    for parameter in model.parameters():
        parameter.data.mul_(3.0)
    return model


@pytest.fixture(scope="session")
def checkpoint(model: CharRNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    model.save(path, card={"data": "none", "licence": "none"})
    return path


@pytest.fixture
def seqgen_bytes(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command line in this process, which saves its start; return what it prints as bytes.

    An error that it does not turn into a message is raised in the test.
    """
    monkeypatch.setenv("SEQGEN_THREADS", "1")

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        words = list(map(str, arguments))
        capfdbinary.readouterr()
        with monkeypatch.context() as here:
            if cwd is not None:
                here.chdir(cwd)
            with pytest.raises(SystemExit) as left:
                pipelines.cli.run(words)
        out, errors = capfdbinary.readouterr()
        assert isinstance(left.value.code, int)
        return subprocess.CompletedProcess(words, left.value.code, out, errors)

    return run


@pytest.fixture
def seqgen_command(seqgen_bytes: Command) -> Command:
    """Run the command line in this process; return what it prints as text."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = seqgen_bytes(*arguments, cwd=cwd)
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture
def seqgen_process() -> Command:
    """Run the command line in a separate process, where the test requires one."""

    def run(
        *arguments: object, text: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[Any]:
        command = [sys.executable, "-m", "seqgen", *map(str, arguments)]
        environment = {**os.environ, "SEQGEN_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, capture_output=True, text=text, timeout=120, env=environment, cwd=cwd, check=False
        )

    return run


# ---- a vocoder ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vocoder() -> WaveNet:
    model = WaveNet(3, 3, 8, 16, 8, levels=64, sample_rate=RATE, mels=20, hop=200, seed=2)
    model.sample(1, condition=np.zeros((1, 20), np.float32), threads=2)
    return model


@pytest.fixture(scope="module")
def vocoder_checkpoint(vocoder: WaveNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(vocoder, "vocoder.safetensors", tmp_path_factory)


@pytest.fixture
def recordings(tmp_path) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(2):
        sound = np.rint(generator.uniform(-8000, 8000, 1900 + 300 * number)).astype(np.int16)
        soundfile.write(tmp_path / f"r{number}.wav", sound, RATE)
        found.append((sound / 32768).astype(np.float32))
    return found


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> tuple[WaveNet, Path]:
    model = WaveNet(3, 3, 8, 16, 8, levels=64, sample_rate=RATE, classes=2, mels=20, hop=200, seed=3)
    model.globals.weight.data.mul_(20.0)
    return model, saved(model, "speakers.safetensors", tmp_path_factory, classes=["anna", "ben"])
