"""Samples of Markov chains: their distribution, whole sentences in bulk, engines, controls and log-probabilities."""

import json
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import stats

import seqgen
from seqgen import Controls, MarkovChain, SeqgenError
from seqgen.models.markov.numba_text import Texts, separable
from tests.models.markov.oracle import NaiveChain

LINES = ["the cat sat", "the cat ran", "a cat sat on the mat", "the mat ran", "on a mat the cat sat", "sat"]


def words(smoothing=None, order=2, **arguments):
    return MarkovChain(order, smoothing, unit="words", **arguments).fit(LINES)


def streamed(chain, n, length=None, **arguments):
    with chain.stream(n, length, **arguments) as stream:
        return [chain.codec.join([chunk.data for chunk in chunks]) for chunks in stream.collect().values()]


# ---- distribution -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_samples_follow_the_exact_distribution(order, smoothing, ends):
    texts = ["abab", "ba", "aab", "babba", "b"]
    chain = MarkovChain(order, smoothing, boundaries=ends).fit(texts)
    naive = NaiveChain(texts, order, smoothing, ends)
    n, length = 20_000, 4
    counted = Counter(chain.sample(n, length=length, seed=order))
    expected = {}
    for size in range(1 if ends else length, length + 1):
        for symbols in product("ab", repeat=size):
            probability = naive.sequence_probability(symbols, end=ends and size < length)
            if probability:
                expected["".join(symbols)] = n * probability
    assert set(counted) <= set(expected)
    assert sum(expected.values()) == pytest.approx(n)
    rare = sum(value for value in expected.values() if value < 5)
    seen_rare = sum(counted[text] for text, value in expected.items() if value < 5)
    common = [text for text, value in expected.items() if value >= 5]
    observed = np.array([counted[text] for text in common] + ([seen_rare] if rare else []))
    wanted = np.array([expected[text] for text in common] + ([rare] if rare else []))
    assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-4


def test_a_long_tail_is_drawn_as_often_as_it_should_be():
    rng = np.random.default_rng(0)
    frequencies = np.maximum(1, (50_000 / np.arange(1, 3001) ** 1.3).astype(int))
    text = rng.permutation(np.repeat(np.arange(3000), frequencies)).tolist()
    chain = MarkovChain(1, "kneser-ney", boundaries=False).fit([text])
    n = 200_000
    drawn = np.array(chain.sample(1, length=n, seed=5)[0])
    rare = np.array([chain.codec.vocabulary.index(s) for s in range(2000, 3000)])
    expected = 0.0
    for state, times in Counter([None, *drawn[:-1].tolist()]).most_common(300):
        context = None if state is None else (state,)
        expected += times * chain.next_probabilities(context)[rare].sum()
    after_common = [s for s, _ in Counter([None, *drawn[:-1].tolist()]).most_common(300)]
    kept = np.isin(np.append(-1, drawn[:-1]), [-1 if s is None else s for s in after_common])
    observed = (drawn[kept] >= 2000).sum()
    assert abs(observed - expected) < 5 * np.sqrt(expected)


# ---- whole samples in bulk are those of the stream ----------------------------------------------------


@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"length": 3},
        {"prompt": "the cat"},
        {"prompt": "on", "start": 2**40, "length": 5},
        {"seed": 2**63 + 5, "threads": 2, "engine": "numba"},
    ],
)
def test_bulk_samples_are_the_stream_s(smoothing, arguments):
    chain = words(smoothing)
    for n in (1, 7, 300):
        assert chain.sample(n, **arguments) == streamed(chain, n, batch=5, chunk=2, **arguments)


def test_bulk_samples_are_the_same_in_any_number_of_threads():
    chain = words("kneser-ney")
    alone = chain.sample(5000, seed=6, threads=1)
    assert chain.sample(5000, seed=6, threads=3) == alone
    assert chain.sample(2000, seed=6, start=3000) == alone[3000:]


@pytest.mark.parametrize("unit", ["characters", "words", "tokens", "symbols"])
def test_bulk_samples_of_every_unit_are_the_stream_s(unit):
    texts = [
        "Ein süßes, kleines Wort!\nNoch eins.",
        "Ein anderes – 😀 – Wort; ein süßes.",
        "Kleines Ende",
    ] * 2
    data = [text.split() for text in texts] if unit == "symbols" else texts
    chain = MarkovChain(1, "kneser-ney", unit=unit).fit(data)
    assert chain.sample(200, seed=3) == streamed(chain, 200, seed=3, batch=3, chunk=3)
    joined = (
        [" ".join(sample) for sample in chain.sample(40, seed=3)] if unit == "symbols" else chain.sample(40)
    )
    assert all(joined)


def test_bulk_samples_longer_than_a_block():
    chain = MarkovChain(2, "kneser-ney", boundaries=False).fit(["abracadabra" * 3])
    assert chain.sample(3, length=30_000, seed=1) == streamed(chain, 3, 30_000, seed=1, chunk=4096)
    rarely = MarkovChain(1).fit(["ab" * 3000, "ab"])
    assert [len(s) for s in rarely.sample(20, seed=1)] == [len(s) for s in streamed(rarely, 20, seed=1)]
    assert max(len(s) for s in rarely.sample(20, seed=1)) > 5000


def test_bulk_text_without_a_free_separator_takes_the_plain_way():
    pieces = ["a", "\n", "\0", "\x1e", "\x1f"]
    assert not separable(pieces)
    chain = MarkovChain(1, "kneser-ney").fit(["a\n\0", "\x1ea\x1f", "a\0a\n"])
    assert chain.sample(50) == streamed(chain, 50)


def test_texts_are_put_together_as_python_would():
    rng = np.random.default_rng(1)
    pieces = ["", "a", "é", "exactly16 bytes!", "more than sixteen bytes", "😀" * 9, "\ud800"]
    symbols = rng.integers(0, len(pieces), 400).astype(np.int32)
    ends = np.sort(rng.integers(0, 401, 60))
    begins = np.append(0, ends[:-1])
    for between in ("", " "):
        wanted = [between.join(pieces[s] for s in symbols[b:e]) for b, e in zip(begins, ends, strict=True)]
        assert Texts(pieces, between).join(symbols, begins, ends) == wanted


# ---- streams ------------------------------------------------------------------------------------------

REQUESTS = {
    "plain": {},
    "prompts": {"prompt": ["the cat", "on", "the cat sat on a"] * 20},
    "controls": {
        "controls": lambda i: (
            None,
            {"temperature": 0.7, "repetition_penalty": 1.4},
            {"top_k": 2, "allowed": ["the", "cat", "sat"]},
            {"stop": ["cat sat", "ran"]},
        )[i % 4]
    },
    "conditions": {"condition": lambda i: (None, {2: "sat"}, {0: "a", 3: "on"})[i % 3]},
}


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_chunks_batches_and_resuming_change_nothing(engine, smoothing, request_name):
    chain, request = words(smoothing), REQUESTS[request_name]
    n = 12
    whole = streamed(chain, n, engine=engine, seed=7, **request)
    for batch, chunk in ((1, 1), (5, 3), (12, 64)):
        assert streamed(chain, n, engine=engine, seed=7, batch=batch, chunk=chunk, **request) == whole
    again = {"engine": engine, "seed": 7, "batch": 4, "chunk": 2, **request}
    straight = list(chain.stream(n, **again))
    for cut in (1, 6, len(straight) - 2):
        first = chain.stream(n, **again)
        begun = [next(first) for _ in range(cut)]
        state = json.loads(json.dumps(first.state_dict()))
        second = MarkovChain.from_weights(chain.weights()).stream(n, **again)
        second.load_state_dict(state)
        rest = list(second)
        assert [c.data for c in begun + rest] == [c.data for c in straight]


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
def test_the_compiled_engine_draws_what_the_reference_draws(smoothing, request_name):
    chain = words(smoothing)
    arguments = {"seed": 11, "batch": 8, "log_probs": True, **REQUESTS[request_name]}
    ours = list(chain.stream(40, 30, engine="numba", **arguments))
    reference = list(chain.stream(40, 30, engine="torch", **arguments))
    assert [c[:4] for c in ours] == [c[:4] for c in reference]
    for mine, wanted in zip(ours, reference, strict=True):
        for name in ("log_prob", "log_prob_drawn"):
            np.testing.assert_allclose(mine.extra[name], wanted.extra[name], rtol=1e-9, atol=1e-12)


def test_the_engines_agree_on_text_of_high_order():
    text = "the quick brown fox jumps over the lazy dog; the dog sleeps. " * 4 + "a fox! a dog? the end."
    chain = MarkovChain(6, "kneser-ney").fit([text])
    assert chain.sample(3, 400, engine="torch", seed=2) == chain.sample(3, 400, seed=2)


def test_the_engines_agree_on_a_large_vocabulary():
    chain = seqgen.load("shakespeare-markov")
    assert chain.sample(6, 40, engine="torch", seed=5) == chain.sample(6, 40, seed=5)


def test_a_sample_that_ends_says_so_and_one_that_is_cut_does_too():
    chain = words()
    chunks = list(chain.stream(30, 4, chunk=64, seed=1))
    for chunk in chunks:
        assert chunk.last
        assert chunk.extra["reason"] == ("length" if len(chunk.data.split()) == 4 else "end")
    assert {chunk.extra["reason"] for chunk in chunks} == {"length", "end"}


def test_log_probs_of_a_stream_add_up_to_log_prob():
    chain = words("kneser-ney")
    with chain.stream(20, seed=3, chunk=4, batch=6, prompt="the", log_probs=True) as stream:
        for chunks in stream.collect().values():
            text = chain.codec.join([chunk.data for chunk in chunks])
            total = sum(chunk.extra["log_prob"].sum() for chunk in chunks)
            if text:
                assert total == pytest.approx(chain.log_prob([text], prompt="the", end=False)[0], abs=1e-9)
            for chunk in chunks:
                np.testing.assert_array_equal(chunk.extra["log_prob"], chunk.extra["log_prob_drawn"])


def test_prompts_prime_the_context_and_back_off_where_it_was_not_seen():
    chain = MarkovChain(2).fit(["abac", "abad", "cbd"])
    assert {text[:1] for text in chain.sample(200, length=1, prompt="ab")} == {"a"}
    assert {text[:1] for text in chain.sample(200, length=1, prompt="cb")} == {"d"}
    # "db" was not observed, "b" was
    assert {text[:1] for text in chain.sample(200, length=1, prompt="db")} == {"a", "d"}
    with pytest.raises(ValueError, match="prompt: the text has the character 'x'"):
        chain.stream(1, prompt="x")


# ---- controls -----------------------------------------------------------------------------------------


def test_controls_act_on_the_exact_probabilities():
    chain = words("kneser-ney")
    controls = Controls(temperature=0.5, top_k=3)
    p = chain.next_probabilities("the cat")
    kept = np.where(p >= np.sort(p)[-3], p**2, 0.0)
    kept /= kept.sum()
    first = streamed(chain, 8000, 1, prompt="the cat", controls=controls, batch=256)
    counted = Counter(first)
    observed = [counted[w] for w in chain.codec.vocabulary] + [counted[""]]
    assert not np.any(np.array(observed)[kept == 0])
    keep = kept > 0
    assert stats.chisquare(np.array(observed)[keep], 8000 * kept[keep]).pvalue > 1e-4


def test_allowed_never_forbids_the_end_and_the_penalty_never_acts_on_it():
    chain = words("kneser-ney")
    only = streamed(chain, 200, length=1000, controls=Controls(allowed=["cat"]), batch=32)
    assert {word for text in only for word in text.split()} == {"cat"}
    assert len({len(text) for text in only}) > 1
    heavy = streamed(chain, 100, length=1000, controls=Controls(repetition_penalty=50.0), batch=32)
    assert all(len(text.split()) == len(set(text.split())) for text in heavy if len(text.split()) < 5)


def test_controls_that_leave_nothing_raise():
    chain = MarkovChain(1, boundaries=False).fit(["abcabcabc"])
    for engine in ("numba", "torch"):
        with pytest.raises(SeqgenError, match="leave no symbol to draw"):
            chain.sample(1, length=3, engine=engine, prompt="a", controls=Controls(allowed="a"))
