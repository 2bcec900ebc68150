"""The recipes of the built-in Markov chains: words of Shakespeare, and the weather table (Petzka, lecture 10)."""

from __future__ import annotations

import datetime
import math
import os
from typing import Any

import numpy as np

from seqgen.data.text import read_text, split_sequences, split_text
from seqgen.errors import SeqgenError
from seqgen.models.markov.model import MarkovChain
from seqgen.models.markov.open_vocabulary import Scored, score_known
from seqgen.training.fitting import Fit, NoSettings
from seqgen.training.recipe import Recipe

SKIES = ("sun", "rain", "cloud")
TOMORROW = ((0.8, 0.05, 0.15), (0.2, 0.6, 0.2), (0.2, 0.3, 0.5))


def train_shakespeare_markov(path: str | os.PathLike[str]) -> tuple[MarkovChain, dict[str, Any]]:
    """Fit a chain of order 2 with Kneser-Ney smoothing over the tokens of speeches; return it and its card.

    A sequence is a speech with its speaker; speeches are separated by blank lines. The last tenth of the text is held
    out for the score; words that do not occur in the first nine tenths are not scored, and the card has their number.

    Args:
        path: tinyshakespeare.txt, or any UTF-8 text with parts separated by blank lines.

    Raises:
        SeqgenError, ValueError: if the text cannot be read or is too short.
    """
    before, after = _speeches(path)
    chain = MarkovChain(2, "kneser-ney", unit="tokens", boundaries=True).fit(before)
    scored = score_known(chain, after)
    if not scored.scored:
        raise SeqgenError("the last tenth of the text has nothing to score; give a longer text")
    card = {
        "description": "word chain of order 2 with Kneser-Ney smoothing; a sample is a speech",
        "data": "Tiny Shakespeare",
        "licence": "public domain",
        "split": f"first {len(before)} speeches for training, last {len(after)} held out",
        "score": round(scored.nats_per_symbol, 4),
        "score_unit": "nats/token",
        "sequences": "paragraphs",
        "score_note": (
            "tokens are words and runs of punctuation with the white space before them, and the end of a speech; "
            f"{_share(scored):.2%} of the held-out tokens are unknown words, which are not scored"
        ),
        "command": "seqgen train shakespeare-markov DATA -o FILE",
        "seed": 0,
        "date": _today(),
    }
    return chain, card


def compare_orders(path: str | os.PathLike[str]) -> list[tuple[int, str | None, Scored]]:
    """Return the held-out scores of orders 1 to 3 with and without smoothing, on the split of the built-in chain."""
    before, after = _speeches(path)
    compared = []
    for order in (1, 2, 3):
        for smoothing in (None, "kneser-ney"):
            chain = MarkovChain(order, smoothing, unit="tokens", boundaries=True).fit(before)
            compared.append((order, smoothing, score_known(chain, after)))
    return compared


def _speeches(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    before, after = split_text(read_text(path), how="paragraphs")
    return split_sequences(before, "paragraphs"), split_sequences(after, "paragraphs")


def weather_model() -> tuple[MarkovChain, dict[str, Any]]:
    """Return the weather table of a lecture (Petzka, lecture 10) as a chain of words, and its card.

    The lecture names the third state both Foggy and Cloud; here it is "cloud".
    """
    chain = MarkovChain.from_table(SKIES, TOMORROW, unit="words")
    table = np.array(TOMORROW)
    entropy_rate = -float(chain.stationary() @ (table * np.log(table)).sum(1))
    card = {
        "description": "the weather of tomorrow given that of today; starts with the stationary distribution",
        "data": "the table of the lecture on Markov models",
        "licence": "not subject to copyright",
        "split": "none",
        "score": round(entropy_rate, 4),
        "score_unit": "nats/word",
        "score_note": f"the entropy rate, a perplexity of {math.exp(entropy_rate):.3f}",
        "command": "seqgen train weather -o FILE",
        "seed": 0,
        "date": _today(),
    }
    return chain, card


def _share(scored: Scored) -> float:
    return scored.unknown / (scored.scored + scored.unknown)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


SHAKESPEARE = Recipe(
    name="shakespeare-markov",
    data="tinyshakespeare.txt",
    prepare=lambda request: Fit(lambda report: train_shakespeare_markov(request.data)),
    config=NoSettings,
)
WEATHER = Recipe(
    name="weather",
    data="nothing",
    prepare=lambda request: Fit(lambda report: weather_model()),
    config=NoSettings,
    needs_data=False,
)
