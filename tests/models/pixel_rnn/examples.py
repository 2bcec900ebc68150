"""Small PixelRNNs of both kinds that are far from flat."""

from __future__ import annotations

import pytest

from seqgen.models.pixel_rnn.model import PixelRNN
from seqgen.models.pixel_rnn.schema import KINDS

both_kinds = pytest.mark.parametrize("kind", KINDS)


def sharp(model: PixelRNN, factor: float = 2.5) -> PixelRNN:
    """Return the model with larger weights."""
    for parameter in model.parameters():
        parameter.data *= factor
    return model
