"""Markov chains: sentences of an order-2 word chain compared with markovify, and the memory of fitting 10⁷ words.

Both sides are fitted to the same sentences, lines of speeches from the built-in chain, so that nothing is downloaded.
That the two chains are the same is checked on their transition tables. Both forms of markovify are measured, because
its `compile` makes it faster.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

import seqgen
from benchmarks.markov_corpus import zipf_sentences
from benchmarks.side_by_side import fill, side_by_side
from seqgen import Controls, MarkovChain
from seqgen.threads import usable_threads

SENTENCES = 20_000


@cache
def lines() -> list[str]:
    """Return about a megabyte of lines."""
    speeches = seqgen.load("shakespeare-markov").sample(6_000, seed=0)
    return [line for speech in speeches for line in speech.split("\n") if line.split()]


@cache
def chain(smoothing: str | None) -> MarkovChain:
    """Return our chain of order 2 over the words of the lines."""
    return MarkovChain(2, smoothing, unit="words").fit(lines())


@cache
def markovify_text(compiled: bool) -> Any:
    """Return markovify's chain of the same lines."""
    import markovify

    text = markovify.NewlineText("\n".join(lines()), state_size=2, well_formed=False)
    return text.compile() if compiled else text


def assert_same_chain() -> None:
    """Compare the successors of each of 200 contexts in markovify's table and in ours."""
    table, ours = markovify_text(False).chain.model, chain(None)
    names = [*ours.codec.vocabulary, "___END__"]
    for (first, second), followers in itertools.islice(table.items(), 0, None, len(table) // 200):
        context = tuple(word for word in (first, second) if word != "___BEGIN__")
        total = sum(followers.values())
        wanted = np.array([followers.get(name, 0) / total for name in names])
        np.testing.assert_allclose(ours.next_probabilities(context), wanted, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(("what", "threads"), [("walk", 1), ("sentence", 1), ("walk", 2)])
def bench_sentences(benchmark: Any, what: str, threads: int, compiled: bool) -> None:
    """Sample whole sentences, ours always as strings; theirs as lists of words (walk) or strings (sentence)."""
    if threads > usable_threads():
        pytest.skip(f"only {usable_threads()} cores are available")
    assert_same_chain()
    ours, theirs = chain(None), markovify_text(compiled)
    random.seed(0)
    seeds = itertools.count()

    def sample() -> int:
        texts = ours.sample(SENTENCES, seed=next(seeds), threads=threads)
        return sum(text.count(" ") + 1 for text in texts)

    words_in = sample() / SENTENCES

    def only_sample() -> int:
        # words are not counted during the measurement: their mean number is known precisely enough
        ours.sample(SENTENCES, seed=next(seeds), threads=threads)
        return round(SENTENCES * words_in)

    def walk() -> int:
        return sum(len(theirs.chain.walk()) for _ in range(SENTENCES // 20))

    def sentence() -> int:
        return sum(theirs.make_sentence(test_output=False).count(" ") + 1 for _ in range(SENTENCES // 20))

    side_by_side(
        benchmark, family="markov", work=f"sentences of an order-2 word chain, beside {what}", unit="words",
        ours=only_sample, peer=walk if what == "walk" else sentence,
        peer_name=f"markovify{', compiled' if compiled else ''}", target=None if compiled else 20.0,
        batch=32, threads=threads, peer_threads=1,
        limit="waits for memory: three cache lines per word in tables of several MB",
        note=f"{words_in:.1f} words per sentence, strings included on our side",
    )  # fmt: skip


def bench_kneser_ney(benchmark: Any) -> None:
    """Sample from the smoothed chain, which peers do not support."""
    ours = chain("kneser-ney")
    seeds = itertools.count()

    def sample() -> int:
        return sum(text.count(" ") + 1 for text in ours.sample(SENTENCES // 4, seed=next(seeds)))

    side_by_side(
        benchmark, family="markov", work="sentences with Kneser-Ney smoothing", unit="words", ours=sample, batch=32
    )  # fmt: skip


@cache
def wide_chain(order: int, smoothing: str | None = None) -> MarkovChain:
    """Return a chain over 15,000 words, endless; with order 1 a visited word has about 900 successors."""
    text = " ".join(zipf_sentences(300_000, 15_000))
    return MarkovChain(order, smoothing, unit="words", boundaries=False).fit([text])


CONTROLS = [
    Controls(temperature=0.8),
    Controls(top_p=0.9),
    Controls(repetition_penalty=1.2, temperature=0.8, top_k=40, top_p=0.9),
]


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("controls", CONTROLS, ids=str)
def bench_controls(benchmark: Any, controls: Controls, order: int, batch: int) -> None:
    """Sample words under controls, which peers do not have."""
    limit = "an exp per successor, with top-p three, where a context is new or a penalty acts"
    measure_controls(benchmark, wide_chain(order), f"order {order}, {controls}", controls, batch, limit)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("controls", CONTROLS, ids=str)
def bench_controls_of_smoothed_chains(benchmark: Any, controls: Controls, order: int) -> None:
    """Sample words under controls when every word can follow."""
    limit = "new contexts: the successors of those to which they back off, with top-p in several passes"
    ours = wide_chain(order, "kneser-ney")
    measure_controls(benchmark, ours, f"Kneser-Ney, order {order}, {controls}", controls, 64, limit)


def measure_controls(
    benchmark: Any, ours: MarkovChain, named: str, controls: Controls, batch: int, limit: str
) -> None:
    """Measure an endless stream under controls, after its first chunks."""
    stream = ours.stream(controls=controls, batch=batch, chunk=64, seed=1, threads=1)

    def sample() -> int:
        return sum(piece.data.count(" ") + 1 for piece in itertools.islice(stream, 320))

    side_by_side(
        benchmark, family="markov", work=f"{ours.codec.size:,} words, {named}, {batch} stream{'s' * (batch > 1)}",
        unit="words",
        ours=sample, batch=batch, target_rate=100_000, limit=limit,
    )  # fmt: skip
    stream.close()


def bench_fit(benchmark: Any) -> None:
    """Time fitting the lines."""
    import markovify

    text = "\n".join(lines())
    words = len(text.split())

    def ours() -> int:
        _ = MarkovChain(2, unit="words").fit(text.split("\n")).automaton
        return words

    def theirs() -> int:
        markovify.NewlineText(text, state_size=2, well_formed=False, retain_original=False)
        return words

    side_by_side(
        benchmark, family="markov", work="fitting an order-2 word chain", unit="words", ours=ours, peer=theirs,
        peer_name="markovify", rounds=3,
    )  # fmt: skip


@pytest.mark.parametrize("forced", [True, False], ids=["forced", "free"])
def bench_forced(benchmark: Any, forced: bool) -> None:
    """Stream sentences whose fifth word is given, drawn exactly, where peers can only reject; and without it."""
    ours = chain("kneser-ney")
    condition = {4: ours.codec.vocabulary[100]} if forced else None
    stream = ours.stream(condition=condition, batch=16, seed=1, threads=1)

    def sample() -> int:
        return sum(len(piece.data.split()) for piece in itertools.islice(stream, 4000))

    side_by_side(
        benchmark, family="markov", unit="words", ours=sample, batch=16, rounds=3,
        work=f"a stream of sentences {'with a forced fifth word' if forced else 'without it'}, Kneser-Ney",
        limit="chunks in Python: 10 µs a sentence",
    )  # fmt: skip
    stream.close()


MEASURE = """
import json, resource, sys, time
from benchmarks.markov_corpus import zipf_sentences
from seqgen import MarkovChain
words, vocabulary, smoothing = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None
began = time.perf_counter()
chain = MarkovChain(2, smoothing, unit="words").fit(zipf_sentences(words, vocabulary))
counted = time.perf_counter()
peak_fit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
states, entries = len(chain.automaton.parent), len(chain.automaton.symbol)
built = time.perf_counter()
peak_automaton = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sentence = chain.sample(1)
print(json.dumps({"fit_seconds": counted - began, "build_seconds": built - counted, "states": states,
    "entries": entries, "vocabulary": chain.codec.size, "peak_fit": peak_fit,
    "peak_automaton": peak_automaton, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"], ids=["plain", "kneser-ney"])
def bench_memory_of_ten_million_words(benchmark: Any, smoothing: str | None) -> None:
    """Measure the peak resident memory of another process that generates, fits and samples ten million words."""
    import json

    words = 10_000_000
    found: dict[str, Any] = {}

    def run() -> None:
        arguments = [sys.executable, "-c", MEASURE, str(words), "150000", smoothing or ""]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        found.update(json.loads(done.stdout))

    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = found["peak"] * unit / 2**30
    fill(
        benchmark, family="memory", work=f"fitting 10⁷ words, order 2, {smoothing or 'no smoothing'}, to a sample",
        unit="GiB at the peak", rate=peak, kind="amount", target="< 2", met=peak * 2**30 < 2e9, engine="numba",
        limit=f"{found['entries'] / 1e6:.1f} M distinct 1- to 3-grams, {found['vocabulary'] / 1e3:.0f}k words",
        note=f"counting {words / found['fit_seconds'] / 1e6:.2f} M words/s, the corpus included", **found,
    )  # fmt: skip
