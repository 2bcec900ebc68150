"""Held-out likelihood of RNADE on a file of vectors; each vector is one sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.arrays import read_vectors
from seqgen.errors import SeqgenError
from seqgen.evaluation.sequences import summary
from seqgen.models.rnade.model import RNADE


def score_vectors(
    model: RNADE,
    card: Mapping[str, Any],
    data: Path,
    *,
    last: float = 1.0,
    part: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compute the exact log-density of the vectors of a .npy or .npz file, in total and per vector."""
    if last != 1.0 or part is not None:
        raise SeqgenError(
            "--last is for texts, --part for images and recordings; give a file of held-out vectors"
        )
    vectors = read_vectors(data, streamed=True)
    nats = -float(np.sum(np.asarray(model.log_prob(vectors))))
    return summary(model.codec, data, nats, len(vectors), sequences=1)
