"""What both HMM engines make of a request: the state before the sample, and the controls of the emission."""

from __future__ import annotations

import numpy as np

from seqgen.controls import BoundControls
from seqgen.engine import Start
from seqgen.errors import SeqgenError, integer


def conditioned_state(start: Start, states: int) -> int | None:
    """The hidden state just before the sample that `condition={"state": k}` asks for, or None.

    Raises:
        TypeError, ValueError, SeqgenError: for a condition of another kind, a state that is not there, or a
            prompt as well.
    """
    condition = start.condition
    if condition is None:
        return None
    if states == 1:
        raise SeqgenError("a model with a single state takes no condition; use condition=None")
    if not isinstance(condition, dict) or set(condition) != {"state"}:
        raise TypeError(f'condition must be {{"state": k}}, got {condition!r}')
    if start.prompt is not None:
        raise SeqgenError(
            "give a prompt or a condition, not both: observations already tell about the state before the sample"
        )
    return integer('condition["state"]', condition["state"], low=0, high=states - 1)


def controlled(log_p: np.ndarray, controls: BoundControls) -> np.ndarray:
    """Log-probabilities (K, V) of the symbols in each state after the controls.

    Raises:
        SeqgenError: if some state is left without a symbol.
    """
    rows = []
    for state, row in enumerate(log_p):
        try:
            rows.append(controls.apply(row))
        except SeqgenError as error:
            raise SeqgenError(f"state {state}: {error}") from None
    return np.stack(rows)
