"""Whole samples of Markov chains, many in one kernel call: the samples of a stream without its chunks.

Several samples are drawn in turns, because a draw mostly waits for memory and the waits then overlap.
Legend: G samples drawn in turns, R symbols of room for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.codecs import Characters, Symbols, Tokens, Words
from seqgen.engines.numba.compile import kernel
from seqgen.engines.numba.markov_tables import Tables, step
from seqgen.engines.numba.text import Texts, separable

_TURNS = 8
_FEWEST, _MOST = 1 << 12, 1 << 20


class WholeSamples:
    """Draws whole samples of one chain and decodes them in bulk.

    Args:
        tables: the chain. end: the symbol that ends a sample. codec: of its symbols.
    """

    def __init__(self, tables: Tables, end: int, codec: Characters | Symbols) -> None:
        self._tables, self._end, self._codec = tables, end, codec
        self._texts: Texts | None = None
        if isinstance(codec, (Characters, Words, Tokens)) and separable(codec.vocabulary):
            self._texts = Texts(codec.vocabulary, " " if isinstance(codec, Words) else "")

    def sample(self, state: int, n: int, length: int | None, *, seed: int, start: int) -> list[Any]:
        """The samples `start` to `start + n - 1` as texts or lists of symbols.

        Args:
            state: where every sample begins. n: how many.
            length: most symbols in a sample; None needs a chain whose samples end.
            seed: of the noise. start: index of the first sample.
        """
        most = np.iinfo(np.int64).max if length is None else length
        room = _FEWEST if length is None else min(max(_FEWEST, 2 * length), _MOST)
        samples: list[Any] = []
        while (done := len(samples)) < n:
            turns = min(_TURNS, n - done)
            # an odd stride keeps the rows off each other's cache sets
            symbols = np.empty((turns, room + 24), np.int32)
            begins = np.empty(min(n - done, symbols.size), np.int64)
            ends = np.empty_like(begins)
            made = _draw_whole(
                self._tables, state, self._end, np.uint64(seed), np.uint64(start + done), most,
                symbols, begins, ends,
            )  # fmt: skip
            if made:
                samples += self._decode(symbols.ravel(), begins[:made], ends[:made])
            else:
                # the first sample does not fit
                room *= 2
        return samples

    def _decode(self, symbols: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> list[Any]:
        """The samples symbols[begins[m] : ends[m]]."""
        if self._texts is not None:
            return self._texts.join(symbols, begins, ends)
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        return [self._codec.decode(symbols[begin:end]) for begin, end in spans]


@kernel
def _draw_whole(tables, start, end, seed, first, most, symbols, begins, ends):
    """Draw samples from index `first` on, each into a row (G, R) of `symbols`; returns how many are whole.

    A row takes another sample while it is at most half full. A sample that does not fit, and those after it,
    are left to the next call.
    """
    turns, room = symbols.shape
    state = np.full(turns, start, np.int32)
    sample = np.arange(turns)
    length = np.zeros(turns, np.int64)
    at = np.zeros(turns, np.int64)
    row = np.arange(turns)
    taken, running = turns, turns
    whole = len(begins)
    for g in range(turns):
        begins[g] = g * room
    while running > 0:
        g = 0
        while g < running:
            symbol, after = step(tables, state[g], seed, first + np.uint64(sample[g]), np.uint64(length[g]))
            if symbol != end and at[g] < room:
                symbols[row[g], at[g]] = symbol
                state[g] = after
                at[g] += 1
                length[g] += 1
                if length[g] < most:
                    g += 1
                    continue
            elif symbol != end:
                whole = min(whole, sample[g])
            ends[sample[g]] = row[g] * room + at[g]
            if taken < len(begins) and 2 * at[g] <= room:
                sample[g] = taken
                begins[taken] = row[g] * room + at[g]
                state[g] = start
                length[g] = 0
                taken += 1
                g += 1
            else:
                running -= 1
                state[g], sample[g], length[g] = state[running], sample[running], length[running]
                at[g], row[g] = at[running], row[running]
    return min(whole, taken)
