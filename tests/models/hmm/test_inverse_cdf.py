"""Tables of inverse CDFs draw as the definition does, for every word; Poisson windows against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqgen import rng
from seqgen.kernels.compile import kernel
from seqgen.kernels.normals import fill_normals
from seqgen.kernels.words import PLANE, fill_words, planes
from seqgen.models.hmm.inverse_cdf import GuideTable, cumulative, guide_table, poisson_row
from seqgen.models.hmm.numba_sampling import _draw


@kernel
def _draw_all(table, row, words, out):
    for k in range(len(words)):
        place = _draw(table.thresholds, table.guide, np.uint64(table.bits), np.uint64(row), words[k])
        out[k] = np.int64(place) + table.offset[row]


@kernel
def _fill(seed, index, number, count, purpose, words):
    return fill_words(seed, index, number, count, purpose, planes(), words)


@kernel
def _normals(words, out):
    fill_normals(words, len(words), np.empty(len(words) + 1, np.int64), np.empty((2, len(words))), out)


def drawn(table: GuideTable, row: int, words: np.ndarray) -> np.ndarray:
    out = np.empty(len(words), np.int64)
    _draw_all(table, row, words, out)
    return out


def telling_words(weights: np.ndarray, count: int = 500) -> np.ndarray:
    """Return random words, the smallest and largest, and those around every step of the CDF."""
    steps = np.rint(cumulative(weights) * 2.0**32)
    near = (steps[:, None] + np.arange(-2, 3)).clip(0, 2**32 - 1).ravel()
    some = np.random.default_rng(0).integers(0, 2**32, count)
    return np.concatenate([some, near, [0, 1, 2**32 - 2, 2**32 - 1]]).astype(np.uint32)


@st.composite
def rows(draw):
    """Return weights with zeros at the ends and between, some of them tiny."""
    r = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([1, 2, 3, 16, 64, 300]))
    weights = r.dirichlet(np.full(size, draw(st.sampled_from([0.01, 0.3, 5.0]))))
    weights[r.random(size) < draw(st.sampled_from([0.0, 0.5]))] = 0.0
    if draw(st.booleans()):
        weights *= 10.0 ** -r.integers(0, 12, size)
    if not weights.sum() > 0:
        weights[r.integers(size)] = 1.0
    return weights


@given(st.lists(rows(), min_size=1, max_size=3))
def test_tables_draw_by_the_definition(given_rows):
    table = guide_table(given_rows, first=list(range(10, 10 + len(given_rows))))
    for number, weights in enumerate(given_rows):
        words = telling_words(weights)
        symbols = drawn(table, number, words) - 10 - number
        uniforms = rng.to_uniform(words)
        assert np.array_equal(symbols, np.sum(cumulative(weights) <= uniforms[:, None], -1))
        assert (weights[symbols] > 0).all()


def test_many_wide_rows_keep_the_guide_small():
    weights = np.random.default_rng(1).dirichlet(np.ones(50), 30_000)
    table = guide_table(weights)
    assert len(table.guide) <= 2**21
    words = telling_words(weights[29_999])
    expected = np.sum(cumulative(weights[29_999]) <= rng.to_uniform(words)[:, None], -1)
    assert np.array_equal(drawn(table, 29_999, words), expected)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.2, 1.0, 39.5, 40.0, 1234.5, 1e6])
def test_poisson_windows(rate):
    first, weights = poisson_row(rate)
    counts = first + np.arange(len(weights))
    assert weights.sum() == pytest.approx(1.0)
    assert stats.poisson(rate).cdf(counts) == pytest.approx(cumulative(weights), abs=2e-10)
    assert stats.poisson(rate).cdf(first - 1) < 1e-12
    assert stats.poisson(rate).sf(counts[-1]) < 1e-12


@pytest.mark.parametrize(
    ("number", "count"), [(0, 1), (3, 10), (6, 4 * PLANE), (1, 4 * PLANE + 3), (2**34 + 2, 9)]
)
def test_words_in_bulk(number, count):
    words = np.empty(count + 8, np.uint32)
    seed, index = 2**63 + 12345, 2**33 + 7
    skip = _fill(np.uint64(seed), np.uint64(index), number, count, 2, words)
    numbers = number + np.arange(count)
    expected = rng.words(seed, index, numbers // 4, 2)[np.arange(count), numbers % 4]
    assert np.array_equal(words[skip : skip + count], expected)


def test_normals_in_bulk():
    some = np.random.default_rng(0).integers(0, 2**32, 100_000)
    ends = np.arange(2000)
    words = np.concatenate([some, ends, 2**32 - 1 - ends]).astype(np.uint32)
    out = np.empty(len(words))
    _normals(words, out)
    assert np.array_equal(out, rng.to_normal(rng.to_uniform(words)))
