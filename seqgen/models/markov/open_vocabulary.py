"""Scoring texts with words that a model never saw.

A chain over a closed vocabulary gives them no probability at all, and one such word would make every score
infinite. They are counted apart instead: an unknown symbol is not scored, and what follows it is scored without
the context before it (as SRILM's "zeroprobs" and "OOVs").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from seqgen.models.markov.automaton import ROOT
from seqgen.models.markov.model import MarkovChain
from seqgen.models.markov.units import Units


class Scored(NamedTuple):
    """How well a chain predicts sequences.

    Attributes:
        nats: total of the symbols that were scored; infinite if any of them had probability 0.
        scored: how many those are, the ends of sequences among them.
        unknown: symbols that the chain does not know.
        impossible: scored symbols of probability 0.
    """

    nats: float
    scored: int
    unknown: int
    impossible: int

    @property
    def nats_per_symbol(self) -> float:
        """The mean over the symbols that were scored."""
        return self.nats / self.scored


def score_known(chain: MarkovChain, sequences: Iterable[Any]) -> Scored:
    """Score the known symbols of sequences, which are given as for `MarkovChain.fit`.

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
