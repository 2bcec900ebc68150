"""The engines' matrix product alone, beside the limits of one core: `python -m benchmarks.products`."""

from __future__ import annotations

import numba
import numpy as np

from benchmarks.limits import fastest, limits
from seqgen.kernels.vector import matmul, pack

SHAPES = ((256, 512, 1), (1024, 2048, 1), (1024, 2048, 32))  # inputs, outputs, lanes


@numba.njit(nogil=True)
def _products(x, w, y, inputs, outputs, lanes, repeats):
    for _ in range(repeats):
        matmul(x, 0, inputs, lanes, w, 0, inputs, outputs, y, outputs)


def product_rate(inputs: int, outputs: int, lanes: int, precision: str) -> float:
    """Return 1e9 multiply-accumulates per second of the engines' matrix product, on one thread."""
    rows = np.random.default_rng(0).standard_normal((inputs, outputs)).astype(np.float32)
    w = pack(rows, precision)
    x, y = np.full(inputs * lanes, 1e-3, np.float32), np.zeros(outputs * lanes, np.float32)
    repeats = max(1, 100_000_000 // (inputs * outputs * lanes))
    seconds = fastest(lambda: _products(x, w, y, inputs, outputs, lanes, repeats))
    return repeats * inputs * outputs * lanes / seconds / 1e9


def main() -> None:
    for precision, width in (("float32", 4), ("bfloat16", 2)):
        for inputs, outputs, lanes in SHAPES:
            rate = product_rate(inputs, outputs, lanes, precision)
            size = inputs * outputs * width
            read = rate * width  # of one lane, which reads every weight once
            reached = limits(size).words(rate, read if lanes == 1 else None)
            print(f"{inputs} × {outputs}, {lanes} lane{'s' * (lanes > 1)}, {precision}: {reached}")


if __name__ == "__main__":
    main()
