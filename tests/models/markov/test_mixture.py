"""Rows that share the masses of the empty context: the symbols of dense draws, or none where rounding may matter."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import Controls
from seqgen.controls import Parameters
from seqgen.kernels.compile import kernel
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_mixture import draw_from_mixture, keep_mixture
from seqgen.models.markov.numba_rows import ENTRY, Rows
from seqgen.models.markov.numba_shared import COLDEST, Shared, share
from seqgen.models.markov.numba_sparse_draw import possible_symbols, weigh_possible
from seqgen.models.markov.numba_walk import collect
from tests.models.markov.test_largest import lane_of
from tests.models.markov.test_rows import begun, engine_of, idle
from tests.models.markov.test_sparse_draw import chain_of


@kernel
def _masses(a, logs, state, controls):
    a, controls = Automaton(*a), LaneControlArrays(*controls)
    outcomes = controls.allowed.shape[1]
    s = possible_symbols(outcomes)
    n = np.int64(collect(a, logs, state, s, np.empty(outcomes)))
    m = weigh_possible(s, n, False, controls, 0)
    return s.symbol[s.left[:m]], s.next[s.left[:m]], s.mass[:m].copy()


@kernel
def _drawn(a, logs, rows, shared, state, controls, uniforms):
    a, controls, rows = Automaton(*a), LaneControlArrays(*controls), Rows(*rows)
    shared = Shared(*shared)
    s = possible_symbols(controls.allowed.shape[1])
    place = keep_mixture(a, logs, rows, shared, state, s, controls, 0)
    drawn = np.empty((len(uniforms), 2), np.int64)
    for k in range(len(uniforms) if place > 0 else 0):
        drawn[k, 0], drawn[k, 1] = draw_from_mixture(a, rows, place, shared, uniforms[k])
    return place, drawn


def empty_rows(chain, room):
    return Rows(
        np.zeros(len(chain.automaton.parent), np.int32), np.zeros(room, ENTRY), np.empty((0, 2)), np.zeros(2, np.int64)
    )  # fmt: skip


@settings(max_examples=150)
@given(
    st.sampled_from([1, 2, 3, 4]),
    st.booleans(),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 0.6, 0.05]),
    st.sampled_from([0.0, 0.8, 1.0, 3.0, 0.1, COLDEST, 1e6]),
    st.sampled_from([0.0, 0.9, 0.5, 1.0]) | st.floats(0.01, 0.999),
)
def test_draws_have_the_symbols_of_dense_ones(order, ends, seed, allow, temperature, top_p):
    chain, generator = chain_of(order, "kneser-ney", ends), np.random.default_rng(seed)
    a = chain.automaton
    allowed = generator.random(a.symbols + a.ends) < allow
    allowed[generator.integers(len(allowed))] = True
    arrays = lane_of(chain, Parameters(temperature=temperature, top_p=top_p), allowed, False)
    shared = share(chain.logs[: len(allowed)], temperature or 1.0, allowed, top_p=0.0 < top_p < 1.0)
    rows = empty_rows(chain, 10_000)
    backing_off = np.flatnonzero(a.backoff > 0.0)
    for state in generator.choice(backing_off, 5).tolist():
        symbols, after, masses = _masses(tuple(a), chain.logs, state, arrays)
        bounds = (masses / masses[-1])[:-1]
        bounds = np.concatenate([bounds, bounds * (1 + 2e-16), bounds * (1 - 2e-16), bounds * (1 + 1e-13)])
        uniforms = np.concatenate([generator.random(200), bounds[bounds < 1.0], [2.0**-53, 1 - 2.0**-53]])
        place, drawn = _drawn(tuple(a), chain.logs, tuple(rows), tuple(shared), state, arrays, uniforms)
        if place == 0:
            # the last symbol that top-p keeps is not certain
            assert 0.0 < top_p < 1.0
            continue
        places = np.array([np.argmax(masses > uniform * masses[-1]) for uniform in uniforms])
        certain = drawn[:, 0] >= 0
        np.testing.assert_array_equal(drawn[certain, 0], symbols[places][certain])
        np.testing.assert_array_equal(drawn[certain, 1], after[places][certain])
        # a random uniform is hardly ever within the rounding
        assert certain[:200].mean() > 0.95


@pytest.mark.parametrize("top_p", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_what_top_p_keeps_is_nearly_always_certain(order, top_p):
    chain = chain_of(order, "kneser-ney", True)
    a = chain.automaton
    outcomes = a.symbols + a.ends
    arrays = lane_of(chain, Parameters(top_p=top_p), None, False)
    shared = share(chain.logs[:outcomes], 1.0, np.ones(outcomes, bool), top_p=True)
    rows = empty_rows(chain, 100_000)
    states = np.flatnonzero(a.backoff > 0.0)[::7].tolist()
    places = [
        _drawn(tuple(a), chain.logs, tuple(rows), tuple(shared), state, arrays, np.empty(0))[0]
        for state in states
    ]
    assert np.mean(np.array(places) > 0) > 0.98


def test_the_row_of_a_state_holds_only_successors():
    chain = chain_of(1, "kneser-ney", False)
    a = chain.automaton
    engine = engine_of(chain, 1)
    begun(engine, [0], Controls(temperature=0.7))
    engine.advance(np.array([400]))
    [rows] = idle(engine)
    visited = [state for state in np.flatnonzero(rows.place).tolist() if a.backoff[state] > 0.0]
    assert len(visited) > 20
    for state in visited:
        place = rows.place[state]
        row = rows.entries[place : place + rows.entries[place - 1]["symbol"]]
        np.testing.assert_array_equal(row["symbol"], a.symbol[a.first[state] : a.first[state + 1]])


@pytest.mark.parametrize("room", [0, 3, 200, 100_000])
def test_rows_without_room_are_forgotten(room):
    chain = chain_of(2, "kneser-ney", False)
    a = chain.automaton
    arrays = lane_of(chain, Parameters(temperature=0.7), None, False)
    shared = share(chain.logs[: a.symbols], 0.7, np.ones(a.symbols, bool), top_p=False)
    rows, places = empty_rows(chain, room), {}
    for state in np.flatnonzero(a.backoff > 0.0)[:200].tolist():
        places[state], _ = _drawn(
            tuple(a), chain.logs, tuple(rows), tuple(shared), state, arrays, np.empty(0)
        )
        assert rows.place[state] == places[state]
        assert rows.used[0] <= room
    kept = np.flatnonzero(rows.place).tolist()
    taken = sorted((places[s] - 2, places[s] + int(rows.entries[places[s] - 1]["symbol"])) for s in kept)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))
    assert (rows.used[1] > 0) == (room < 100_000)


def test_where_rounding_may_matter_all_symbols_are_evaluated():
    chain = chain_of(2, "kneser-ney", False)
    made = []
    for margin in (None, np.inf):
        engine = engine_of(chain, 2)
        begun(engine, [0, 1], Controls(temperature=0.7))
        engine.advance(np.array([300, 300]))
        for rows in idle(engine):
            for place in rows.place[rows.place > 0].tolist() if margin is not None else ():
                rows.entries[place - 1]["mass"] = margin
        made.append(engine.advance(np.array([300, 300])).symbols)
    np.testing.assert_array_equal(*made)
