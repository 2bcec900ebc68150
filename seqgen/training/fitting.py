"""Training by a single call: counting, EM, or a given table."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seqgen.training.recipe import Report, Trained
from seqgen.training.request import TrainingRequest


@dataclass(frozen=True)
class NoSettings:
    """The configuration of a recipe without fitting settings."""


@dataclass(frozen=True)
class Fit:
    """A model that is fitted in one call.

    Attributes:
        make: function of a report or None that returns the model and entries of its card.
        unit: the unit of reported losses; "" if none are reported.
    """

    make: Callable[[Report | None], tuple[Any, Mapping[str, Any]]]
    unit: str = ""

    def run(
        self,
        request: TrainingRequest,
        *,
        resume: bool = False,
        stop_after: int | None = None,
        card: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> Trained:
        """Fit the model and write it with its card to the request's output; see `Recipe.train`."""
        model, entries = self.make(report)
        written = {
            **request.card(),
            "seed": 0,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            **entries,
            **(card or {}),
        }
        model.save(request.output, card=written)
        return Trained(model, written)
