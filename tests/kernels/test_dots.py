"""Inner products of several arrays with one row of weights: the bits are those of each alone."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.kernels import dots
from seqgen.kernels.compile import kernel
from seqgen.kernels.dots import pack_rows


@kernel
def alone(x, at, w, w_at, count):
    return dots.dot(x, at, w, w_at, count)


@kernel
def together(x, at, w, w_at, count, stride, lanes, out, out_at):
    dots.dots(x, at, w, w_at, count, stride, lanes, out, out_at)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("lanes", [0, 1, 2, 3, 4, 5, 7, 8, 9])
def test_lanes_have_the_bits_of_a_lane_alone(precision: str, lanes: int) -> None:
    generator = np.random.default_rng(lanes)
    inputs, stride, at = 150, 211, 5
    rows = pack_rows(generator.normal(size=(3, inputs)).astype(np.float32), precision)
    x = generator.normal(size=at + stride * 9 + 192).astype(np.float32)
    for row in range(3):
        out = np.full(lanes + 3, 7.0, np.float32)
        together(x, at, rows, row * 192, 192, stride, lanes, out, 2)
        expected = [alone(x, at + m * stride, rows, row * 192, 192) for m in range(lanes)]
        np.testing.assert_array_equal(out, np.array([7.0, 7.0, *expected, 7.0], np.float32))


def test_an_inner_product_is_that_of_the_numbers() -> None:
    generator = np.random.default_rng(1)
    weights, x = (
        generator.normal(size=(1, 192)).astype(np.float32),
        generator.normal(size=192).astype(np.float32),
    )
    exact = weights[0].astype(np.float64) @ x
    assert abs(alone(x, 0, pack_rows(weights, "float32"), 0, 192) - exact) < 1e-4
