"""NADE: the neural autoregressive distribution estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["BLOCK", "NADE", "earlier"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "NADE": "seqgen.models.nade.model",
        "BLOCK": "seqgen.models.nade.model",
        "earlier": "seqgen.models.nade.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.nade.model import BLOCK as BLOCK
    from seqgen.models.nade.model import NADE as NADE
    from seqgen.models.nade.model import earlier as earlier
