"""Small random changes of shape: repeatable, within range, small, and only if requested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqgen.data.images import ImageSet, to_levels
from seqgen.image import augmenting
from seqgen.image.augmenting import jitter
from seqgen.image.objective import ImageObjective


def pictures(count: int = 6, shape: tuple[int, int, int] = (1, 12, 10)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(1, 12, 10), (3, 5, 9)])
def test_the_generator_alone_decides(shape):
    images = pictures(shape=shape)
    before = images.copy()
    changed = jitter(images, source())
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(jitter(images, source()), changed)
    assert (jitter(images, source(1)) != changed).any()
    np.testing.assert_array_equal(images, before)


def test_every_image_is_changed_in_a_way_of_its_own():
    changed = jitter(np.repeat(pictures(1), 4, 0), source())
    assert len({image.tobytes() for image in changed}) == 4


def test_intensities_stay_between_the_darkest_and_the_brightest():
    flat = np.full((4, 1, 20, 20), 255, np.uint8)
    changed = jitter(flat, source())
    assert changed.max() == 255, "no value may wrap around"
    np.testing.assert_array_equal(changed[:, :, 8:12, 8:12], 255)
    assert (changed[:, :, 0, 0] < 255).any(), "outside of the image it is dark"
    assert jitter(np.zeros_like(flat), source()).max() == 0


def test_no_change_is_the_same_image(monkeypatch):
    for name in ("TURN", "SCALE", "SHEAR", "MOVE"):
        monkeypatch.setattr(augmenting, name, 0.0)
    images = pictures()
    np.testing.assert_array_equal(jitter(images, source()), images)


def test_a_move_is_at_most_as_far_as_it_says(monkeypatch):
    """One bright column in the middle of 41: with MOVE alone its centre moves by at most MOVE of half the image."""
    for name in ("TURN", "SCALE", "SHEAR"):
        monkeypatch.setattr(augmenting, name, 0.0)
    images = np.zeros((50, 1, 41, 41), np.uint8)
    images[..., 20] = 200
    changed = jitter(images, source()).astype(float)
    # the middle row, which no border touches
    centres = (changed[:, 0, 20] * np.arange(41)).sum(1) / changed[:, 0, 20].sum(1)
    moved = np.abs(centres - 20)
    assert moved.max() <= augmenting.MOVE * 20.5 + 0.02
    assert moved.max() > 0.8 * augmenting.MOVE * 20.5


class _Recorder:
    """A model that stores the levels it was trained on."""

    def training_loss(self, levels: np.ndarray, **given: Any) -> torch.Tensor:
        self.levels = levels
        return torch.zeros(())


def levels_of(augment: float, step: int = 0) -> np.ndarray:
    data = ImageSet(pictures(20))
    objective = ImageObjective(data, data, levels=256, batch=20, seed=3, conditional=False, augment=augment)
    model: Any = _Recorder()
    objective.loss(model, step, {})
    return np.asarray(model.levels)


def test_augment_is_the_part_of_the_images_that_is_changed():
    originals = {image.tobytes() for image in to_levels(pictures(20), 256)}

    def unchanged(augment: float) -> int:
        return sum(image.tobytes() in originals for image in levels_of(augment))

    assert unchanged(0.0) == 20
    assert unchanged(1.0) == 0
    assert 3 < unchanged(0.5) < 17


def test_a_step_is_the_same_whenever_it_is_computed():
    np.testing.assert_array_equal(levels_of(0.5, step=2), levels_of(0.5, step=2))
    # not only the order differs between steps
    one, other = (sorted(image.tobytes() for image in levels_of(1.0, step)) for step in (0, 1))
    assert one != other
