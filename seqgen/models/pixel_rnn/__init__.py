"""PixelRNN: an autoregressive image model of two-dimensional LSTMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["PixelRNN"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PixelRNN": "seqgen.models.pixel_rnn.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.pixel_rnn.model import PixelRNN as PixelRNN
