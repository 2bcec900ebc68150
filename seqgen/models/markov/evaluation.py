"""Held-out likelihood of a Markov chain: unknown symbols are counted but not scored, ends of sequences are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqgen.evaluation.sequences import read_held_out, summary
from seqgen.models.markov.model import MarkovChain
from seqgen.models.markov.open_vocabulary import score_known


def score_known_symbols(
    model: MarkovChain,
    card: Mapping[str, Any],
    data: Path,
    *,
    last: float = 1.0,
    part: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score as `evaluation.sequences.score_sequences`, excluding symbols that are unknown to the chain."""
    sequences = read_held_out(model.codec, card, data, last, part)
    nats, symbols, unknown, _ = score_known(model, sequences)
    return summary(model.codec, data, nats, symbols, sequences=len(sequences), unknown=unknown)
