"""Novelty of samples: how much is copied from the training data (after the report of Karpathy's makemore)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple


class Novelty(NamedTuple):
    """Fractions between 0 and 1.

    Attributes:
        copied: samples that equal a training sequence.
        repeated: samples that equal an earlier sample.
        seen: n-grams of `size` symbols in the samples that occur in the training sequences.
        size: length n of the n-grams.
    """

    copied: float
    repeated: float
    seen: float
    size: int


def novelty(
    samples: Iterable[Sequence[Hashable]], training: Iterable[Sequence[Hashable]], *, size: int = 4
) -> Novelty:
    """Compare samples with the training data; both are sequences of symbols, such as `text.split()` for words.

    Args:
        samples, training: each is iterated once. size: length of the n-grams, at least 1.

    Raises:
        ValueError: if there are no samples, or size is below 1.

    Example:
        >>> novelty([["a", "b"], ["b", "b"]], [["a", "b"], ["c"]], size=1)
        Novelty(copied=0.5, repeated=0.0, seen=1.0, size=1)
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    whole: set[tuple[Hashable, ...]] = set()
    runs: set[tuple[Hashable, ...]] = set()
    for sequence in training:
        whole.add(tuple(sequence))
        runs.update(_ngrams(sequence, size))
    count = copied = repeated = run_count = seen = 0
    earlier: set[tuple[Hashable, ...]] = set()
    for sample in samples:
        symbols = tuple(sample)
        count += 1
        copied += symbols in whole
        repeated += symbols in earlier
        earlier.add(symbols)
        for run in _ngrams(symbols, size):
            run_count += 1
            seen += run in runs
    if not count:
        raise ValueError("samples must hold at least one sample, got none")
    return Novelty(copied / count, repeated / count, seen / run_count if run_count else 0.0, size)


def _ngrams(symbols: Sequence[Hashable], size: int) -> Iterator[tuple[Hashable, ...]]:
    return (tuple(symbols[i : i + size]) for i in range(len(symbols) - size + 1))
