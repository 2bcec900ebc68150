"""The compiled activations: accuracy over the whole range of float32."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from seqgen.kernels import activations
from seqgen.kernels.compile import kernel


@kernel
def _evaluate(which, x, out):
    for k in range(len(x)):
        if which == 0:
            out[k] = activations.exp(x[k])
        elif which == 1:
            out[k] = activations.sigmoid(x[k])
        else:
            out[k] = activations.tanh(x[k])


def evaluate(which: int, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    _evaluate(which, x, out)
    return out


GRID = np.concatenate(
    [np.linspace(-87, 88, 400_001), np.linspace(-4, 4, 100_001), np.geomspace(1e-30, 10, 10_001)]
).astype(np.float32)


def test_exp_is_accurate_to_the_stated_relative_error():
    exact = np.exp(GRID.astype(np.float64))
    assert np.max(np.abs(evaluate(0, GRID) / exact - 1)) < 3e-7


@pytest.mark.parametrize(
    ("which", "function", "error"), [(1, special.expit, 2e-7), (2, np.tanh, 3e-7)], ids=["sigmoid", "tanh"]
)
def test_sigmoid_and_tanh_are_accurate_to_the_stated_absolute_error(which, function, error):
    grid = np.concatenate([GRID, -GRID])
    assert np.max(np.abs(evaluate(which, grid) - function(grid.astype(np.float64)))) < error


def test_arguments_beyond_the_range_saturate():
    far = np.array([-np.inf, -1e30, -200, 200, 1e30, np.inf], np.float32)
    assert np.all(np.isfinite(evaluate(0, far)))
    np.testing.assert_allclose(evaluate(1, far), [0, 0, 0, 1, 1, 1], atol=1e-37)
    np.testing.assert_array_equal(evaluate(2, far), [-1, -1, -1, 1, 1, 1])
    assert evaluate(0, np.zeros(1, np.float32)) == 1.0
    assert evaluate(2, np.zeros(1, np.float32)) == 0.0
