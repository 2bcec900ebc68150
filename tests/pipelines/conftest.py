"""A small untrained model on disk, and the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen.models.char_rnn.model import CharRNN

Command = Callable[..., subprocess.CompletedProcess[str]]


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
def seqgen_command() -> Command:
    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "seqgen", *map(str, arguments)]
        environment = {**os.environ, "SEQGEN_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command, capture_output=True, text=True, timeout=120, env=environment, **options
        )

    return run
