"""The recurrent engines: the fused sampler against the module in float64, for any size, depth and mix of lanes."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen import CharRNN, Controls
from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.codecs import Characters
from seqgen.controls import BoundControls
from seqgen.engine import Engine, Request, Start
from seqgen.errors import SeqgenError
from seqgen.models.char_rnn.numba_engine import CharRNNEngine
from seqgen.models.char_rnn.torch_engine import CharRNNEngine as ReferenceEngine

VOCABULARY = "abcdefg"
LANES = 5
COUNTS = np.array([9, 0, 4, 13, 1])


def controlled(**controls: object) -> BoundControls:
    """Generate controls over the letters of `VOCABULARY`."""
    return Controls(**controls).bind(Characters(VOCABULARY))


STARTS = [
    Start(),
    Start(prompt=np.array([3])),
    Start(prompt=np.array([0, 1, 2, 6, 5, 4, 3]), controls=controlled(temperature=0.7, top_k=4)),
    Start(controls=controlled(repetition_penalty=1.8, top_p=0.913)),
    Start(prompt=np.array([1, 1]), controls=controlled(allowed="acg", typical_p=0.8123)),
]


def sharpened(model: CharRNN, factor: float = 3.0) -> CharRNN:
    """Return the model with a distribution that is far from flat."""
    for name, parameter in model.named_parameters():
        if "weight_hh" not in name:
            parameter.data *= factor
    return model


def begun(engine: Engine, lanes: list[int] | None = None, first: int = 40) -> Engine:
    """Return the engine with a different start in each lane."""
    for at, lane in enumerate(range(LANES) if lanes is None else lanes):
        engine.begin(np.array([at]), np.array([first + lane]), STARTS[lane])
    return engine


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("hidden", [1, 7, 16, 50, 64, 130])
@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
def test_lanes_of_any_length_and_control_equal_the_reference(cell, hidden, layers, bias):
    model = sharpened(
        CharRNN(VOCABULARY, cell=cell, hidden_size=hidden, layers=layers, bias=bias, seed=hidden)
    )
    request = Request(seed=11, lanes=LANES, log_probs=True, threads=2)
    fused = begun(CharRNNEngine(model.weights(), request))
    exact = model.double()
    reference = begun(ReferenceEngine(exact.weights(), request, model=exact))
    ours, theirs = fused.advance(COUNTS), reference.advance(COUNTS)
    fused.close()
    np.testing.assert_array_equal(ours.counts, COUNTS)
    assert not ours.ended.any()
    for lane, count in enumerate(COUNTS):
        row = (lane, slice(0, count))
        np.testing.assert_array_equal(ours.symbols[row], theirs.symbols[row])
        for name in ("log_prob", "log_prob_drawn"):
            np.testing.assert_allclose(ours.extra[name][row], theirs.extra[name][row], atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
def test_a_lane_has_the_same_bits_alone_and_among_others(cell, threads, precision):
    model = sharpened(CharRNN(VOCABULARY, cell=cell, hidden_size=50, layers=2, seed=4))
    together = begun(
        CharRNNEngine(
            model.weights(), Request(7, LANES, log_probs=True, threads=threads, precision=precision)
        )
    )
    rounds = [together.advance(COUNTS), together.advance(COUNTS[::-1].copy()), together.advance(COUNTS * 2)]
    together.close()
    for lane in range(LANES):
        alone = begun(
            CharRNNEngine(model.weights(), Request(7, 1, log_probs=True, precision=precision)), [lane]
        )
        whole = alone.advance(np.array([sum(int(r.counts[lane]) for r in rounds)]))
        symbols = np.concatenate([r.symbols[lane, : r.counts[lane]] for r in rounds])
        scores = np.concatenate([r.extra["log_prob"][lane, : r.counts[lane]] for r in rounds])
        np.testing.assert_array_equal(whole.symbols[0], symbols)
        np.testing.assert_array_equal(whole.extra["log_prob"][0], scores)
        for name, array in alone.state().items():
            np.testing.assert_array_equal(array[0], together.state()[name][lane])


def test_asking_for_log_probabilities_does_not_change_the_symbols():
    model = sharpened(CharRNN(VOCABULARY, cell="gru", hidden_size=20, layers=2))
    drawn = []
    for log_probs in (False, True):
        made = begun(CharRNNEngine(model.weights(), Request(7, LANES, log_probs=log_probs))).advance(COUNTS)
        assert set(made.extra) == ({"log_prob", "log_prob_drawn"} if log_probs else set())
        drawn.append(made.symbols)
    np.testing.assert_array_equal(*drawn)


def test_bfloat16_weights_are_the_rounded_model_exactly():
    model = sharpened(CharRNN(VOCABULARY, cell="lstm", hidden_size=24, layers=2))
    weights = model.weights()
    arrays = {name: from_bfloat16(to_bfloat16(array)) for name, array in weights.arrays.items()}
    rounded = Weights(weights.family, weights.config, arrays)
    made = [
        begun(CharRNNEngine(given, Request(7, LANES, log_probs=True, precision=precision))).advance(COUNTS)
        for given, precision in [(weights, "bfloat16"), (rounded, "auto"), (rounded, "float32")]
    ]
    for other in made[1:]:
        np.testing.assert_array_equal(made[0].symbols, other.symbols)
        np.testing.assert_array_equal(made[0].extra["log_prob"], other.extra["log_prob"])


def test_auto_precision_leaves_biases_as_they_are():
    model = sharpened(CharRNN(VOCABULARY, cell="lstm", hidden_size=24, layers=2))
    weights = model.weights()
    arrays = {
        name: from_bfloat16(to_bfloat16(array)) if "weight" in name else array
        for name, array in weights.arrays.items()
    }
    mixed = Weights(weights.family, weights.config, arrays)
    auto, full = (
        begun(CharRNNEngine(mixed, Request(7, LANES, log_probs=True, precision=precision))).advance(COUNTS)
        for precision in ("auto", "float32")
    )
    np.testing.assert_array_equal(auto.extra["log_prob"], full.extra["log_prob"])


@pytest.mark.parametrize("engine", [CharRNNEngine, ReferenceEngine], ids=["numba", "torch"])
def test_a_prompt_leaves_the_same_state_as_its_symbols_one_at_a_time(engine):
    model = sharpened(CharRNN(VOCABULARY, cell="lstm", hidden_size=16, layers=2)).double()
    prompt = np.array([2, 5, 1, 0])
    prefilled = engine(model.weights(), Request(3), model=model)
    prefilled.begin(np.array([0]), np.array([6]), Start(prompt=prompt))
    stepped = engine(model.weights(), Request(3), model=model)
    stepped.begin(np.array([0]), np.array([6]), Start())
    for symbol in prompt:
        stepped.advance(np.array([1]))
        stepped.state()["previous"][0] = symbol
    for name in ("states", "cells") if engine is CharRNNEngine else ("hidden",):
        np.testing.assert_allclose(prefilled.state()[name], stepped.state()[name], atol=1e-7)


@pytest.mark.parametrize("engine", [CharRNNEngine, ReferenceEngine], ids=["numba", "torch"])
def test_a_snapshot_of_another_shape_is_refused(engine):
    model = CharRNN(VOCABULARY, cell="gru", hidden_size=8, layers=1)
    own = engine(model.weights(), Request(0, lanes=2), model=model)
    other = engine(model.weights(), Request(0, lanes=3), model=model)
    with pytest.raises(SeqgenError, match="this engine needs"):
        own.restore(other.snapshot())
    short = own.snapshot()
    short.pop("position")
    with pytest.raises(SeqgenError, match="the state has the arrays"):
        own.restore(short)


@pytest.mark.parametrize("engine", [CharRNNEngine, ReferenceEngine], ids=["numba", "torch"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_refused(engine, bad):
    model = CharRNN(VOCABULARY, cell="gru", hidden_size=8, layers=1)
    model.layers[0].weight_hh_l0.data[3, 4] = bad
    with pytest.raises(SeqgenError, match=r"layers\.0\.weight_hh_l0 .* not finite"):
        engine(model.weights(), Request(0), model=model)


def test_a_snapshot_is_a_copy():
    model = CharRNN(VOCABULARY, cell="gru", hidden_size=8, layers=1)
    engine = begun(CharRNNEngine(model.weights(), Request(0, lanes=LANES)))
    before = engine.snapshot()
    kept = {name: array.copy() for name, array in before.items()}
    engine.advance(COUNTS)
    for name, array in before.items():
        np.testing.assert_array_equal(array, kept[name])
