"""Character RNNs: tanh, GRU and LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["CharRNN"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CharRNN": "seqgen.models.char_rnn.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.char_rnn.model import CharRNN as CharRNN
