"""Schemas of n-gram models: the tree must be one that a text could have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen.checkpoint import Weights
from seqgen.registry import validated
from tests.core.refusals import refusal


def chain(**options: Any) -> Weights:
    return seqgen.MarkovChain(order=2, **options).fit(["abcab", "cab"]).weights()


@pytest.mark.parametrize("boundaries", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_trees_of_any_kind_are_right(boundaries, smoothing):
    validated(chain(boundaries=boundaries, smoothing=smoothing))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("children.0", np.array([1, 1, 1, 9]), "children.0 adds up to 12, symbols.1 has"),
        ("counts", np.array([2**62, 2**62]), "counts add up to more than an integer can hold"),
        (
            "symbols.0",
            np.array([3]),
            "symbols.0 has the end of a sequence, which can only be the last symbol",
        ),
        ("symbols.0", np.array([1, 0]), "symbols.0 must ascend"),
        ("symbols.1", np.array([3]), "symbols.1 has the end of a sequence"),
        ("symbols.1", np.array([4]), "symbols.1 has the padding of a sequence after a symbol"),
        ("symbols.2", np.array([4]), "symbols.2 must be at most 3, it has 4 at 0"),
        ("symbols.2", np.array([1, 2]), "symbol 3 is never counted, so its probability is undefined"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tree_that_no_text_could_have_is_refused(name, value, words):
    weights = chain()
    wide = {"counts": np.uint64}
    arrays = {key: array.astype(wide.get(key, np.uint32)) for key, array in weights.arrays.items()}
    arrays[name][: len(value)] = value
    assert words in refusal(Weights("markov", weights.config, arrays))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        # every n-gram begins a sequence and is padded twice, so that none has full length
        ((2, 1, 2, 2), "no sequence is long enough for the order 2"),
        ((0, 1, 0, 2), "no sequence has padding, although there are boundaries"),
    ],
)  # fmt: skip
def test_a_tree_without_its_longest_or_its_first_n_grams_is_refused(nodes, words):
    config = {
        "codec": {"name": "characters", "vocabulary": "a"},
        "order": 2,
        "smoothing": None,
        "boundaries": True,
    }
    names = ("symbols.0", "children.0", "symbols.1", "children.1")
    tree = {name: np.array([value], np.uint8) for name, value in zip(names, nodes, strict=True)}
    tree |= {"symbols.2": np.array([0, 1], np.uint8), "counts": np.array([1, 1], np.uint8)}
    assert words in refusal(Weights("markov", config, tree))
