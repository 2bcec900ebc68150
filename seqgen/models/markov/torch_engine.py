"""The reference sampler of Markov chains: one symbol of one lane at a time, in float64, as it is defined.

The automaton gives probabilities and the order of mass, the random source the uniforms; controls and draws are
those of `seqgen.controls` and `seqgen.rng`. Legend: V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.engine import Request, StepOutput
from seqgen.errors import SeqgenError
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
        lanes, longest = len(counts), int(counts.max())
        symbols = np.zeros((lanes, longest), np.int32)
        log_probs = np.zeros((2, lanes, longest))
        made, ended = counts.astype(np.int64), np.zeros(lanes, bool)
        for lane in np.flatnonzero(counts):
            for t in range(counts[lane]):
                try:
                    symbol, after, log_prob, log_prob_drawn = self._draw(int(lane))
                except SeqgenError:
                    made[lane] = t
                    break
                if symbol == self._automaton.symbols:
                    made[lane], ended[lane] = t, True
                    break
                symbols[lane, t] = symbol
                log_probs[:, lane, t] = log_prob, log_prob_drawn
                self._state[lane] = after
                self._position[lane] += np.uint64(1)
                if self._controls is not None:
                    self._controls.seen[lane, symbol] = True
        extra = {}
        if self._request.log_probs:
            extra = {"log_prob": log_probs[0], "log_prob_drawn": log_probs[1]}
        return StepOutput(symbols, made, ended, extra)

    def _draw(self, lane: int) -> tuple[int, int, float, float]:
        """The next symbol, the state after it, and its log-probabilities under the model and as drawn."""
        state, position = int(self._state[lane]), int(self._position[lane])
        words = rng.words(self._request.seed, self._index[lane], position, rng.Purpose.TOKEN)
        uniform = rng.to_uniform53(words[0], words[1])
        dense, states = self._automaton.successors(state)
        log_p = torch.from_numpy(dense).log()
        forced = self._forced_of(lane)
        if self._controls is not None and self._controls.reshapes[lane]:
            drawn = self._controls.of(lane).apply(log_p.numpy(), self._controls.seen[lane])
            symbol = int(rng.categorical(np.exp(drawn), uniform))
        elif position < len(forced):
            ahead = torch.from_numpy(self._messages.of(forced)[position + 1])
            towards = torch.from_numpy(dense) * ahead[torch.from_numpy(states).long()]
            # before the last forced position the sample must not end
            towards[self._automaton.symbols :] = 0.0
            if forced[position] >= 0:
                towards = torch.zeros(len(dense), dtype=torch.float64)
                towards[forced[position]] = 1.0
            drawn = (towards / towards.sum()).log().numpy()
            symbol = int(rng.categorical(towards.numpy(), uniform))
        else:
            drawn = log_p.numpy()
            symbol = self._draw_sparse(state, float(uniform))
        return symbol, int(states[symbol]), float(log_p[symbol]), float(drawn[symbol])

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
