"""PixelCNN: a normalised distribution, in which every pixel depends only on those before it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import seqgen
from seqgen.checkpoint import Weights, save_weights
from seqgen.errors import SeqgenError
from seqgen.models.pixel_cnn.model import PixelCNN
from tests.models.pixel_cnn.examples import sharpened

ALL_CONDITIONS: dict[str, Any] = {"classes": 3, "condition_size": 2, "guide": (1, 1, 1)}
CONDITION = {"class": 1, "vector": [0.5, -2.0], "guide": [[[1]]]}


def images(shape: tuple[int, int, int], levels: int) -> np.ndarray:
    """Return every possible image."""
    values = list(itertools.product(range(levels), repeat=int(np.prod(shape))))
    return np.array(values, np.uint8).reshape(-1, *shape)


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
@pytest.mark.parametrize(
    ("shape", "levels", "arguments", "condition"),
    [
        ((1, 3, 3), 2, {}, None),
        ((1, 3, 3), 2, {**ALL_CONDITIONS, "position": True}, CONDITION),
        ((3, 1, 2), 3, {"classes": 2}, 0),
        ((2, 2, 2), 2, {"kernel_size": 1, "layers": 2}, None),
    ],
    ids=["binary", "conditioned", "colours", "kernel of one pixel"],
)  # fmt: skip
def test_the_probabilities_of_all_images_add_up_to_one(gated, shape, levels, arguments, condition):
    sizes = {"channels": 6, "layers": 3, **arguments}
    model = sharpened(PixelCNN(shape, levels, gated=gated, seed=3, **sizes)).double()
    log_probs = model.log_prob(images(shape, levels), condition=condition)
    assert float(log_probs.exp().sum()) == pytest.approx(1.0, abs=1e-10)
    assert float(log_probs.std()) > 0.5, "a flat distribution would add up however it were computed"


def seen(model: PixelCNN, place: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels (C, H, W) that influence the logits at a place.

    Gradients are computed in float64 at some of eight random images (at a single one, a ReLU may hide an influence).
    """
    image = torch.randn(
        8, *model.codec.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    image.requires_grad_(True)
    colour, row, column = place
    logits = model(image)[:, colour, :, row, column]
    weights = torch.linspace(0.5, 1.5, logits.shape[1], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((logits * weights).sum(), image)
    return (gradient.numpy() != 0).any(0)


def before(shape: tuple[int, int, int], place: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels (C, H, W) that come before a place: rows, then columns, then colours."""
    colours, rows, columns = shape
    order = np.arange(rows * columns * colours).reshape(rows, columns, colours).transpose(2, 0, 1)
    return order < order[place]


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 3, 4)], ids=["grey", "colours"])
def test_every_output_of_the_gated_network_sees_every_pixel_before_it_and_no_other(shape):
    model = sharpened(PixelCNN(shape, 3, channels=12, layers=6, first_kernel_size=5, seed=2)).double()
    for place in itertools.product(*map(range, shape)):
        np.testing.assert_array_equal(seen(model, place), before(shape, place), err_msg=str(place))


def test_the_plain_network_has_a_blind_spot_to_the_right_that_the_gated_one_has_not():
    shape, place = (1, 6, 9), (0, 4, 2)
    sizes: dict[str, Any] = {"channels": 12, "layers": 6, "first_kernel_size": 3}
    plain = seen(sharpened(PixelCNN(shape, gated=False, **sizes)).double(), place)[0]
    gated = seen(sharpened(PixelCNN(shape, gated=True, **sizes)).double(), place)[0]
    rows, columns = np.indices(shape[1:])
    earlier = before(shape, place)[0]
    # with kernels of three columns a path moves at most one column to the right for each row up
    hidden = earlier & (columns - place[2] > place[1] - rows)
    assert hidden.any()
    assert not plain[hidden].any()
    np.testing.assert_array_equal(plain, earlier & ~hidden)
    assert gated[hidden & (columns < 8)].any()
    np.testing.assert_array_equal(gated, earlier)


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_colours_are_in_the_order_red_green_blue(gated):
    shape = (3, 2, 3)
    model = sharpened(PixelCNN(shape, channels=12, layers=3, gated=gated, seed=5)).double()
    for colour in range(3):
        own = seen(model, (colour, 1, 1))[:, 1, 1]
        np.testing.assert_array_equal(own, np.arange(3) < colour)
        assert not seen(model, (colour, 1, 1))[:, 1, 2].any()


def test_conditions_change_the_distribution_and_are_demanded():
    model = sharpened(PixelCNN((1, 3, 3), channels=4, layers=2, **ALL_CONDITIONS))
    changed = [{"class": 2}, {"vector": [0.5, 2.0]}, {"guide": [[[0]]]}]
    image = np.ones((1, 3, 3), np.uint8)
    scores = {float(model.log_prob(image, condition=CONDITION | one)[0]) for one in [{}, *changed]}
    assert len(scores) == 4
    with pytest.raises(SeqgenError, match="conditioned on a class from 0 to 2 and a vector of 2 numbers"):
        model.log_prob(image)
    with pytest.raises(ValueError, match="class"):
        model.log_prob(image, condition=CONDITION | {"class": 3})
    with pytest.raises(SeqgenError, match="takes no condition"):
        PixelCNN((1, 3, 3), channels=4, layers=1).log_prob(image, condition=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "channels must be"),
        ({"shape": (3, 2, 2), "channels": 8}, "channels must be a multiple of the 3 colours, got 8"),
        ({"kernel_size": 2}, "kernel_size must be odd, got 2"),
        ({"first_kernel_size": 1}, "first_kernel_size must be"),
        ({"layers": 0}, "layers must be"),
        ({"levels": 257}, "levels must be"),
        ({"guide": (1, 3, 2)}, "guide's rows and columns must divide"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"seed": 2**64}, "seed must be"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PixelCNN(**{"shape": (1, 4, 4), "channels": 4, "layers": 1} | arguments)


@pytest.mark.parametrize("argument", ["gated", "position"])
def test_switches_must_be_true_or_false(argument):
    with pytest.raises(TypeError, match=f"{argument} must be True or False, got 'no'"):
        PixelCNN((1, 4, 4), channels=4, layers=1, **{argument: "no"})


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_positions_tell_places_apart_that_a_convolution_cannot(gated):
    """In the middle of a dark image, every pixel has the same pixels around it."""
    shape = (1, 9, 9)
    dark = np.zeros((1, *shape), np.int64)
    logits = {}
    for position in (False, True):
        model = PixelCNN(shape, channels=4, layers=1, first_kernel_size=3, gated=gated, position=position)
        for bias in (model.row_bias, model.column_bias):
            if bias is not None:
                bias.data *= 30.0
        logits[position] = model(torch.as_tensor(dark))[0, 0, 1, 1:, 1:-1].detach()
    assert float(logits[False].std()) < 1e-6
    assert float(logits[True].std(0).min()) > 1e-3
    assert float(logits[True].std(1).min()) > 1e-3


@pytest.mark.parametrize("position", [False, True])
def test_positions_are_saved_and_loaded(position, tmp_path):
    path = tmp_path / "model.safetensors"
    model = sharpened(PixelCNN((1, 3, 3), channels=4, layers=2, position=position, seed=1))
    model.save(path)
    loaded = seqgen.load(path)
    assert loaded.config() == model.config()
    assert loaded.config()["position"] is position
    assert (
        {"row_bias", "column_bias"} <= set(loaded.arrays()) if position else "row_bias" not in loaded.arrays()
    )
    every = images((1, 3, 3), 2)
    np.testing.assert_array_equal(loaded.log_prob(every), model.log_prob(every))


def test_checkpoints_from_before_there_were_positions_still_load(tmp_path):
    path = tmp_path / "old.safetensors"
    model = sharpened(PixelCNN((1, 3, 3), channels=4, layers=2, seed=1))
    config = {name: value for name, value in model.config().items() if name != "position"}
    save_weights(Weights(model.family, config, model.arrays()), path)
    loaded = seqgen.load(path)
    assert loaded.config() == model.config()
    for engine in ("numba", "torch", "fixed-point"):
        drawn = [c.data for c in seqgen.stream(path, n=1, seed=2, engine=engine)]
        np.testing.assert_array_equal(np.concatenate(drawn, 1), model.sample(1, seed=2, engine=engine)[0])
