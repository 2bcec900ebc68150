"""The fused addition and sigmoid: bit for bit its definition in numpy, also on other CPUs; accuracy; range."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
from scipy import special

from seqgen.image.numba_sigmoid import (
    LIMIT,
    POWER,
    ROUNDER,
    SLOPE,
    STEP,
    add_row_sigmoids,
    aligned_rows,
    sigmoids,
)
from seqgen.kernels.dots import pack_rows

_f = np.float32
ENDS = [0.0, -0.0, 1e-30, -1e-30, LIMIT, -LIMIT, 88.0, -88.0, 1e30, -1e30, np.inf, -np.inf]


def fma(a: Any, b: Any, c: Any) -> np.ndarray:
    """Return a · b + c, rounded once to float32: the exact sum is rounded to odd in float64, then to nearest."""
    product = np.multiply(a, b, dtype=np.float64)  # exact
    c = np.asarray(c, np.float64)
    total = product + c
    part = total - product
    rest = (product - (total - part)) + (c - part)  # total + rest is the exact sum
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(rest > 0, np.inf, -np.inf)
    return np.where((rest != 0) & even, np.nextafter(total, towards), total).astype(_f)


def specification(x: np.ndarray) -> np.ndarray:
    """Return the sigmoids of float32 numbers as the kernel defines them, one operation after another."""
    x = np.clip(x, _f(-LIMIT), _f(LIMIT))
    rounded = fma(x, _f(SLOPE), _f(ROUNDER))
    n = rounded - _f(ROUNDER)
    rest = fma(x, _f(SLOPE), -n)
    power = np.full_like(x, POWER[-1])
    for coefficient in POWER[-2::-1]:
        power = fma(power, rest, _f(coefficient))
    scaled = np.ldexp(power, n.astype(np.int32))
    return np.asarray(_f(1) / (_f(1) + scaled))


def grid() -> np.ndarray:
    """Return float32 numbers over the whole range, in whole steps."""
    noise = np.random.default_rng(0)
    parts = [np.linspace(-90, 90, 200_000), noise.normal(size=200_000), 4 * noise.normal(size=200_000), ENDS]
    x = np.concatenate(parts)
    return np.pad(x, (0, -len(x) % STEP)).astype(_f)


def check() -> None:
    """Compare the kernels with the specification."""
    x = grid()
    out = np.empty_like(x)
    call_sigmoids(x, 0, out, 0, len(x))
    assert np.array_equal(out.view(np.int32), specification(x).view(np.int32))
    row = np.random.default_rng(1).normal(size=(1, 4096)).astype(_f)
    for precision in ("float32", "bfloat16"):
        weights = pack_rows(row, precision)
        added = widened(weights)
        sums, hidden = x[:4160].copy(), np.full(4160, np.nan, _f)
        call_add_row_sigmoids(sums, 64, weights, 1024, hidden, 32, 2048)
        expected = x[64 : 64 + 2048] + added[1024 : 1024 + 2048]
        assert np.array_equal(sums[64 : 64 + 2048], expected)
        assert np.array_equal(sums[:64], x[:64])
        assert np.array_equal(sums[64 + 2048 :], x[64 + 2048 : 4160])
        assert np.array_equal(hidden[32 : 32 + 2048], specification(expected))
        assert np.isnan(hidden[:32]).all()
        assert np.isnan(hidden[32 + 2048 :]).all()


def widened(packed: np.ndarray) -> np.ndarray:
    """Return the weights of a packed row in float32."""
    if packed.dtype == np.float32:
        return packed
    words = packed.reshape(-1, STEP // 2)
    return np.concatenate([words << 16, words & 0xFFFF0000], 1).view(_f).ravel()


def test_sums_and_sigmoids_are_those_of_the_specification() -> None:
    check()


@pytest.mark.parametrize("features", ["", "+avx2,+avx,+fma"], ids=["generic", "avx2"])
def test_other_cpus_give_the_same_bits(features: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the features are those of x86-64")
    environment = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    subprocess.run(
        [sys.executable, "-c", "from tests.image.test_numba_sigmoid import check; check()"],
        env={**os.environ, **environment},
        check=True,
    )


def test_sigmoids_are_accurate_to_the_stated_absolute_error() -> None:
    x = grid()
    out = np.empty_like(x)
    call_sigmoids(x, 0, out, 0, len(x))
    assert np.abs(out - special.expit(x.astype(np.float64))).max() < 2e-7
    assert (np.diff(out[:200_000]) >= -1.2e-7).all()


def test_the_middle_is_exact_and_nan_stays() -> None:
    x = np.zeros(STEP, _f)
    x[1] = np.nan
    out = np.empty_like(x)
    call_sigmoids(x, 0, out, 0, STEP)
    assert np.isnan(out[1])
    assert (np.delete(out, 1) == 0.5).all()


def test_scratch_begins_at_a_cache_line() -> None:
    for count in (1, 16, 500, 4096):
        rows = call_aligned_rows(count)
        assert rows.ctypes.data % 64 == 0
        assert rows.shape == (count,)


@numba.njit
def call_sigmoids(sums: Any, sums_at: int, hidden: Any, hidden_at: int, count: int) -> None:
    sigmoids(sums, sums_at, hidden, hidden_at, count)


@numba.njit
def call_add_row_sigmoids(
    sums: Any, sums_at: int, w: Any, w_at: int, hidden: Any, hidden_at: int, count: int
) -> None:
    add_row_sigmoids(sums, sums_at, w, w_at, hidden, hidden_at, count)


@numba.njit
def call_aligned_rows(count: int) -> Any:
    return aligned_rows(count)
