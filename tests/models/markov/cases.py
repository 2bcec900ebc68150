"""Markov chains: with and without an end, characters, words and any symbols, counts and tables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from seqgen import Controls, MarkovChain
from tests.conformance.case import Case, all_of_length
from tests.conformance.running import log_prob

NAMES = ["anna", "hannah", "nana", "ada", "banana", "dana", "hanna", "nadia"]
SENTENCES = [
    "the cat sat on the mat", "the rat sat on the hat", "a cat ate the rat", "on the mat the cat ate",
    "the hat sat on a cat",
]  # fmt: skip
WEATHER = ("sun", "rain", "cloud", 7)


def names(number: int) -> MarkovChain:
    """Return a chain of strings with a beginning and an end, like names."""
    return MarkovChain(order=2).fit(NAMES[number:])


def sentences(number: int) -> MarkovChain:
    """Return a chain of endless text in which every word can follow every word."""
    text = " ".join(SENTENCES[number:])
    return MarkovChain(order=2, smoothing="kneser-ney", unit="words", boundaries=False).fit([text])


def weather(number: int) -> MarkovChain:
    """Return a table over symbols of any kind."""
    table = np.random.default_rng(number).dirichlet(np.full(len(WEATHER), 0.7), len(WEATHER))
    return MarkovChain.from_table(WEATHER, table)


def score(model: MarkovChain, sample: dict[str, Any]) -> float:
    """Score the symbols of a sample, which are in its chunks; its end is not a symbol."""
    return float(model.log_prob([sample["data"]], end=False)[0])


def ended_or_longer(model: MarkovChain) -> float:
    """Return the probability of all samples that end within three symbols, and of all that continue to four."""
    symbols = model.codec.size
    total = 0.0
    for length in range(4):
        rows = [np.array(row, np.int64) for row in itertools.product(range(symbols), repeat=length)]
        total += float(np.exp(log_prob(model, rows)).sum())
    rows = np.array(list(itertools.product(range(symbols), repeat=4)))
    return total + float(np.exp(model.log_prob(rows, end=False)).sum())


CASES = [
    Case(
        "markov-names",
        names,
        prompts=("a", "na", "hann"),
        unknown="axe",
        controls=(Controls(temperature=0.6, repetition_penalty=1.2), Controls(top_k=2, top_p=0.93)),
        stopping=Controls(stop=["ann", "nad", "nan"]),
        conditions=({0: "n"}, {1: "a", 3: "a"}),
        score=score,
        total=ended_or_longer,
        retrain=lambda model: model.fit(["zzz", "zaz"]),
        ends=True,
    ),
    Case(
        "markov-words",
        sentences,
        prompts=("the", "sat on", "a cat ate the"),
        unknown="the dog",
        controls=(
            Controls(temperature=0.5, typical_p=0.9, repetition_penalty=1.3),
            Controls(allowed="the cat sat on a mat", min_p=0.01),
        ),
        stopping=Controls(stop=["the cat", "on the mat"]),
        conditions=({2: "hat"}, {0: "ate", 4: "rat"}),
        score=score,
        total=all_of_length(3),
        retrain=lambda model: model.fit(["one two one"]),
    ),
    Case(
        "markov-table",
        weather,
        prompts=(("sun",), ("rain", "cloud"), (7, 7, "sun")),
        unknown=("snow",),
        controls=(Controls(temperature=0.4), Controls(top_k=2, repetition_penalty=0.7)),
        stopping=Controls(stop=[("sun", "rain"), ("cloud", 7), ("rain", "rain", "rain")]),
        conditions=({1: "sun"}, {0: 7, 2: "rain"}),
        score=score,
        total=all_of_length(4),
    ),
]
