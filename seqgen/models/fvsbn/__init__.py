"""The fully visible sigmoid belief network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["FVSBN"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FVSBN": "seqgen.models.fvsbn.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.fvsbn.model import FVSBN as FVSBN
