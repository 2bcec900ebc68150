"""Draws from remembered rows: the same samples as without any, in whatever room there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import Controls, MarkovChain
from seqgen.controls import BoundControls
from seqgen.engine import Request, Start
from seqgen.errors import SeqgenError
from seqgen.models.markov import rows
from seqgen.models.markov.numba_engine import MarkovEngine
from tests.models.markov.test_sparse_draw import chain_of

STEADY = [
    Controls(temperature=0.8),
    Controls(top_p=0.7),
    Controls(greedy=True),
    Controls(top_k=5, typical_p=0.6),
    Controls(min_p=0.1, temperature=1.7),
    Controls(top_k=1000, top_p=0.999),
]
OTHERS = [None, Controls(repetition_penalty=1.3), Controls(repetition_penalty=0.7, top_k=9)]


def drawn(chain, room, **arguments):
    """Return the symbols and log-probabilities of every sample, and the error that ended the stream, if any."""
    found, ended = {}, None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "MOST_BYTES", room)
        patch.setattr(rows, "_FEWEST", 64)
        with chain.stream(**arguments) as stream:
            try:
                for chunk in stream:
                    scores = [
                        chunk.extra[name].tolist() for name in chunk.extra if name.startswith("log_prob")
                    ]
                    found.setdefault(chunk.index, []).append((chunk.data, scores))
            except SeqgenError as error:
                ended = str(error)
    return found, ended


@settings(max_examples=60)
@given(
    st.sampled_from([1, 2, 3]),
    st.sampled_from([None, "kneser-ney"]),
    st.booleans(),
    st.lists(st.sampled_from(STEADY + OTHERS), min_size=12, max_size=12) | st.sampled_from(STEADY),
    st.sampled_from([1, 3, 8]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 7, 200]),
    st.sampled_from([100, 1_000, 20_000, 1 << 26]),
    st.booleans(),
)
def test_samples_are_the_same_in_any_room(
    order, smoothing, ends, controls, batch, threads, chunk, room, log_probs
):
    chain = chain_of(order, smoothing, ends)
    arguments = {
        "n": 12, "length": 80, "seed": 3, "controls": controls, "batch": batch, "threads": threads, "chunk": chunk,
        "log_probs": log_probs,
    }  # fmt: skip
    assert drawn(chain, room, **arguments) == drawn(chain, 0, **arguments)


@given(st.sampled_from(STEADY), st.sampled_from([None, 2, 5]), st.booleans())
def test_only_some_symbols_allowed(controls, step, log_probs):
    chain = chain_of(1, "kneser-ney", False)
    words = chain.codec.vocabulary
    mixed = [
        Controls(**{**vars(controls), "allowed": words[:: step or 1 + n % 3], "stop": None}) for n in range(6)
    ]
    arguments = {"n": 6, "length": 150, "controls": mixed, "batch": 2, "log_probs": log_probs, "threads": 1}
    assert drawn(chain, 1 << 26, **arguments) == drawn(chain, 0, **arguments)


# ---- what is remembered -------------------------------------------------------------------------------


def engine_of(chain, lanes, threads=1, log_probs=False):
    return MarkovEngine(chain.weights(), Request(seed=1, lanes=lanes, threads=threads, log_probs=log_probs))


def begun(engine, lanes, controls):
    bound = controls if isinstance(controls, BoundControls) else controls.bind(engine._chain.codec)
    engine.begin(np.array(lanes), np.array(lanes, np.uint64), Start(controls=bound))


def idle(engine):
    return list(engine._rows._kept.idle) if engine._rows._kept is not None else []


def states_with_rows(engine):
    return set().union(*(np.flatnonzero(each.place).tolist() for each in idle(engine)))


def test_visited_states_have_rows_of_the_symbols_that_are_left():
    chain = chain_of(1, None, False)
    engine = engine_of(chain, 1)
    begun(engine, [0], Controls(top_k=3))
    visited = set()
    for _ in range(50):
        visited.add(int(engine.state()["state"][0]))
        engine.advance(np.array([1]))
    assert states_with_rows(engine) == visited
    [made] = idle(engine)
    for state in visited:
        place = made.place[state]
        row = made.entries[place : place + made.entries[place - 1]["symbol"]]
        probabilities, states = chain.automaton.successors(state)
        threshold = np.sort(probabilities)[-3]
        expected = np.flatnonzero((probabilities >= threshold) & (probabilities > 0))
        np.testing.assert_array_equal(row["symbol"], expected)
        np.testing.assert_array_equal(row["next"], states[expected])
        np.testing.assert_allclose(
            np.diff(row["mass"], prepend=0) / row["mass"][-1],
            probabilities[expected] / probabilities[expected].sum(),
            atol=1e-12,
        )


@pytest.mark.parametrize("log_probs", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_take_no_more_room_than_they_may(monkeypatch, threads, log_probs):
    room = 30_000
    monkeypatch.setattr(rows, "MOST_BYTES", room)
    monkeypatch.setattr(rows, "_FEWEST", 64)
    engine = engine_of(chain_of(2, "kneser-ney", False), 6, threads, log_probs)
    begun(engine, range(6), Controls(temperature=0.9))
    for _ in range(10):
        engine.advance(np.full(6, 20))
        taken = sum(each.entries.nbytes + each.scores.nbytes for each in idle(engine))
        assert taken <= room
    assert taken > room // threads // 2
    assert all(each.used[0] <= len(each.entries) for each in idle(engine))
    engine.close()


def test_the_room_grows_to_what_a_small_chain_can_need():
    chain = chain_of(2, None, False)
    engine = engine_of(chain, 4)
    begun(engine, range(4), Controls(temperature=0.9))
    for _ in range(20):
        engine.advance(np.full(4, 300))
    [made] = idle(engine)
    assert made.used[1] == 0
    assert len(made.entries) <= len(chain.automaton.parent) + len(chain.automaton.symbol)


def test_rows_are_of_the_controls_of_a_running_lane():
    engine = engine_of(chain_of(1, None, False), 2)
    begun(engine, [0], Controls(top_k=2))
    begun(engine, [1], Controls(top_k=5))
    engine.advance(np.array([30, 30]))
    kept = engine._rows._kept
    assert kept.parameters[2] == 2
    engine.advance(np.array([30, 0]))
    begun(engine, [1], Controls(repetition_penalty=2.0))
    engine.advance(np.array([0, 30]))
    assert engine._rows._kept is kept
    begun(engine, [1], Controls(top_k=2))
    engine.advance(np.array([0, 30]))
    assert engine._rows._kept is kept
    begun(engine, [0, 1], Controls(top_k=2, allowed=engine._chain.codec.vocabulary[:40]))
    engine.advance(np.array([0, 30]))
    assert engine._rows._kept is kept
    for _ in range(20):
        engine.advance(np.array([0, 5]))
    assert engine._rows._kept is not kept


def test_a_restored_engine_uses_rows_only_for_their_controls():
    chain = chain_of(1, None, False)
    first, second = engine_of(chain, 1), engine_of(chain, 1)
    begun(first, [0], Controls(temperature=2.0))
    begun(second, [0], Controls(temperature=0.3))
    first.advance(np.array([500]))
    second.advance(np.array([500]))
    saved = second.snapshot()
    expected = second.advance(np.array([200])).symbols
    first.restore(saved)
    np.testing.assert_array_equal(first.advance(np.array([200])).symbols, expected)
    assert "rows" not in " ".join(saved)


def test_a_penalty_keeps_no_rows():
    engine = engine_of(chain_of(1, None, False), 1)
    begun(engine, [0], Controls(repetition_penalty=1.1))
    engine.advance(np.array([50]))
    assert not idle(engine)


def test_a_chain_that_is_fitted_again_has_rows_of_its_own():
    def fitted(text):
        return MarkovChain(1, unit="words", boundaries=False).fit([text])

    chain = fitted("a b a c a b c a")
    arguments = {"n": 1, "length": 40, "seed": 1, "controls": Controls(temperature=0.5)}
    before = drawn(chain, 1 << 26, **arguments)
    chain.fit(["a c a b c b a c a"])
    assert drawn(chain, 1 << 26, **arguments) == drawn(fitted("a c a b c b a c a"), 0, **arguments) != before
