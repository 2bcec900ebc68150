"""Discretized mixtures of logistics: mass, tails, coupling of colours, and gradients."""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch

from seqgen.kernels.compile import kernel
from seqgen.models.pixel_cnn_pp import numba_logistics as compiled
from seqgen.models.pixel_cnn_pp.logistics import LogisticMixture, groups, interval_log_prob

MIXTURES = 4
# helpers are compiled within kernels only
begin_pixel, begin_colour, level_log_probs, level_below, log_prob_of, learn = (
    kernel(helper.py_func)
    for helper in (
        compiled.begin_pixel,
        compiled.begin_colour,
        compiled.level_log_probs,
        compiled.level_below,
        compiled.log_prob_of,
        compiled.learn,
    )
)


def random_raw(colours: int, seed: int, *, extreme: float = 1.0, count: int = 5) -> torch.Tensor:
    """Return parameters of `count` pixels: (count, P, 1, 1)."""
    generator = torch.Generator().manual_seed(seed)
    size = (count, groups(colours) * MIXTURES, 1, 1)
    return torch.randn(size, generator=generator, dtype=torch.float64) * extreme


@pytest.mark.parametrize("extreme", [1.0, 5.0, 60.0])
@pytest.mark.parametrize("levels", [2, 3, 256])
@pytest.mark.parametrize("colours", [1, 2, 3])
def test_probabilities_of_all_levels_sum_to_one(colours, levels, extreme):
    mixture = LogisticMixture(random_raw(colours, 1, extreme=extreme), colours, levels)
    x = torch.randint(0, levels, (5, colours, 1, 1), generator=torch.Generator().manual_seed(2))
    for colour in range(colours):
        scores = mixture.level_log_probs(x, colour)
        assert scores.shape == (5, levels, 1, 1)
        assert torch.isfinite(scores).all()
        torch.testing.assert_close(
            scores.exp().sum(1), torch.ones(5, 1, 1, dtype=torch.float64), atol=1e-12, rtol=0
        )


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_a_level_has_the_mass_of_its_interval(levels):
    mean, scale = 0.3, 0.15
    edges = (2 * np.arange(levels - 1) + 1) / (levels - 1) - 1
    cdf = np.concatenate([[0.0], 1 / (1 + np.exp(-(edges - mean) / scale)), [1.0]])
    ours = interval_log_prob(
        torch.arange(levels),
        torch.full((levels,), mean, dtype=torch.float64),
        torch.tensor(np.log(scale)),
        levels,
    )
    np.testing.assert_allclose(ours.exp().numpy(), np.diff(cdf), rtol=1e-9)


@pytest.mark.parametrize(("mean", "log_scale"), [(-1.0, -6.9), (0.9, -5.0), (0.0, 15.0), (30.0, -2.0)])
def test_tails_agree_with_exact_arithmetic(mean, log_scale):
    levels = 256
    ours = interval_log_prob(
        torch.arange(levels),
        torch.full((levels,), mean, dtype=torch.float64),
        torch.tensor(log_scale, dtype=torch.float64),
        levels,
    )
    with localcontext() as context:
        context.prec = 1100

        def cdf(edge: Decimal) -> Decimal:
            return 1 / (1 + (-(edge - Decimal(mean)) / Decimal(log_scale).exp()).exp())

        edges = [Decimal(2 * level + 1) / (levels - 1) - 1 for level in range(levels - 1)]
        for level in (0, 100, 255):
            below = cdf(edges[level - 1]) if level else Decimal(0)
            above = cdf(edges[level]) if level < levels - 1 else Decimal(1)
            exact = float((above - below).ln())
            assert ours[level].item() == pytest.approx(exact, rel=1e-11, abs=1e-11)


def test_colours_share_a_component_and_shift_its_means():
    levels, colours = 4, 3
    raw = random_raw(colours, 3, count=1)
    weights, *rest = raw[0, :, 0, 0].reshape(groups(colours), MIXTURES).numpy()
    means, log_scales, coefficients = rest[:3], rest[3:6], np.tanh(rest[6:])
    edges = (2 * np.arange(levels - 1) + 1) / (levels - 1) - 1

    def mass(level, mean, log_scale):
        cdf = [0.0, *(1 / (1 + np.exp(-(edges - mean) / np.exp(log_scale)))), 1.0]
        return cdf[level + 1] - cdf[level]

    images = torch.tensor(list(itertools.product(range(levels), repeat=3)))[:, :, None, None]
    mixture = LogisticMixture(raw.expand(len(images), -1, -1, -1), colours, levels)
    scores = mixture.log_probs(images)
    total = 0.0
    for image, ours in zip(images[:, :, 0, 0].tolist(), scores.sum(1).flatten().tolist(), strict=True):
        r, g, _ = (2 * level / (levels - 1) - 1 for level in image)
        expected = 0.0
        for k in range(MIXTURES):
            centres = (
                means[0][k],
                means[1][k] + coefficients[0][k] * r,
                means[2][k] + coefficients[1][k] * r + coefficients[2][k] * g,
            )
            product = np.exp(weights[k]) / np.exp(weights).sum()
            for colour in range(3):
                product *= mass(image[colour], centres[colour], log_scales[colour][k])
            expected += product
        assert np.exp(ours) == pytest.approx(expected, rel=1e-9)
        total += expected
    assert total == pytest.approx(1.0)
    for colour in range(colours):
        levels_of = mixture.level_log_probs(images, colour)
        chosen = levels_of.gather(1, images[:, colour, None])[:, 0]
        torch.testing.assert_close(chosen, scores[:, colour])


def test_gradients_are_finite_in_float32_however_far_a_level_is():
    raw = (random_raw(3, 4, extreme=80.0).float()).requires_grad_()
    x = torch.tensor([0, 255, 128, 1, 254])[:, None, None, None].expand(5, 3, 1, 1)
    scores = LogisticMixture(raw, 3, 256).log_probs(x)
    (gradient,) = torch.autograd.grad(scores.sum(), raw)
    assert torch.isfinite(scores).all()
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_compiled_draws_agree_with_the_specification():
    colours, levels = 2, 17
    memory, logits = compiled.Mixture(levels, *np.zeros((3, MIXTURES))), np.zeros(levels)
    for extreme in (1.0, 30.0):
        raw = random_raw(colours, 5, extreme=extreme, count=8)
        x = np.arange(16).reshape(8, 2) % levels
        mixture = LogisticMixture(raw, colours, levels)
        expected = [
            mixture.level_log_probs(torch.as_tensor(x)[:, :, None, None], c)[..., 0, 0] for c in range(2)
        ]
        for pixel in range(8):
            flat = raw[pixel].flatten().numpy()
            begin_pixel(memory, flat, 0)
            for colour in range(colours):
                begin_colour(memory, flat, 0, colour, x[pixel])
                level_log_probs(memory, logits)
                np.testing.assert_allclose(logits, expected[colour][pixel].numpy(), rtol=1e-11, atol=1e-11)
                cumulative = np.cumsum(np.exp(logits))
                for uniform in (1e-9, 0.123, 0.5, 0.77, 1 - 1e-9):
                    level = level_below(memory, uniform)
                    assert level == int(np.sum(cumulative <= uniform))
                    exact = log_prob_of(memory, level)
                    assert exact == pytest.approx(logits[level], rel=1e-11, abs=1e-11)
                learn(memory, x[pixel, colour])
