"""Scoring of texts with out-of-vocabulary words.

Under a chain over a closed vocabulary, one unknown word would make the score infinite. Unknown symbols are therefore
counted separately and not scored, and the symbols after one are scored without the context before it (like "OOVs" in
SRILM).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from seqgen.models.markov.automaton import ROOT
from seqgen.models.markov.model import MarkovChain
from seqgen.models.markov.units import Units


class Scored(NamedTuple):
    """The score of a chain on sequences.

    Attributes:
        nats: total over the scored symbols; infinite if one has probability 0.
        scored: number of scored symbols, including ends of sequences.
        unknown: number of symbols that are not in the vocabulary.
        impossible: number of scored symbols with probability 0.
    """

    nats: float
    scored: int
    unknown: int
    impossible: int

    @property
    def nats_per_symbol(self) -> float:
        """The mean over the scored symbols."""
        return self.nats / self.scored


def score_known(chain: MarkovChain, sequences: Iterable[Any]) -> Scored:
    """Score the known symbols of sequences, in the format of `MarkovChain.fit`.

    Example:
        >>> chain = MarkovChain(1, "kneser-ney", unit="words").fit(["to be", "to do"])
        >>> score_known(chain, ["to dare", "to be"])[1:]
        (5, 1, 0)
    """
    index = {symbol: number for number, symbol in enumerate(chain.codec.vocabulary)}
    automaton = chain.automaton
    closing = [automaton.symbols] if automaton.ends else []
    nats, scored, unknown, impossible = 0.0, 0, 0, 0
    for sequence in Units(chain.unit).sequences(sequences):
        symbols = np.array([*(index.get(symbol, -1) for symbol in sequence), *closing])
        gaps = np.flatnonzero(symbols < 0)
        state = automaton.start
        for part in np.split(symbols, gaps):
            known = part[1:] if len(part) and part[0] < 0 else part
            log_probs = chain.log_probs_from(state, known)
            nats -= float(log_probs.sum())
            scored += len(known)
            impossible += int(np.isneginf(log_probs).sum())
            state = ROOT
        unknown += len(gaps)
    return Scored(nats, scored, unknown, impossible)
