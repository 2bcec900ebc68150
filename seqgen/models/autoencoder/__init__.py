"""The plain auto-encoder, trained with the squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["AutoEncoder"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AutoEncoder": "seqgen.models.autoencoder.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.autoencoder.model import AutoEncoder as AutoEncoder
