"""Engines of two-scale models against a naive loop with the same random numbers, exact completion, and frequencies."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls, rng
from seqgen.controls import as_controls, log_softmax
from seqgen.errors import SeqgenError
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.two_scale.model import TwoScale

torch.set_num_threads(1)
both_engines = pytest.mark.parametrize("engine", ["numba", "torch"])
CONDITION = {"class": 1, "vector": [0.5, -1.5]}


def two_scale(shape=(1, 4, 6), coarse=(1, 2, 2), levels=2, **conditions) -> TwoScale:
    """Return a small model that is far from uniform."""
    model = TwoScale(
        PixelCNN(coarse, levels, 6, 2, first_kernel_size=3, seed=1, **conditions),
        PixelCNN(shape, levels, 6, 2, first_kernel_size=3, seed=2, guide=coarse, **conditions),
    )
    for parameter in model.parameters():
        parameter.data *= 3.0
    return model


@torch.no_grad()
def naive(
    model: TwoScale, index: int, seed: int, prompt: Any = None, condition: Any = None, controls: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one sample by a full forward pass per pixel; return it with its pixels' log-probabilities, drawn and own."""
    exact = TwoScale.from_weights(model.weights()).double()
    colours, rows, columns = exact.codec.shape
    down, across = exact.steps
    known = np.full(exact.codec.shape, -1) if prompt is None else prompt
    image = np.where(known < 0, 0, known)
    scores = np.zeros((2, *exact.codec.shape))
    given = exact.conditions.tensors(condition, 1, exact.parameter_like())
    bound = as_controls(controls).bind(exact.codec)
    everywhere = list(itertools.product(range(rows), range(columns), range(colours)))
    coarse = [place for place in everywhere if not place[0] % down and not place[1] % across]
    for order, place in enumerate([*coarse, *(place for place in everywhere if place not in coarse)]):
        h, w, c = place
        if known[c, h, w] >= 0:
            continue
        position = (h * columns + w) * colours + c if order >= len(coarse) else len(everywhere) + order
        logits = exact(torch.as_tensor(image[None]), given)[0, c, :, h, w].numpy()
        drawn = bound.apply(logits)
        uniform = rng.uniforms(seed, np.uint64(index), position, rng.Purpose.TOKEN)
        level = int(rng.categorical(np.exp(drawn), uniform))
        image[c, h, w] = level
        scores[:, c, h, w] = log_softmax(logits)[level], drawn[level]
    return image, scores[0], scores[1]


def completions(model: TwoScale) -> list[np.ndarray | None]:
    """Return prompts that are exact: nothing, a part of the small image, all of it, and some other pixels as well."""
    (colours, rows, columns), (down, across) = model.codec.shape, model.steps
    part, whole, more = (np.full((colours, rows, columns), -1) for _ in range(3))
    part[:, 0, : 2 * across : across] = 1
    whole[:, ::down, ::across] = 1
    more[:, ::down, ::across] = 0
    more[:, 0] = 1
    more[:, 1, 0] = 0
    return [None, part, whole, more]


@both_engines
@pytest.mark.parametrize(
    ("make", "condition", "controls"),
    [
        (two_scale, None, None),
        (two_scale, None, Controls(temperature=0.6)),
        (lambda: two_scale((3, 4, 2), (3, 2, 1), levels=3), None, Controls(top_k=2)),
        (lambda: two_scale((1, 4, 4), (1, 2, 4), levels=4, classes=2, condition_size=2), CONDITION, None),
        (lambda: two_scale((1, 3, 3), (1, 3, 3)), None, None),
    ],
    ids=["plain", "temperature", "colour", "conditions", "one-scale"],
)
def test_an_engine_equals_the_naive_loop(engine, make, condition, controls):
    model = make()
    exact = model if engine == "numba" else TwoScale.from_weights(model.weights()).double()
    for prompt in completions(model):
        request = {"prompt": prompt, "condition": condition, "controls": controls}
        stream = exact.stream(4, seed=11, start=7, engine=engine, batch=3, log_probs=True, **request)
        for index, chunks in stream.collect().items():
            image, own, drawn = naive(model, index, 11, **request)
            np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks], 1), image)
            for name, expected in (("log_prob", own), ("log_prob_drawn", drawn)):
                found = np.concatenate([chunk.extra[name] for chunk in chunks]).transpose(1, 0, 2)
                np.testing.assert_allclose(found, expected, atol=1e-5)


@both_engines
def test_the_rows_log_probabilities_add_up_to_log_prob(engine):
    model = two_scale((3, 4, 4), (3, 2, 2), levels=4, classes=3)
    for chunk in (1, 3, 4):
        stream = model.stream(3, chunk=chunk, engine=engine, batch=2, condition=2, log_probs=True)
        for chunks in stream.collect().values():
            image = np.concatenate([piece.data for piece in chunks], 1)
            total = sum(piece.extra["log_prob"].sum() for piece in chunks)
            assert total == pytest.approx(float(model.log_prob(image, condition=2)), abs=1e-4)


@both_engines
def test_images_come_as_often_as_their_probability_says(engine):
    model = two_scale((1, 2, 2), (1, 1, 1))
    images = np.array(list(itertools.product(range(2), repeat=4)))
    expected = model.log_prob(images).exp().numpy()
    n = 20_000 if engine == "numba" else 400
    drawn = model.sample(n, seed=5, engine=engine, batch=256).reshape(n, 4) @ [8, 4, 2, 1]
    counts = np.bincount(drawn, minlength=16)
    chi_square = ((counts - n * expected) ** 2 / (n * expected))[n * expected > 1].sum()
    assert chi_square < 40, "the 99.95 % point of 15 degrees of freedom"


@both_engines
@pytest.mark.parametrize("after", [1, 2, 5, 9])
def test_a_stream_resumes_in_the_middle_of_images(engine, after):
    request = {"n": 5, "batch": 2, "seed": 3, "engine": engine, "condition": CONDITION, "log_probs": True}
    request["controls"] = lambda index: Controls(temperature=0.5 + index)
    model = two_scale(levels=3, classes=2, condition_size=2)
    stream = model.stream(**request)
    for _ in range(after):
        next(stream)
    resumed = model.stream(**request)
    resumed.load_state_dict(stream.state_dict())
    for ours, theirs in zip(resumed, stream, strict=True):
        assert ours[:2] == theirs[:2]
        np.testing.assert_array_equal(ours.data, theirs.data)
        np.testing.assert_array_equal(ours.extra["log_prob_drawn"], theirs.extra["log_prob_drawn"])


@both_engines
@pytest.mark.parametrize(
    "known",
    [
        [(0, 0), (0, 1)],  # a pixel of the large image before the small one is complete
        [(0, 3)],  # a pixel of the small image, not the first
        [(0, 0), (2, 0)],
        [(0, 0), (0, 3), (2, 0), (2, 3), (0, 2)],  # of the others, (0, 1) comes first
    ],
)
def test_completions_that_are_not_exact_are_refused(engine, known):
    prompt = np.full((1, 4, 6), -1)
    for h, w in known:
        prompt[0, h, w] = 1
    model = two_scale()
    with pytest.raises(
        SeqgenError, match=r"\[:, ::2, ::3\] of the large one.*known pixels come first in that order"
    ):
        next(model.stream(1, prompt=prompt, engine=engine))
    assert model.completes == "coarse-first"


@both_engines
def test_an_image_that_is_known_is_given_back(engine):
    image = np.random.default_rng(0).integers(0, 2, (1, 4, 6))
    (chunks,) = two_scale().stream(1, prompt=image, engine=engine, log_probs=True).collect().values()
    np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks], 1), image)
    assert not any(chunk.extra["log_prob"].any() for chunk in chunks)


@both_engines
@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (None, "give condition"),
        ({"class": 5, "vector": [0, 0]}, "class must be"),
        ({"class": 1}, "condition must be"),
    ],
)
def test_wrong_conditions_are_refused(engine, condition, words):
    with pytest.raises((SeqgenError, ValueError), match=words):
        next(two_scale(classes=2, condition_size=2).stream(1, condition=condition, engine=engine))


def test_the_fused_engines_of_composed_models_need_no_torch():
    program = (
        "import sys, seqgen.models.two_scale.numba_engine, seqgen.models.pixel_cnn_autoencoder.numba_engine; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
