"""Fitting Markov chains: from iterators, in little memory, with clear errors; and the built-in chains."""

import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import islice

import numpy as np
import pytest

import seqgen
from seqgen import MarkovChain, SeqgenError
from seqgen.evaluation.novelty import novelty
from seqgen.models.markov.built_in_recipes import (
    compare_orders,
    train_shakespeare_markov,
    weather_model,
)
from seqgen.models.markov.ngrams import NGramCounter
from seqgen.models.markov.open_vocabulary import score_known


def counted(sequences, size, ends):
    """Count the n-grams of `NGrams.rows` with a dictionary: symbols, None before the beginning, "END" at the end."""
    counts = Counter()
    for sequence in sequences:
        whole = [None] * (size - 1) + list(sequence) + (["END"] if ends else [])
        counts.update(tuple(whole[i : i + size]) for i in range(len(whole) - size + 1))
    return counts


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("size", [2, 3, 9])
def test_counts_are_those_of_a_dictionary_beyond_one_table(size, ends):
    rng = np.random.default_rng(size)
    sequences = [rng.geometric(0.02, rng.integers(1, 400)).tolist() for _ in range(60)]
    counter = NGramCounter(size)
    for sequence in sequences:
        counter.add(sequence)
    ngrams = counter.finish(ends)
    names = [*counter.vocabulary, "END", None]
    ours = {
        tuple(names[s] for s in row): count
        for row, count in zip(ngrams.rows.tolist(), ngrams.counts.tolist(), strict=True)
    }
    assert ours == counted(sequences, size, ends)
    assert len(ours) == len(ngrams.rows) > 4096 * 0.65
    assert sorted(map(tuple, ngrams.rows.tolist())) == list(map(tuple, ngrams.rows.tolist()))


def test_a_sequence_longer_than_a_block_is_read_piece_by_piece():
    text = "abcab" * 120_000
    chain = MarkovChain(2, boundaries=True).fit(iter([text]))
    assert chain._ngrams.counts.sum() == len(text) + 1
    np.testing.assert_allclose(chain.next_probabilities("ab"), [119_999 / 240_000, 0, 0.5, 1 / 240_000])


@pytest.mark.parametrize("unit", ["words", "tokens"])
def test_a_long_text_is_split_without_a_list_of_its_words(unit):
    line = "to be, or not to be: that is the question\n"
    text = line * 30_000
    whole = MarkovChain(1, unit=unit, boundaries=False).fit([text])
    short = MarkovChain(1, unit=unit, boundaries=False).fit([line * 3])
    assert whole.codec.vocabulary == short.codec.vocabulary
    assert whole._ngrams.counts.sum() == len(text.split() if unit == "words" else whole.codec.split(text))


def test_generators_are_consumed_and_progress_is_told():
    told = []
    chain = MarkovChain(1, unit="words").fit(
        ("a b c d" for _ in range(100_000)), progress=lambda *numbers: told.append(numbers)
    )
    assert told[-1] == (100_000, 400_000)
    assert len(told) > 1
    assert chain.boundaries is True


def test_boundaries_are_learned_from_several_sequences_only_unless_asked_for():
    assert MarkovChain().fit(["abc", "cab"]).boundaries is True
    assert MarkovChain().fit(["abc"]).boundaries is False
    assert MarkovChain(boundaries=True).fit(["abc"]).sample(3) == ["abc"] * 3
    assert MarkovChain(boundaries=False).fit(["abc", "cab"]).sample(1, length=50)[0][49]
    assert MarkovChain().fit(["", "abc", ""]).boundaries is False


def test_a_chain_without_ends_never_stops_even_where_the_text_did():
    chain = MarkovChain(2).fit(["abcd"])
    samples = chain.sample(50, length=40, seed=2)
    assert {len(sample) for sample in samples} == {40}
    assert set("".join(samples)) == set("abcd")


def test_fitting_again_forgets():
    chain = MarkovChain(1, unit="characters").fit(["ab", "ba"])
    chain.sample(3)
    chain.fit(["xy", "xy"])
    assert chain.sample(2) == ["xy", "xy"]
    assert chain.log_prob("xy")[0] == 0.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MarkovChain().fit([]), ValueError, "at least one symbol, got none"),
        (lambda: MarkovChain().fit(["", ""]), ValueError, "at least one symbol, got none"),
        (lambda: MarkovChain(unit="words").fit(["  \n "]), ValueError, "at least one symbol"),
        (lambda: MarkovChain().fit("one text"), TypeError, r"got one text; write fit\(\[text\]\)"),
        (lambda: MarkovChain().fit(5), TypeError, "an iterable of sequences, got 5"),
        (
            lambda: MarkovChain().fit([1, 2]),
            TypeError,
            r"sequences\[0\] must be a string or an iterable, got 1",
        ),
        (lambda: MarkovChain().fit([[[1], [2]]]), TypeError, r"hashable symbols, got \[1\]"),
        (
            lambda: MarkovChain().fit([[1, 2], "ab"]),
            TypeError,
            r"sequences\[1\] must be an iterable of symbols",
        ),
        (
            lambda: MarkovChain().fit(["ab", [1]]),
            TypeError,
            "symbols of unit='characters' must be strings, got 1",
        ),
        (lambda: MarkovChain(4).fit(["abc", "ab"]), ValueError, "order must be at most 3 .*got 4"),
        (
            lambda: MarkovChain(3).fit(["abc"]),
            ValueError,
            "order must be at most 2 .*boundaries=False, got 3",
        ),
        (lambda: MarkovChain(0), ValueError, "order must be at least 1, got 0"),
        (lambda: MarkovChain(1.5), TypeError, "order must be an integer"),
        (
            lambda: MarkovChain(1, "laplace"),
            ValueError,
            "smoothing must be one of 'kneser-ney', got 'laplace'",
        ),
        (lambda: MarkovChain(unit="lines"), ValueError, "unit must be one of 'auto', 'characters'"),
        (lambda: MarkovChain().sample(1, length=3), SeqgenError, "not fitted"),
        (lambda: MarkovChain().log_prob("ab"), SeqgenError, "not fitted"),
        (lambda: MarkovChain().fit(["ab"]).log_prob("abx"), ValueError, "the character 'x'"),
        (lambda: MarkovChain().fit(["ab"]).log_prob("ab", end=True), ValueError, "end must be False or None"),
        (lambda: MarkovChain().fit(["ab", "b"]).sample(0), ValueError, "n must be at least 1, got 0"),
        (lambda: MarkovChain().fit(["ab", "b"]).sample(1, seed=-1), ValueError, "seed must be between"),
        (
            lambda: MarkovChain().fit(["ab", "b"]).sample(1, threads=0),
            ValueError,
            "threads must be at least 1",
        ),
        (lambda: MarkovChain().fit(["ab", "b"]).sample(1, prompt="x"), ValueError, "prompt: .*'x'"),
        (lambda: MarkovChain().fit(["ab", "b"]).sample(1, lenght=3), TypeError, "lenght"),
    ],
)
def test_bad_input_says_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_error_in_the_middle_leaves_the_chain_as_it_was():
    chain = MarkovChain().fit(["ab", "ab"])

    def broken():
        yield "cd"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        chain.fit(broken())
    assert chain.sample(1) == ["ab"]


# ---- memory -------------------------------------------------------------------------------------------


def test_memory_follows_the_distinct_n_grams_and_not_the_text():
    sentences = [" ".join(f"w{(i * k) % 97}" for k in range(20)) for i in range(200)]
    chain = MarkovChain(2, unit="words").fit(sentences)
    tracemalloc.start()
    chain.fit(sentences[i % 200] for i in range(20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert chain._ngrams.counts.sum() == 21 * 20_000
    assert peak < 12e6


def test_a_large_corpus_fits_in_its_share_of_two_gigabytes():
    program = """
import resource
from benchmarks.markov_corpus import zipf_sentences
from seqgen import MarkovChain
chain = MarkovChain(2, unit="words").fit(["a b c", "b c a"])
chain.sample(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
MarkovChain(2, "kneser-ney", unit="words").fit(zipf_sentences(500_000, 50_000)).automaton
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    scale = 1 if sys.platform == "darwin" else 1024
    # a twentieth of ten million words may add a tenth of two gigabytes
    assert (after - before) * scale < 0.2 * 2**30


# ---- held-out scores, novelty -------------------------------------------------------------------------


def test_unknown_words_are_counted_apart_and_break_the_context():
    texts = ["a b c", "b a", "c b a b"]
    chain = MarkovChain(1, "kneser-ney", unit="words").fit(texts)
    scored = score_known(chain, ["a x b", "c"])
    alone = chain.automaton.successors(0)[0]
    nats = -np.log(chain.next_probabilities()[chain.codec.encode("a")[0]])
    nats -= np.log(alone[chain.codec.encode("b")[0]]) + np.log(chain.next_probabilities("b")[-1])
    nats -= chain.log_prob("c")[0]
    assert scored.nats == pytest.approx(nats)
    assert scored[1:] == (5, 1, 0)
    assert score_known(MarkovChain(1, unit="words").fit(texts), ["a c"]).impossible == 1


def test_novelty_counts_copies():
    training = [["a", "b", "c"], ["c", "d"]]
    report = novelty([["a", "b", "c"], ["a", "b", "d"], ["a", "b", "d"]], training, size=2)
    assert report == (1 / 3, 1 / 3, 4 / 6, 2)
    with pytest.raises(ValueError, match="samples must hold"):
        novelty([], training)


# ---- built-in chains ----------------------------------------------------------------------------------


def test_the_recipe_learns_from_a_text_and_scores_the_rest(tmp_path):
    speeches = [f"SPEAKER {k % 3}:\nThe {'old' if k % 2 else 'new'} king, he said." for k in range(40)]
    path = tmp_path / "play.txt"
    path.write_text("\n\n".join(speeches))
    chain, card = train_shakespeare_markov(path)
    assert chain.sample(5)[0].startswith("SPEAKER")
    assert card["split"] == "first 36 speeches for training, last 4 held out"
    scores = {(order, smoothing): scored for order, smoothing, scored in compare_orders(path)}
    assert card["score"] == pytest.approx(scores[2, "kneser-ney"].nats_per_symbol, abs=1e-4)
    path.write_text("too short \n\n")
    with pytest.raises(SeqgenError, match="nothing to score"):
        train_shakespeare_markov(path)


def test_the_weather_is_built_in():
    made, card = weather_model()
    shipped = seqgen.load("weather")
    assert shipped.log_prob("sun sun cloud cloud rain", prompt="sun")[0] == pytest.approx(np.log(0.0144))
    # start comes from a singular value decomposition, whose last bits differ between CPUs; the rest is exact
    ours, stored = made.weights(), shipped.weights()
    assert ours.config == stored.config
    assert set(ours.arrays) == set(stored.arrays)
    for name, array in ours.arrays.items():
        np.testing.assert_allclose(array, stored.arrays[name], rtol=1e-12, err_msg=name)
    assert card["score"] == 0.8014


def test_shakespeare_is_built_in_and_streams_speeches_without_torch():
    program = """
import sys, seqgen
with seqgen.stream("shakespeare-markov", n=20, seed=1) as stream:
    for chunk in stream:
        print(chunk.data, end="\\n\\n" if chunk.last else "")
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    speeches = done.stdout.strip("\n").split("\n\n")
    assert len(speeches) == 20
    assert seqgen.load("shakespeare-markov").sample(20, seed=1) == speeches
    assert sum(speech.split("\n")[0].endswith(":") for speech in speeches) > 12


def test_built_in_chains_carry_cards():
    cards = {card["name"]: card for card in seqgen.pretrained_models()}
    for name in ("shakespeare-markov", "weather"):
        for key in (
            "score",
            "score_unit",
            "data",
            "licence",
            "split",
            "command",
            "seed",
            "date",
            "description",
        ):
            assert key in cards[name]


def test_loading_builds_the_automaton_quickly():
    import time

    seconds = []
    for _ in range(5):
        chain = MarkovChain.load("shakespeare-markov")
        began = time.thread_time()
        assert len(chain.automaton.parent) > 100_000
        assert chain.tables.states.size > 100_000
        seconds.append(time.thread_time() - began)
    # a tenth of a second on an idle machine
    assert min(seconds) < 0.4


def test_islice_of_an_endless_generator_is_enough():
    def endless():
        while True:
            yield from ("ab", "ba")

    assert MarkovChain().fit(islice(endless(), 1000)).order == 1
