"""The compiled draw against the numpy chain: the same symbols, log-probabilities and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqgen import rng
from seqgen.controls import BoundControls, Parameters, log_softmax
from seqgen.engines.lane_controls import LaneControls
from seqgen.errors import SeqgenError
from seqgen.kernels.compile import kernel
from seqgen.kernels.draw import apply_controls, draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put

NOTHING = Parameters()


@kernel
def _draw_many(logits, controls, uniforms, log_probs):
    """Draw once in lane 0 for each row of logits."""
    controls = LaneControlArrays(*controls)
    scratch = draw_scratch(logits.shape[1])
    symbols, scores = np.empty(len(logits), np.int64), np.empty((len(logits), 2))
    for n in range(len(logits)):
        put(logits[n], scratch.logits)
        symbols[n], scores[n, 0], scores[n, 1] = draw(scratch, controls, 0, uniforms[n], log_probs)
    return symbols, scores


@kernel
def _apply(logits, parameters, allowed, seen):
    work, order = np.empty(len(logits)), np.empty(len(logits), np.int64)
    return apply_controls(logits, parameters, allowed, seen, order, work)


def compiled(logits, uniforms, parameters=NOTHING, allowed=None, seen=None, *, log_probs=True):
    """Return symbols and log-probabilities of the compiled draw for rows of logits."""
    lane = LaneControls(1, logits.shape[-1])
    lane.begin(np.array([0]), BoundControls(parameters, allowed), None)
    lane.seen[0] = False if seen is None else seen
    return _draw_many(logits, lane.for_kernels(), uniforms, log_probs)


@st.composite
def situations(draw):
    """Generate logits with ties and impossible symbols, any set of controls, and symbols that were seen."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([1, 2, 3, 10, 65, 200]))
    logits = generator.normal(size=size) * draw(st.sampled_from([0.1, 2.0, 20.0]))
    if draw(st.booleans()):
        logits = np.round(logits, 1)
    if draw(st.booleans()):
        logits[generator.random(size) < 0.3] = -np.inf
    # fractions that no sum of equal masses equals, so that rounding has no effect
    fraction = st.integers(1, 998).map(lambda k: (k + 0.1234567) / 1000)
    parameters = Parameters(
        repetition_penalty=draw(st.sampled_from([0.0, 0.5, 1.3])),
        temperature=draw(st.sampled_from([0.0, 0.01, 0.7, 3.0, 1e-100])),
        top_k=float(draw(st.sampled_from([0, 1, 2, 7, 64, 500]))),
        top_p=draw(st.one_of(st.just(0.0), st.just(1.0), fraction)),
        min_p=draw(st.one_of(st.just(0.0), st.just(1.0), fraction)),
        typical_p=draw(st.one_of(st.just(0.0), st.just(1.0), fraction)),
    )
    allowed = generator.random(size) < 0.7 if draw(st.booleans()) else None
    return logits, parameters, allowed, generator.random(size) < 0.5


@given(situation=situations())
def test_the_compiled_chain_equals_the_numpy_chain(situation):
    logits, parameters, allowed, seen = situation
    size = len(logits)
    controls = BoundControls(parameters, allowed)
    changed = logits.copy()
    everything = np.ones(size, bool)
    possible = _apply(changed, np.array(parameters), everything if allowed is None else allowed, seen)
    try:
        expected = controls.apply(logits, seen)
    except SeqgenError:
        assert not possible
        symbols, _ = compiled(logits[None], np.array([0.5]), parameters, allowed, seen)
        assert symbols.tolist() == [-1]
        return
    assert possible
    np.testing.assert_allclose(log_softmax(changed), expected, rtol=1e-9, atol=1e-12)
    uniforms = rng.to_uniform(np.array([0, 2**30, 2**31 + 5, 2**32 - 1], np.uint32))
    symbols, scores = compiled(np.tile(logits, (4, 1)), uniforms, parameters, allowed, seen)
    np.testing.assert_array_equal(symbols, rng.categorical(np.tile(np.exp(expected), (4, 1)), uniforms))
    np.testing.assert_allclose(scores[:, 0], log_softmax(logits)[symbols], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scores[:, 1], expected[symbols], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("log_probs", [False, True])
def test_without_controls_the_models_own_distribution_is_drawn(log_probs):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(2000, 17)) * 4
    u = generator.random(2000)
    symbols, scores = compiled(logits, u, log_probs=log_probs)
    np.testing.assert_array_equal(symbols, rng.categorical(np.exp(logits - logits.max(-1, keepdims=True)), u))
    own = log_softmax(logits)[np.arange(2000), symbols]
    expected = np.stack([own, own], -1) if log_probs else np.zeros((2000, 2))
    np.testing.assert_allclose(scores, expected, atol=1e-12)


@pytest.mark.parametrize("parameters", [NOTHING, Parameters(temperature=1.0)], ids=["plain", "controls"])
def test_a_symbol_of_probability_zero_is_never_drawn(parameters):
    logits = np.array([-np.inf, -800.0, -np.inf, 0.0, -np.inf, 1.0, -np.inf])
    words = np.array([0, 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32)
    symbols, _ = compiled(np.tile(logits, (5, 1)), rng.to_uniform(words), parameters)
    assert set(symbols.tolist()) <= {3, 5}


def test_if_nothing_is_possible_no_symbol_is_drawn():
    impossible = np.full((1, 5), -np.inf)
    half = np.array([0.5])
    assert compiled(impossible, half)[0].tolist() == [-1]
    assert compiled(impossible, half, Parameters(top_k=2.0))[0].tolist() == [-1]
    assert compiled(np.zeros((1, 5)), half, allowed=np.zeros(5, bool))[0].tolist() == [-1]


def test_symbols_are_drawn_at_the_rates_of_the_controlled_distribution():
    count = 100_000
    logits = np.log([0.4, 0.3, 0.2, 0.05, 0.05])
    u = rng.uniforms(9, 0, np.arange(count), rng.Purpose.TOKEN)
    parameters = Parameters(temperature=1.7, top_k=3.0)
    symbols, _ = compiled(np.tile(logits, (count, 1)), u, parameters)
    expected = np.exp(BoundControls(parameters).apply(logits))
    counts = np.bincount(symbols, minlength=5)
    assert counts[3:].sum() == 0
    assert stats.chisquare(counts[:3], expected[:3] * count).pvalue > 1e-3


def test_large_and_small_logits_neither_overflow_nor_vanish():
    logits = np.array([[1e4, 1e4 - 1.0, -1e4], [-1e4, -1e4 - 1.0, -1e5]])
    symbols, scores = compiled(logits, np.array([0.5, 0.9]))
    assert symbols.tolist() == [0, 1]
    np.testing.assert_allclose(scores[:, 0], [-np.log1p(np.exp(-1)), -1 - np.log1p(np.exp(-1))])


def test_the_chain_is_compiled_when_a_lane_first_has_controls():
    """Without, its address stays 0; a restored state may have controls, too."""
    lanes = LaneControls(2, 3)
    lanes.begin(np.arange(2), BoundControls(), None)
    assert LaneControlArrays(*lanes.for_kernels()).chain[0] == 0
    lanes.begin(np.array([1]), BoundControls(NOTHING._replace(top_k=1.0)), None)
    address = LaneControlArrays(*lanes.for_kernels()).chain[0]
    assert address != 0
    restored = LaneControls(2, 3)
    for name, array in restored.state().items():
        array[...] = lanes.state()[name]
    assert LaneControlArrays(*restored.for_kernels()).chain[0] == address


def test_without_the_chain_nothing_is_drawn_under_controls():
    lane = LaneControls(1, 3)
    lane.reshapes[0] = True
    symbols, _ = _draw_many(np.zeros((1, 3)), tuple(lane.arrays), np.array([0.5]), False)
    assert symbols.tolist() == [-1]
