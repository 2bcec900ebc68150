"""Naive n-gram chains over Python dictionaries: a direct implementation of the definitions, for small cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

BEGIN, END = "<begin>", "<end>"


class NaiveChain:
    """Maximum likelihood or interpolated Kneser-Ney probabilities, computed again for every request."""

    def __init__(
        self, sequences: Sequence[Sequence[Any]], order: int, smoothing: str | None, ends: bool
    ) -> None:
        self.order, self.smoothing, self.ends = order, smoothing, ends
        self.symbols = list(dict.fromkeys(symbol for sequence in sequences for symbol in sequence))
        self.outcomes = [*self.symbols, END] if ends else self.symbols
        self.counts: list[Counter] = [Counter() for _ in range(order + 2)]
        before: list[defaultdict] = [defaultdict(set) for _ in range(order + 2)]
        for sequence in sequences:
            whole = [BEGIN, *sequence, END] if ends else list(sequence)
            for size in range(1, order + 2):
                for i in range(len(whole) - size + 1):
                    gram = tuple(whole[i : i + size])
                    if gram[-1] == BEGIN:
                        continue
                    self.counts[size][gram] += 1
                    # the beginning of a sequence counts as a neighbour
                    before[size][gram].add(whole[i - 1] if i else BEGIN)
        if smoothing is not None:
            for size in range(1, order + 1):
                for gram in self.counts[size]:
                    if gram[0] != BEGIN:
                        self.counts[size][gram] = len(before[size][gram])

    def discount(self, size: int) -> float:
        values = list(self.counts[size].values())
        once, twice = values.count(1), values.count(2)
        return once / (once + 2 * twice) if once and twice else 0.5

    def _plain(self, context: tuple, symbol: Any) -> float:
        followers = {g[-1]: c for g, c in self.counts[len(context) + 1].items() if g[:-1] == context}
        if self.smoothing is None:
            if not followers:
                return self._plain(context[1:], symbol)
            return followers.get(symbol, 0) / sum(followers.values())
        lower = self._plain(context[1:], symbol) if context else 1.0 / len(self.outcomes)
        if not followers:
            return lower
        total, off = sum(followers.values()), self.discount(len(context) + 1)
        own = max(followers.get(symbol, 0) - off, 0.0) / total
        return own + off * len(followers) / total * lower

    def probability(self, before: Sequence[Any], symbol: Any) -> float:
        """Return the probability of `symbol` after the symbols `before` of the same sequence."""
        whole = (BEGIN, *before) if self.ends else tuple(before)
        context = whole[max(0, len(whole) - self.order) :]
        if self.ends and self.smoothing is not None and not before:
            # a sample is not empty
            if symbol == END:
                return 0.0
            return self._plain(context, symbol) / (1.0 - self._plain(context, END))
        return self._plain(context, symbol)

    def distribution(self, before: Sequence[Any]) -> list[float]:
        """Return the probabilities of all outcomes, the end last."""
        return [self.probability(before, symbol) for symbol in self.outcomes]

    def sequence_probability(
        self, symbols: Sequence[Any], before: Sequence[Any] = (), end: bool = False
    ) -> float:
        product = 1.0
        whole = [*symbols, END] if end else list(symbols)
        for t, symbol in enumerate(whole):
            product *= self.probability([*before, *whole[:t]], symbol)
        return product
