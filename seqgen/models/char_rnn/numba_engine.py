"""The fused sampler of recurrent networks: gates, activations, output, controls, noise and draw in one loop.

All layers' hidden states of a lane lie side by side, so that the input of layer l, its lower neighbour's new
state and its own old one, is one contiguous vector and one matrix product. The first layer's product with the
one-hot symbol is a row of a table. Legend: B lanes, V vocabulary, H hidden size, L layers, G gate columns.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights, from_bfloat16, is_bfloat16, to_bfloat16
from seqgen.codecs import codec_from_config
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls
from seqgen.engines.requirements import require_finite, require_no_condition
from seqgen.errors import SeqgenError
from seqgen.kernels import activations
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.draw import draw
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import matmul, pack, padded
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)
_CELLS = {"tanh": 0, "gru": 1, "lstm": 2}
_GATES = {"tanh": 1, "gru": 4, "lstm": 4}


class CharRNNEngine(Engine):
    """Samples `CharRNN`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        require_finite(weights.arrays)
        config = weights.config
        self._symbols = codec_from_config(config["codec"]).size
        self._hidden, self._layers = int(config["hidden_size"]), int(config["layers"])
        self._cell = _CELLS[config["cell"]]
        self._request = request
        self._packed = _PackedRNN(weights.arrays, config, self._symbols, request.precision)
        lanes = request.lanes
        self._states = np.zeros((lanes, self._layers * self._hidden), np.float32)
        self._cells = (
            np.zeros_like(self._states) if config["cell"] == "lstm" else np.zeros((lanes, 0), np.float32)
        )
        self._previous = np.full(lanes, -1, np.int64)
        self._position = np.zeros(lanes, np.uint64)
        self._index = np.zeros(lanes, np.uint64)
        self._controls = LaneControls(lanes, self._symbols)
        self._workers = Workers(request.threads)
        self._prefilled: tuple[Start, np.ndarray, np.ndarray] | None = None
        say_compiling("recurrent network")

    def state(self) -> dict[str, np.ndarray]:
        return {
            "states": self._states,
            "cells": self._cells,
            "previous": self._previous,
            "position": self._position,
            "index": self._index,
            **self._controls.state(),
        }

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self._controls.begin(lanes, start.controls, start.prompt)
        self._index[lanes] = indices
        self._position[lanes] = 0
        if start.prompt is None:
            self._states[lanes] = 0
            self._cells[lanes] = 0
            self._previous[lanes] = -1
            return
        if self._prefilled is None or self._prefilled[0] is not start:
            first = lanes[:1]
            self._states[first] = 0
            self._cells[first] = 0
            self._previous[first] = -1
            before = np.concatenate([[-1], start.prompt[:-1]]).astype(np.int64)
            self._run(first, np.array([len(before)]), before, np.zeros((1, 0), np.int64), np.zeros((1, 0, 2)))
            self._position[first] = 0
            self._prefilled = (start, self._states[lanes[0]].copy(), self._cells[lanes[0]].copy())
        _, states, cells = self._prefilled
        self._states[lanes] = states
        self._cells[lanes] = cells
        self._previous[lanes] = start.prompt[-1]

    def advance(self, counts: np.ndarray) -> StepOutput:
        lanes = len(counts)
        longest = int(counts.max())
        symbols = np.zeros((lanes, longest), np.int64)
        log_probs = np.zeros((lanes, longest if self._request.log_probs else 0, 2))
        running = np.flatnonzero(counts)
        # within a thread's group the longest come first, so that those still running are always a prefix
        running = running[np.argsort(-counts[running], kind="stable")]
        dealt = [running[k :: self._request.threads] for k in range(self._request.threads)]
        order = np.concatenate(dealt)
        nothing = np.zeros(0, np.int64)
        failed = []

        def work(part: np.ndarray) -> None:
            part = part[np.argsort(-counts[part], kind="stable")]
            if not self._run(part, counts[part], nothing, symbols, log_probs):
                failed.append(part)

        self._workers.run(work, order)
        if failed:
            raise SeqgenError(
                "the controls leave no symbol to draw; allow symbols that the model can produce"
            )
        extra = {}
        if self._request.log_probs:
            extra = {"log_prob": log_probs[:, :, 0], "log_prob_drawn": log_probs[:, :, 1]}
        return StepOutput(symbols, counts.copy(), np.zeros(lanes, bool), extra)

    def _run(
        self,
        lanes: np.ndarray,
        counts: np.ndarray,
        forced: np.ndarray,
        symbols: np.ndarray,
        log_probs: np.ndarray,
    ) -> bool:
        packed, controls = self._packed, self._controls
        return bool(
            _advance(
                lanes, counts, forced, np.uint64(self._request.seed), self._cell, self._hidden, self._layers,
                packed.table, packed.recurrent, packed.biases, packed.head, packed.head_bias,
                self._states, self._cells, self._previous, self._position, self._index,
                controls.reshapes, controls.parameters, controls.allowed, controls.seen, symbols, log_probs,
            )
        )  # fmt: skip

    def close(self) -> None:
        self._workers.close()


class _PackedRNN:
    """The weights in the order in which the kernel reads them.

    Attributes:
        table: (V + 1, G) float32, the first layer's input product and biases for each symbol; row V is the start.
        recurrent: all layers' packed matrices one after another; rows are inputs, then the own state.
        biases: (L, G) float32, unused for layer 0.
        head: packed (H, V). head_bias: (padded V,) float32.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], symbols: int, precision: str
    ) -> None:
        hidden, layers, cell = int(config["hidden_size"]), int(config["layers"]), config["cell"]
        wide = -(-hidden // 16) * 16
        columns = padded(_GATES[cell] * wide)
        exact = all(is_bfloat16(array) for name, array in arrays.items() if "weight" in name)
        packing = "bfloat16" if precision == "bfloat16" or (precision == "auto" and exact) else "float32"

        def gates(matrix: np.ndarray, part: str) -> np.ndarray:
            """Torch's stacked gates (gates*H, inputs) as (inputs, G), each gate padded to `wide` columns."""
            placed = np.zeros((matrix.shape[1], columns), np.float32)
            stacked = matrix.reshape(-1, hidden, matrix.shape[1])
            # a GRU's new gate needs its two products apart: columns 2 and 3 are W_in x and W_hn h
            slots = {("gru", "ih"): (0, 1, 2), ("gru", "hh"): (0, 1, 3)}.get(
                (cell, part), range(len(stacked))
            )
            for slot, gate in zip(slots, stacked, strict=True):
                placed[:, slot * wide : slot * wide + hidden] = gate.T
            return placed

        def rounded(matrix: np.ndarray) -> np.ndarray:
            return from_bfloat16(to_bfloat16(matrix)) if precision == "bfloat16" else matrix

        parts, biases = [], np.zeros((layers, columns), np.float32)
        for layer in range(layers):
            name = f"layers.{layer}."
            if config["bias"]:
                for part in ("ih", "hh"):
                    bias = rounded(_float32(arrays[f"{name}bias_{part}_l0"]))
                    biases[layer] += gates(bias[:, None], part)[0]
            inputs = gates(rounded(_float32(arrays[f"{name}weight_ih_l0"])), "ih")
            own = gates(_float32(arrays[f"{name}weight_hh_l0"]), "hh")
            if layer == 0:
                self.table = np.concatenate([inputs + biases[0], biases[:1]])
                parts.append(pack(own, packing))
            else:
                parts.append(pack(np.concatenate([inputs, own]), packing))
        self.recurrent = np.concatenate(parts)
        self.biases = biases
        self.head = pack(_float32(arrays["head.weight"]).T, packing)
        self.head_bias = np.zeros(padded(symbols), np.float32)
        if config["bias"]:
            self.head_bias[:symbols] = rounded(_float32(arrays["head.bias"]))


def _float32(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


@inline
def _activate(cell, gates, column, hidden, wide, states, at, cells, cell_at):
    """New hidden state of one lane and layer from its gate sums, written over the old one at states[at:]."""
    if cell == 2:
        for j in range(hidden):
            kept = activations.sigmoid(gates[column + wide + j]) * cells[cell_at + j]
            new = activations.sigmoid(gates[column + j]) * activations.tanh(gates[column + 2 * wide + j])
            cells[cell_at + j] = kept + new
        for j in range(hidden):
            opened = activations.sigmoid(gates[column + 3 * wide + j])
            states[at + j] = opened * activations.tanh(cells[cell_at + j])
    elif cell == 1:
        for j in range(hidden):
            reset = activations.sigmoid(gates[column + j])
            update = activations.sigmoid(gates[column + wide + j])
            new = activations.tanh(gates[column + 2 * wide + j] + reset * gates[column + 3 * wide + j])
            states[at + j] = new + update * (states[at + j] - new)
    else:
        for j in range(hidden):
            states[at + j] = activations.tanh(gates[column + j])


@kernel
def _advance(
    lanes, counts, forced, seed, cell, hidden, layers, table, recurrent, biases, head, head_bias,
    states, cells, previous, position, index, reshapes, parameters, allowed, seen, symbols, log_probs,
):  # fmt: skip
    """Advance `lanes` (most symbols first) by `counts`; `forced` inputs prefill the first lane instead.

    Returns False if the controls of some lane leave nothing to draw.
    """
    width = states.shape[1]
    columns = table.shape[1]
    wide = -(-hidden // 16) * 16
    vocabulary = allowed.shape[1]
    outputs = len(head_bias)
    many = len(lanes)
    want_log_probs = log_probs.shape[1] > 0
    # local copies: rows of the lanes of this call, side by side
    own = np.empty(many * width, np.float32)
    own_cells = np.empty(many * cells.shape[1], np.float32)
    for m in range(many):
        for j in range(width):
            own[m * width + j] = states[lanes[m], j]
        for j in range(cells.shape[1]):
            own_cells[m * cells.shape[1] + j] = cells[lanes[m], j]
    gates = np.empty(many * columns, np.float32)
    sums = np.empty(many * outputs, np.float32)
    logits = np.empty(vocabulary, np.float64)
    work = np.empty((2, vocabulary), np.float64)
    order = np.empty(vocabulary, np.int64)
    running = many
    possible = True
    for t in range(counts[0]):
        while running > 0 and counts[running - 1] <= t:
            running -= 1
        matrix = 0
        for layer in range(layers):
            inputs = hidden if layer == 0 else 2 * hidden
            first = 0 if layer == 0 else (layer - 1) * hidden
            for m in range(running):
                if layer == 0:
                    symbol = forced[t] if len(forced) else previous[lanes[m]]
                    row = symbol if symbol >= 0 else vocabulary
                    for j in range(columns):
                        gates[m * columns + j] = table[row, j]
                else:
                    for j in range(columns):
                        gates[m * columns + j] = biases[layer, j]
            matmul(own, first, width, running, recurrent, matrix, inputs, columns, gates, columns)
            matrix += inputs * columns
            for m in range(running):
                _activate(
                    cell, gates, m * columns, hidden, wide, own, m * width + layer * hidden,
                    own_cells, m * cells.shape[1] + layer * hidden,
                )  # fmt: skip
        if len(forced):
            continue
        for m in range(running):
            for j in range(outputs):
                sums[m * outputs + j] = head_bias[j]
        top = (layers - 1) * hidden
        matmul(own, top, width, running, head, 0, hidden, outputs, sums, outputs)
        for m in range(running):
            lane = lanes[m]
            for v in range(vocabulary):
                logits[v] = sums[m * outputs + v]
            u = uniform(seed, index[lane], position[lane], _TOKEN)
            symbol, log_prob, log_prob_drawn = draw(
                logits, reshapes[lane], parameters[lane], allowed[lane], seen[lane], order, work, u,
                want_log_probs,
            )  # fmt: skip
            if symbol < 0:
                possible = False
                symbol = 0
            symbols[lane, t] = symbol
            if want_log_probs:
                log_probs[lane, t, 0] = log_prob
                log_probs[lane, t, 1] = log_prob_drawn
            seen[lane, symbol] = True
            previous[lane] = symbol
            position[lane] += np.uint64(1)
    for m in range(many):
        for j in range(width):
            states[lanes[m], j] = own[m * width + j]
        for j in range(cells.shape[1]):
            cells[lanes[m], j] = own_cells[m * cells.shape[1] + j]
    return possible
