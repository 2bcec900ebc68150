"""The pinned samples: one request of each kind for every built-in model, as hashes.

`python -m tests.core.pinned_samples` prints them. They change only if a model is trained again; a change of the code
that changes them violates the guarantee that a sample is a function of (weights, seed, index, prompt, controls).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import seqgen
from seqgen import rng
from seqgen.errors import SeqgenWarning

FILE = Path(__file__).with_suffix(".json")


def mel_like(index: int) -> np.ndarray:
    """Return synthetic features (6, 80) of a sound."""
    noise = rng.uniforms(17, index, np.arange(480), rng.Purpose.TOKEN).reshape(6, 80)
    return np.asarray(noise.astype(np.float32) * 8 - 8)


def upper_half(model: str) -> np.ndarray:
    known = next(iter(seqgen.stream(model, 1, chunk=28, seed=5))).data.astype(int)
    known[:, 14:] = -1
    return np.asarray(known)


def _texts(model: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"model": model, "n": 4, "length": 120, "batch": 3, "seed": 7},
        {"model": model, "n": 3, "length": 80, "seed": 2**40, "start": 2**33, "chunk": 7, **more},
    ]


def requests() -> list[dict[str, Any]]:
    """Return arguments of `seqgen.stream`, and "model"."""
    words = {"prompt": "ROMEO:\n", "controls": {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.1}}
    images: list[dict[str, Any]] = []
    for name in ("digits-fvsbn", "digits-nade", "digits-pixelcnn"):
        images.append({"model": name, "n": 4, "batch": 3, "seed": 7})
        images.append({"model": name, "n": 2, "seed": 8, "precision": "float32", "prompt": upper_half(name)})
    features: Callable[[int], np.ndarray] = mel_like
    return [
        *_texts("shakespeare", **words),
        *_texts("shakespeare-markov", controls={"temperature": 0.8, "top_k": 20}),
        *_texts("weather", prompt="rain", controls={"min_p": 0.1}),
        *_texts("digit-strokes", controls={"typical_p": 0.9}),
        *images,
        {"model": "fashion-pixelcnn", "n": 4, "batch": 3, "seed": 7, "condition": lambda index: index % 10},
        {"model": "fashion-pixelcnn", "n": 2, "seed": 8, "condition": 3, "controls": {"temperature": 0.7}},
        {"model": "speech", "n": 3, "length": 2000, "batch": 2, "seed": 7},
        {"model": "speech", "n": 1, "length": 2000, "seed": 8, "precision": "float32", "threads": 2},
        {"model": "vocoder", "n": 3, "batch": 2, "seed": 7, "condition": features},
    ]


def digest(request: dict[str, Any]) -> str:
    """Return SHA-256 over the samples of a request, in the order of their indices."""
    arguments = dict(request)
    found = hashlib.sha256()
    with warnings.catch_warnings(), seqgen.stream(arguments.pop("model"), **arguments) as stream:
        # the features of the vocoder are noise, louder than any recording's
        warnings.simplefilter("ignore", SeqgenWarning)
        for index, chunks in stream.collect().items():
            data = stream.codec.join([chunk.data for chunk in chunks])
            found.update(f"{index}:{chunks[-1].extra['reason']}:".encode())
            if isinstance(data, str):
                found.update(data.encode())
            else:
                found.update(f"{np.asarray(data).dtype.str}{np.shape(data)}".encode())
                found.update(np.ascontiguousarray(data).tobytes())
    return found.hexdigest()


def made() -> dict[str, list[str]]:
    """Return the hashes of all requests by model."""
    hashes: dict[str, list[str]] = {}
    for request in requests():
        hashes.setdefault(request["model"], []).append(digest(request))
    return hashes


if __name__ == "__main__":
    print(json.dumps(made(), indent=1))
