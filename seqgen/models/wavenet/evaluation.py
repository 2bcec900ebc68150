"""Held-out likelihood of a WaveNet on recordings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqgen.data.audio import Recordings, read_recordings, split_recordings
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.evaluation.parts import part_of
from seqgen.models.wavenet.objective import condition_of


def score_recordings(
    model: Any,
    card: Mapping[str, Any],
    data: Path,
    *,
    last: float = 1.0,
    part: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compute the exact log-likelihood of recordings, each from its start, in total and per sample.

    Recordings are read, trimmed and split as in training, according to the card. Mel features for conditioning are
    computed from the recordings, and classes are their sub-folders.

    Args:
        model: a `WaveNet`. card: that of the model.
        data: an audio file or folder.
        last: 1. part: "test", "validation" or "train" of the data as training splits them, or "all".
        report: called with (recordings scored, total recordings).

    Returns:
        part, split, recordings, samples, seconds, conditional, score and score_unit (as in the card), nats (total)
        and nats_per_sample. For Gaussian outputs they are densities.

    Raises:
        SeqgenError: if the recordings cannot be read, or lack a condition that the model needs.
    """
    part = part_of("recordings", part, last)
    rate = model.codec.sample_rate
    whole = read_recordings(data, rate, **card.get("reading", {}))
    if whole.notes:
        warnings.warn(f"{data}: {'; '.join(whole.notes)}", SeqgenWarning, stacklevel=3)
    if part == "all":
        chosen, words = whole, "all recordings"
    else:
        splits = split_recordings(whole, int(card.get("seed", 0)))
        chosen, words = getattr(splits, part), splits.how
    _require_conditions(model, data, chosen)
    nats = 0.0
    for number, item in enumerate(chosen.items):
        nats -= float(model.log_prob(item.samples, condition=condition_of(model, chosen, number)))
        if report is not None:
            report(number + 1, len(chosen.items))
    each = nats / chosen.samples
    return {
        "part": part,
        "split": words,
        "recordings": len(chosen.items),
        "samples": chosen.samples,
        "seconds": chosen.samples / rate,
        "conditional": bool(model.conditions.kinds),
        "score": each / math.log(2),
        "score_unit": "bits/sample",
        "nats": nats,
        "nats_per_sample": each,
    }


def _require_conditions(model: Any, data: Path, recordings: Recordings) -> None:
    if "vector" in model.conditions.kinds:
        raise SeqgenError(
            "the model is conditioned on a vector, which recordings do not have; score it from Python"
        )
    classes = model.conditions.classes
    if classes is not None and len(recordings.classes) != classes:
        raise SeqgenError(
            f"the model has {classes} classes, but {data} has {len(recordings.classes)} sub-folders, one per class"
        )
