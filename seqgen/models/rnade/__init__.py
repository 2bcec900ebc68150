"""RNADE: NADE for real vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["RNADE"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "RNADE": "seqgen.models.rnade.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.rnade.model import RNADE as RNADE
