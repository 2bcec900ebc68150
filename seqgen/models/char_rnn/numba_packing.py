"""The weights of a character RNN in the order in which the fused sampler reads them.

Legend: V vocabulary, H hidden size, L layers, G gate columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.padding import padded, whole_vectors

TANH, GRU, LSTM = range(3)
_CELLS = {"tanh": TANH, "gru": GRU, "lstm": LSTM}
_GATES = {"tanh": 1, "gru": 4, "lstm": 4}


class Packed(NamedTuple):
    """The weights and sizes that the kernel reads.

    Attributes:
        cell: TANH, GRU or LSTM. hidden: H. gate: columns of one gate, H in whole vectors. layers: L.
        table: (V + 1, G) float32, the first layer's input product and biases for each symbol; row V is the start.
        matrices: of all layers, one after another, with rows for the inputs and then for the own state; then of the
            head.
        head_at: position of the head's matrix (H, V).
        biases: (L, G) float32, unused for layer 0. head: (padded V,) float32, its biases.
    """

    cell: int
    hidden: int
    gate: int
    layers: int
    table: np.ndarray
    matrices: np.ndarray
    head_at: int
    biases: np.ndarray
    head: np.ndarray


def pack_char_rnn(
    arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], symbols: int, precision: str
) -> Packed:
    """Pack a checkpoint's arrays for V = `symbols`; `kernels.packing` documents the precision."""
    hidden, layers, cell = int(config["hidden_size"]), int(config["layers"]), config["cell"]
    packer, gate = Packer(arrays, precision), whole_vectors(hidden)
    columns = padded(_GATES[cell] * gate)

    def gates(matrix: np.ndarray, part: str) -> np.ndarray:
        """Return torch's stacked gates (gates*H, inputs) as (inputs, G), each gate padded to `gate` columns."""
        placed = np.zeros((matrix.shape[1], columns), np.float32)
        stacked = matrix.reshape(-1, hidden, matrix.shape[1])
        # a GRU's new gate needs its two products separately: columns 2 and 3 are W_in x and W_hn h
        slots = {("gru", "ih"): (0, 1, 2), ("gru", "hh"): (0, 1, 3)}.get((cell, part), range(len(stacked)))
        for slot, part_of_gate in zip(slots, stacked, strict=True):
            placed[:, slot * gate : slot * gate + hidden] = part_of_gate.T
        return placed

    biases = np.zeros((layers, columns), np.float32)
    table = np.zeros((0, columns), np.float32)
    for layer in range(layers):
        name = f"layers.{layer}."
        if config["bias"]:
            for part in ("ih", "hh"):
                biases[layer] += gates(packer[f"{name}bias_{part}_l0"][:, None], part)[0]
        inputs, own = gates(packer[f"{name}weight_ih_l0"], "ih"), gates(packer[f"{name}weight_hh_l0"], "hh")
        if layer == 0:
            table = np.concatenate([inputs + biases[0], biases[:1]])
            packer.add(own)
        else:
            packer.add(np.concatenate([inputs, own]))
    head_at = packer.add(packer["head.weight"].T)
    head = packer["head.bias"] if config["bias"] else np.zeros(symbols, np.float32)
    return Packed(
        _CELLS[cell], hidden, gate, layers, table, packer.matrices(), head_at, biases, padded_vector(head)
    )
