"""Markov chains over characters, words and other symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["MarkovChain"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MarkovChain": "seqgen.models.markov.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.markov.model import MarkovChain as MarkovChain
