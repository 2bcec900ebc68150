"""The recipes of `seqgen train hmm` and `seqgen train gaussian-mixture`: fits by EM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqgen.training.fitting import Fit
from seqgen.training.recipe import Recipe, Report, Training
from seqgen.training.request import TrainingRequest

if TYPE_CHECKING:
    import numpy as np

UNIT = "nats/observation"


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of EM: at most `iterations`, until the gain is below `tolerance` nats per observation."""

    iterations: int = 100
    tolerance: float = 1e-5
    seed: int = 0


def prepare_hmm(request: TrainingRequest) -> Training:
    """Read the sequences and create the initial model."""
    from seqgen.data.arrays import hold_out, read_sequences
    from seqgen.models.hmm.model import HMM

    chosen = dict(request.settings)
    before, after, split = hold_out(read_sequences(request.data, scalars=chosen["emission"] == "categorical"))
    if chosen["emission"] in ("categorical", "poisson") or before[0].ndim == 1:
        before, after = _as_emission(before, chosen["emission"]), _as_emission(after, chosen["emission"])
    model = HMM.initialise(chosen.pop("states"), before, seed=request.config.seed, **chosen)
    return Fit(lambda report: _fitted(model, before, after, split, request.config, report), UNIT)


def prepare_mixture(request: TrainingRequest) -> Training:
    """Read the vectors and create the initial model."""
    from seqgen.data.arrays import hold_out, read_vectors
    from seqgen.models.hmm.mixture import GaussianMixture

    chosen = dict(request.settings)
    before, after, split = hold_out([read_vectors(request.data)])
    model = GaussianMixture.initialise(
        chosen.pop("components"), before[0], seed=request.config.seed, **chosen
    )
    return Fit(lambda report: _fitted(model, before[0], after, split, request.config, report), UNIT)


def _fitted(
    model: Any, before: Any, after: list[np.ndarray], split: str, config: FitConfig, report: Report | None
) -> tuple[Any, Mapping[str, Any]]:
    """Return the model after EM on `before`, and its card with the score on `after`."""
    import numpy as np

    observations = len(before) if isinstance(before, np.ndarray) else sum(map(len, before))

    losses: list[float] = []

    def progress(iteration: int, log_prob: float) -> None:
        losses.append(-log_prob / observations)
        if report is not None:
            report(iteration, config.iterations, losses[-1], None)

    model.fit(before, iterations=config.iterations, tolerance=config.tolerance, progress=progress)
    scored = sum(float(np.sum(model.log_prob(row))) for row in after)
    score = -scored / sum(map(len, after))
    if report is not None and losses:
        # it may have converged before the last iteration
        report(len(losses), len(losses), losses[-1], score)
    return model, {
        "split": split,
        "seed": config.seed,
        "score": round(score, 4),
        "score_unit": UNIT,
    }


def _as_emission(sequences: list[np.ndarray], emission: str) -> list[np.ndarray]:
    """Convert sequences for an emission: symbols (T,), counts unchanged, else vectors (T, D)."""
    if emission == "categorical":
        return [s.astype("int64").reshape(len(s)) if s.ndim == 1 or s.shape[1] == 1 else s for s in sequences]
    return sequences if emission == "poisson" else [s.reshape(len(s), -1) for s in sequences]


HMM_RECIPE = Recipe(
    name="hmm",
    data="a .npy or .npz file of sequences",
    prepare=prepare_hmm,
    defaults={
        "states": 8, "emission": "gaussian", "structure": "dense", "covariance_type": "diag", "components": 2,
    },
    presets={"tiny": {"states": 2, "iterations": 10}},
    config=FitConfig,
    example="--set states=8 --set emission=gaussian",
)  # fmt: skip

MIXTURE_RECIPE = Recipe(
    name="gaussian-mixture",
    data="a .npy or .npz file of vectors",
    prepare=prepare_mixture,
    defaults={"components": 8, "covariance_type": "diag"},
    presets={"tiny": {"components": 2, "iterations": 10}},
    config=FitConfig,
    example="--set components=8",
)
