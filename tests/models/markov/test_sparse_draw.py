"""Draws over the possible symbols against `kernels.draw` over all symbols: the same symbols and bits."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import Controls, MarkovChain
from seqgen.controls import BoundControls, Parameters
from seqgen.engines.lane_controls import LaneControls
from seqgen.errors import SeqgenError
from seqgen.kernels.compile import kernel
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_sparse_draw import (
    draw_weighed,
    log_normaliser,
    log_prob_drawn,
    log_prob_under_model,
    possible_symbols,
    weigh_possible,
)
from seqgen.models.markov.numba_walk import successors
from seqgen.rng import Purpose, to_uniform53, words


@kernel
def _dense(logits, controls, uniforms, log_probs):
    controls, scratch = LaneControlArrays(*controls), draw_scratch(len(logits))
    symbols, scores = np.empty(len(uniforms), np.int64), np.empty((len(uniforms), 2))
    for n in range(len(uniforms)):
        put(logits, scratch.logits)
        symbols[n], scores[n, 0], scores[n, 1] = draw(scratch, controls, 0, uniforms[n], log_probs)
    return symbols, scores


@kernel
def _sparse(logits, repeats, controls, uniforms, log_probs):
    controls, s = LaneControlArrays(*controls), possible_symbols(len(logits))
    symbols, scores = np.empty(len(uniforms), np.int64), np.empty((len(uniforms), 2))
    for n in range(len(uniforms)):
        size = 0
        for v in range(len(logits)):
            # every fifth impossible symbol is left in, as in a table with zeros
            if logits[v] > -np.inf or v % 5 == 0:
                s.symbol[size], s.next[size], s.model[size] = v, 7 * v, logits[v]
                size += 1
        m = weigh_possible(s, size, repeats, controls, 0)
        k = draw_weighed(s, m, uniforms[n])
        symbols[n] = s.next[s.left[k]] // 7 if k >= 0 else -1
        scores[n] = 0.0
        if log_probs and k >= 0:
            scores[n, 0] = log_prob_under_model(s, k, log_normaliser(s.model, size))
            scores[n, 1] = log_prob_drawn(s, k, log_normaliser(s.logits, m))
    return symbols, scores


@st.composite
def distributions(draw):
    """Generate log-probabilities of many symbols of which few to all are possible, as of counts and of weights."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([1, 2, 5, 40, 300, 700]))
    possible = draw(st.sampled_from([1, 2, 7, 31, 32, 33, 64, 200, 700]))
    kind = draw(st.sampled_from(["counts", "equal", "weights", "steep", "two"]))
    masses = {
        "counts": generator.zipf(1.5, size).astype(float),
        "equal": np.ones(size),
        "weights": generator.dirichlet(np.full(size, 0.3)) + 1e-300,
        "steep": np.exp(-generator.random(size) * 600),
        "two": np.where(np.arange(size) % 2, 1.0, 1.0 + 2**-52),
    }[kind]
    masses[generator.permutation(size)[possible:]] = 0.0
    with np.errstate(divide="ignore"):
        return np.array([math.log(x) if x else -np.inf for x in masses / masses.sum()]), generator


@st.composite
def parameters(draw):
    fraction = st.one_of(
        st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1e-30, 1 - 2**-53]), st.floats(1e-3, 0.999)
    )
    return Parameters(
        repetition_penalty=draw(st.sampled_from([0.0, 0.5, 1.3, 1e300])),
        temperature=draw(st.sampled_from([0.0, 0.01, 0.7, 3.0, 1e-100])),
        top_k=float(draw(st.sampled_from([0, 0, 1, 2, 7, 40, 100, 690]))),
        top_p=draw(fraction),
        min_p=draw(fraction),
        typical_p=draw(fraction),
    )


@given(
    distribution=distributions(),
    parameters=parameters(),
    share=st.sampled_from([None, 0.9, 0.3, 0.0]),
    log_probs=st.booleans(),
)
def test_a_sparse_draw_has_the_bits_of_a_dense_one(distribution, parameters, share, log_probs):
    logits, generator = distribution
    size = len(logits)
    allowed = None if share is None else generator.random(size) < share
    if share == 0.0:
        allowed[generator.integers(size)] = True
    lane = LaneControls(1, size)
    lane.begin(np.array([0]), BoundControls(parameters, allowed), None)
    lane.reshapes[0] = True
    lane.seen[0] = generator.random(size) < 0.5
    uniforms = np.append(generator.random(6), [2.0**-53, 1 - 2.0**-53])
    expected = _dense(logits, lane.for_kernels(), uniforms, log_probs)
    for repeats in (True, False):
        found = _sparse(logits, repeats, tuple(lane.arrays), uniforms, log_probs)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


# ---- whole samples ------------------------------------------------------------------------------------


@kernel
def _walk_dense(a, start, controls, uniforms, symbols, scores):
    """Draw with `kernels.draw` over all symbols; return how many before the end, or before no symbol was left."""
    a, controls = Automaton(*a), LaneControlArrays(*controls)
    outcomes = controls.allowed.shape[1]
    scratch, states, state = draw_scratch(outcomes), np.empty(outcomes, np.int32), start
    for t in range(len(uniforms)):
        successors(a, state, scratch.logits, states)
        for v in range(outcomes):
            scratch.logits[v] = math.log(scratch.logits[v]) if scratch.logits[v] > 0.0 else -np.inf
        symbol, scores[0, t], scores[1, t] = draw(scratch, controls, 0, uniforms[t], True)
        if symbol < 0 or symbol == a.symbols:
            return t
        symbols[t], controls.seen[0, symbol], state = symbol, True, states[symbol]
    return len(uniforms)


@cache
def chain_of(order, smoothing, ends):
    generator = np.random.default_rng(order)
    texts = [
        " ".join(f"w{w}" for w in np.minimum(generator.zipf(1.4, generator.integers(1, 60)), 250))
        for _ in range(150)
    ]
    if not ends:
        # a circle, so that every context has a successor
        texts = [" ".join([*texts, texts[0]])]
    return MarkovChain(order, smoothing, unit="words", boundaries=ends).fit(texts)


@pytest.mark.parametrize(
    "controls",
    [
        Controls(temperature=0.8),
        Controls(top_k=40),
        Controls(top_p=0.9),
        Controls(min_p=0.02),
        Controls(top_k=3, typical_p=0.7, repetition_penalty=1.3),
        Controls(top_k=30, min_p=0.1, temperature=1.4),
        Controls(top_k=5, repetition_penalty=0.6),
        Controls(greedy=True),
        Controls(greedy=True, repetition_penalty=1e300),
        Controls(typical_p=0.6),
        Controls(greedy=True, repetition_penalty=1.5),
        Controls(repetition_penalty=0.8),
        Controls(temperature=0.8, top_k=40, top_p=0.9, repetition_penalty=1.2),
        Controls(allowed=[f"w{k}" for k in range(1, 250, 2)], temperature=1.5),
    ],
    ids=str,
)
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_samples_have_the_bits_of_dense_draws(order, smoothing, ends, controls):
    chain = chain_of(order, smoothing, ends)
    if controls.allowed is not None:
        known = set(chain.codec.vocabulary)
        controls = Controls(allowed=[w for w in controls.allowed if w in known], temperature=1.5)
    bound, a, length = controls.bind(chain.codec), chain.automaton, 60
    allowed = bound.allowed
    if allowed is not None and ends:
        allowed = np.append(allowed, True)
    prompts = [None, chain.codec.vocabulary[0], " ".join(chain.codec.vocabulary[:2])]
    kinds = itertools.product(zip([(1, 1), (7, 1), (3, 2)], prompts, strict=True), [True, False])
    for ((batch, threads), prompt), log_probs in kinds:
        made = {}
        stream = chain.stream(
            7, length, prompt=prompt, batch=batch, threads=threads, seed=5, chunk=13, log_probs=log_probs,
            controls={**vars(controls), "stop": None},
        )  # fmt: skip
        dead = []
        try:
            for chunk in stream:
                made.setdefault(chunk.index, []).append(chunk)
        except SeqgenError as error:
            dead.append(error)
        for index, chunks in made.items():
            lane = LaneControls(1, a.symbols + a.ends)
            encoded = chain.codec.encode(prompt) if prompt else np.zeros(0, np.int64)
            lane.begin(np.array([0]), BoundControls(bound.parameters, allowed), encoded)
            uniforms = np.array([to_uniform53(*words(5, index, t, Purpose.TOKEN)[:2]) for t in range(length)])
            symbols, scores = np.empty(length, np.int64), np.empty((2, length))
            count = _walk_dense(
                tuple(a), a.follow(a.start, encoded), lane.for_kernels(), uniforms, symbols, scores
            )
            found = chain.codec.encode(chain.codec.join([chunk.data for chunk in chunks]))
            if not dead:
                assert len(found) == count
            np.testing.assert_array_equal(found, symbols[: len(found)])
            for row, name in enumerate(("log_prob", "log_prob_drawn") if log_probs else ()):
                values = np.concatenate([chunk.extra[name] for chunk in chunks])
                np.testing.assert_array_equal(values, scores[row, : len(found)])
