"""Expectation-maximisation: the EM loop of HMMs and mixtures, and its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from seqgen.errors import SeqgenError, integer, real

Progress = Callable[[int, float], None]
Statistics = TypeVar("Statistics")


@dataclass(frozen=True)
class FitHistory:
    """The history of a fit.

    Attributes:
        log_likelihoods: log-likelihood in nats of the parameters at the start of each iteration.
        converged: whether the last gain was below the tolerance.
    """

    log_likelihoods: tuple[float, ...]
    converged: bool


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Validated options of a fit, documented at `HMM.fit`."""

    iterations: int
    tolerance: float
    smoothing: float = 0.0
    regularisation: float = 0.0

    def __post_init__(self) -> None:
        integer("iterations", self.iterations, low=1)
        for name in ("tolerance", "smoothing", "regularisation"):
            real(name, getattr(self, name), low=0.0)


def expectation_maximization(
    expect: Callable[[], tuple[float, Statistics]],
    maximise: Callable[[Statistics], None],
    options: FitOptions,
    *,
    observations: int,
    progress: Progress | None,
) -> FitHistory:
    """Alternate `expect` and `maximise` until the gain is below the tolerance.

    Args:
        expect: returns the log-likelihood of the current parameters and the statistics for `maximise`.
        maximise: updates the parameters.
        options: iterations and tolerance.
        observations: number of observations; the tolerance is per observation.
        progress: called with the iteration and its log-likelihood.
    """
    values: list[float] = []
    for iteration in range(options.iterations):
        value, statistics = expect()
        if not np.isfinite(value):
            raise SeqgenError(
                f"the log-likelihood is {value} in iteration {iteration}: an observation has probability 0 "
                "under the model; start from parameters that allow every observation"
            )
        values.append(value)
        if progress is not None:
            progress(iteration, value)
        if len(values) > 1 and value - values[-2] < options.tolerance * observations:
            return FitHistory(tuple(values), True)
        maximise(statistics)
    return FitHistory(tuple(values), False)
