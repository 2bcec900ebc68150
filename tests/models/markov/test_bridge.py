"""Draws before forced symbols from a few successors against sums over all symbols: the same symbols."""

import numpy as np
import pytest

from seqgen.kernels.compile import kernel
from seqgen.models.markov import bridges
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.bridges import Bridges
from seqgen.models.markov.bridging import Messages, forced_symbols
from seqgen.models.markov.numba_bridge import Bridge, draw_towards, draw_towards_among_all
from tests.models.markov.test_sparse_draw import chain_of


@kernel
def _both(a, bridge, chosen, t, uniforms):
    """Return the symbols that both ways draw from each state."""
    a, bridge = Automaton(*a), Bridge(*bridge)
    scratch = np.empty((len(a.lengths) + 1) * (a.symbols + 1))
    probabilities, states = np.empty(a.symbols + 1), np.empty(a.symbols + 1, np.int32)
    drawn = np.empty((2, len(chosen)), np.int64)
    for k in range(len(chosen)):
        drawn[0, k] = draw_towards(a, bridge, chosen[k], t, uniforms[k], scratch)
        drawn[1, k], _ = draw_towards_among_all(
            a, chosen[k], bridge.messages[t + 1], uniforms[k], probabilities, states
        )
    return drawn


def condition_of(chain, number):
    names = chain.codec.vocabulary
    return [{4: names[3]}, {1: names[0], 3: names[min(40, len(names) - 1)]}, {2: names[1], 3: None}][number]


@pytest.mark.parametrize("room", [1 << 27, 0], ids=["kept sums", "no kept sums"])
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_successors_suffice(order, smoothing, ends, room, monkeypatch):
    monkeypatch.setattr(bridges, "_MOST_BYTES", room)
    chain = chain_of(order, smoothing, ends)
    a = chain.automaton
    for number in range(3 if ends else 2):
        forced = forced_symbols(condition_of(chain, number), chain.codec, a)
        bridge = Bridges(a, Messages(a)).of(forced)
        assert (bridge.place >= 0).any() == bool(room)
        generator = np.random.default_rng(number)
        for t in np.flatnonzero(forced < 0).tolist():
            chosen = np.flatnonzero(bridge.messages[t] > 0).astype(np.int32)
            if not len(chosen):
                continue
            start = [a.start] * (200 if a.start in chosen else 0)
            chosen = np.concatenate([chosen, start, generator.choice(chosen, 500)]).astype(np.int32)
            uniforms = generator.random(len(chosen))
            uniforms[:2] = 2.0**-53, 1 - 2.0**-53
            quick, wanted = _both(tuple(a), tuple(bridge), chosen, t, uniforms)
            found = quick >= 0
            np.testing.assert_array_equal(quick[found], wanted[found])
            # rounding hardly ever matters
            assert found[2:].mean() > 0.99


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("smoothing", [None, "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_samples_are_those_of_sums_over_all_symbols(order, smoothing, ends):
    chain = chain_of(order, smoothing, ends)
    everything = (
        condition_of(chain, 0), condition_of(chain, 1), lambda index: condition_of(chain, 1) if index % 3 else None
    )  # fmt: skip
    for condition in everything:
        if smoothing is None and order > 1 and condition is not everything[0]:
            # most conditions cannot happen
            continue
        wanted = chain.sample(20, 12, condition=condition, engine="torch", seed=9)
        # with log-probabilities, all symbols are summed
        for batch, threads, chunk, log_probs in (
            (1, 1, 64, False), (7, 2, 3, False), (5, 1, 1, False), (7, 1, 64, True)
        ):  # fmt: skip
            found = chain.sample(
                20,
                12,
                condition=condition,
                seed=9,
                batch=batch,
                threads=threads,
                chunk=chunk,
                log_probs=log_probs,
            )
            assert [getattr(sample, "data", sample) for sample in found] == wanted
