"""Models of sound that are saved for tests of the command line, and sounds as 16-bit samples."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from seqgen.models.wavenet.model import WaveNet

RATE = 16000
CARD = {"data": "none", "licence": "none"}


def saved(model: WaveNet, name: str, factory: pytest.TempPathFactory, **card: object) -> Path:
    path = factory.mktemp("models") / name
    model.save(path, card={**CARD, **card})
    return path


def pcm(sound: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def as_input(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
