"""Probabilities of Markov chains against the definitions, implemented naively with dictionaries."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import MarkovChain, SeqgenError
from seqgen.models.markov.ngrams import NGrams
from tests.models.markov.oracle import NaiveChain

SENTENCES = ["abracadabra", "abba", "cab", "a", "dad", "bad cab", "abracadabra", "dab"]
sequences = st.lists(st.text("abc", min_size=1, max_size=8), min_size=1, max_size=8)


def pair(texts, order, smoothing, ends):
    chain = MarkovChain(order, smoothing, boundaries=ends).fit(texts)
    return chain, NaiveChain(texts, order, smoothing, ends)


def assert_equal_everywhere(chain, naive, contexts):
    for context in contexts:
        ours = chain.next_probabilities("".join(context))
        np.testing.assert_allclose(ours, naive.distribution(context), rtol=1e-12, atol=1e-15)
        assert abs(ours.sum() - 1.0) < 1e-12


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_next_probabilities_are_the_definition_for_seen_and_unseen_contexts(order, smoothing, ends):
    chain, naive = pair(SENTENCES, order, smoothing, ends)
    assert list(chain.codec.vocabulary) == naive.symbols
    contexts = [c for size in range(5) for c in product("abcd", repeat=size)]
    assert_equal_everywhere(chain, naive, contexts)


@given(texts=sequences, order=st.integers(1, 4), smooth=st.booleans(), ends=st.booleans())
def test_any_text_gives_the_definition(texts, order, smooth, ends):
    if order > max(map(len, texts)) - (not ends):
        return
    chain, naive = pair(texts, order, "kneser-ney" if smooth else None, ends)
    known = naive.symbols
    assert_equal_everywhere(chain, naive, [c for size in range(4) for c in product(known, repeat=size)])


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_log_prob_is_the_product_of_the_definition(smoothing, ends):
    chain, naive = pair(SENTENCES, 2, smoothing, ends)
    texts = ["abra", "dd", "c", "abracadabra", "badbadbad"]
    for prompt in (None, "ca", "dc"):
        ours = chain.log_prob(texts, prompt=prompt)
        for text, value in zip(texts, ours, strict=True):
            wanted = naive.sequence_probability(text, prompt or "", end=ends)
            assert value == pytest.approx(math.log(wanted) if wanted else -math.inf, rel=1e-12)
    assert chain.log_prob("abra", end=False)[0] == pytest.approx(math.log(naive.sequence_probability("abra")))


def test_kneser_ney_gives_every_known_symbol_a_chance_and_maximum_likelihood_does_not():
    smooth = MarkovChain(2, "kneser-ney").fit(SENTENCES)
    assert (smooth.next_probabilities("dd") > 0).all()
    assert np.isfinite(smooth.log_prob("ddddcccc")).all()
    plain = MarkovChain(2).fit(SENTENCES)
    assert plain.log_prob("ddddcccc")[0] == -math.inf


def test_no_sample_of_a_smoothed_chain_is_empty():
    chain = MarkovChain(1, "kneser-ney").fit(["a", "b", "c"])
    assert chain.next_probabilities()[-1] == 0.0
    assert chain.next_probabilities("a")[-1] > 0.0
    assert all(chain.sample(2000, seed=1))


def test_discount_is_a_half_where_its_estimate_would_be_zero_or_one():
    for text in ("abc", "aabb" * 20):
        chain, naive = pair([text], 1, "kneser-ney", False)
        assert_equal_everywhere(chain, naive, ["", "a", "b"])
        assert (chain.next_probabilities("b") > 0).all()


# ---- the lecture's weather table -------------------------------------------------------------------------

WEATHER = [[0.8, 0.05, 0.15], [0.2, 0.6, 0.2], [0.2, 0.3, 0.5]]
SKIES = ["sun", "rain", "cloud"]


def test_the_seed_s_worked_product():
    chain = MarkovChain.from_table(SKIES, WEATHER)
    (value,) = chain.log_prob(["sun", "sun", "cloud", "cloud", "rain"], prompt="sun")
    assert math.exp(value) == pytest.approx(0.8 * 0.8 * 0.15 * 0.5 * 0.3, rel=1e-13)
    assert value == pytest.approx(math.log(0.0144), rel=1e-13)


def test_a_table_starts_with_its_stationary_distribution():
    chain = MarkovChain.from_table(SKIES, WEATHER)
    kept = chain.stationary()
    np.testing.assert_allclose(kept @ np.array(WEATHER), kept, atol=1e-14)
    np.testing.assert_allclose(chain.next_probabilities(), kept, atol=1e-14)
    np.testing.assert_allclose(chain.next_probabilities("rain"), WEATHER[1], atol=1e-15)
    given = MarkovChain.from_table(SKIES, WEATHER, start=[0, 0, 1], unit="words")
    assert all(text.startswith("cloud") for text in given.sample(50, length=3))


def test_zero_entries_of_a_table_are_never_drawn():
    chain = MarkovChain.from_table("ab", [[0, 1], [1, 0]], start=[0.5, 0.5], unit="characters")
    assert set(chain.sample(100, length=6, seed=3)) == {"ababab", "bababa"}
    assert chain.log_prob("aa")[0] == -math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SKIES, [[0.8, 0.1, 0.15], *WEATHER[1:]]), "row 0 of transition sums to 1.05"),
        ((SKIES, [[1.1, -0.1, 0.0], *WEATHER[1:]]), "transition must not be negative"),
        ((SKIES, [[math.nan, 0.5, 0.5], *WEATHER[1:]]), "transition must be finite"),
        ((SKIES, WEATHER[:2]), "transition must have the shape"),
        ((SKIES, WEATHER, [0.5, 0.4, 0.0]), "start sums to 0.9"),
        ((["sun", "sun", "rain"], WEATHER), "must not repeat"),
    ],
)
def test_a_bad_table_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        MarkovChain.from_table(*arguments)


def test_stationary_needs_a_single_answer():
    with pytest.raises(SeqgenError, match="several stationary distributions"):
        MarkovChain.from_table("ab", [[1, 0], [0, 1]])
    with pytest.raises(SeqgenError, match="order 1 whose samples are endless"):
        MarkovChain(2).fit(["abcabc"]).stationary()
    fitted = MarkovChain(1).fit(["abcabcab"])
    np.testing.assert_allclose(fitted.stationary(), np.ones(3) / 3, atol=1e-12)


# ---- saving -------------------------------------------------------------------------------------------


@given(texts=sequences, order=st.integers(1, 3), ends=st.booleans())
def test_counts_survive_the_compact_form(texts, order, ends):
    if order > max(map(len, texts)) - (not ends):
        return
    ngrams = MarkovChain(order, boundaries=ends).fit(texts)._ngrams
    again = NGrams.from_arrays(ngrams.arrays(), order + 1, ngrams.symbols, ends)
    np.testing.assert_array_equal(again.rows, ngrams.rows)
    np.testing.assert_array_equal(again.counts, ngrams.counts)


@pytest.mark.parametrize("unit", ["characters", "words", "tokens", "symbols"])
def test_saved_and_loaded_it_is_the_same_chain(tmp_path, unit):
    data = [tuple(text) for text in SENTENCES] if unit == "symbols" else SENTENCES
    chain = MarkovChain(2 if unit in ("characters", "symbols") else 1, "kneser-ney", unit=unit).fit(data)
    chain.save(tmp_path / "chain.safetensors")
    again = MarkovChain.load(tmp_path / "chain.safetensors")
    assert again.weights().hash == chain.weights().hash
    np.testing.assert_array_equal(again.log_prob(data), chain.log_prob(data))
    assert again.sample(20, seed=3) == chain.sample(20, seed=3)


def test_a_table_can_be_saved(tmp_path):
    chain = MarkovChain.from_table(SKIES, WEATHER, unit="words")
    chain.save(tmp_path / "weather.safetensors")
    again = MarkovChain.load(tmp_path / "weather.safetensors")
    assert again.log_prob("sun sun cloud cloud rain", prompt="sun")[0] == pytest.approx(math.log(0.0144))
    assert again.sample(3, length=9) == chain.sample(3, length=9)


def test_symbols_that_cannot_be_saved_can_be_streamed(tmp_path):
    chain = MarkovChain(1).fit([[(0, 1), (1, 0), (0, 1)], [(1, 0), (0, 1)]])
    assert set(chain.sample(5, seed=2)[0]) <= {(0, 1), (1, 0)}
    assert [chunk.data for chunk in chain.stream(n=5, seed=2, chunk=64)] == chain.sample(5, seed=2)
    with pytest.raises(SeqgenError, match=r"cannot save the symbol \(0, 1\)"):
        chain.save(tmp_path / "chain.safetensors")
    with pytest.raises(ValueError, match="precision must be 'auto'"):
        MarkovChain.from_table(SKIES, WEATHER).save(tmp_path / "w.safetensors", precision="bfloat16")
