"""Training by gradient descent, from model and objective to a checkpoint with its card."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.extras import missing
from seqgen.training.loop import Objective, train
from seqgen.training.plots import loss_curve
from seqgen.training.recipe import Report, Trained
from seqgen.training.request import TrainingRequest
from seqgen.training.starting import begin_with


@dataclass(frozen=True, eq=False)
class Descent:
    """A model prepared for training on an objective.

    Attributes:
        model: any module of this package.
        objective: computes losses and scores.
        card: entries of the card from the recipe, such as the split; seed, date, settings and score are added.
        score: function that returns the final held-out score in the objective's unit; None is `objective.validate`.
        precision: of the stored parameters, "bfloat16" or "float32".
    """

    model: Any
    objective: Objective
    card: Mapping[str, Any] = field(default_factory=dict)
    score: Callable[[Any], float] | None = None
    precision: str = "bfloat16"

    @property
    def unit(self) -> str:
        """The unit of reported losses and scores."""
        return self.objective.unit

    def run(
        self,
        request: TrainingRequest,
        *,
        resume: bool = False,
        stop_after: int | None = None,
        card: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> Trained:
        """Train the model and write it with its card to the request's output; see `Recipe.train`.

        Raises:
            SeqgenError: if `start` is not a model of this architecture, or as in `training.loop.train`.
        """
        config, output = request.config, request.output
        state_path = output.with_suffix(".training.safetensors")
        started = {"started_from": begin_with(self.model, config.start)} if config.start else {}
        scale = self.objective.scale

        def reported(step: int, loss: float, score: float | None) -> None:
            if report is not None:
                report(step, config.steps, loss * scale, score)

        progress = train(
            self.model, self.objective, config, state_path=state_path, resume=resume, stop_after=stop_after,
            report=reported,
        )  # fmt: skip
        written = {
            "seed": config.seed,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "training": asdict(config) | {"start": Path(config.start).name},
            **started,
            **request.card(),
            **self.card,
            **(card or {}),
        }
        model = self.model
        if progress.scores and progress.scores[-1][0] == config.steps:
            # score the weights as stored
            model = rounded(model) if self.precision == "bfloat16" else model
            written |= {
                "score": round((self.score or self.objective.validate)(model), 4),
                "score_unit": self.objective.unit,
            }
            model.save(output, precision=self.precision, card=written)
            state_path.unlink(missing_ok=True)
        # last, so that a failure to draw cannot lose the model
        if not missing("matplotlib"):
            loss_curve(progress, output.with_suffix(".png"), self.unit, scale)
        return Trained(model, written, progress)


def rounded(model: Any) -> Any:
    """Return the model with its parameters rounded to bfloat16."""
    arrays = {name: from_bfloat16(to_bfloat16(array)) for name, array in model.arrays().items()}
    return type(model).from_weights(Weights(model.family, model.config(), arrays))
