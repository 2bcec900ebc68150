"""Every control step against its definition, implemented naively, and against the same control of `transformers`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from seqgen import controls
from tests.core import naive_controls as naive

SIZES = (1, 2, 7, 65)


def _rows(size: int, *, ties: bool = False, impossible: bool = False) -> np.ndarray:
    generator = np.random.default_rng(size)
    rows = generator.normal(size=(40, size)) * 3
    if ties:
        rows = np.round(rows)
    if impossible:
        rows[:, 1:][generator.random((40, size - 1)) < 0.4] = -np.inf
    return rows


KINDS = {"plain": {}, "ties": {"ties": True}, "impossible": {"impossible": True}}

STEPS = {
    "temperature": (controls.apply_temperature, naive.temperature, (0.3, 1.0, 2.5)),
    "top_k": (controls.apply_top_k, naive.top_k, (1, 2, 5, 1000)),
    "top_p": (controls.apply_top_p, naive.top_p, (1e-9, 0.1234, 0.567, 0.9876)),
    "min_p": (controls.apply_min_p, naive.min_p, (0.01234, 0.3456, 1.0)),
    "typical_p": (controls.apply_typical, naive.typical_p, (1e-9, 0.2345, 0.6789, 0.9876)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STEPS)
def test_a_step_equals_its_definition(name, size, kind):
    fast, slow, values = STEPS[name]
    rows = _rows(size, **KINDS[kind])
    for value in values:
        expected = [slow(row.tolist(), value) for row in rows]
        np.testing.assert_allclose(fast(rows, value), expected, rtol=1e-15)


@pytest.mark.parametrize("size", SIZES)
def test_allowed_and_repetition_penalty_equal_their_definitions(size):
    rows = _rows(size, impossible=size > 1)
    mask = np.arange(size) % 3 == 0
    for penalty in (0.5, 1.0, 1.7):
        np.testing.assert_array_equal(
            controls.apply_repetition_penalty(rows, penalty, mask),
            [naive.repetition_penalty(row.tolist(), penalty, mask.tolist()) for row in rows],
        )
    np.testing.assert_array_equal(
        controls.apply_allowed(rows, mask), [naive.allowed(row.tolist(), mask.tolist()) for row in rows]
    )


PEERS = {
    "temperature": (controls.apply_temperature, TemperatureLogitsWarper, (0.3, 2.5)),
    "top_k": (controls.apply_top_k, TopKLogitsWarper, (1, 2, 5, 1000)),
    "top_p": (controls.apply_top_p, TopPLogitsWarper, (0.1234, 0.567, 0.9876)),
    "min_p": (controls.apply_min_p, MinPLogitsWarper, (0.01234, 0.3456, 1.0)),
    "typical_p": (controls.apply_typical, TypicalLogitsWarper, (0.2345, 0.6789, 0.9876)),
}


@pytest.mark.parametrize("impossible", [False, True], ids=["plain", "impossible"])
@pytest.mark.parametrize("size", [2, 7, 65])
@pytest.mark.parametrize("name", PEERS)
def test_a_step_equals_that_of_transformers(name, size, impossible):
    ours, peer, values = PEERS[name]
    rows = _rows(size, impossible=impossible)
    for value in values:
        theirs = peer(value)(torch.zeros((len(rows), 0), dtype=torch.long), torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(ours(rows, value), theirs, rtol=1e-12)


@pytest.mark.parametrize("name", ["top_k", "min_p", "typical_p"])
def test_ties_are_treated_as_transformers_treats_them(name):
    ours, peer, values = PEERS[name]
    rows = _rows(65, ties=True)
    for value in values:
        theirs = peer(value)(torch.zeros((len(rows), 0), dtype=torch.long), torch.from_numpy(rows)).numpy()
        np.testing.assert_array_equal(ours(rows, value), theirs)


def test_of_tied_symbols_top_p_keeps_as_many_as_transformers():
    rows = _rows(65, ties=True)
    theirs = TopPLogitsWarper(0.567)(torch.zeros((len(rows), 0), dtype=torch.long), torch.from_numpy(rows))
    ours = controls.apply_top_p(rows, 0.567)
    np.testing.assert_array_equal(np.isfinite(ours).sum(-1), torch.isfinite(theirs).sum(-1).numpy())


def test_repetition_penalty_equals_that_of_transformers():
    rows = _rows(7)
    history = np.random.default_rng(0).integers(0, 7, (len(rows), 4))
    seen = np.zeros(rows.shape, bool)
    np.put_along_axis(seen, history, True, -1)
    peer = RepetitionPenaltyLogitsProcessor(1.7)
    theirs = peer(torch.from_numpy(history), torch.from_numpy(rows.copy())).numpy()
    np.testing.assert_allclose(controls.apply_repetition_penalty(rows, 1.7, seen), theirs, rtol=1e-15)


@pytest.mark.parametrize("step", [controls.apply_top_p, controls.apply_typical], ids=["top_p", "typical_p"])
def test_a_mass_of_one_keeps_every_possible_symbol(step):
    logits = np.array([0.0, -50.0, -np.inf, -800.0, -40.0])
    np.testing.assert_array_equal(step(logits, 1.0), logits)


def test_steps_take_any_leading_shape():
    rows = _rows(7)
    for fast, _, values in STEPS.values():
        stacked = fast(rows.reshape(4, 10, 7), values[1])
        np.testing.assert_array_equal(stacked.reshape(40, 7), fast(rows, values[1]))


def test_steps_leave_their_input_alone():
    rows = _rows(7)
    before = rows.copy()
    for fast, _, values in STEPS.values():
        fast(rows, values[1])
    np.testing.assert_array_equal(rows, before)
