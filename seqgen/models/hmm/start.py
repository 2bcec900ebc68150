"""Inputs of both HMM engines: the state before the sample, and the controls applied to the emission."""

from __future__ import annotations

import numpy as np

from seqgen.controls import BoundControls
from seqgen.engine import Start
from seqgen.errors import SeqgenError, integer


def conditioned_state(start: Start, states: int) -> int | None:
    """Return the hidden state before the sample given by `condition={"state": k}`, or None.

    Raises:
        TypeError, ValueError, SeqgenError: if the condition is of another kind, the state does not exist, or a prompt
            is given as well.
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
            "give a prompt or a condition, not both: the prompt already determines the state before the sample"
        )
    return integer('condition["state"]', condition["state"], low=0, high=states - 1)


def controlled(log_p: np.ndarray, controls: BoundControls) -> np.ndarray:
    """Return the log-probabilities (K, V) of the symbols in each state after the controls.

    Raises:
        SeqgenError: if a state is left without a symbol.
    """
    rows = []
    for state, row in enumerate(log_p):
        try:
            rows.append(controls.apply(row))
        except SeqgenError as error:
            raise SeqgenError(f"state {state}: {error}") from None
    return np.stack(rows)
