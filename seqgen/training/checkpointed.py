"""A training run from model and objective to a checkpoint with its card: what all recipes have in common."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.training.loop import Objective, Progress, TrainingConfig, train
from seqgen.training.plots import loss_curve
from seqgen.training.starting import begin_with

Report = Callable[[int, int, float, float | None], None]


def train_to_checkpoint(
    model: Any,
    objective: Objective,
    config: TrainingConfig,
    output: Path,
    *,
    card: dict[str, Any],
    score: Callable[[Any], float] | None = None,
    precision: str = "bfloat16",
    resume: bool = False,
    stop_after: int | None = None,
    report: Report | None = None,
) -> tuple[Any, dict[str, Any], Progress]:
    """Train `model`, and write it with its card to `output`.

    The loss curve goes beside it as .png and, while training, the state from which `resume` goes on as
    .training.safetensors.

    Args:
        card: what to say of data, licence, split and command; seed, date, settings and score are added.
        score: the held-out score of the finished model in the objective's unit; None is `objective.validate`.
        precision: of the stored parameters, "bfloat16" or "float32".
        resume, stop_after: as in `train`. report: called after every step with (step, steps, loss, score or None).

    Returns:
        the model as it was stored (or the unfinished one), its card and the record of the run.

    Raises:
        SeqgenError: if `config.start` is no model of this architecture, or as in `train`.
    """
    state_path = output.with_suffix(".training.safetensors")
    started = {"started_from": begin_with(model, config.start)} if config.start else {}
    progress = train(
        model, objective, config, state_path=state_path, resume=resume, stop_after=stop_after,
        report=None if report is None else lambda step, *rest: report(step, config.steps, *rest),
    )  # fmt: skip
    loss_curve(progress, output.with_suffix(".png"), objective.unit)
    written = {
        "seed": config.seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "training": asdict(config) | {"start": Path(config.start).name},
        **started,
        **card,
    }
    if not progress.scores or progress.scores[-1][0] < config.steps:
        return model, written, progress
    # the score is that of the weights as they are stored
    stored = rounded(model) if precision == "bfloat16" else model
    written |= {
        "score": round((score or objective.validate)(stored), 4),
        "score_unit": objective.unit,
    }
    stored.save(output, precision=precision, card=written)
    state_path.unlink(missing_ok=True)
    return stored, written, progress


def rounded(model: Any) -> Any:
    """The model with its parameters rounded to bfloat16."""
    arrays = {name: from_bfloat16(to_bfloat16(array)) for name, array in model.arrays().items()}
    return type(model).from_weights(Weights(model.family, model.config(), arrays))
