"""Markov chains over characters, words and other symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["MarkovChain", "score_known"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MarkovChain": "seqgen.models.markov.model",
        "score_known": "seqgen.models.markov.open_vocabulary",
    },
)

if TYPE_CHECKING:
    from seqgen.models.markov.model import MarkovChain as MarkovChain
    from seqgen.models.markov.open_vocabulary import score_known as score_known
