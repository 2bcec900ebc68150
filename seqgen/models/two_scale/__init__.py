"""Two-scale generation: a small image, then the large image given it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["TwoScale"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TwoScale": "seqgen.models.two_scale.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.two_scale.model import TwoScale as TwoScale
