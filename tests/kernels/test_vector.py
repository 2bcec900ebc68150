"""The vector product: correct for every size, and the same bits for a row however rows are grouped."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.checkpoint import from_bfloat16, to_bfloat16
from seqgen.kernels.compile import kernel
from seqgen.kernels.padding import BLOCK, PANEL, padded
from seqgen.kernels.vector import matmul, pack


@kernel
def _multiply(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
    matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride)


def multiply(x: np.ndarray, matrix: np.ndarray, bias: np.ndarray, precision: str) -> np.ndarray:
    """Compute x @ matrix + bias by the kernel, for all rows of x at once."""
    packed = pack(matrix, precision)
    wide = padded(matrix.shape[1])
    y = np.zeros((len(x), wide), np.float32)
    y[:, : matrix.shape[1]] = bias
    flat = y.ravel()
    _multiply(x.ravel(), 0, x.shape[1], len(x), packed, 0, x.shape[1], wide, flat, wide)
    assert not flat.reshape(len(x), wide)[:, matrix.shape[1] :].any(), "padded outputs must stay zero"
    return flat.reshape(len(x), wide)[:, : matrix.shape[1]]


def problem(lanes: int, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(lanes * 7919 + inputs * 31 + outputs)
    x = generator.normal(size=(lanes, inputs)).astype(np.float32)
    matrix = generator.normal(size=(inputs, outputs)).astype(np.float32)
    return x, matrix, generator.normal(size=outputs).astype(np.float32)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("outputs", [1, 63, 64, 65, 128, 200, 256])
@pytest.mark.parametrize("inputs", [1, 2, 16, 97])
def test_the_product_equals_numpy_in_float64(inputs, outputs, precision):
    for lanes in (*range(1, 9), 12, 13, 19):
        x, matrix, bias = problem(lanes, inputs, outputs)
        used = from_bfloat16(to_bfloat16(matrix)) if precision == "bfloat16" else matrix
        exact = x.astype(np.float64) @ used.astype(np.float64) + bias
        scale = np.abs(x).astype(np.float64) @ np.abs(used) + np.abs(bias)
        error = np.abs(multiply(x, matrix, bias, precision) - exact)
        assert np.all(error <= (inputs + 1) * 2.0**-24 * scale)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("outputs", [64, 130, 320])
def test_a_row_has_the_same_bits_however_rows_are_grouped(outputs, precision):
    x, matrix, bias = problem(23, 75, outputs)
    alone = np.concatenate([multiply(x[k : k + 1], matrix, bias, precision) for k in range(len(x))])
    for size in (2, 3, 5, 6, 7, 8, 11, 12, 23):
        groups = [multiply(x[k : k + size], matrix, bias, precision) for k in range(0, len(x), size)]
        np.testing.assert_array_equal(np.concatenate(groups), alone)


def test_rows_and_matrices_may_lie_anywhere_in_their_arrays():
    x, matrix, bias = problem(4, 10, 64)
    apart = np.full((4, 17), np.nan, np.float32)
    apart[:, 3:13] = x
    behind = np.concatenate([np.full(29, np.nan, np.float32), pack(matrix, "float32")])
    y = np.tile(np.concatenate([bias, np.full(5, 7.0, np.float32)]), (4, 1)).ravel()
    _multiply(apart.ravel(), 3, 17, 4, behind, 29, 10, 64, y, 69)
    rows = y.reshape(4, 69)
    np.testing.assert_array_equal(rows[:, :64], multiply(x, matrix, bias, "float32"))
    assert np.all(rows[:, 64:] == 7.0)


def test_no_rows_and_no_inputs_leave_the_result_alone():
    y = np.arange(64, dtype=np.float32)
    nothing = np.zeros(0, np.float32)
    _multiply(nothing, 0, 0, 0, nothing, 0, 0, 64, y, 64)
    _multiply(nothing, 0, 0, 1, nothing, 0, 0, 64, y, 64)
    np.testing.assert_array_equal(y, np.arange(64))


@pytest.mark.parametrize(("outputs", "wide"), [(1, 64), (64, 64), (65, 128), (0, 0)])
def test_outputs_are_padded_to_whole_blocks(outputs, wide):
    assert padded(outputs) == wide
    assert padded(outputs) % BLOCK == 0


def test_packing_keeps_every_weight_and_fills_with_zeros():
    matrix = np.arange(1, 3 * 70 + 1, dtype=np.float32).reshape(3, 70)
    panels = pack(matrix, "float32").reshape(4, 3, PANEL)
    np.testing.assert_array_equal(np.concatenate(list(panels), 1)[:, :70], matrix)
    assert not panels[2, :, 70 - 2 * PANEL :].any()
    assert not panels[3].any()
