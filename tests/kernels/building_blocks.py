"""What neural networks are computed from, with hashes of the results; a process of `test_targets` prints them."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import kernel
from seqgen.kernels.dots import add_row, dot, dots, pack_rows
from seqgen.kernels.random import to_logistic, to_normal, to_uniform
from seqgen.kernels.vector import matmul, pack

INPUTS, OUTPUTS, LANES = 70, 192, (1, 2, 3, 5, 7, 13)


@kernel
def _products(x, lanes, inputs, matrix, rows, wide, y, shared, sums):
    """Multiply a matrix, then the same one row by row, and add all rows; `shared` are the products of all lanes."""
    matmul(x, 0, wide, lanes, matrix, 0, inputs, len(y) // lanes, y, len(y) // lanes)
    for k in range(len(sums)):
        dots(x, 0, rows, k * wide, wide, wide, lanes, shared, k * lanes)
    for k in range(len(sums)):
        sums[k] = dot(x, 0, rows, k * wide, wide)
    for k in range(len(sums)):
        add_row(x, 0, rows, k * wide, wide)


@kernel
def _functions(x, words, found, drawn):
    for k in range(len(x)):
        found[0, k] = activations.exp(x[k])
        found[1, k] = activations.sigmoid(x[k])
        found[2, k] = activations.tanh(x[k])
        drawn[0, k] = to_normal(to_uniform(words[k]))
        drawn[1, k] = to_logistic(to_uniform(words[k]))


def computed() -> dict[str, str]:
    """Return hashes of products, in both precisions and every tile, of activations, and of draws."""
    generator = np.random.default_rng(5)
    found = {}
    weights = generator.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    numbers = generator.normal(size=(max(LANES), 128)).astype(np.float32)
    for precision in ("float32", "bfloat16"):
        matrix, rows = pack(weights, precision), pack_rows(weights.T, precision)
        for lanes in LANES:
            x, y, sums = (
                numbers[:lanes].ravel(),
                np.zeros(lanes * OUTPUTS, np.float32),
                np.zeros(OUTPUTS, "f4"),
            )
            shared = np.zeros(OUTPUTS * lanes, "f4")
            _products(x, lanes, INPUTS, matrix, rows, 128, y, shared, sums)
            found[f"{precision}, {lanes} lanes"] = _hash(x, y, shared, sums)
    wide = np.linspace(-90, 90, 30011).astype(np.float32)
    activated, drawn = np.zeros((3, len(wide)), np.float32), np.zeros((2, len(wide)))
    _functions(wide, generator.integers(0, 2**32, len(wide), np.uint64), activated, drawn)
    return found | {"activations": _hash(activated), "draws": _hash(drawn)}


def _hash(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


if __name__ == "__main__":
    print(json.dumps(computed()))
