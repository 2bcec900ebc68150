"""Samples with forced symbols against the conditional distribution, found by enumeration."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import stats

from seqgen import Controls, MarkovChain, SeqgenError
from seqgen.models.markov.bridging import messages
from seqgen.models.markov.lanes import forced_symbols
from tests.models.markov.oracle import NaiveChain

TEXTS = ["abacab", "bacca", "cabba", "abc", "ccab", "bb", "acbcacab"]


def chain_of(order, smoothing, ends):
    return MarkovChain(order, smoothing, boundaries=ends).fit(TEXTS), NaiveChain(
        TEXTS, order, smoothing, ends
    )


def conditional(naive, condition, length, prompt=""):
    """Return the exact distribution of the first `length` symbols given the forced ones, by enumeration.

    A position that is forced to None is the end, so that the sample has that length.
    """
    ended = None in condition.values()
    weights = {}
    for symbols in product(naive.symbols, repeat=length):
        if all(symbols[t] == wanted for t, wanted in condition.items() if wanted is not None):
            weights["".join(symbols)] = naive.sequence_probability(symbols, prompt, end=ended)
    total = sum(weights.values())
    return {text: weight / total for text, weight in weights.items() if weight}, total


CONDITIONS = [{0: "c"}, {2: "b"}, {1: "a", 3: "b"}, {3: "a"}, {0: "a", 1: "b", 2: "a", 3: "c"}]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_draw_has_its_exact_conditional_probability(order, smoothing, ends, condition):
    chain, naive = chain_of(order, smoothing, ends)
    length, n = max(condition) + 1, 120
    exact, total = conditional(naive, condition, length)
    assert total > 0
    seen = Counter()
    for chunk in chain.stream(n, length, batch=40, chunk=64, seed=order, condition=condition, log_probs=True):
        seen[chunk.data] += 1
        assert chunk.extra["log_prob_drawn"].sum() == pytest.approx(math.log(exact[chunk.data]), abs=1e-9)
        assert chunk.extra["log_prob"].sum() == pytest.approx(
            math.log(naive.sequence_probability(chunk.data)), abs=1e-9
        )
    # each drawn sample has its exact probability, and their sum is at most the total
    assert sum(exact[text] for text in seen) <= 1 + 1e-9


@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_conditional_samples_are_as_frequent_as_they_should_be(smoothing):
    chain, naive = chain_of(2, smoothing, True)
    exact, _ = conditional(naive, {1: "a", 3: "b"}, 4)
    n = 6000
    samples = chain.sample(n, length=4, condition={1: "a", 3: "b"}, seed=2)
    counted = Counter(samples)
    assert set(counted) <= set(exact)
    common = [text for text in exact if exact[text] * n >= 5]
    observed = np.array([counted[text] for text in common] + [n - sum(counted[t] for t in common)])
    wanted = np.array([exact[text] for text in common] + [1 - sum(exact[t] for t in common)]) * n
    keep = wanted > 1e-6
    assert stats.chisquare(observed[keep], wanted[keep]).pvalue > 1e-4


@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_forced_end_and_a_prompt(order, smoothing):
    chain, naive = chain_of(order, smoothing, True)
    condition = {1: "a", 3: None}
    exact, _ = conditional(naive, condition, 3, prompt="c")
    chunks = list(chain.stream(60, prompt="c", condition=condition, log_probs=True, seed=4, batch=16))
    for chunk in chunks:
        assert chunk.extra["reason"] == "end"
        assert chunk.extra["log_prob_drawn"].sum() == pytest.approx(math.log(exact[chunk.data]), abs=1e-9)


def test_the_model_s_own_distribution_goes_on_after_the_last_forced_symbol():
    chain, naive = chain_of(2, "kneser-ney", True)
    counted = Counter(chain.sample(6000, length=3, condition={1: "b"}, seed=8))
    exact, _ = conditional(naive, {1: "b"}, 2)
    wanted = {}
    for head, probability in exact.items():
        wanted[head] = probability * naive.probability(head, "<end>")
        for symbol in naive.symbols:
            wanted[head + symbol] = probability * naive.probability(head, symbol)
    assert sum(wanted.values()) == pytest.approx(1.0)
    texts = list(wanted)
    observed = np.array([counted[text] for text in texts])
    assert stats.chisquare(observed, 6000 * np.array([wanted[t] for t in texts])).pvalue > 1e-4


@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_messages_are_the_probabilities_of_what_is_forced(smoothing):
    chain, naive = chain_of(2, smoothing, True)
    automaton = chain.automaton
    forced = forced_symbols({1: "a", 4: "b"}, chain.codec, chain.automaton)
    row = messages(automaton, forced)[0]
    states = {
        before: automaton.follow(automaton.start, chain.codec.encode(before))
        for before in ("", "ab", "cc", "b")
    }
    totals = {before: conditional(naive, {1: "a", 4: "b"}, 5, before)[1] for before in states}
    for before, state in states.items():
        assert row[state] / row[states[""]] == pytest.approx(totals[before] / totals[""], rel=1e-10)


def test_far_and_many_positions_keep_their_digits():
    chain = MarkovChain(3, "kneser-ney").fit(
        [("the quick brown fox jumps over the lazy dog " * 3), "a dog jumps"]
    )
    phrase = "zebra dumps over quaint fog"
    known = "".join(c for c in phrase if c in chain.codec.vocabulary)
    condition = {60 + t: c for t, c in enumerate(known)}
    (text,) = chain.sample(1, length=120, condition=condition, seed=1)
    assert text[60 : 60 + len(known)] == known
    rows = messages(chain.automaton, forced_symbols(condition, chain.codec, chain.automaton))
    assert np.all(rows > 0)


def test_conditions_by_index_and_lists():
    chain = MarkovChain(1, "kneser-ney", unit="words").fit(["a b c", "c b a", "b a c"])
    by_list = chain.sample(3, length=4, condition=[{0: "a"}, {1: "c"}, None], seed=3)
    assert by_list[0].startswith("a")
    assert by_list[1].split()[1] == "c"
    assert by_list[2] == chain.sample(3, length=4, seed=3)[2]


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        ({0: "c", 1: "c", 2: "c"}, SeqgenError, "cannot happen: .* probability 0"),
        ({0: "x"}, ValueError, "condition at position 0: .*'x'"),
        ({0: "ab"}, ValueError, "one symbol at a position, got 'ab' at 0"),
        ({-1: "a"}, ValueError, "condition's positions must be at least 0, got -1"),
        ({"a": 0}, TypeError, "condition's positions must be an integer"),
        ({0: None, 1: "a"}, ValueError, "nothing can follow the end"),
        ("abc", TypeError, "condition must map positions to the symbols"),
        ({}, TypeError, "condition must map positions to the symbols"),
        ({10**9: "a"}, SeqgenError, "condition forces position 1000000000; .* positions up to"),
    ],
)
def test_a_bad_condition_says_what_is_wrong(condition, error, message):
    chain = MarkovChain(1).fit(["abac", "cab"])
    for engine in ("numba", "torch"):
        with pytest.raises(error, match=message):
            chain.sample(1, length=5, condition=condition, engine=engine)


def test_conditions_and_controls_exclude_each_other():
    chain, _ = chain_of(2, "kneser-ney", True)
    with pytest.raises(SeqgenError, match="condition cannot be combined with controls"):
        chain.sample(1, condition={0: "a"}, controls=Controls(temperature=0.5))
    stopped = chain.sample(50, length=20, condition={1: "a"}, controls=Controls(stop="a"))
    assert all(text.endswith("a") for text in stopped)
    endless = MarkovChain(1).fit(["abcabc"])
    with pytest.raises(
        ValueError, match="forces the end at position 2, but samples of this chain are endless"
    ):
        endless.sample(1, length=4, condition={2: None})
