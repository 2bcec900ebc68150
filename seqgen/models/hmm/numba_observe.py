"""Draws of observations given the hidden states, for each kind of emission.

Legend: B lanes, N symbols, D dimensions, K states, V symbols.
"""

from __future__ import annotations

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.engines.lane_controls import LaneControls
from seqgen.models.hmm import numba_sampling as loops
from seqgen.models.hmm.emissions import Categorical, Emission, Gaussian, GaussianMixture, Poisson
from seqgen.models.hmm.inverse_cdf import GuideTable, guide_table
from seqgen.models.hmm.numba_sampling import Steps
from seqgen.models.hmm.start import controlled

Arrays = dict[str, np.ndarray]


class Observer:
    """Draws the observations of an emission without controls."""

    def begin(self, lanes: np.ndarray, start: Start) -> None:
        """Begin samples in `lanes`."""

    def state(self) -> Arrays:
        """Return the state of all lanes."""
        return {}

    def restored(self) -> None:
        """Update what depends on the arrays of `state` after they were overwritten."""

    def room(self, shape: tuple[int, int]) -> Arrays:
        """Allocate the draws of (B, N) steps: "symbols" (B, N, max(1, D)), and arrays specific to the emission."""
        raise NotImplementedError

    def draw(self, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> None:
        """Fill `drawn` for `lanes`; threads may do this concurrently for different lanes."""
        raise NotImplementedError

    def log_drawn(self, lane: int, states: np.ndarray, x: np.ndarray, drawn: Arrays) -> np.ndarray | None:
        """Return the log-probability of each observation of a lane after the controls; None if they change nothing."""
        return None

    def table(self) -> GuideTable | None:
        """Return the table with a row for each state and dimension from which all lanes draw integers, if there is."""
        return None


class Counts(Observer):
    """Poisson counts."""

    def __init__(self, emission: Poisson, weights: Weights) -> None:
        self._dims = max(1, emission.dimensions)
        self._table = weights.once("counts", lambda: guide_table(*emission.rows()))

    def room(self, shape: tuple[int, int]) -> Arrays:
        return {"symbols": np.empty((*shape, self._dims), np.int64)}

    def draw(self, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> None:
        draw_integers(self._table, lanes, steps, drawn)

    def table(self) -> GuideTable:
        return self._table


class Vectors(Observer):
    """Gaussian vectors and mixtures of them."""

    def __init__(self, emission: Gaussian | GaussianMixture, weights: Weights) -> None:
        mixing, self._means, self._factors = emission.components()
        self._mixed, self._components = isinstance(emission, GaussianMixture), mixing.shape[1]
        self._table = weights.once("components", lambda: guide_table(mixing))

    def room(self, shape: tuple[int, int]) -> Arrays:
        symbols = np.empty((*shape, self._means.shape[1]))
        if not self._mixed:
            return {"symbols": symbols}
        return {"symbols": symbols, "components": np.zeros(shape, np.int64)}

    def draw(self, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> None:
        rows = steps.states
        if self._mixed:
            components = drawn["components"]
            if self._components > 1:
                loops.sample_components(lanes, tuple(steps), tuple(self._table), components)
            rows = rows * self._components + components
        loops.sample_gaussian(lanes, tuple(steps), rows, self._means, self._factors, drawn["symbols"])


class Symbols(Observer):
    """Categorical symbols, whose distribution controls may change.

    Lanes with the same controls share a table, found by its key. A repetition penalty has no table, because its effect
    depends on the symbols so far.
    """

    def __init__(self, emission: Categorical, request: Request, weights: Weights) -> None:
        probabilities = emission.probabilities
        with np.errstate(divide="ignore"):
            self._log_p = weights.once("log_p", lambda: np.log(probabilities))
        self._controls = LaneControls(request.lanes, emission.size)
        self._plain = weights.once("symbols", lambda: guide_table(probabilities))
        self._keys = [b""] * request.lanes
        self._tables: dict[bytes, tuple[np.ndarray, GuideTable]] = {}
        self._penalised = False

    def begin(self, lanes: np.ndarray, start: Start) -> None:
        if start.controls.reshapes:
            # raises errors before anything is drawn, even if a penalty will change the rows later
            controlled(self._log_p, start.controls)
        self._controls.begin(lanes, start.controls, start.prompt)
        self._tabulate(lanes)

    def state(self) -> Arrays:
        return self._controls.state()

    def restored(self) -> None:
        self._tabulate(np.arange(len(self._keys)))

    def _tabulate(self, lanes: np.ndarray) -> None:
        """Find or create the table of each of `lanes`, and delete tables that no lane uses."""
        controls = self._controls
        for lane in lanes.tolist():
            key = b""
            if controls.reshapes[lane] and not controls.parameters[lane, 0]:
                key = controls.parameters[lane].tobytes() + controls.allowed[lane].tobytes()
                if key not in self._tables:
                    log_p = controlled(self._log_p, controls.of(lane))
                    self._tables[key] = (log_p, guide_table(np.exp(log_p)))
            self._keys[lane] = key
        used = set(self._keys)
        self._tables = {key: table for key, table in self._tables.items() if key in used}
        self._penalised = bool(controls.parameters[:, 0].any())

    def room(self, shape: tuple[int, int]) -> Arrays:
        room = {"symbols": np.empty((*shape, 1), np.int64)}
        return {**room, "log_drawn": np.zeros(shape)} if self._penalised else room

    def draw(self, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> None:
        if self._penalised:
            lanes = self._draw_penalised(lanes, steps, drawn)
        if not self._tables:
            draw_integers(self._plain, lanes, steps, drawn)
            return
        groups: dict[bytes, list[int]] = {}
        for lane in lanes.tolist():
            groups.setdefault(self._keys[lane], []).append(lane)
        for key, some in groups.items():
            table = self._tables[key][1] if key else self._plain
            draw_integers(table, np.array(some), steps, drawn)

    def table(self) -> GuideTable | None:
        return None if self._penalised or self._tables else self._plain

    def _draw_penalised(self, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> np.ndarray:
        """Draw for the lanes with a repetition penalty; return the others."""
        controls = self._controls
        penalised = controls.parameters[lanes, 0] != 0.0
        loops.sample_penalised(
            lanes[penalised],
            tuple(steps),
            self._log_p,
            controls.for_kernels(),
            drawn["symbols"],
            drawn["log_drawn"],
        )
        return lanes[~penalised]

    def log_drawn(self, lane: int, states: np.ndarray, x: np.ndarray, drawn: Arrays) -> np.ndarray | None:
        if self._controls.parameters[lane, 0]:
            return drawn["log_drawn"][lane, : len(x)]
        key = self._keys[lane]
        return self._tables[key][0][states, x] if key else None


def draw_integers(table: GuideTable, lanes: np.ndarray, steps: Steps, drawn: Arrays) -> None:
    """Draw "symbols" (B, N, D) from a table with a row for each state and dimension."""
    loops.sample_discrete(lanes, tuple(steps), tuple(table), drawn["symbols"])


def observer(emission: Emission, request: Request, weights: Weights) -> Observer:
    """Return the observer of the emission that `weights` have."""
    if isinstance(emission, Categorical):
        return Symbols(emission, request, weights)
    if isinstance(emission, Poisson):
        return Counts(emission, weights)
    assert isinstance(emission, (Gaussian, GaussianMixture))
    return Vectors(emission, weights)
