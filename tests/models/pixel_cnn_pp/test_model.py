"""PixelCNN++: exact likelihood by enumeration, causality by gradients, any size, conditions, dropout, checkpoints."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import seqgen
from seqgen.models.pixel_cnn_pp.model import PixelCNNpp
from seqgen.models.pixel_cnn_pp.plan import HORIZONTAL, plan

SIZES = [
    ((1, 3, 3), 3, 1), ((1, 1, 5), 2, 1), ((1, 5, 1), 3, 1), ((3, 5, 7), 3, 1), ((2, 4, 6), 2, 2), ((1, 6, 5), 1, 2),
]  # fmt: skip


def model_of(shape, levels, scales=2, **settings) -> PixelCNNpp:
    """Return a small model in float64 whose distribution is far from flat."""
    settings = {"channels": 4, "blocks": 1, "mixtures": 2, "seed": 1} | settings
    model = PixelCNNpp(shape, levels, scales=scales, **settings).double()
    for parameter in model.parameters():
        parameter.data *= 2.0
    return model


def all_images(shape, levels):
    return np.array(list(itertools.product(range(levels), repeat=int(np.prod(shape))))).reshape(-1, *shape)


@pytest.mark.parametrize(
    ("shape", "levels", "scales"),
    [((1, 3, 3), 2, 1), ((1, 3, 3), 2, 3), ((3, 1, 2), 3, 2), ((2, 2, 2), 2, 2), ((1, 1, 3), 9, 2)],
)
def test_probabilities_of_all_images_sum_to_one(shape, levels, scales):
    model = model_of(shape, levels, scales)
    scores = model.log_prob(all_images(shape, levels))
    assert scores.exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    assert scores.std() > 0.3


@pytest.mark.parametrize(("shape", "scales", "blocks"), SIZES)
def test_every_pixel_sees_all_pixels_before_it_and_no_other(shape, scales, blocks):
    model = model_of(shape, 5, scales, blocks=blocks)
    _, rows, columns = shape
    image = (
        torch.randint(0, 5, (1, *shape), generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    )
    made = model.network(image)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        (gradient,) = torch.autograd.grad(made[..., row, column].sum(), image, retain_graph=True)
        seen = gradient.abs().sum((0, 1)).flatten()
        assert torch.all(seen[place:] == 0)
        # the receptive field covers these images
        assert torch.all(seen[:place] > 0)


def test_a_colour_depends_on_the_colours_before_it_and_not_on_later_ones():
    model = model_of((3, 2, 2), 6)
    image = torch.randint(0, 6, (1, 3, 2, 2), generator=torch.Generator().manual_seed(3))
    before = model.pixel_log_probs(image)[0, :, 1, 0]
    for colour in range(3):
        changed = image.clone()
        changed[0, colour, 1, 0] = (changed[0, colour, 1, 0] + 1) % 6
        after = model.pixel_log_probs(changed)[0, :, 1, 0]
        assert torch.equal(before[:colour], after[:colour])
        assert torch.all(before[colour:] != after[colour:])


def test_logits_are_those_of_the_likelihood():
    model = model_of((3, 3, 4), 7)
    image = torch.randint(0, 7, (2, 3, 3, 4), generator=torch.Generator().manual_seed(3))
    logits = model(image)
    assert logits.shape == (2, 3, 7, 3, 4)
    torch.testing.assert_close(logits.exp().sum(2), torch.ones(2, 3, 3, 4, dtype=torch.float64))
    torch.testing.assert_close(logits.gather(2, image[:, :, None])[:, :, 0], model.pixel_log_probs(image))


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("scales", [1, 2, 3])
def test_every_map_of_the_first_half_is_a_short_cut_once(blocks, scales):
    layers = plan(blocks, scales)
    count = len(layers) // 2
    for k, layer in enumerate(layers):
        assert layer.source < k
        assert all(layers[s].scale == layer.scale for s in layer.shortcuts)
        if layer.stream == HORIZONTAL and layer.kind == "block":
            assert layer.shortcuts[0] == k - count
    used = sorted(s for layer in layers[:count] for s in layer.shortcuts)
    assert used == list(range(scales * (blocks + 1) - 1))


def test_conditions_change_the_distribution():
    model = model_of((1, 3, 3), 4, classes=3, condition_size=2)
    image = np.ones((1, 1, 3, 3), np.int64)
    given = [{"class": k, "vector": v} for k, v in ((0, [0, 0]), (1, [0, 0]), (1, [0.5, -1]))]
    scores = [model.log_prob(image, condition=condition).item() for condition in given]
    assert len(set(scores)) == 3
    together = model.log_prob(np.repeat(image, 3, 0), condition=given)
    np.testing.assert_allclose(together.numpy(), scores)
    with pytest.raises(ValueError, match="class must be between 0 and 2"):
        model.log_prob(image, condition={"class": 3, "vector": [0, 0]})


def test_threads_score_with_one_model():
    model = model_of((1, 6, 5), 4).float()
    images = np.arange(30 * 64).reshape(64, 1, 6, 5) % 4
    expected = model.log_prob(images)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(model.log_prob, [images] * 16):
            assert torch.equal(found, expected)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_likelihood_is_differentiable():
    model = model_of((1, 3, 3), 4).float()
    score = model.log_prob(np.ones((2, 1, 3, 3), np.int64), grad=True).sum()
    score.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    step = 1e-6
    with torch.no_grad():
        model.head.bias += step * model.head.bias.grad
    higher = model.log_prob(np.ones((2, 1, 3, 3), np.int64)).sum()
    gained = step * float(model.head.bias.grad.square().sum())
    assert float(higher - score.detach()) == pytest.approx(gained, rel=0.05)


def test_dropout_acts_in_training_only_and_follows_its_generator():
    model = model_of((1, 4, 4), 4, dropout=0.5).float()
    images = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4) % 4
    losses = [
        model.training_loss(images, dropout_generator=torch.Generator().manual_seed(seed)).item()
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(model.log_prob(images), model.log_prob(images))


def test_a_few_steps_of_training_lower_the_loss_with_bfloat16_convolutions():
    model = PixelCNNpp((3, 4, 5), 256, channels=8, blocks=1, scales=2, mixtures=3)
    images = np.random.default_rng(0).integers(90, 110, (8, 3, 4, 5)).astype(np.uint8)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(25):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.training_loss(images, dropout_generator=torch.Generator().manual_seed(0))
        assert loss.dtype == torch.float32
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1.5


def test_a_checkpoint_gives_the_same_model(tmp_path):
    model = PixelCNNpp((3, 4, 5), 16, 6, 1, 2, 4, condition_size=2, mixtures=3, dropout=0.1)
    model.save(tmp_path / "model.safetensors")
    loaded = seqgen.load(tmp_path / "model.safetensors")
    assert isinstance(loaded, PixelCNNpp)
    assert loaded.config() == model.config()
    image = np.full((1, 3, 4, 5), 7)
    condition = {"class": 1, "vector": [0.0, 1.0]}
    assert torch.equal(
        loaded.log_prob(image, condition=condition), model.log_prob(image, condition=condition)
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("channels", 0),
        ("blocks", 0),
        ("scales", 0),
        ("mixtures", 0),
        ("dropout", 1.0),
        ("levels", 257),
        ("classes", 0),
    ],
)
def test_arguments_out_of_range_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be .*{value}"):
        PixelCNNpp((1, 4, 4), **{"levels": 4, argument: value})
