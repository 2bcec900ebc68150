"""The reference sampler of HMMs and Gaussian mixtures: one step at a time over the lanes, in float64.

Random numbers, which the fused engine reproduces: for each purpose, a sample has one sequence of 32-bit words, four
per Philox block. Position t uses word t of STATE for the hidden state, word t of COMPONENT for the component of a
mixture, and words tD … tD + D - 1 of EMISSION for the D numbers of the observation (one for a symbol). Integers are
drawn by inverse CDF, normals by the normal quantile function.
Legend: B lanes, D dimensions, K states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, distributions

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls
from seqgen.errors import SeqgenError
from seqgen.models.hmm.emissions import Categorical, Poisson, parts
from seqgen.models.hmm.inverse_cdf import cumulative
from seqgen.models.hmm.start import conditioned_state, controlled


class HMMEngine(Engine):
    """Samples `HMM`s and `GaussianMixture`s with PyTorch."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        start, transition, self._emission = parts(weights)
        self._start, self._transition = torch.tensor(start), torch.tensor(transition)
        self._seed, self._wants_log_probs = request.seed, request.log_probs
        self._plain = weights.family == "gaussian-mixture"
        lanes = request.lanes
        self._index, self._position = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
        self._hidden = np.zeros(lanes, np.int64)
        self._first = np.zeros((lanes, len(start)))
        symbols = self._emission.size if isinstance(self._emission, Categorical) else 0
        self._controls = LaneControls(lanes, symbols)

    def state(self) -> dict[str, np.ndarray]:
        return {
            "index": self._index,
            "position": self._position,
            "hidden": self._hidden,
            "first": self._first,
            **self._controls.state(),
        }

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        seen = start.prompt if isinstance(self._emission, Categorical) else None
        self._controls.begin(lanes, start.controls, seen)
        if start.controls.reshapes:
            controlled(self._log_emission(), start.controls)
        self._index[lanes], self._position[lanes] = indices, 0
        self._first[lanes] = self._first_state(start).numpy()

    def _first_state(self, start: Start) -> Tensor:
        """Return the distribution of the state at position 0, (K,)."""
        state = conditioned_state(start, len(self._start))
        if state is not None:
            return self._transition[state]
        if start.prompt is None:
            return self._start
        log_density = torch.tensor(self._emission.log_likelihood(start.prompt))
        log_filter = self._start.log() + log_density[0]
        for density in log_density[1:]:
            predicted = torch.logsumexp(log_filter[:, None] + self._transition.log(), 0)
            log_filter = predicted + density
        if not torch.isfinite(log_filter).any():
            raise SeqgenError("prompt has probability 0 under the model")
        return log_filter.softmax(0) @ self._transition

    def advance(self, counts: np.ndarray) -> StepOutput:
        lanes, longest = len(counts), int(counts.max())
        dims = max(1, self._emission.dimensions)
        dtype = np.int64 if self._emission.discrete else np.float64
        symbols = np.zeros((lanes, longest, dims), dtype)
        integers, reals = ("states", "components"), ("log_prob", "log_prob_drawn")
        extra: dict[str, np.ndarray] = {name: np.zeros((lanes, longest), np.int64) for name in integers}
        extra.update((name, np.zeros((lanes, longest))) for name in reals)
        for t in range(longest):
            some = np.flatnonzero(counts > t)
            step = self._step(some)
            symbols[some, t] = step.pop("symbols").reshape(len(some), dims)
            for name, value in step.items():
                extra[name][some, t] = value
            self._position[some] += 1
        if self._emission.dimensions == 0:
            symbols = symbols[:, :, 0]
        kept = [] if self._plain else ["states"]
        kept += ["components"] if self._emission.name == "gaussian-mixture" else []
        kept += ["log_prob", "log_prob_drawn"] if self._wants_log_probs else []
        return StepOutput(symbols, counts.copy(), np.zeros(lanes, bool), {name: extra[name] for name in kept})

    def _step(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        """Draw states and observations at the current position of `lanes`; return them with their log-probabilities."""
        first = torch.tensor(self._position[lanes] == 0)[:, None]
        rows = torch.where(first, torch.tensor(self._first[lanes]), self._transition[self._hidden[lanes]])
        states = self._categorical(rows, lanes, rng.Purpose.STATE)
        self._hidden[lanes] = states
        log_state = rows[torch.arange(len(lanes)), torch.tensor(states)].log().numpy()
        drawn = self._observe(lanes, states)
        log_prob = drawn.pop("log_prob")
        log_drawn = drawn.pop("log_prob_drawn", log_prob)
        return {
            **drawn,
            "states": states,
            "log_prob": log_state + log_prob,
            "log_prob_drawn": log_state + log_drawn,
        }

    # ---- observations -----------------------------------------------------------------------------------

    def _observe(self, lanes: np.ndarray, states: np.ndarray) -> dict[str, np.ndarray]:
        if isinstance(self._emission, Categorical):
            return self._symbols(lanes, states)
        if isinstance(self._emission, Poisson):
            return self._counts(lanes, states)
        return self._vectors(lanes, states)

    def _log_emission(self) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self._emission.arrays()["probabilities"])

    def _symbols(self, lanes: np.ndarray, states: np.ndarray) -> dict[str, np.ndarray]:
        model = self._log_emission()[states]
        drawn = np.stack(
            [
                self._controls.of(lane).apply(row, self._controls.seen[lane])
                for lane, row in zip(lanes, model, strict=True)
            ]
        )
        plain = ~self._controls.reshapes[lanes]
        rows = np.where(plain[:, None], self._emission.arrays()["probabilities"][states], np.exp(drawn))
        symbols = self._categorical(torch.tensor(rows), lanes, rng.Purpose.EMISSION)
        self._controls.seen[lanes, symbols] = True
        each = np.arange(len(lanes))
        return {
            "symbols": symbols,
            "log_prob": model[each, symbols],
            "log_prob_drawn": np.where(plain, model[each, symbols], drawn[each, symbols]),
        }

    def _counts(self, lanes: np.ndarray, states: np.ndarray) -> dict[str, np.ndarray]:
        weights, firsts = self._emission.rows()  # type: ignore[attr-defined]
        dims = max(1, self._emission.dimensions)
        uniforms = self._uniforms(lanes, rng.Purpose.EMISSION, dims)
        counts = np.zeros((len(lanes), dims), np.int64)
        for lane, state in enumerate(states):
            for d in range(dims):
                row = state * dims + d
                counts[lane, d] = firsts[row] + np.sum(cumulative(weights[row]) <= uniforms[lane, d])
        rates = torch.tensor(self._emission.arrays()["rates"])[states].reshape(len(lanes), dims)
        log_prob = distributions.Poisson(rates).log_prob(torch.tensor(counts).double()).sum(-1)
        return {"symbols": counts, "log_prob": log_prob.numpy()}

    def _vectors(self, lanes: np.ndarray, states: np.ndarray) -> dict[str, np.ndarray]:
        weights, means, factors = (torch.tensor(a) for a in self._emission.components())  # type: ignore[attr-defined]
        if factors.shape[-1] == 1:
            factors = torch.diag_embed(factors[..., 0])
        mixing = weights[states]
        components = self._categorical(mixing, lanes, rng.Purpose.COMPONENT)
        row = states * weights.shape[1] + components
        normals = torch.tensor(rng.to_normal(self._uniforms(lanes, rng.Purpose.EMISSION, means.shape[1])))
        x = means[row] + (factors[row] @ normals[:, :, None])[..., 0]
        shape = (*weights.shape, *means.shape[1:])
        each = distributions.MultivariateNormal(
            means.reshape(shape)[states], scale_tril=factors.reshape(*shape, -1)[states]
        )
        log_prob = torch.logsumexp(mixing.log() + each.log_prob(x[:, None]), -1)
        return {"symbols": x.numpy(), "components": components, "log_prob": log_prob.numpy()}

    # ---- random numbers ---------------------------------------------------------------------------------

    def _uniforms(self, lanes: np.ndarray, purpose: rng.Purpose, dims: int = 1) -> np.ndarray:
        """Return the uniforms (lanes, dims) of the current position of `lanes`."""
        number = self._position[lanes, None] * dims + np.arange(dims)
        return rng.to_uniform(rng.numbered_words(self._seed, self._index[lanes, None], number, purpose))

    def _categorical(self, rows: Tensor, lanes: np.ndarray, purpose: rng.Purpose) -> np.ndarray:
        """Draw once from each row of weights."""
        return np.sum(cumulative(rows.numpy()) <= self._uniforms(lanes, purpose), -1)
