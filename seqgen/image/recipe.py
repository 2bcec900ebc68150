"""The common recipe of image models: data, splits, levels, classes and the score of the test images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from seqgen.errors import SeqgenError, SeqgenWarning, integer, real
from seqgen.training.recipe import Recipe, Training
from seqgen.training.request import TrainingRequest

if TYPE_CHECKING:
    from seqgen.data.images import Splits

Build = Callable[[tuple[int, int, int], int | None, dict[str, Any]], Any]

COMMON: dict[str, Any] = {
    "levels": 2, "conditional": False, "fraction": 1.0, "augment": 0.0, "size": "", "colours": 0, "maximum": 0.0,
    "ground": "",
}  # fmt: skip
"""Settings of all image recipes: the model's "levels", whether it is "conditional" on the labels, the "fraction" of the
training images to use, the fraction of a batch to "augment" (small affine maps), and how images are read (see
`seqgen.data.reading.Reading`): "size" (28 or 28x32) and "colours" to convert to, the number that is the "maximum" of
arrays, and the "ground" of transparent images. 0 and "" are the reader's defaults.
"""


def image_recipe(
    name: str,
    build: Build,
    defaults: Mapping[str, Any],
    presets: Mapping[str, Mapping[str, Any]],
    example: str = "",
) -> Recipe:
    """Return the recipe of a family of image models.

    Args:
        name: name of the family.
        build: creates the model from the images' shape, the number of classes (None for an unconditional model) and
            the settings, including "seed".
        defaults: the model's settings in addition to `COMMON`, whose "levels" they may override.
        presets: as in `Recipe`.
    """
    return Recipe(
        name=name,
        data="a data set of images",
        prepare=lambda request: prepare(request, build),
        defaults=COMMON | dict(defaults),
        presets=presets,
        example=example,
    )


def prepare(request: TrainingRequest, build: Build) -> Training:
    """Read the images and create the model and its objective; the final score is that of the test images."""
    import numpy as np

    from seqgen.data.images import read_splits
    from seqgen.data.ranges import Expected
    from seqgen.data.reading import Reading
    from seqgen.image.objective import ImageObjective
    from seqgen.training.descent import Descent

    config, own = request.config, dict(request.settings)
    conditional, fraction, augment = (own.pop(name) for name in ("conditional", "fraction", "augment"))
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    real("augment", augment, low=0.0, high=1.0)
    reading = Reading.from_settings(
        {name: own.pop(name) for name in ("size", "colours", "maximum", "ground")}
    )
    levels = own["levels"]
    expected = Expected(integer("levels", levels, low=2, high=256))
    splits = read_splits(request.data, config.seed, expected=expected, **reading.options())
    train = splits.train.take(np.arange(max(1, round(fraction * len(splits.train)))))
    classes = class_count(splits) if conditional else None
    model = build(train.images.shape[1:], classes, {**own, "seed": config.seed})
    objective = ImageObjective(
        train, splits.validation, levels=levels, batch=config.batch, seed=config.seed, conditional=conditional,
        augment=augment, unit=getattr(model, "score_unit", None),
    )  # fmt: skip
    card = {
        "split": splits.how + (f"; {len(train)} of the training images used" if fraction < 1 else ""),
        "levels": _levels_of(splits, levels, config.seed),
        **splits.train.reading,
        **reading.card(),
        **({"classes": list(splits.train.classes)} if conditional and splits.train.classes else {}),
    }
    return Descent(
        model,
        objective,
        card,
        score=lambda stored: test_score(stored, splits, levels, config.seed, conditional),
    )


def _levels_of(splits: Splits, levels: int, seed: int) -> str:
    """Return the card's description of how levels are made from the data."""
    if splits.train.reading.get("range", "").startswith(f"0 to {levels - 1}, the levels"):
        return f"the {levels} levels of the data"
    return f"binarized by seed {seed}" if levels == 2 else f"the nearest of {levels} levels"


def class_count(splits: Splits) -> int | None:
    """Return the number of classes, numbered from 0; None if there are no labels. Warn of classes without an image."""
    import numpy as np

    labels = [
        part.labels for part in (splits.train, splits.validation, splits.test) if part.labels is not None
    ]
    if not labels:
        return None
    every = np.unique(np.concatenate(labels))
    count = int(every[-1]) + 1
    if count > len(splits.train):
        raise SeqgenError(
            f"the labels go up to {count - 1}, but there are only {len(splits.train)} images to train on; "
            "number the classes 0, 1, …"
        )
    _warn_of_untrained(splits, every, count)
    return count


def _warn_of_untrained(splits: Splits, every: Any, count: int) -> None:
    """Warn of classes of which there is no image to train on, with the remedy."""
    import numpy as np

    trained = every if splits.train.labels is None else np.unique(splits.train.labels)
    missing = [label for label in range(count) if label not in set(trained.tolist())]
    if not missing:
        return
    shown = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
    nowhere = [label for label in missing if label not in set(every.tolist())]
    if nowhere == list(range(int(every[0]))) and nowhere:
        remedy = (
            f"the labels begin with {every[0]}; subtract {every[0]} from them, for example in a .npz file"
        )
    elif nowhere:
        remedy = "number the classes 0, 1, … without gaps, for example with numpy.unique(labels, return_inverse=True)"
    else:
        remedy = "their images are in other parts of the split; give more images of them"
    warnings.warn(
        f"there is no image to train on of {'the classes' if len(missing) > 1 else 'class'} {shown} of {count}, so "
        f"the model does not learn {'them' if len(missing) > 1 else 'it'}: {remedy}",
        SeqgenWarning,
        stacklevel=3,
    )


def refuse_classes(family: str, classes: int | None) -> None:
    """Raise SeqgenError if `classes` is given for a family that takes no class."""
    if classes is not None:
        raise SeqgenError(
            f"a model of the family {family} takes no class; leave out conditional, or train a pixel-cnn"
        )


def test_score(model: Any, splits: Splits, levels: int, seed: int, conditional: bool) -> float:
    """Return the score of the test images: nats per image for two levels, bits per dimension for more."""
    from seqgen.image.objective import fixed_levels, score

    images = fixed_levels(splits.test.images, levels, seed + 1)
    return score(model, images, splits.test.labels if conditional else None, levels)
