"""What is drawn, scored, saved and hashed is one chain: nothing of it can be changed but by `fit`."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from seqgen import MarkovChain
from seqgen.kept import kept_weights

TEXTS = ["abab" * 9 + "aacabc", "abcab", "cabba"]


def fitted() -> MarkovChain:
    return MarkovChain(order=2, smoothing="kneser-ney").fit(TEXTS)


def table() -> MarkovChain:
    return MarkovChain.from_table(["a", "b"], [[0.9, 0.1], [0.5, 0.5]], [0.5, 0.5])


def read() -> MarkovChain:
    return MarkovChain.from_weights(fitted().weights())


def copied() -> MarkovChain:
    chain = fitted()
    chain.sample(1)
    return copy.deepcopy(chain)


def pickled() -> MarkovChain:
    chain = read()
    chain.sample(1)
    return pickle.loads(pickle.dumps(chain))  # type: ignore[no-any-return]


MADE = pytest.mark.parametrize("make", [fitted, table, read, copied, pickled])


@MADE
def test_arrays_cannot_be_written_to(make):
    chain = make()
    for array in (*chain.arrays().values(), *chain.weights().arrays.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


@MADE
@pytest.mark.parametrize("name", ["order", "smoothing", "unit", "boundaries"])
def test_settings_cannot_be_set(make, name):
    chain = make()
    with pytest.raises(AttributeError):
        setattr(chain, name, getattr(chain, name))


def test_weights_that_a_chain_was_made_from_may_be_written_to():
    arrays = {name: np.array(array) for name, array in fitted().weights().arrays.items()}
    weights = fitted().weights()
    weights.arrays.clear()  # type: ignore[attr-defined]
    weights.arrays.update(arrays)  # type: ignore[attr-defined]
    chain, untouched = MarkovChain.from_weights(weights), read()
    arrays["counts"][...] = 1
    assert chain.sample(5, 20) == untouched.sample(5, 20)
    assert kept_weights(chain).hash == kept_weights(untouched).hash


def test_copies_are_the_same_chain():
    chain = fitted()
    for other in (read(), copied(), pickled()):
        assert other.sample(5, 20) == chain.sample(5, 20)
        assert other.weights().hash == chain.weights().hash


def test_a_chain_that_is_fitted_again_is_another():
    chain = MarkovChain(order=1).fit(TEXTS)
    before = chain.stream(3, seed=1)
    first = next(before)
    chain.fit(["ccccccab", "bbcc"])
    fresh = MarkovChain(order=1).fit(["ccccccab", "bbcc"])
    assert chain.sample(9, seed=2) == fresh.sample(9, seed=2)
    assert chain.weights().hash == fresh.weights().hash
    again = MarkovChain(order=1).fit(TEXTS).stream(3, seed=1)
    assert [first.data, *(chunk.data for chunk in before)] == [chunk.data for chunk in again]
