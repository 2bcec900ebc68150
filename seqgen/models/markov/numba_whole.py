"""Whole samples of Markov chains, many per kernel call: the samples of a stream without its chunks.

Several samples are drawn in turns, because a draw mostly waits for memory and the waits then overlap. Otherwise the
draws are those of `numba_tables.step`, in a different order.
Legend: G samples drawn in turns, R symbols of space for each.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.kernels.compile import inline, kernel
from seqgen.models.markov.numba_tables import (
    STATE,
    Tables,
    certain,
    found_from,
    part,
    stretched,
    token_uniform,
)
from seqgen.models.markov.numba_text import Texts, separable

# a sample being drawn: the state, the shorter context to which it has backed off, whether u is yet to be drawn, the row
# of symbols and the number in it, and the index of the sample and its length so far
LANE = np.dtype(
    [("state", "i4"), ("context", "i4"), ("fresh", "i4"), ("row", "i4"), ("u", "f8"), ("filled", "i8"),
     ("sample", "i8"), ("length", "i8")]
)  # fmt: skip

_TURNS = 32
_FEWEST_PER_THREAD = 1000
_FEWEST, _MOST = 1 << 12, 1 << 20


class WholeSamples:
    """Draws whole samples of one chain and decodes them in bulk.

    Args:
        tables: the chain. end: the symbol that ends a sample. codec: of the symbols.
    """

    def __init__(self, tables: Tables, end: int, codec: Codec) -> None:
        self._tables, self._end, self._codec = tables, end, codec
        self._texts: Texts | None = None
        if codec.medium == "text" and codec.vocabulary and separable(codec.vocabulary):
            self._texts = Texts(codec.vocabulary, codec.separator)

    def sample(
        self, state: int, n: int, length: int | None, *, seed: int, start: int, threads: int
    ) -> list[Any]:
        """Return the samples `start` to `start + n - 1` as texts or lists of symbols.

        Args:
            state: initial state of every sample. n: number of samples.
            length: maximum length of a sample; None requires a chain whose samples end.
            seed: of the random numbers. start: index of the first sample.
            threads: number of threads.
        """
        threads = min(threads, -(-n // _FEWEST_PER_THREAD))
        if threads == 1:
            return self._sample(state, n, length, seed, start)
        cuts = [n * k // threads for k in range(threads + 1)]
        with ThreadPoolExecutor(threads, thread_name_prefix="seqgen") as pool:
            parts = [
                pool.submit(self._sample, state, end - begin, length, seed, start + begin)
                for begin, end in pairwise(cuts)
            ]
            return [sample for part in parts for sample in part.result()]

    def _sample(self, state: int, n: int, length: int | None, seed: int, start: int) -> list[Any]:
        most = np.iinfo(np.int64).max if length is None else length
        room = _FEWEST if length is None else min(max(_FEWEST, 2 * length), _MOST)
        samples: list[Any] = []
        while (done := len(samples)) < n:
            turns = min(_TURNS, n - done)
            # an odd stride places the rows in different cache sets
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
        """Decode the samples symbols[begins[m] : ends[m]]."""
        if self._texts is not None:
            return self._texts.join(symbols, begins, ends)
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        return [self._codec.decode(symbols[begin:end]) for begin, end in spans]


@kernel
def _draw_whole(tables, start, end, seed, first, most, symbols, begins, ends):
    """Draw samples from index `first` on, each into a row (G, R) of `symbols`; return the number of complete samples.

    A row takes another sample while it is at most half full. A sample that does not fit, and all later ones, are left
    to
    the next call.
    """
    turns, room = symbols.shape
    lanes = np.zeros(turns, LANE)
    heres = np.empty(turns, STATE)
    entry, threshold = np.empty(turns, np.int32), np.empty(turns, np.float64)
    for g in range(turns):
        lanes[g].row = g
        _begin(lanes[g], g, start, room, begins)
    taken, running, whole = turns, turns, len(begins)
    while running > 0:
        # one kind of read at a time, so that the reads of all lanes overlap
        for g in range(running):
            heres[g] = tables.states[lanes[g].context]
        for g in range(running):
            lane, here = lanes[g], heres[g]
            if lane.fresh:
                lane.u = 0.0
                if not certain(here.count, here.backoff):
                    lane.u = token_uniform(seed, first + np.uint64(lane.sample), np.uint64(lane.length))
            entry[g] = tables.entries[here.first + part(lane.u, here.own, here.count)].guide
        for g in range(running):
            threshold[g] = tables.entries[entry[g]].threshold
        for g in range(running - 1, -1, -1):
            lane, here = lanes[g], heres[g]
            if lane.u >= here.own:
                lane.u = stretched(lane.u, here.own, here.backoff)
                lane.context = here.parent
                lane.fresh = 0
                continue
            at = entry[g] if threshold[g] > lane.u else entry[g] + 1
            symbol, after = found_from(tables, lane.state, lane.context, at, lane.u)
            if symbol != end and lane.filled < room:
                symbols[lane.row, lane.filled] = symbol
                lane.state = lane.context = after
                lane.fresh = 1
                lane.filled += 1
                lane.length += 1
                if lane.length < most:
                    continue
            elif symbol != end:
                whole = min(whole, lane.sample)
            ends[lane.sample] = lane.row * room + lane.filled
            if taken < len(begins) and 2 * lane.filled <= room:
                _begin(lane, taken, start, room, begins)
                taken += 1
            else:
                running -= 1
                lanes[g] = lanes[running]
    return min(whole, taken)


@inline
def _begin(lane, sample, start, room, begins):
    lane.sample, lane.state, lane.context = sample, start, start
    lane.fresh, lane.length = 1, 0
    begins[sample] = lane.row * room + lane.filled
