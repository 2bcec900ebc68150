"""The samplers of PixelCNN against a full forward pass per pixel, and against each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls
from seqgen.codecs import Pixels
from seqgen.engine import Request, Start
from seqgen.errors import SeqgenError
from seqgen.image.engine import PixelEngine
from seqgen.image.fixed_point import FixedPointEngine
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.pixel_cnn.numba_engine import PixelCNNEngine
from seqgen.models.pixel_cnn.torch_engine import PixelCNNEngine as ReferenceEngine
from tests.models.pixel_cnn.examples import naive_sample, sharpened

SEED, FIRST = 11, 40
FULL: dict[str, Any] = {"classes": 3, "condition_size": 2, "guide": (2, 3, 2)}
CONDITION = {"class": 1, "vector": [0.5, -2.0], "guide": np.arange(12).reshape(2, 3, 2) % 3}
ENGINES = {"numba": PixelCNNEngine, "torch": ReferenceEngine, "fixed-point": FixedPointEngine}
every_engine = pytest.mark.parametrize("kind", ENGINES.values(), ids=list(ENGINES))

# shape, levels, channels, layers, kernel size, first kernel size, further settings: every value of each occurs
NETWORKS: list[tuple[tuple[int, int, int], int, int, int, int, int, dict[str, Any]]] = [
    ((1, 4, 5), 2, 8, 1, 3, 7, {}),
    ((1, 5, 4), 2, 64, 3, 3, 7, {"head_channels": 9, "position": True}),
    ((1, 6, 4), 7, 17, 4, 5, 3, {}),
    ((1, 4, 7), 256, 20, 2, 1, 5, {}),
    ((3, 4, 3), 4, 12, 3, 3, 5, {"classes": 3, "position": True}),
    ((3, 3, 4), 2, 99, 2, 5, 3, {"head_channels": 30}),
    ((2, 6, 4), 3, 34, 3, 3, 7, {**FULL, "position": True}),
    ((2, 6, 4), 3, 6, 2, 7, 3, {"condition_size": 2}),
    ((1, 1, 6), 3, 10, 2, 3, 3, {}),
    ((1, 6, 1), 3, 10, 2, 3, 3, {}),
]


def network(choice: int, gated: bool, seed: int = 1) -> tuple[PixelCNN, Any]:
    """Return a model and a condition of the kinds that it takes."""
    shape, levels, channels, layers, kernel, first, more = NETWORKS[choice]
    model = PixelCNN(
        shape,
        levels,
        channels,
        layers,
        gated=gated,
        kernel_size=kernel,
        first_kernel_size=first,
        seed=seed,
        **more,
    )
    kinds = model.conditions.kinds
    condition = {name: CONDITION[name] for name in kinds} or None
    return sharpened(model, 2.0), condition


def begun(
    kind: type, model: PixelCNN, condition: Any = None, *, lanes: int = 1, first: int = FIRST, prompt: Any = None,
    controls: Controls | None = None, log_probs: bool = True, **request: Any,
) -> PixelEngine:  # fmt: skip
    """Return an engine with `lanes` images that begin alike."""
    engine = kind(model.weights(), Request(SEED, lanes, log_probs=log_probs, **request))
    bound = {} if controls is None else {"controls": controls.bind(model.codec)}
    engine.begin(np.arange(lanes), first + np.arange(lanes), Start(prompt, condition, **bound))
    return engine


def drawn(engine: PixelEngine, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return images (B, C, H, W) and their log-probabilities (2, B, C, H, W)."""
    made = engine.advance(np.full(engine.request.lanes, rows or engine.codec.shape[1]))
    engine.close()
    scores = np.stack([made.extra["log_prob"], made.extra["log_prob_drawn"]])
    return made.symbols.transpose(0, 2, 1, 3), scores.transpose(0, 1, 3, 2, 4)


@every_engine
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
@pytest.mark.parametrize("choice", range(len(NETWORKS)))
def test_incremental_sampling_is_a_full_pass_for_every_pixel(choice, gated, kind):
    model, condition = network(choice, gated)
    exact = model if kind is PixelCNNEngine else model.double()
    lanes = choice % 3 + 1
    images, scores = drawn(begun(kind, exact, condition, lanes=lanes))
    exact = model.double()
    for lane, image in enumerate(images):
        np.testing.assert_array_equal(image, naive_sample(exact, SEED, FIRST + lane, condition))
    assert images.min() < images.max() or images.size < 10, (
        "the check is worth little if all pixels are equal"
    )
    given = exact.conditions.tensors(condition, lanes, exact.parameter_like())
    expected = exact.pixel_log_probs(torch.as_tensor(images.astype(np.int64)), given).detach().numpy()
    tolerance = 1e-5 if kind is PixelCNNEngine else 1e-12
    np.testing.assert_allclose(scores[0], expected, atol=tolerance, rtol=0)
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_an_engine_gives_all_images_the_probabilities_of_the_model(gated):
    model = sharpened(PixelCNN((1, 3, 3), channels=6, layers=2, gated=gated, seed=8), 1.2)
    every = np.array(list(itertools.product((0, 1), repeat=9))).reshape(-1, 1, 3, 3)
    probabilities = model.double().log_prob(every).exp().numpy()
    draws = 40_000
    engine = begun(PixelCNNEngine, model, lanes=draws, first=0, log_probs=False)
    images = engine.advance(np.full(draws, 3)).symbols.reshape(draws, 9)
    engine.close()
    counts = np.bincount(images @ (2 ** np.arange(8, -1, -1)), minlength=512)
    frequent = probabilities * draws > 5
    expected = probabilities[frequent] * draws
    chi_square = ((counts[frequent] - expected) ** 2 / expected).sum()
    degrees = frequent.sum() - 1
    assert degrees > 50
    # five standard deviations of a chi-square variable
    assert abs(chi_square - degrees) < 5 * np.sqrt(2 * degrees)


@every_engine
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_known_pixels_are_held_and_their_noise_is_not_used_for_others(gated, kind):
    model, condition = network(6, gated)
    exact = model.double()
    prompt = np.full(model.codec.shape, -1, np.int16)
    prompt[:, :2], prompt[:, 2, :2], prompt[0, 2, 2] = 1, 2, 0
    images, scores = drawn(begun(kind, exact, condition, prompt=prompt))
    known = prompt >= 0
    np.testing.assert_array_equal(images[0], naive_sample(exact, SEED, FIRST, condition, prompt))
    np.testing.assert_array_equal(images[0][known], prompt[known])
    assert not scores[:, 0][:, known].any()
    assert (scores[:, 0][:, ~known] < 0).all()
    prompt[:] = -1
    prompt[:, 1] = 0
    with pytest.raises(SeqgenError, match="known pixels come first"):
        begun(kind, exact, condition, prompt=prompt)


@every_engine
def test_a_known_image_is_given_back(kind):
    model, _ = network(1, True)
    prompt = np.random.default_rng(0).integers(0, 2, model.codec.shape).astype(np.int16)
    images, scores = drawn(begun(kind, model, prompt=prompt))
    np.testing.assert_array_equal(images[0], prompt)
    assert not scores.any()


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
@pytest.mark.parametrize("choice", [1, 5, 6])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_lanes_at_different_rows_have_the_bits_that_they_have_alone(choice, gated, precision):
    model, condition = network(choice, gated)
    rows, lanes = model.codec.shape[1], 5
    together = begun(PixelCNNEngine, model, condition, lanes=lanes, precision=precision, threads=2)
    counts = [np.array([0, 1, 2, rows, 1]), np.array([2, 0, 1, 0, rows]), np.full(lanes, rows)]
    rounds = [together.advance(count) for count in counts]
    together.close()
    for lane in range(lanes):
        alone = begun(PixelCNNEngine, model, condition, first=FIRST + lane, precision=precision)
        whole = alone.advance(np.array([rows]))
        for name, parts in (("symbols", [made.symbols for made in rounds]), ("log_prob", None)):
            pieces = parts or [made.extra["log_prob"] for made in rounds]
            joined = [piece[lane, : made.counts[lane]] for piece, made in zip(pieces, rounds, strict=True)]
            expected = whole.symbols[0] if name == "symbols" else whole.extra["log_prob"][0]
            np.testing.assert_array_equal(np.concatenate(joined), expected)
        for name, array in alone.state().items():
            np.testing.assert_array_equal(array[0], together.state()[name][lane], err_msg=name)


@every_engine
def test_controls_act_on_every_pixel_and_both_log_probabilities_are_told(kind):
    model, _ = network(2, True)
    exact = model.double()
    controls = Controls(temperature=0.7, top_k=4, allowed=np.array([0, 1, 2, 5, 6]))
    images, scores = drawn(begun(kind, exact, controls=controls))
    assert not np.isin(images, [3, 4]).any()
    expected = exact.pixel_log_probs(torch.as_tensor(images.astype(np.int64))).detach().numpy()
    np.testing.assert_allclose(scores[0], expected, atol=1e-5)
    assert (scores[1] > scores[0]).any()
    reference, reference_scores = drawn(begun(ReferenceEngine, exact, controls=controls))
    np.testing.assert_array_equal(images, reference)
    np.testing.assert_allclose(scores, reference_scores, atol=1e-5)


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_two_levels_take_the_same_symbols_with_and_without_the_short_cut(temperature):
    model, _ = network(1, True)
    lanes = 4000
    controls = None if temperature is None else Controls(temperature=temperature)
    slow = begun(PixelCNNEngine, model, lanes=lanes, log_probs=True, controls=controls)
    fast = begun(PixelCNNEngine, model, lanes=lanes, log_probs=False)
    rows = np.full(lanes, model.codec.shape[1])
    np.testing.assert_array_equal(slow.advance(rows).symbols, fast.advance(rows).symbols)
    slow.close()
    fast.close()


def test_bfloat16_weights_are_the_rounded_model_exactly():
    model, condition = network(6, True)
    rounded, _ = network(6, True)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.bfloat16().float()
    made = [
        drawn(begun(PixelCNNEngine, given, condition, precision=precision))
        for given, precision in [(model, "bfloat16"), (rounded, "auto"), (rounded, "float32")]
    ]
    for images, scores in made[1:]:
        np.testing.assert_array_equal(images, made[0][0])
        np.testing.assert_array_equal(scores, made[0][1])


@every_engine
def test_noise_lies_where_the_offset_says(kind):
    model, _ = network(1, True)
    shifted = begun(kind, model)
    shifted.noise_offset = 1000
    assert not np.array_equal(drawn(shifted)[0], drawn(begun(kind, model))[0])
    reference = begun(ReferenceEngine, model)
    reference.noise_offset = 1000
    again = begun(kind, model)
    again.noise_offset = 1000
    np.testing.assert_array_equal(drawn(again)[0], drawn(reference)[0])


def test_fixed_point_needs_few_sweeps_and_finds_the_same_image_in_float32():
    model = sharpened(PixelCNN((1, 12, 12), channels=12, layers=3, seed=2), 1.5)
    engine = begun(FixedPointEngine, model, lanes=4)
    images, _ = drawn(engine)
    np.testing.assert_array_equal(images, drawn(begun(ReferenceEngine, model, lanes=4))[0])
    assert isinstance(engine, FixedPointEngine)
    assert np.all(engine.sweeps >= 2)
    assert np.all(engine.sweeps < images[0].size // 4)


def test_a_sampler_keeps_a_small_part_of_the_activation_maps():
    for size in (28, 64):
        model = PixelCNN((1, size, size), channels=64, layers=7)
        engine = begun(PixelCNNEngine, model, log_probs=False)
        assert isinstance(engine, PixelCNNEngine)
        # float32 features of both stacks in all layers
        maps = 4 * 2 * 7 * 64 * size * size
        assert engine.nbytes < maps / 10
        assert engine.state()["rows"].nbytes < maps / 50
        engine.close()


@every_engine
def test_parameters_that_are_not_finite_are_refused(kind):
    model, _ = network(0, True)
    model.layers[0].link.weight.data[3, 2] = np.nan
    with pytest.raises(SeqgenError, match=r"layers\.0\.link\.weight is not finite"):
        kind(model.weights(), Request(0))


def test_the_fused_engine_reads_guides_of_the_levels_of_the_model():
    model, condition = network(6, True)
    with pytest.raises(ValueError, match="levels must be between 0 and 2"):
        begun(PixelCNNEngine, model, condition | {"guide": np.full((2, 3, 2), 3)})
    assert Pixels((2, 3, 2), 3).images(condition["guide"]).max() == 2
