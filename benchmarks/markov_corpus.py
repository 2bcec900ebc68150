"""A synthetic corpus of any size with word frequencies as in real texts: sentences of a Zipf-Mandelbrot source."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def zipf_sentences(words: int, vocabulary: int, *, seed: int = 0, mean_length: int = 20) -> Iterator[str]:
    """Yield sentences of about `words` words in total; adjacent words share one of 64 topics with orders of their own.

    Topics make pairs and triples repeat, as in language; without them nearly every triple would be new.
    """
    rng = np.random.default_rng(seed)
    weights = 1.0 / (np.arange(vocabulary) + 2.7)
    cumulative = np.cumsum(weights) / weights.sum()
    names = np.array([f"word{k}" for k in range(vocabulary)], dtype=object)
    made = 0
    while made < words:
        lengths = rng.poisson(mean_length - 1, 1000) + 1
        ranks = np.minimum(np.searchsorted(cumulative, rng.random(lengths.sum())), vocabulary - 1)
        topics = np.repeat(rng.integers(0, 64, len(lengths)), lengths)
        # the 200 most common words are shared, the others shuffled in each topic
        own = (ranks - 200 + topics * 7919) % (vocabulary - 200) + 200
        chosen = names[np.where(ranks < 200, ranks, own)].tolist()
        begin = 0
        for length in lengths.tolist():
            yield " ".join(chosen[begin : begin + length])
            begin += length
        made += begin
