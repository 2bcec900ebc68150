"""Two scales: the exact likelihood, the dependencies of each pixel, and models that do not fit together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.two_scale.model import TwoScale

torch.set_num_threads(1)


def two_scale(shape=(1, 4, 4), coarse=(1, 2, 2), levels=2, **conditions) -> TwoScale:
    """Return a model in float64 that is far from uniform."""
    channels = 6
    small = PixelCNN(coarse, levels, channels, 2, seed=1, **conditions)
    large = PixelCNN(shape, levels, channels, 2, seed=2, guide=coarse, **conditions)
    model = TwoScale(small, large).double()
    for parameter in model.parameters():
        parameter.data *= 3.0
    return model


def all_images(model) -> np.ndarray:
    """Return every image of the model, (L^(C·H·W), C·H·W)."""
    size = int(np.prod(model.codec.shape))
    return np.array(list(itertools.product(range(model.codec.levels), repeat=size)))


@pytest.mark.parametrize(
    ("shape", "coarse", "levels"),
    [
        ((1, 4, 2), (1, 2, 1), 2),
        ((1, 3, 3), (1, 1, 1), 2),
        ((1, 3, 3), (1, 3, 1), 2),
        ((1, 2, 2), (1, 2, 2), 4),
        ((3, 2, 2), (3, 1, 1), 2),
        ((1, 2, 3), (1, 1, 1), 3),
    ],
)
def test_the_probabilities_of_all_images_add_up_to_one(shape, coarse, levels):
    model = two_scale(shape, coarse, levels)
    scores = model.log_prob(all_images(model))
    assert float(scores.exp().sum()) == pytest.approx(1.0, abs=1e-9)
    assert float(scores.max() - scores.min()) > 3.0


@pytest.mark.parametrize(
    "condition", [{"class": 0, "vector": [1.0, -2.0]}, {"class": 2, "vector": [0.0, 0.5]}]
)
def test_they_do_so_under_every_condition(condition):
    model = two_scale((1, 2, 4), (1, 1, 2), classes=3, condition_size=2)
    images = all_images(model)
    scores = model.log_prob(images, condition=condition)
    assert float(scores.exp().sum()) == pytest.approx(1.0, abs=1e-9)
    other = model.log_prob(images, condition={"class": 1, "vector": [0.0, 0.0]})
    assert float((scores - other).abs().max()) > 0.1


def test_the_small_image_has_the_marginal_distribution_of_the_small_network():
    model = two_scale((1, 4, 2), (1, 2, 1))
    images = all_images(model)
    probabilities = model.log_prob(images).exp()
    small = model.subsample(images)
    for image in all_images(model.small):
        same = (small == image.reshape(1, *model.small.codec.shape)).all((1, 2, 3))
        expected = float(model.small.log_prob(image).exp())
        assert float(probabilities[torch.as_tensor(same)].sum()) == pytest.approx(expected, abs=1e-12)


def test_a_pixel_depends_on_those_drawn_before_it_and_on_no_other():
    model = two_scale((1, 4, 6), (1, 2, 3), levels=3)
    drawn_at = np.full((4, 6), 6)
    drawn_at[::2, ::2] = np.arange(6).reshape(2, 3)
    rest = np.ones((4, 6), bool)
    rest[::2, ::2] = False
    drawn_at[rest] = 6 + np.arange(18)
    image = torch.as_tensor(np.random.default_rng(0).integers(0, 3, (1, 1, 4, 6)))
    before = model(image).detach()[0, 0]
    depends = np.zeros((24, 24), bool)  # [of, on], in drawing order
    for h, w in itertools.product(range(4), range(6)):
        changed = image.clone()
        changed[0, 0, h, w] = (changed[0, 0, h, w] + 1) % 3
        moved = (model(changed).detach()[0, 0] != before).any(0).numpy()
        depends[drawn_at[moved], drawn_at[h, w]] = True
    assert not np.triu(depends).any()
    assert depends[5, :5].any()
    assert depends[-1, -2]
    assert depends[drawn_at[1, 1], drawn_at[2, 2]], (
        "the guide tells of a pixel that comes later in raster order"
    )


def test_subsample_takes_every_sth_pixel():
    model = two_scale((1, 4, 6), (1, 2, 2))
    image = np.arange(24).reshape(1, 4, 6) % 2
    assert model.steps == (2, 3)
    np.testing.assert_array_equal(model.subsample(image)[0], image[:, ::2, ::3])


def test_training_reaches_every_parameter_of_both_networks():
    model = two_scale(classes=2).float()
    images = np.random.default_rng(1).integers(0, 2, (5, 1, 4, 4)).astype(np.uint8)
    labels = np.array([0, 1, 1, 0, 1])
    loss = model.training_loss(images, condition=labels)
    assert float(loss.detach()) == pytest.approx(
        -float(model.log_prob(images, condition=labels).mean()) / 16, rel=1e-5
    )
    loss.backward()
    unused = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().any()}
    assert not unused


def test_saved_equals_loaded(tmp_path):
    model = two_scale((3, 4, 4), (3, 2, 2), levels=4, classes=2).float()
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = seqgen.load(path)
    assert isinstance(loaded, TwoScale)
    assert loaded.weights().hash == model.weights().hash
    image = np.random.default_rng(2).integers(0, 4, (3, 4, 4))
    assert float(loaded.log_prob(image, condition=1)) == float(model.log_prob(image, condition=1))


SMALL = {"shape": (1, 2, 2), "channels": 4, "layers": 1}
LARGE = {"shape": (1, 4, 4), "channels": 4, "layers": 1, "guide": (1, 2, 2)}


@pytest.mark.parametrize(
    ("small", "large", "words"),
    [
        ({"guide": (1, 1, 1)}, {}, r"small must not have a guide, got one of \(1, 1, 1\)"),
        ({}, {"guide": None}, r"guide=\(1, 2, 2\), got None"),
        ({}, {"guide": (1, 4, 2)}, r"guide=\(1, 2, 2\), got \(1, 4, 2\)"),
        ({"shape": (1, 2, 1)}, {}, r"guide=\(1, 2, 1\), got \(1, 2, 2\)"),
        ({"levels": 3}, {}, "same colours and levels, got 1 colours of 3 levels and 1 of 2"),
        (
            {"classes": 3},
            {},
            "same classes and condition_size, got 3 and None for small, None and None for large",
        ),
        ({}, {"condition_size": 2}, "got None and None for small, None and 2 for large"),
        ({"classes": 3}, {"classes": 4}, "got 3 and None for small, 4 and None for large"),
    ],
)
def test_networks_that_do_not_fit_are_refused(small, large, words):
    with pytest.raises(ValueError, match=words):
        TwoScale(PixelCNN(**SMALL | small), PixelCNN(**LARGE | large))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"must divide those of the image, \(4, 4\), got \(3, 2\)"):
        PixelCNN(**LARGE | {"guide": (1, 3, 2)})


def test_what_is_no_pixel_cnn_is_refused():
    with pytest.raises(TypeError, match="large must be a PixelCNN, got Linear"):
        TwoScale(PixelCNN(**SMALL), torch.nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        (None, SeqgenError, "conditioned on a class from 0 to 2; give condition"),
        (3, ValueError, "condition's class must be between 0 and 2, got 3"),
        ({"class": 1, "guide": [[0, 0], [0, 0]]}, ValueError, "condition must be a class from 0 to 2"),
    ],
)
def test_conditions_that_cannot_be_are_refused(condition, error, words):
    with pytest.raises(error, match=words):
        two_scale(classes=3).log_prob([[0] * 16], condition=condition)


def test_a_guide_is_not_for_the_user_to_give():
    with pytest.raises(SeqgenError, match="takes no condition"):
        two_scale().log_prob([[0] * 16], condition=np.zeros((1, 2, 2), np.uint8))
