"""PixelRNN's samplers against the full forward pass per pixel, with the same random numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls, rng
from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.codecs.pixels import Pixels
from seqgen.controls import log_softmax
from seqgen.engine import Request, Start
from seqgen.errors import SeqgenError
from seqgen.models.pixel_rnn.model import PixelRNN
from seqgen.models.pixel_rnn.numba_engine import PixelRNNEngine
from seqgen.models.pixel_rnn.torch_engine import PixelRNNEngine as ReferenceEngine
from tests.models.pixel_rnn.examples import both_kinds, sharp

ENGINES = {"numba": PixelRNNEngine, "torch": ReferenceEngine}
both_engines = pytest.mark.parametrize("engine", list(ENGINES))


def starts(codec: Pixels) -> list[Start]:
    """Return starts without arguments; with controls; with a prompt; with both."""
    shape, levels = codec.shape, codec.levels
    controls = Controls(temperature=0.7, top_k=max(2, levels - 1), min_p=0.01).bind(codec)
    known = np.full(shape, -1, np.int16)
    order = known.transpose(1, 2, 0).reshape(-1)
    order[: len(order) // 2] = np.arange(len(order) // 2) % levels
    prompt = order.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
    return [Start(), Start(controls=controls), Start(prompt=prompt), Start(prompt=prompt, controls=controls)]


def naive(model: PixelRNN, seed: int, index: int, start: Start) -> tuple[np.ndarray, np.ndarray]:
    """Draw the image (C, H, W) by one full forward pass per pixel; return it with log-probabilities (2, C, H, W)."""
    colours, rows, columns = shape = model.codec.shape
    image, log_probs = np.zeros(shape, np.int64), np.zeros((2, *shape))
    for position, (h, w, c) in enumerate(itertools.product(range(rows), range(columns), range(colours))):
        if start.prompt is not None and start.prompt[c, h, w] >= 0:
            image[c, h, w] = start.prompt[c, h, w]
            continue
        with torch.no_grad():
            logits = model(torch.as_tensor(image)[None])[0, c, :, h, w].double().numpy()
        drawn = start.controls.apply(logits)
        u = rng.uniforms(seed, index, position, rng.Purpose.TOKEN)
        level = int(rng.categorical(np.exp(drawn), u))
        image[c, h, w] = level
        log_probs[:, c, h, w] = log_softmax(logits)[level], drawn[level]
    return image, log_probs


def run(engine: Any, counts: Sequence[Sequence[int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the rows that rounds produce for each lane, (C, k, W), and their log-probabilities (2, C, k, W)."""
    rounds = [engine.advance(np.array(asked)) for asked in counts]
    images, log_probs = [], []
    for lane in range(len(counts[0])):
        symbols = [r.symbols[lane, : r.counts[lane]] for r in rounds]
        images.append(np.concatenate(symbols).transpose(1, 0, 2))
        names = ("log_prob", "log_prob_drawn")
        both = [[r.extra[name][lane, : r.counts[lane]] for r in rounds] for name in names]
        log_probs.append(np.stack([np.concatenate(part).transpose(1, 0, 2) for part in both]))
    return images, log_probs


SWEEP = [
    # shape, levels, channels, layers, settings
    ((1, 4, 5), 2, 4, 2, {}),
    ((1, 5, 3), 2, 16, 1, {"kernel_size": 5, "first_kernel_size": 3}),
    ((1, 3, 6), 5, 7, 3, {"kernel_size": 1, "first_kernel_size": 5, "head_channels": 3}),
    ((1, 1, 9), 3, 10, 2, {"kernel_size": 7}),
    ((1, 7, 1), 2, 18, 2, {}),
    ((3, 3, 4), 3, 6, 2, {"first_kernel_size": 3}),
    ((3, 2, 3), 2, 51, 1, {"head_channels": 72}),
    ((2, 4, 3), 70, 2, 1, {"kernel_size": 5}),
]


@both_engines
@both_kinds
@pytest.mark.parametrize(("shape", "levels", "channels", "layers", "settings"), SWEEP)
def test_engines_equal_the_full_forward_pass(engine, kind, shape, levels, channels, layers, settings):
    model = sharp(PixelRNN(shape, levels, channels, layers, kind=kind, seed=channels, **settings)).double()
    given = starts(model.codec)
    lanes, rows = len(given), shape[1]
    made = ENGINES[engine](model.weights(), Request(11, lanes, log_probs=True, threads=2), model=model)
    for lane, start in enumerate(given):
        made.begin(np.array([lane]), np.array([40 + lane]), start)
    # lanes that begin together, pause and continue separately
    counts = [[1, 0, rows, min(2, rows)], [rows, 1, 0, rows], [rows] * lanes]
    images, log_probs = run(made, counts)
    for lane, start in enumerate(given):
        image, scores = naive(model, 11, 40 + lane, start)
        np.testing.assert_array_equal(images[lane], image)
        tolerance = 1e-10 if engine == "torch" else 2e-5
        np.testing.assert_allclose(log_probs[lane], scores, atol=tolerance, rtol=tolerance)
    made.close()


def many_lanes(model: PixelRNN, lanes: int, **request: Any) -> PixelRNNEngine:
    """Return an engine whose lanes begin in the ways of `starts`, in turn."""
    engine = PixelRNNEngine(model.weights(), Request(7, lanes, log_probs=True, **request))
    for lane in range(lanes):
        engine.begin(np.array([lane]), np.array([100 + lane]), starts(model.codec)[lane % 4])
    return engine


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("threads", [1, 3])
@both_kinds
def test_a_lane_has_the_same_bits_alone_and_among_others(kind, threads, precision):
    model = sharp(PixelRNN((3, 5, 4), 3, channels=12, layers=2, kind=kind, seed=4))
    lanes, rows = 7, 5
    together = many_lanes(model, lanes, threads=threads, precision=precision)
    counts = [[1, 0, 5, 2, 1, 0, 3], [2, 1, 0, 1, 0, 5, 1], [rows] * lanes]
    images, log_probs = run(together, counts)
    together.close()
    for lane in range(lanes):
        alone = PixelRNNEngine(model.weights(), Request(7, 1, log_probs=True, precision=precision))
        alone.begin(np.array([0]), np.array([100 + lane]), starts(model.codec)[lane % 4])
        image, scores = run(alone, [[rows]])
        np.testing.assert_array_equal(image[0], images[lane])
        np.testing.assert_array_equal(scores[0], log_probs[lane])
        for name, array in alone.state().items():
            np.testing.assert_array_equal(array[0], together.state()[name][lane])


@both_engines
@both_kinds
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(kind, engine):
    model = sharp(PixelRNN((1, 5, 4), 2, channels=8, layers=2, kind=kind, seed=4)).double()

    def begun() -> Any:
        made = ENGINES[engine](model.weights(), Request(7, 2, log_probs=True), model=model)
        made.begin(np.arange(2), np.array([5, 6]), Start())
        return made

    whole, _ = run(begun(), [[5, 5]])
    first, second = begun(), begun()
    part, _ = run(first, [[2, 3]])
    kept = {name: array.copy() for name, array in first.snapshot().items()}
    second.advance(np.array([1, 4]))
    second.restore(kept)
    rest, _ = run(second, [[5, 5]])
    for lane in range(2):
        np.testing.assert_array_equal(np.concatenate([part[lane], rest[lane]], 1), whole[lane])
    for name, array in second.snapshot().items():
        assert not np.shares_memory(array, second.state()[name])


@both_kinds
def test_a_lane_forgets_the_sample_before(kind):
    model = sharp(PixelRNN((1, 4, 3), 2, channels=8, layers=2, kind=kind))
    used, fresh = (PixelRNNEngine(model.weights(), Request(7, 1, log_probs=True)) for _ in range(2))
    known = Start(prompt=np.where(np.arange(12) < 11, 1, -1).reshape(1, 4, 3).astype(np.int16))
    used.begin(np.array([0]), np.array([5]), known)
    used.advance(np.array([4]))
    for engine in (used, fresh):
        engine.begin(np.array([0]), np.array([6]), Start())
    np.testing.assert_array_equal(run(used, [[4]])[1], run(fresh, [[4]])[1])


@both_kinds
@pytest.mark.parametrize("levels", [2, 3])
def test_asking_for_log_probabilities_does_not_change_the_pixels(kind, levels):
    # without them, two levels take the shorter path
    model = sharp(PixelRNN((1, 6, 6), levels, channels=8, layers=1, kind=kind))
    plain, scored = (
        np.stack([c.data for c in model.stream(40, chunk=6, batch=5, log_probs=wanted)])
        for wanted in (False, True)
    )
    np.testing.assert_array_equal(plain, scored)
    assert len(np.unique(plain, axis=0)) > 30


@both_kinds
def test_bfloat16_weights_are_the_rounded_model_exactly(kind):
    model = sharp(PixelRNN((1, 5, 5), 2, channels=8, layers=2, kind=kind))
    weights = model.weights()
    arrays = {name: from_bfloat16(to_bfloat16(array)) for name, array in weights.arrays.items()}
    rounded = Weights(weights.family, weights.config, arrays)
    made = []
    for given, precision in [
        (weights, "bfloat16"),
        (rounded, "auto"),
        (rounded, "float32"),
        (weights, "auto"),
    ]:
        engine = PixelRNNEngine(given, Request(7, 3, log_probs=True, precision=precision))
        engine.begin(np.arange(3), np.arange(3), Start())
        made.append(np.stack(run(engine, [[5] * 3])[1]))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])
    assert not np.array_equal(made[0], made[3])
    reference = ReferenceEngine(weights, Request(7, 3, log_probs=True, precision="bfloat16"))
    reference.begin(np.arange(3), np.arange(3), Start())
    np.testing.assert_allclose(np.stack(run(reference, [[5] * 3])[1]), made[0], atol=2e-5)


@both_kinds
def test_frequencies_are_those_of_the_enumeration(kind):
    model = sharp(PixelRNN((1, 2, 3), 2, channels=4, layers=2, kind=kind, seed=2))
    every = np.array(list(itertools.product(range(2), repeat=6)))
    expected = model.log_prob(every).exp().numpy()
    count = 6_000
    drawn = model.sample(count, seed=9, batch=64).reshape(count, 6) @ (2 ** np.arange(5, -1, -1))
    observed = np.bincount(drawn, minlength=64)
    # chi-square with 63 degrees of freedom: 131 has a probability of 1e-6
    statistic = float(((observed - count * expected) ** 2 / (count * expected)).sum())
    assert statistic < 131.0
    assert expected.max() > 20 * expected.min(), "the distribution is too flat to test anything"


@both_engines
def test_requests_that_cannot_be_served_are_refused(engine):
    model = PixelRNN((1, 2, 3), channels=2, layers=1)
    made = ENGINES[engine](model.weights(), Request(0), model=model)
    with pytest.raises(SeqgenError, match="takes no condition, got 3"):
        made.begin(np.array([0]), np.array([0]), Start(condition=3))
    hole = np.array([[[-1, 0, -1], [-1, -1, -1]]], np.int16)
    with pytest.raises(SeqgenError, match="row 0, column 1 is known, but the one at row 0, column 0 is not"):
        made.begin(np.array([0]), np.array([0]), Start(prompt=hole))
    model.layers[0].up.weight.data[1, 0] = float("nan")
    with pytest.raises(SeqgenError, match=r"layers\.0\.up\.weight is not finite"):
        ENGINES[engine](model.weights(), Request(0))
