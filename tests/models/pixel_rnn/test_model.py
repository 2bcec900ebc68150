"""PixelRNN: normalisation by enumeration, dependencies by gradients, and the layers against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

import seqgen
from seqgen.errors import SeqgenError
from seqgen.image.model import dropper
from seqgen.models.pixel_rnn.layers import diagonal_states, skew, unskew
from seqgen.models.pixel_rnn.model import PixelRNN
from tests.models.pixel_rnn.examples import both_kinds, sharp


def all_images(shape: tuple[int, int, int], levels: int) -> np.ndarray:
    """Return every image of a shape, (levels^size, C, H, W)."""
    rows = list(itertools.product(range(levels), repeat=int(np.prod(shape))))
    return np.array(rows, np.uint8).reshape(-1, *shape)


def dependencies(model: PixelRNN, shape: tuple[int, int, int], tries: int = 3) -> np.ndarray:
    """Return which inputs change which outputs, (outputs, inputs) bool, both in raster order with colours innermost."""
    model.scale = lambda x: x  # type: ignore[method-assign]
    size = int(np.prod(shape))
    found = torch.zeros(size, size, dtype=torch.bool)
    for k in range(tries):
        image = torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(k))

        def first_logit(x: Tensor) -> Tensor:
            return model(x)[0, :, 0].permute(1, 2, 0).flatten()

        jacobian = torch.autograd.functional.jacobian(first_logit, image)
        found |= jacobian[:, 0].permute(0, 2, 3, 1).flatten(1) != 0
    return found.numpy()


@both_kinds
@pytest.mark.parametrize(
    ("shape", "levels"),
    [((1, 3, 3), 2), ((3, 1, 3), 2), ((3, 2, 1), 2), ((2, 2, 2), 2), ((1, 2, 3), 3)],
)
def test_the_probabilities_of_all_images_sum_to_one(kind, shape, levels):
    model = sharp(PixelRNN(shape, levels, channels=6, layers=2, kind=kind, seed=3)).double()
    log_probs = model.log_prob(all_images(shape, levels))
    assert float(log_probs.exp().sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(log_probs.max() - log_probs.min()) > 3.0, "the distribution is too flat to test anything"


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", [(1, 4, 11), (3, 3, 9), (2, 6, 3), (3, 1, 4), (3, 5, 1)])
def test_a_pixel_of_the_diagonal_kind_sees_all_before_it_and_none_after(shape, layers):
    model = sharp(
        PixelRNN(shape, 3, channels=24, layers=layers, kind="diagonal", first_kernel_size=3)
    ).double()
    size = int(np.prod(shape))
    np.testing.assert_array_equal(dependencies(model, shape), np.tri(size, k=-1, dtype=bool))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("kernel", "first"), [(3, 3), (5, 3), (1, 5)])
def test_a_pixel_of_the_row_kind_sees_its_triangle_and_no_more(kernel, first, layers):
    shape = (1, 5, 12)
    model = PixelRNN(
        shape, 3, channels=24, layers=layers, kind="row", kernel_size=kernel, first_kernel_size=first
    )
    found = dependencies(sharp(model).double(), shape)
    np.testing.assert_array_equal(found, triangles(shape[1:], kernel // 2, first // 2, layers))
    assert not found[-1].all(), "the context of a Row LSTM is not all of the image"


def triangles(size: tuple[int, int], side: int, first: int, layers: int) -> np.ndarray:
    """Return the contexts of a Row LSTM with one colour, by applying the paper's equations to sets of pixels."""
    rows, columns = size
    places = list(itertools.product(range(rows), range(columns)))
    features = {
        (r, c): {
            (y, x) for y, x in places if r - first <= y <= r and abs(x - c) <= first and (y < r or x < c)
        }
        for r, c in places
    }
    for _ in range(layers):
        states: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for r, c in places:
            own = [features[r, x] for x in range(max(0, c - side), c + 1)]
            above = [states.get((r - 1, x), set()) for x in range(c - side, c + side + 1)]
            states[r, c] = set().union(*own, *above)
        features = {place: features[place] | states[place] for place in places}
    return np.array([[other in features[place] for other in places] for place in places])


@pytest.mark.parametrize("colours", [2, 3])
def test_colours_of_the_row_kind_see_those_before_them(colours):
    shape = (colours, 3, 4)
    model = sharp(PixelRNN(shape, 2, channels=24, layers=2, kind="row", kernel_size=5)).double()
    found = dependencies(model, shape)
    assert not np.triu(found).any(), "a later pixel or colour leaks"
    # the first kernel and the triangle are larger than this image
    np.testing.assert_array_equal(found, np.tri(len(found), k=-1, dtype=bool))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3)])
def test_skewed_maps(rows, columns):
    maps = torch.arange(1, 2 * rows * columns + 1).view(2, rows, columns)
    skewed = skew(maps)
    assert skewed.shape == (2, rows, rows + columns - 1)
    for r, c in itertools.product(range(rows), range(columns)):
        assert torch.equal(skewed[:, r, c + r], maps[:, r, c])
    assert int((skewed != 0).sum()) == maps.numel()
    assert torch.equal(unskew(skewed, columns), maps)


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (4, 1), (3, 5), (5, 3)])
def test_diagonal_states_equal_a_loop_over_pixels(rows, columns):
    noise = torch.Generator().manual_seed(4)
    gates = torch.randn(2, 2, 12, rows, columns, dtype=torch.float64, generator=noise)
    weight = torch.randn(2, 12, 3, 2, dtype=torch.float64, generator=noise)
    made = diagonal_states(gates, weight)
    for side, image in itertools.product(range(2), range(2)):
        states = torch.zeros(rows + 1, columns + 1, 3, dtype=torch.float64)
        cells = torch.zeros_like(states)
        for r, c in itertools.product(range(rows), range(columns)):
            above, beside = states[r, c + 1], states[r + 1, c]
            sums = (
                gates[side, image, :, r, c] + weight[side, :, :, 0] @ above + weight[side, :, :, 1] @ beside
            )
            o, f, i, g = sums.view(4, 3)
            cells[r + 1, c + 1] = f.sigmoid() * cells[r + 1, c] + i.sigmoid() * g.tanh()
            states[r + 1, c + 1] = o.sigmoid() * cells[r + 1, c + 1].tanh()
        torch.testing.assert_close(made[side, image], states[1:, 1:].permute(2, 0, 1))


def test_the_row_layer_equals_a_loop_over_pixels():
    model = sharp(PixelRNN((1, 3, 5), channels=4, layers=1, kind="row", seed=2)).double()
    layer = model.layers[0]
    features = torch.randn(1, 8, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made = layer(features, features[:, :1], dropper(0.0, None))
    states = torch.zeros(4, 7, 4, dtype=torch.float64)
    cells = torch.zeros_like(states)
    for r, c in itertools.product(range(3), range(5)):
        sums = layer.inputs.bias.clone()
        for tap in range(2):
            if c - 1 + tap >= 0:
                sums += layer.inputs.weight[:, :, 0, tap] @ features[0, :, r, c - 1 + tap]
        for tap in range(3):
            sums += layer.states.weight[:, :, tap] @ states[r, c + tap]
        o, f, i, g = sums.view(4, 4)
        cells[r + 1, c + 1] = f.sigmoid() * cells[r, c + 1] + i.sigmoid() * g.tanh()
        states[r + 1, c + 1] = o.sigmoid() * cells[r + 1, c + 1].tanh()
        out = features[0, :, r, c] + layer.up.weight[:, :, 0, 0] @ states[r + 1, c + 1] + layer.up.bias
        torch.testing.assert_close(made[0, :, r, c], out)


@both_kinds
def test_saved_and_loaded_it_is_the_same_model(kind, tmp_path):
    model = PixelRNN(
        (3, 2, 3), 4, channels=6, layers=2, kind=kind, kernel_size=5, head_channels=9, dropout=0.25, seed=8
    )
    model.save(tmp_path / "model.safetensors")
    loaded = seqgen.load(tmp_path / "model.safetensors")
    assert isinstance(loaded, PixelRNN)
    assert loaded.config() == model.config()
    images = np.random.default_rng(0).integers(0, 4, (5, 3, 2, 3))
    assert torch.equal(loaded.log_prob(images), model.log_prob(images))


@both_kinds
def test_training_lowers_the_loss_and_dropout_is_a_function_of_its_generator(kind):
    model = PixelRNN((1, 4, 4), channels=8, layers=1, kind=kind, dropout=0.3, first_kernel_size=3)
    images = np.repeat(np.eye(4, dtype=np.uint8)[None, None], 8, 0)

    def loss(seed: int | None) -> Tensor:
        noise = None if seed is None else torch.Generator().manual_seed(seed)
        return model.training_loss(images, dropout_generator=noise)

    assert torch.equal(loss(1), loss(1))
    assert not torch.equal(loss(1), loss(2))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    before = loss(None).item()
    for step in range(60):
        optimizer.zero_grad()
        value = loss(step)
        value.backward()
        optimizer.step()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert loss(None).item() < 0.2 * before


def test_wrong_arguments_are_refused():
    for arguments, message in [
        ({"kind": "rows"}, "kind must be one of 'row', 'diagonal', got 'rows'"),
        ({"shape": (3, 4, 4), "channels": 32}, "channels must be a multiple of the 3 colours, got 32"),
        ({"shape": (3, 4, 4), "channels": 6, "head_channels": 8}, "head_channels must be a multiple"),
        ({"kernel_size": 4}, "kernel_size must be odd, got 4"),
        ({"first_kernel_size": 1}, "first_kernel_size must be at least 3, got 1"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"dropout": 1.0}, "dropout must be >=0.0 and <1.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            PixelRNN(**arguments)
    with pytest.raises(SeqgenError, match="takes no condition"):
        PixelRNN((1, 2, 2), channels=2, layers=1).log_prob([[[0, 1], [1, 0]]], condition=3)
