"""EoNADE: an order-agnostic NADE, one network for all orders of the dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["EoNADE"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EoNADE": "seqgen.models.eonade.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.eonade.model import EoNADE as EoNADE
