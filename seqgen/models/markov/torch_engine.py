"""The reference sampler of Markov chains: one symbol of one lane at a time, in float64, following the definition.

The automaton provides probabilities and the order of masses, `seqgen.rng` the uniforms and draws, and
`seqgen.controls` the controls.
Legend: V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.engine import Request, StepOutput
from seqgen.engines.reference_draw import draw_symbols
from seqgen.errors import SeqgenError
from seqgen.kernels.lanes import StepArrays
from seqgen.models.markov.automaton import ROOT
from seqgen.models.markov.lanes import MarkovLanes

_BELOW_ONE = 1.0 - 2.0**-53


class MarkovEngine(MarkovLanes):
    """Samples `MarkovChain`s with PyTorch tensors."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        self._cumulative = torch.from_numpy(self._automaton.cumulative)

    def advance(self, counts: np.ndarray) -> StepOutput:
        own, wanted = self._lanes, self._request.log_probs
        out = StepArrays.of(len(counts), int(counts.max()), np.int32, log_probs=True)
        out.counts[:] = counts
        for lane in np.flatnonzero(counts).tolist():
            for t in range(counts[lane]):
                try:
                    symbol, after, log_probs = self._draw(lane)
                except SeqgenError:
                    out.counts[lane] = t
                    break
                if symbol == self._automaton.symbols:
                    out.counts[lane], out.ended[lane] = t, True
                    break
                out.symbols[lane, t] = symbol
                out.log_probs[:, lane, t] = log_probs
                own.state[lane] = after
                own.position[lane] += np.uint64(1)
                if self._controls is not None:
                    self._controls.seen[lane, symbol] = True
        return out.output(log_probs=wanted)

    def _draw(self, lane: int) -> tuple[int, int, np.ndarray]:
        """Draw a symbol; return it, the state after it, and its log-probabilities (2,), of the model and as drawn."""
        state, position = int(self._lanes.state[lane]), int(self._lanes.position[lane])
        words = rng.words(self._request.seed, self._lanes.index[lane], position, rng.Purpose.TOKEN)
        uniform = rng.to_uniform53(words[0], words[1])
        dense, states = self._automaton.successors(state)
        log_p = torch.from_numpy(dense).log()
        forced = self._forced_of(lane)
        if self._controls is not None and self._controls.reshapes[lane]:
            symbols, log_probs = draw_symbols(self._controls, lane, log_p.numpy(), uniform)
            # the probabilities are already normalised
            return int(symbols), int(states[symbols]), np.array([log_p[symbols], log_probs[1]])
        if position < len(forced):
            ahead = torch.from_numpy(self._messages.of(forced)[position + 1])
            towards = torch.from_numpy(dense) * ahead[torch.from_numpy(states).long()]
            # the sample must not end before the last forced position
            towards[self._automaton.symbols :] = 0.0
            if forced[position] >= 0:
                towards = torch.zeros(len(dense), dtype=torch.float64)
                towards[forced[position]] = 1.0
            drawn = (towards / towards.sum()).log().numpy()
            symbol = int(rng.categorical(towards.numpy(), uniform))
        else:
            drawn = log_p.numpy()
            symbol = self._draw_sparse(state, float(uniform))
        return symbol, int(states[symbol]), np.array([log_p[symbol], drawn[symbol]])

    def _draw_sparse(self, state: int, uniform: float) -> int:
        """Invert the CDF over the masses of the state's successors, then over those of its parent, and so on."""
        a, u = self._automaton, torch.tensor(uniform, dtype=torch.float64)
        while True:
            own = self._cumulative[a.first[state] : a.first[state + 1]]
            if u < own[-1] or state == ROOT:
                break
            u = torch.clamp((u - own[-1]) / a.backoff[state], max=_BELOW_ONE)
            state = int(a.parent[state])
        return int(a.symbol[a.first[state] + int(torch.searchsorted(own, u, right=True))])
