"""One rule determines the number of bits of stored matrices, and the storage changes no bit of a product."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.checkpoint import from_bfloat16, to_bfloat16
from seqgen.kernels.packing import Packer, padded_vector
from tests.kernels.test_vector import _multiply

GENERATOR = np.random.default_rng(3)


def exact(*shape: int) -> np.ndarray:
    """Return numbers that are representable in bfloat16."""
    return from_bfloat16(to_bfloat16(GENERATOR.normal(size=shape).astype(np.float32)))


def inexact(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape).astype(np.float32)


def packed(arrays: dict[str, np.ndarray], precision: str) -> tuple[Packer, list[int]]:
    packer = Packer(arrays, precision)
    return packer, [
        packer.add(packer["first"]),
        packer.add_rows(packer["rows"]),
        packer.add(packer["second"]),
    ]


@pytest.mark.parametrize(
    ("precision", "matrices", "storage"),
    [
        ("auto", (exact, exact, exact), "bfloat16"),
        ("auto", (exact, inexact, exact), "float32"),
        ("auto", (exact, exact, inexact), "float32"),
        ("auto", (inexact, inexact, inexact), "float32"),
        ("float32", (exact, exact, exact), "float32"),
        ("float32", (inexact, inexact, inexact), "float32"),
        ("bfloat16", (exact, inexact, exact), "bfloat16"),
    ],
)
def test_auto_stores_16_bits_where_every_matrix_is_exact(precision, matrices, storage):
    """Biases do not matter, because they are not stored in this form."""
    sizes = {"first": (5, 70), "rows": (3, 40), "second": (9, 64)}
    arrays = {name: made(*sizes[name]) for name, made in zip(sizes, matrices, strict=True)}
    packer, begins = packed({**arrays, "bias": inexact(70)}, precision)
    assert packer.storage == storage
    assert begins == [0, 5 * 128, 5 * 128 + 3 * 64]
    whole = packer.matrices()
    length = 5 * 128 + 3 * 64 + 9 * 64
    assert (whole.dtype, len(whole)) == {
        "bfloat16": (np.uint32, length // 2), "float32": (np.float32, length)
    }[storage]  # fmt: skip
    y = np.zeros(64, np.float32)
    x = inexact(9)
    _multiply(x, 0, 9, 1, whole, begins[2], 9, 64, y, 64)
    used = arrays["second"] if precision != "bfloat16" else from_bfloat16(to_bfloat16(arrays["second"]))
    expected = x.astype(np.float64) @ used.astype(np.float64)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_products_of_exact_matrices_are_the_same_bits_from_16_and_from_32():
    arrays = {"first": exact(33, 100), "rows": exact(2, 10), "second": exact(3, 5)}
    x, results = inexact(4 * 33), []
    for precision in ("auto", "float32", "bfloat16"):
        packer, begins = packed(arrays, precision)
        y = np.ones(4 * 128, np.float32)
        _multiply(x, 0, 33, 4, packer.matrices(), begins[0], 33, 128, y, 128)
        results.append(y)
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_bfloat16_rounds_every_parameter_and_auto_none():
    arrays = {"matrix": inexact(3, 4), "bias": inexact(4), "number": np.float32(0.1) * np.ones(())}
    for name, array in arrays.items():
        rounded = from_bfloat16(to_bfloat16(array)).reshape(array.shape)
        np.testing.assert_array_equal(Packer(arrays, "bfloat16")[name], rounded)
        np.testing.assert_array_equal(Packer(arrays, "auto")[name], array)


def test_parameters_are_copies_that_kernels_may_be_compiled_for():
    """Arrays from a file are read-only, and transposed ones have another order: both are separate types in Numba."""
    given = inexact(3, 4).T
    given.flags.writeable = False
    for array in (given, given.astype(np.float64)):
        own = Packer({"matrix": array}, "auto")["matrix"]
        assert own.dtype == np.float32
        assert own.flags.writeable
        assert own.flags.c_contiguous
        np.testing.assert_array_equal(own, given)


def test_biases_are_padded_with_zeros():
    assert padded_vector(np.ones(3)).tolist() == [1.0] * 3 + [0.0] * 61
    assert len(padded_vector(np.zeros(64))) == 64
