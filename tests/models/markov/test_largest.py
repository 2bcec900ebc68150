"""The few most probable symbols after a state: what controls leave of them is what they leave of all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.controls import BoundControls, Parameters
from seqgen.engines.lane_controls import LaneControls
from seqgen.kernels.compile import kernel
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_largest import collect_largest
from seqgen.models.markov.numba_sparse_draw import possible_symbols, weigh_possible
from seqgen.models.markov.numba_walk import collect
from tests.models.markov.test_sparse_draw import chain_of


@kernel
def _left(a, logs, order, state, controls, among_all):
    """Return what the controls leave, as symbols, next states and cumulative masses; None if it is not determined."""
    a, controls = Automaton(*a), LaneControlArrays(*controls)
    outcomes = controls.allowed.shape[1]
    s = possible_symbols(outcomes)
    n = np.int64(-1)
    if among_all:
        n = np.int64(collect(a, logs, state, s, np.empty(outcomes)))
    else:
        n = np.int64(collect_largest(a, logs, order, state, s, controls, 0))
    if n < 0:
        return None
    m = weigh_possible(s, n, a.backoff[state] == 0.0, controls, 0)
    return s.symbol[s.left[:m]], s.next[s.left[:m]], s.mass[:m].copy()


def lane_of(chain, parameters, allowed, seen):
    a = chain.automaton
    lane = LaneControls(1, a.symbols + a.ends)
    lane.begin(np.array([0]), BoundControls(parameters, allowed), None)
    lane.seen[0] = seen
    return tuple(lane.arrays)


def both(chain, state, arrays):
    model = tuple(chain.automaton), chain.logs, chain.descending, state, arrays
    return _left(*model, False), _left(*model, True)


@settings(max_examples=300)
@given(
    st.sampled_from([1, 2, 3]),
    st.sampled_from([None, "kneser-ney"]),
    st.booleans(),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 0.7, 0.05]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.builds(
        Parameters,
        repetition_penalty=st.sampled_from([0.0, 0.0, 1.2, 3.0, 1e300, 0.9]),
        temperature=st.sampled_from([0.0, 0.8, 2.5, 0.01, 1e-100]),
        top_k=st.sampled_from([0.0, 1.0, 3.0, 20.0, 60.0, 300.0]),
        top_p=st.sampled_from([0.0, 0.9, 1e-30]),
        min_p=st.sampled_from([0.0, 0.01, 0.3, 1.0]),
        typical_p=st.sampled_from([0.0, 0.0, 0.8]),
    ),
)
def test_the_largest_leave_what_all_symbols_leave(order, smoothing, ends, seed, allow, seen, parameters):
    chain, generator = chain_of(order, smoothing, ends), np.random.default_rng(seed)
    outcomes = chain.automaton.symbols + chain.automaton.ends
    allowed = generator.random(outcomes) < allow
    arrays = lane_of(chain, parameters, allowed, generator.random(outcomes) < seen)
    longest = generator.integers(len(chain.automaton.parent), size=3).tolist()
    for state in [0, chain.automaton.start, *longest]:
        few, everything = both(chain, state, arrays)
        for found, expected in zip(few or (), everything, strict=False):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(top_k=20.0),
        Parameters(top_k=20.0, repetition_penalty=1.2, temperature=0.8, top_p=0.9),
        Parameters(min_p=0.2),
        Parameters(top_p=1e-30),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_few_symbols_suffice_for_smoothed_chains(order, parameters):
    chain = chain_of(order, "kneser-ney", True)
    arrays = lane_of(chain, parameters, None, False)
    states = range(0, len(chain.automaton.parent), 17)
    sufficed = [both(chain, state, arrays)[0] is not None for state in states]
    assert np.mean(sufficed) > 0.9


def test_more_symbols_are_read_where_a_penalty_lowers_the_first():
    chain = chain_of(1, "kneser-ney", True)
    a = chain.automaton
    seen = np.zeros(a.symbols + a.ends, bool)
    seen[np.argsort(-a.successors(0)[0])[:150]] = True
    arrays = lane_of(chain, Parameters(repetition_penalty=1e3, top_k=2.0), None, seen)
    few, everything = both(chain, 0, arrays)
    assert few is not None
    assert not seen[few[0]].all()
    np.testing.assert_array_equal(few[0], everything[0])
