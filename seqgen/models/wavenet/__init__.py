"""WaveNet: an autoregressive audio model of dilated causal convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["WaveNet"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "WaveNet": "seqgen.models.wavenet.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.wavenet.model import WaveNet as WaveNet
