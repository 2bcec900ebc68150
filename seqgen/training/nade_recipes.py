"""How the recipes of `image_recipe` make an FVSBN, a NADE or an EoNADE."""

from __future__ import annotations

import math
from typing import Any

from seqgen.errors import SeqgenError


def fvsbn(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """An `FVSBN` for images of this shape."""
    from seqgen.models.fvsbn import FVSBN

    _refuse_classes(classes)
    if settings["levels"] != 2:
        raise ValueError(f"levels must be 2 for an FVSBN, got {settings['levels']}; a NADE takes more")
    return FVSBN(math.prod(shape), shape=shape, seed=settings["seed"])


def nade(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """A `NADE` for images of this shape."""
    from seqgen.models.nade import NADE

    _refuse_classes(classes)
    return NADE(math.prod(shape), shape=shape, **settings)


def eonade(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """An `EoNADE` for images of this shape."""
    from seqgen.models.eonade import EoNADE

    _refuse_classes(classes)
    return EoNADE(math.prod(shape), shape=shape, **settings)


def _refuse_classes(classes: int | None) -> None:
    if classes is not None:
        raise SeqgenError("this model takes no condition; leave conditional out, or train a pixel-cnn")
