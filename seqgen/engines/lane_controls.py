"""The controls of every lane as arrays, in the form that fused engines read and save."""

from __future__ import annotations

import math

import numpy as np

from seqgen.controls import BoundControls, Parameters
from seqgen.fields import Field, Fields
from seqgen.kernels.lanes import LaneControlArrays


class LaneControls:
    """Parameters, allowed symbols and symbols seen so far, of B lanes over V symbols.

    Attributes:
        arrays: the arrays for kernels; the fields reshapes, parameters, allowed and seen are attributes, too.
    """

    def __init__(self, lanes: int, symbols: int) -> None:
        self.arrays = LaneControlArrays(
            reshapes=np.zeros(lanes, np.bool_),
            parameters=np.zeros((lanes, len(Parameters._fields))),
            allowed=np.ones((lanes, symbols), np.bool_),
            seen=np.zeros((lanes, symbols), np.bool_),
            chain=np.zeros(1, np.int64),
        )
        self.reshapes, self.parameters, self.allowed, self.seen, self._chain = self.arrays
        self._plain = tuple(self.arrays)

    def begin(self, lanes: np.ndarray, controls: BoundControls, prompt: np.ndarray | None) -> None:
        """Set the controls of `lanes`, and mark the prompt's symbols as seen."""
        at = rows_of(lanes)
        if controls.reshapes or (np.count_nonzero(self.reshapes) and self.reshapes[at].any()):
            self.reshapes[at] = controls.reshapes
            self.parameters[at] = controls.parameters
            self.allowed[at] = True if controls.allowed is None else controls.allowed
        self.seen[at] = False
        if prompt is not None:
            self.seen[lanes[:, None], prompt[None, :]] = True

    def for_kernels(self) -> tuple[np.ndarray, ...]:
        """Return `arrays` as a plain tuple; load or compile the chain of controls when a lane first has any."""
        if not self._chain[0] and np.count_nonzero(self.reshapes):
            from seqgen.kernels.chain_kernel import chain_address

            self._chain[0] = chain_address()
        return self._plain

    def of(self, lane: int) -> BoundControls:
        """Return the controls of one lane, for engines that apply them in numpy."""
        if not self.reshapes[lane]:
            return BoundControls()
        parameters = Parameters(*self.parameters[lane].tolist())
        allowed = self.allowed[lane]
        return BoundControls(parameters, None if allowed.all() else allowed)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        arrays = self.arrays._asdict()
        del arrays["chain"]
        return {f"control_{name}": array for name, array in arrays.items()}


def rows_of(lanes: np.ndarray) -> np.ndarray | slice:
    """Return what selects the rows of `lanes` in an array: a slice for one lane, which is assigned to much faster."""
    if len(lanes) != 1:
        return lanes
    lane = lanes.item()
    return slice(lane, lane + 1)


def control_fields(symbols: int) -> Fields:
    """Return the schema of `LaneControls.state` for `symbols` symbols."""
    most = Parameters(math.inf, math.inf, math.inf, 1.0, 1.0, 1.0)
    yield "control_reshapes", Field(("B",), ("bool",))
    yield "control_parameters", Field(("B", len(most)), ("float64",), low=0.0, high=tuple(most))
    yield "control_allowed", Field(("B", symbols), ("bool",), rows="some")
    yield "control_seen", Field(("B", symbols), ("bool",))
