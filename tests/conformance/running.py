"""Streams as plain values that can be compared, joined, and sent to another process."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from seqgen.generator import Generator
from seqgen.streaming import Chunk, Stream

Plain = dict[str, Any]


def plain(value: Any) -> Any:
    """Convert arrays to lists and leave the rest; an image (C, H, W) becomes the list of its rows (C, W)."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3:
        value = value.transpose(1, 0, 2)
    return value.tolist() if isinstance(value, np.ndarray) else value


def from_plain(model: Generator, data: Any) -> Any:
    """Convert back to the data of a sample as the model returned it."""
    if isinstance(data, list) and model.codec.name == "pixels":
        return np.array(data).transpose(1, 0, 2)
    return data


def plain_chunk(chunk: Chunk) -> Plain:
    """Return a chunk as JSON values."""
    extra = {name: plain(value) for name, value in chunk.extra.items()}
    return {
        "index": chunk.index,
        "offset": chunk.offset,
        "data": plain(chunk.data),
        "last": chunk.last,
        **extra,
    }


def chunks(stream: Iterable[Chunk]) -> list[Plain]:
    """Return all chunks of a stream, in order."""
    return [plain_chunk(chunk) for chunk in stream]


def join(parts: list[Any]) -> Any:
    """Return the data of a sample from the data of its chunks."""
    if isinstance(parts[0], str):
        return "".join(parts)
    return [item for part in parts for item in part]


def samples(stream: Stream) -> dict[int, Plain]:
    """Return every sample by its index: data, reason and all extra arrays, joined."""
    return joined(chunks(stream))


def joined(parts: list[Plain]) -> dict[int, Plain]:
    """Return the samples that chunks are the pieces of, by their index."""
    pieces: dict[int, list[Plain]] = {}
    for chunk in parts:
        pieces.setdefault(chunk["index"], []).append(chunk)
    return {index: _joined(pieces[index]) for index in sorted(pieces)}


def _joined(pieces: list[Plain]) -> Plain:
    names = set(pieces[0]) - {"index", "offset", "last", "reason"}
    joined = {name: join([piece[name] for piece in pieces]) for name in sorted(names)}
    return {**joined, "reason": pieces[-1]["reason"]}


def log_prob(model: Generator, data: Any, **condition: Any) -> np.ndarray:
    """Return `model.log_prob` as a float64 array, without a gradient."""
    scores = model.log_prob(data, **condition)
    return np.asarray(scores.detach() if hasattr(scores, "detach") else scores, np.float64)


def size(chunk: Plain) -> int:
    """Return the number of symbols in a chunk that has log-probabilities."""
    return len(chunk["log_prob"])


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Assert equality, except for floats, which may differ by `tolerance`."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert set(ours) == set(theirs)
        for key in ours:
            assert_close(ours[key], theirs[key], tolerance)
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_close(one, other, tolerance)
    elif isinstance(ours, float):
        assert math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance) or ours == theirs
    else:
        assert ours == theirs
