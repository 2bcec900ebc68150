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
    """Arrays as lists, all else as it is; an image (C, H, W) as the list of its rows (C, W), which are its symbols."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3:
        value = value.transpose(1, 0, 2)
    return value.tolist() if isinstance(value, np.ndarray) else value


def from_plain(model: Generator, data: Any) -> Any:
    """The data of a sample as the model gave it."""
    if isinstance(data, list) and model.codec.name == "pixels":
        return np.array(data).transpose(1, 0, 2)
    return data


def plain_chunk(chunk: Chunk) -> Plain:
    """A chunk as JSON values."""
    extra = {name: plain(value) for name, value in chunk.extra.items()}
    return {
        "index": chunk.index,
        "offset": chunk.offset,
        "data": plain(chunk.data),
        "last": chunk.last,
        **extra,
    }


def chunks(stream: Iterable[Chunk]) -> list[Plain]:
    """All chunks of a stream, in order."""
    return [plain_chunk(chunk) for chunk in stream]


def join(parts: list[Any]) -> Any:
    """The data of a sample from the data of its chunks."""
    if isinstance(parts[0], str):
        return "".join(parts)
    return [item for part in parts for item in part]


def samples(stream: Stream) -> dict[int, Plain]:
    """Every sample by its index: data, reason and whatever extra arrays there are, joined."""
    return joined(chunks(stream))


def joined(parts: list[Plain]) -> dict[int, Plain]:
    """The samples that chunks are the pieces of, by their index."""
    pieces: dict[int, list[Plain]] = {}
    for chunk in parts:
        pieces.setdefault(chunk["index"], []).append(chunk)
    return {index: _joined(pieces[index]) for index in sorted(pieces)}


def _joined(pieces: list[Plain]) -> Plain:
    names = set(pieces[0]) - {"index", "offset", "last", "reason"}
    joined = {name: join([piece[name] for piece in pieces]) for name in sorted(names)}
    return {**joined, "reason": pieces[-1]["reason"]}


def log_prob(model: Generator, data: Any, **condition: Any) -> np.ndarray:
    """`model.log_prob` as a float64 array, without a gradient."""
    scores = model.log_prob(data, **condition)
    return np.asarray(scores.detach() if hasattr(scores, "detach") else scores, np.float64)


def size(chunk: Plain) -> int:
    """Symbols in a chunk that has log-probabilities."""
    return len(chunk["log_prob"])


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Equal in everything but floats, which may differ by `tolerance`."""
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
