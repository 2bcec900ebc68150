"""Held-out likelihood of sequences (texts, symbols and numbers), in total and per symbol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.data.arrays import read_sequences
from seqgen.data.text import read_text, split_sequences, split_text
from seqgen.errors import SeqgenError
from seqgen.generator import Generator

TEXTS = ("text", "symbols")
"""Media whose held-out data are a text."""


def score_sequences(
    model: Generator,
    card: Mapping[str, Any],
    data: Path,
    *,
    last: float = 1.0,
    part: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compute the exact log-likelihood of sequences under any model with `log_prob`.

    Args:
        model: a model of text, symbols, numbers or pen strokes. card: that of the model.
        data: a text file, .npy or .npz, or a folder of digits.
        last: score only this last fraction of a text. part, report: not used; they are for data sets of items.

    Returns:
        As `summary`.
    """
    sequences = read_held_out(model.codec, card, data, last, part)
    nats = -sum(float(np.sum(np.asarray(model.log_prob(sequence)))) for sequence in sequences)
    symbols = sum(len(model.codec.encode(sequence)) for sequence in sequences)
    return summary(model.codec, data, nats, symbols, sequences=len(sequences))


def read_held_out(
    codec: Codec, card: Mapping[str, Any], data: Path, last: float, part: str | None
) -> list[Any]:
    """Read the sequences of a file, or the last part of a text, split into sequences as in training.

    Raises:
        SeqgenError: if `part` is given, or `last` for data that are not a text.
    """
    if part is not None:
        raise SeqgenError("--part is for images and recordings; use --last to score the end of a text")
    if codec.medium in TEXTS:
        how = card.get("sequences", "whole")
        return split_sequences(split_text(read_text(data), last, how)[1], how)
    if last != 1.0:
        raise SeqgenError("--last is for texts; give a file that holds only the held-out sequences")
    if codec.medium == "strokes":
        from seqgen.data.strokes import read_digits, require_tracing, trace_all

        require_tracing()
        digits = read_digits(data, int(card.get("digit", 2)))
        return list(trace_all(digits, segments=card["length"], angles=codec.size)[0])
    scalars = bool(codec.size) or not getattr(codec, "dimensions", 1)
    return [codec.encode(sequence) for sequence in read_sequences(data, scalars=scalars)]


def summary(
    codec: Codec, data: Path, nats: float, symbols: int, *, sequences: int, unknown: int = 0
) -> dict[str, Any]:
    """Return a summary: sequences, symbols, unknown (not scored), unit, nats (total), nats_per_symbol, bits_per_symbol,
    and perplexity if symbols are discrete.

    Raises:
        SeqgenError: if no symbol was scored.
    """
    if not symbols:
        raise SeqgenError(f"{data} has no symbol that the model knows")
    each = nats / symbols
    found: dict[str, Any] = {
        "sequences": sequences,
        "symbols": symbols,
        "unknown": unknown,
        "unit": codec.unit,
        "nats": nats,
        "nats_per_symbol": each,
        "bits_per_symbol": each / math.log(2),
    }
    if codec.size:
        found["perplexity"] = math.exp(min(each, 700.0))
    return found
