"""How the recipes of `image_recipe` make an FVSBN, a NADE or an EoNADE."""

from __future__ import annotations

import math
from typing import Any

from seqgen.image.recipe import refuse_classes


def fvsbn(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """An `FVSBN` for images of this shape."""
    from seqgen.models.fvsbn.model import FVSBN

    refuse_classes("fvsbn", classes)
    if settings["levels"] != 2:
        raise ValueError(f"levels must be 2 for an FVSBN, got {settings['levels']}; a NADE takes more")
    return FVSBN(math.prod(shape), shape=shape, seed=settings["seed"])


def nade(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """A `NADE` for images of this shape."""
    from seqgen.models.nade.model import NADE

    refuse_classes("nade", classes)
    return NADE(math.prod(shape), shape=shape, **settings)


def eonade(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """An `EoNADE` for images of this shape."""
    from seqgen.models.eonade.model import EoNADE

    refuse_classes("eonade", classes)
    return EoNADE(math.prod(shape), shape=shape, **settings)
