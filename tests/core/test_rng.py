"""The random source: published results, the layout of counters, quality of the draws, and the compiled version."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from scipy import special, stats

from seqgen import rng
from seqgen.kernels import random as compiled
from seqgen.kernels.normals import normals
from seqgen.rng import Purpose

SEEDS = (0, 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF)
INDICES = (0, 5, 2**32 - 1, 2**32, 2**63 + 11, 2**64 - 1)
POSITIONS = (0, 7, 2**32 - 1, 2**32, 2**56 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_random123_known_answers(counter, key, answer):
    numbers = np.array([int(word, 16) for word in counter.split()], np.uint32)
    k0, k1 = (int(word, 16) for word in key.split())
    assert " ".join(f"{word:08x}" for word in rng.philox(numbers, (k0, k1))) == answer


def test_the_counter_holds_position_index_and_purpose_as_documented():
    seed, index, position = 0x1122334455667788, 0x99AABBCCDDEEFF00, 0x00ABCDEF12345678
    counter = np.array([0x12345678, 0xDDEEFF00, 0x99AABBCC, (3 << 24) + 0xABCDEF], np.uint32)
    expected = rng.philox(counter, (0x55667788, 0x11223344))
    np.testing.assert_array_equal(rng.words(seed, index, position, 3), expected)


@numba.njit
def _compiled_words(seed, index, position, purpose):
    return compiled.philox4(seed, index, position, purpose)


@pytest.mark.parametrize("seed", SEEDS, ids=hex)
def test_compiled_words_equal_numpy_bit_for_bit(seed):
    for index in INDICES:
        for position in POSITIONS:
            for purpose in (0, 3, 255):
                words = _compiled_words(np.uint64(seed), np.uint64(index), np.uint64(position), purpose)
                assert [int(w) for w in words] == rng.words(seed, index, position, purpose).tolist()


@pytest.mark.parametrize("count", [1, 3, 4, 1001])
@pytest.mark.parametrize("position", [0, 2**32 - 2])
def test_compiled_uniforms_equal_numpy_bit_for_bit(count, position):
    seed, index = 2**63 + 9, 2**40 + 3
    out = np.empty(count)
    compiled.fill_uniforms(np.uint64(seed), np.uint64(index), np.uint64(position), 2, out)
    words = rng.words(seed, index, position + np.arange((count + 3) // 4, dtype=np.uint64), 2)
    np.testing.assert_array_equal(out, rng.to_uniform(words.ravel()[:count]))


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 5, 9])
def test_compiled_normals_equal_numpy_bit_for_bit(dimensions):
    seed, index, position, count = 2**64 - 5, 2**33, 12, 3000
    out = np.empty(count * dimensions)
    normals(np.uint64(seed), np.uint64(index), position * dimensions, int(Purpose.EMISSION), out)
    positions = position + np.arange(count, dtype=np.uint64)
    expected = rng.normals(seed, index, positions, Purpose.EMISSION, dimensions)
    np.testing.assert_array_equal(out.reshape(count, dimensions), expected)


@numba.njit
def _compiled_normal(values):
    return np.array([compiled.to_normal(u) for u in values])


def test_compiled_normals_of_extreme_uniforms_equal_numpy():
    words = np.array([0, 1, 2, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32)
    u = np.concatenate([rng.to_uniform(words), [2.0**-53, 0.075, 0.925, 1e-300]])
    np.testing.assert_array_equal(_compiled_normal(u), rng.to_normal(u))


def test_compiled_finer_uniforms_equal_numpy():
    high, low = np.array([0, 1, 2**32 - 1], np.uint32), np.array([2**32 - 1, 5, 2**32 - 1], np.uint32)
    finer = numba.njit(lambda a, b: compiled.to_uniform53(a, b))
    twin = [finer(np.uint64(a), np.uint64(b)) for a, b in zip(high, low, strict=True)]
    np.testing.assert_array_equal(twin, rng.to_uniform53(high, low))


def test_normals_are_the_normal_quantiles_of_their_uniforms():
    u = np.concatenate(
        [rng.to_uniform(np.linspace(0, 2**32 - 1, 20_001).astype(np.uint32)), [2.0**-33, 1 - 2.0**-33]]
    )
    np.testing.assert_allclose(rng.to_normal(u), special.ndtri(u), rtol=2e-14, atol=1e-15)
    tiny = np.array([1e-300, 1e-100, 1e-20])
    np.testing.assert_allclose(rng.to_normal(tiny), special.ndtri(tiny), rtol=2e-14)


def test_normals_are_symmetric():
    u = rng.to_uniform(np.array([0, 17, 2**20, 2**31 - 1], np.uint32))
    np.testing.assert_array_equal(rng.to_normal(1 - u), -rng.to_normal(u))


def test_uniforms_keep_32_bits_and_stay_inside_the_open_interval():
    lowest, highest = rng.to_uniform(np.array([0, 2**32 - 1], np.uint32))
    assert 0 < lowest == 2.0**-33
    assert highest == 1 - 2.0**-33 < 1
    finest = rng.to_uniform53(np.array([0, 2**32 - 1], np.uint32), np.array([0, 2**32 - 1], np.uint32))
    assert 0 < finest[0] < 2.0**-52
    assert finest[1] < 1


@pytest.mark.parametrize("along", ["position", "index"])
def test_uniforms_pass_a_kolmogorov_smirnov_test(along):
    numbers = np.arange(200_000)
    where = (0, numbers) if along == "position" else (numbers, 0)
    u = rng.uniforms(11, *where, Purpose.TOKEN)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4 / np.sqrt(len(u))


def test_uniforms_fill_a_grid_evenly():
    u = rng.words(3, 0, np.arange(100_000), Purpose.TOKEN) >> 28
    for word in range(4):
        assert stats.chisquare(np.bincount(u[:, word], minlength=16)).pvalue > 1e-3
    pairs = np.bincount(u[:, 0] * 16 + u[:, 1], minlength=256)
    assert stats.chisquare(pairs).pvalue > 1e-3


def test_normals_have_the_moments_and_shape_of_the_normal_distribution():
    z = rng.normals(5, np.arange(50), np.arange(2000)[:, None], Purpose.LATENT, 3)
    flat = z.ravel()
    error = 1 / np.sqrt(len(flat))
    assert abs(flat.mean()) < 4 * error
    assert abs(flat.var() - 1) < 4 * np.sqrt(2) * error
    assert abs(stats.skew(flat)) < 4 * np.sqrt(6) * error
    assert abs(stats.kurtosis(flat)) < 4 * np.sqrt(24) * error
    assert stats.kstest(flat[:100_000], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(z.reshape(-1, 3).T) - np.eye(3)).max() < 4 / np.sqrt(z.size / 3)


def test_draws_for_different_purposes_seeds_and_indices_are_independent():
    positions = np.arange(50_000)
    series = [rng.uniforms(seed, index, positions, p) for seed in (0, 1) for index in (0, 1) for p in Purpose]
    correlation = np.corrcoef(series) - np.eye(len(series))
    assert np.abs(correlation).max() < 5 / np.sqrt(len(positions))
    assert len({row.tobytes() for row in series}) == len(series)


def test_purposes_keep_their_stored_numbers():
    assert [p.value for p in Purpose] == list(range(9))
    assert Purpose.TOKEN == 0
    assert Purpose.POSTERIOR == 7


def test_categorical_never_draws_a_symbol_of_probability_zero():
    weights = np.array([0.0, 1e-30, 0.0, 1.0, 0.0, 3.0, 0.0])
    extreme = rng.to_uniform(np.array([0, 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32))
    for total in (1.0, 1e-300, 5e-324, 1e300):
        scaled = weights * total
        drawn = rng.categorical(np.broadcast_to(scaled, (len(extreme), len(weights))), extreme)
        assert np.all(scaled[drawn] > 0)


def test_categorical_draws_at_the_rates_that_were_asked_for():
    weights = np.array([5.0, 0.0, 1.0, 0.5, 3.5, 1e-3])
    u = rng.uniforms(2, 0, np.arange(200_000), Purpose.TOKEN)
    drawn = rng.categorical(np.broadcast_to(weights, (len(u), len(weights))), u)
    counts = np.bincount(drawn, minlength=len(weights))
    assert counts[1] == 0
    on = weights > 0
    assert stats.chisquare(counts[on], weights[on] / weights.sum() * len(u)).pvalue > 1e-3


def test_categorical_reaches_tails_finer_than_a_24_bit_uniform():
    weights = np.array([1.0, 2.0**-30])
    words = (2**32 - 1 - np.arange(64)).astype(np.uint32)
    drawn = rng.categorical(np.broadcast_to(weights, (64, 2)), rng.to_uniform(words))
    assert 3 <= drawn.sum() <= 5, "2^-30 of 2^32 words is four"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-1, 0, 0, 0), "seed"),
        ((2**64, 0, 0, 0), "seed"),
        ((0, 0, 0, 256), "purpose"),
        ((0, 0, 0, -1), "purpose"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        rng.words(*arguments)
    with pytest.raises(TypeError, match="seed"):
        rng.words(1.5, 0, 0, 0)
    with pytest.raises(ValueError, match="dimensions"):
        rng.normals(0, 0, 0, 0, dimensions=0)
