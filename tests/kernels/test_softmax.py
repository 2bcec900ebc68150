"""The parts of a softmax: accuracy beside exact decimals, the same bits from each and on other CPUs, and NaN."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from decimal import Decimal, localcontext

import numpy as np
import pytest

from seqgen.kernels import softmax
from seqgen.kernels.compile import kernel
from seqgen.kernels.softmax import LOWEST, WIDTH

ENDS = np.array([0.0, -0.0, -5e-324, -1e-300, -1e-17, -0.5 * np.log(2), LOWEST, -745.0, -1e300, -np.inf])
LENGTHS = [0, 1, 2, WIDTH - 1, WIDTH, WIDTH + 1, 3 * WIDTH, 96, 257]


@kernel
def exponentials(x, top, out):
    softmax.exponentials(x, top, len(x), out)


@kernel
def each(x, out):
    for k in range(len(x)):
        out[k] = softmax.exp(x[k])


@kernel
def largest(x):
    return softmax.largest(x, len(x))


def grid() -> np.ndarray:
    """Return numbers that are at most 0: ends, the turns between powers of two, and random ones."""
    turns = (np.arange(-1020, 0)[:, None] + np.array([-0.5, 0.0, 0.5])).ravel() * np.log(2)
    near = np.concatenate([turns, np.nextafter(turns, 0), np.nextafter(turns, -1e9)])
    random = -np.random.default_rng(1).exponential([1e-9, 1e-3, 1.0, 30.0], (5000, 4)).ravel()
    return np.concatenate([ENDS, near, random])


def powers(x: np.ndarray) -> np.ndarray:
    out = np.full_like(x, np.nan)
    exponentials(x, 0.0, out)
    return out


def test_the_error_is_below_one_unit_in_the_last_place() -> None:
    x = grid()
    x = x[x >= LOWEST]
    found = powers(x)
    with localcontext(prec=40):
        exact = [Decimal(number).exp() for number in x.tolist()]
        errors = [abs(Decimal(a) - b) / b for a, b in zip(found.tolist(), exact, strict=True)]
        assert max(errors) < Decimal(2.0**-52)
    assert (found[x == 0.0] == 1.0).all()
    assert (found <= 1.0).all()


def test_numbers_below_the_normal_ones_are_zero_and_nan_stays() -> None:
    x = np.array([np.nextafter(LOWEST, -1e9), -1e4, -np.inf, np.nan, -1.0])
    np.testing.assert_array_equal(powers(x), [0.0, 0.0, 0.0, np.nan, powers(np.array([-1.0]))[0]])


@pytest.mark.parametrize("length", LENGTHS)
def test_vectors_and_single_numbers_have_the_same_bits(length: int) -> None:
    x = np.random.default_rng(length).normal(size=length) * 20
    top = x.max(initial=0.0)
    out, single = np.full(length + 1, 7.0), np.empty(length)
    exponentials(x, top, out)
    each(x - top, single)
    assert out[:length].tobytes() == single.tobytes()
    assert out[length] == 7.0
    assert largest(x) == x.max(initial=-np.inf)
    exponentials(x, top, x)
    assert x.tobytes() == single.tobytes()


@pytest.mark.parametrize("length", [n for n in LENGTHS if n])
def test_the_largest_number_is_found_wherever_it_is_and_beside_nan(length: int) -> None:
    for at in range(length):
        x = np.full(length, -np.inf)
        x[at] = -3.0
        assert largest(x) == -3.0
        x[x == -np.inf] = np.nan
        assert largest(x) == -3.0
    assert largest(np.full(length, np.nan)) == -np.inf


def bits() -> str:
    return hashlib.sha256(powers(grid()).tobytes()).hexdigest()


@pytest.mark.parametrize("features", ["", "+avx2,+avx,+fma"], ids=["generic", "avx2"])
def test_other_cpus_give_the_same_bits(features: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the features are those of x86-64")
    done = subprocess.run(
        [sys.executable, "-c", "from tests.kernels.test_softmax import bits; print(bits())"],
        env={**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == bits()
