"""WaveNet: dilated causal convolutions over sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["WaveNet", "condition_of"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "WaveNet": "seqgen.models.wavenet.model",
        "condition_of": "seqgen.models.wavenet.objective",
    },
)

if TYPE_CHECKING:
    from seqgen.models.wavenet.model import WaveNet as WaveNet
    from seqgen.models.wavenet.objective import condition_of as condition_of
