"""Held-out likelihood of a model on the user's own data."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

import seqgen
from seqgen.codecs import Bytes, Characters, Codec, Strokes, Symbols
from seqgen.data.arrays import read_sequences
from seqgen.data.text import read_text
from seqgen.errors import SeqgenError


def held_out(
    name_or_path: str | os.PathLike[str], data: str | os.PathLike[str], *, last: float = 1.0
) -> dict[str, Any]:
    """The exact log-likelihood of `data` under a model, in total and for each symbol.

    Args:
        name_or_path: the model.
        data: a text for text models, .npy or .npz for numeric ones, a folder of digits for pen strokes.
        last: score only this last fraction of a text.

    Returns:
        model, family, data, sequences, symbols, unit, nats (total), nats_per_symbol, bits_per_symbol, and
        perplexity where symbols are discrete.
    """
    model = seqgen.load(name_or_path)
    sequences = _read(model, Path(data), last)
    log_probs = np.concatenate([np.atleast_1d(np.asarray(model.log_prob(s), np.float64)) for s in sequences])
    symbols = int(sum(len(s) for s in sequences))
    nats = -float(log_probs.sum())
    each = nats / symbols
    result: dict[str, Any] = {
        "model": os.fspath(name_or_path),
        "family": model.family,
        "data": os.fspath(data),
        "sequences": len(sequences),
        "symbols": symbols,
        "unit": model.codec.unit,
        "nats": nats,
        "nats_per_symbol": each,
        "bits_per_symbol": each / math.log(2),
    }
    if model.codec.size:
        result["perplexity"] = math.exp(min(each, 700.0))
    return result


def _read(model: Any, path: Path, last: float) -> list[np.ndarray]:
    codec: Codec = model.codec
    if isinstance(codec, (Characters, Bytes, Symbols)):
        text = read_text(path)
        text = text[len(text) - max(1, round(len(text) * last)) :]
        return [codec.encode(text)]
    if last != 1.0:
        raise SeqgenError("--last is for texts; give a file that holds only the held-out sequences")
    if isinstance(codec, Strokes):
        from seqgen.data.strokes import read_strokes

        return list(read_strokes(path, angles=codec.size))
    return [codec.encode(sequence) for sequence in read_sequences(path)]
