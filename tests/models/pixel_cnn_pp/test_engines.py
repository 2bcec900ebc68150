"""The samplers of PixelCNN++ against a full forward pass per pixel, with the same random numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls, rng
from seqgen.engine import Request
from seqgen.models.pixel_cnn_pp.model import PixelCNNpp
from seqgen.models.pixel_cnn_pp.numba_engine import PixelCNNppEngine

VECTOR = {"class": 1, "vector": [0.5, -1.0]}
MODELS: dict[str, tuple[dict[str, Any], Any]] = {
    "one-scale": ({"shape": (1, 3, 3), "levels": 2, "channels": 4, "scales": 1}, None),
    "one-row": ({"shape": (1, 1, 5), "levels": 3, "channels": 5, "scales": 2}, None),
    "one-column": ({"shape": (3, 5, 1), "levels": 5, "channels": 3, "scales": 3}, None),
    "odd-colour": ({"shape": (3, 5, 7), "levels": 4, "channels": 5, "scales": 3}, None),
    "even-blocks": ({"shape": (1, 6, 4), "levels": 256, "channels": 6, "scales": 2, "blocks": 2}, None),
    "conditioned": (
        {"shape": (2, 4, 3), "levels": 3, "channels": 4, "scales": 2, "classes": 3, "condition_size": 2}, VECTOR,
    ),
    "wide": ({"shape": (1, 4, 5), "levels": 8, "channels": 70, "scales": 2}, None),
}  # fmt: skip


def model_of(name: str) -> tuple[PixelCNNpp, Any]:
    """Return a model whose distribution is far from flat, exact in bfloat16, and its condition."""
    settings, condition = MODELS[name]
    model = PixelCNNpp(**{"blocks": 1, "mixtures": 3, "seed": 2} | settings)
    for key, parameter in model.named_parameters():
        parameter.data = (parameter.data * (3.0 if "second" in key else 1.5)).bfloat16().float()
    return model, condition


@torch.no_grad()
def naive(
    model: PixelCNNpp, seed: int, index: int, condition: Any, prompt: np.ndarray | None = None
) -> tuple[Any, Any]:
    """Draw one image with a forward pass over the whole image per pixel; return it with its log-probabilities."""
    shape = model.codec.shape
    colours, rows, columns = shape
    image, scores = torch.zeros((1, *shape), dtype=torch.int64), np.zeros(shape)
    given = model.conditions.tensors(condition, 1, model.parameter_like())
    for row, column in itertools.product(range(rows), range(columns)):
        mixture = model.mixture(model.network(image, given)[:, :, row : row + 1, column : column + 1])
        for colour in range(colours):
            logits = (
                mixture.level_log_probs(image[:, :, row : row + 1, column : column + 1], colour)
                .flatten()
                .numpy()
            )
            uniform = rng.uniforms(
                seed, index, (row * columns + column) * colours + colour, rng.Purpose.TOKEN
            )
            level = int(rng.categorical(np.exp(logits), uniform))
            if prompt is not None and prompt[colour, row, column] >= 0:
                level = int(prompt[colour, row, column])
            else:
                scores[colour, row, column] = logits[level]
            image[0, colour, row, column] = level
    return image[0].numpy(), scores


def drawn(model: PixelCNNpp, n: int, **request: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and log-probabilities from a stream."""
    with model.stream(n, seed=5, log_probs=True, **request) as stream:
        samples = stream.collect().values()
    return [
        (
            np.concatenate([chunk.data for chunk in chunks], 1),
            np.concatenate([chunk.extra["log_prob"] for chunk in chunks]).transpose(1, 0, 2),
        )
        for chunks in samples
    ]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_incremental_is_the_full_forward_pass_pixel_for_pixel(engine, name):
    model, condition = model_of(name)
    exact = PixelCNNpp.from_weights(model.weights()).double()
    sampled = exact if engine == "torch" else model
    made = drawn(sampled, 3, batch=2, chunk=2, engine=engine, condition=condition)
    for index, (image, scores) in enumerate(made):
        expected, expected_scores = naive(exact, 5, index, condition)
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_known_pixels_are_held_and_seen(engine):
    model, _ = model_of("odd-colour")
    exact = PixelCNNpp.from_weights(model.weights()).double()
    prompt = np.full((3, 5, 7), -1)
    prompt[:, :3], prompt[:, 3, :2], prompt[0, 3, 2] = 1, 2, 3
    made = drawn(exact if engine == "torch" else model, 2, engine=engine, prompt=prompt)
    for index, (image, scores) in enumerate(made):
        expected, expected_scores = naive(exact, 5, index, None, prompt)
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_allclose(scores, expected_scores, atol=2e-5, rtol=1e-5)
        assert np.all(scores[prompt >= 0] == 0)


@pytest.mark.parametrize("name", ["odd-colour", "wide"])
def test_the_same_bits_in_any_batch_chunk_and_number_of_threads(name):
    model, _ = model_of(name)
    single = drawn(model, 7, engine="numba", threads=1)
    for request in ({"batch": 7, "chunk": 3, "threads": 1}, {"batch": 5, "chunk": 2, "threads": 3}):
        for (image, scores), (other, other_scores) in zip(
            single, drawn(model, 7, engine="numba", **request), strict=True
        ):
            np.testing.assert_array_equal(image, other)
            np.testing.assert_array_equal(scores, other_scores)


def test_float32_weights_are_not_rounded():
    model, _ = model_of("one-scale")
    for parameter in model.parameters():
        parameter.data *= 1.003
    exact = PixelCNNpp.from_weights(model.weights()).double()
    for index, (image, scores) in enumerate(drawn(model, 2, engine="numba")):
        expected, expected_scores = naive(exact, 5, index, None)
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_allclose(scores, expected_scores, atol=2e-5, rtol=1e-5)
    rounded = drawn(model, 2, engine="numba", precision="bfloat16")
    reference = drawn(exact, 2, engine="torch", precision="bfloat16")
    for (_, scores), (_, expected_scores) in zip(rounded, reference, strict=True):
        np.testing.assert_allclose(scores, expected_scores, atol=2e-5, rtol=1e-5)


def test_images_come_as_often_as_their_probability_says():
    model = PixelCNNpp((1, 2, 2), 2, channels=4, blocks=1, scales=2, mixtures=2, seed=3)
    for parameter in model.parameters():
        parameter.data = (2 * parameter.data).bfloat16().float()
    count = 4000
    images = model.sample(count, seed=9, engine="numba").reshape(count, 4)
    found = np.bincount(images @ [8, 4, 2, 1], minlength=16)
    everything = np.array(list(itertools.product((0, 1), repeat=4))).reshape(16, 1, 2, 2)
    expected = model.log_prob(everything).exp().numpy() * count
    likely = expected > 5
    assert likely.sum() >= 5
    statistic = np.sum((found - expected)[likely] ** 2 / expected[likely])
    assert statistic < 45  # the chi-square quantile of 1 - 1e-4 for 15 degrees of freedom is 44


def test_controls_act_on_levels_that_the_model_all_but_excludes():
    model, _ = model_of("even-blocks")
    model.head.weight.data.zero_()
    parts = model.head.bias.data.unflatten(0, (3, -1))
    parts[1], parts[2] = -1.0, -7.0  # all mass at level 0
    controls = Controls(allowed=[200, 255])
    made = [drawn(model, 1, engine=engine, controls=controls)[0] for engine in ("numba", "torch")]
    assert np.all(made[0][0] == 200)
    np.testing.assert_array_equal(made[0][0], made[1][0])
    np.testing.assert_allclose(made[0][1], made[1][1], rtol=1e-5)
    assert np.all(made[0][1] < -700)


def test_a_sampler_keeps_a_tenth_of_what_the_maps_of_an_image_need():
    settings = {"blocks": 2, "scales": 3, "channels": 16}
    model = PixelCNNpp((1, 48, 48), 256, **settings)
    engine = PixelCNNppEngine(model.weights(), Request(seed=0))
    kept = sum(array.nbytes for name, array in engine.state().items() if name in ("kept", "shifts"))
    maps = 0
    for layer in model.plan:
        # a block's inputs to its two convolutions, both activated; joined maps are counted with their own layers
        width = {"block": 4, "down": 1, "up": 1, "input": 0}[layer.kind] * model.channels
        maps += 4 * width * (48 >> layer.scale) ** 2
    assert kept < maps / 10


@pytest.mark.parametrize("name", ["odd-colour", "even-blocks", "conditioned"])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_scores_of_narrow_components_are_those_of_the_likelihood(engine, name):
    """At the lowest scale the rounding of a mean in float32 is magnified by 1097."""
    settings, condition = MODELS[name]
    model = PixelCNNpp(**{"blocks": 1, "mixtures": 3, "seed": 2} | settings | {"levels": 256})
    colours = model.codec.shape[0]
    parts = model.head.bias.data.unflatten(0, (-1, 3))
    parts[1 + colours : 1 + 2 * colours] = -20.0
    for batch, chunk in ((1, 2), (3, 1)):
        made = drawn(model, 3, engine=engine, condition=condition, batch=batch, chunk=chunk)
        given = {"condition": condition} if condition is not None else {}
        expected = model.log_prob(np.stack([image for image, _ in made]), **given).numpy()
        np.testing.assert_allclose([scores.sum() for _, scores in made], expected, atol=1e-9)


def test_the_scores_of_drawn_rows_do_not_change_the_rows():
    model, condition = model_of("odd-colour")
    controls = Controls(temperature=0.7)
    for arguments in ({}, {"controls": controls}):
        with_scores = np.stack([image for image, _ in drawn(model, 2, engine="numba", **arguments)])
        without = model.sample(2, seed=5, engine="numba", condition=condition, **arguments)
        np.testing.assert_array_equal(with_scores, without)
