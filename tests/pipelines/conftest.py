"""A small untrained model on disk, and the command line: in this process, or in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pipelines.cli
from seqgen.models.char_rnn.model import CharRNN

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
