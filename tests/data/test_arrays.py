"""Vectors of .npy and .npz files, all of one length and finite; the last tenth is held out."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen.data.arrays import hold_out, read_sequences, read_vectors
from seqgen.errors import SeqgenError
from seqgen.evaluation.held_out import held_out
from seqgen.registry import recipe


def test_sequences_of_vectors_are_read_one_after_another(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3)), b=np.ones((1, 3), np.float32))
    vectors = read_vectors(tmp_path / "x.npz")
    assert vectors.dtype == np.float64
    np.testing.assert_array_equal(vectors, [[0, 0, 0], [0, 0, 0], [1, 1, 1]])


def test_numbers_are_vectors_of_one(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4))
    assert read_vectors(tmp_path / "x.npy").shape == (4, 1)


def test_vectors_of_different_lengths_or_that_are_not_finite_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3)), b=np.ones((2, 2)))
    with pytest.raises(SeqgenError, match="vectors of one length, got some of 2 and of 3 numbers"):
        read_vectors(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", [[1.0, 2.0], [3.0, -np.inf]])
    with pytest.raises(SeqgenError, match=r"finite numbers, got -inf at \[1, 1\]"):
        read_vectors(tmp_path / "x.npy")


def numeric_models() -> dict[str, Any]:
    chain = ([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    return {
        "counts": seqgen.HMM(*chain, seqgen.Poisson([1.0, 5.0])),
        "symbols": seqgen.HMM(*chain, seqgen.Categorical([[0.5, 0.5], [0.1, 0.9]])),
        "vectors": seqgen.GaussianMixture([0.5, 0.5], [[0.0, 0.0], [3.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]]),
        "rnade": seqgen.RNADE(7, 4, 2),
    }


@pytest.mark.parametrize("name", numeric_models())
def test_samples_are_scored_as_what_they_are(tmp_path, name):
    model = numeric_models()[name]
    model.save(tmp_path / "m.safetensors", card={})
    samples = np.asarray(model.sample(5, length=7, seed=1))
    np.save(tmp_path / "a.npy", samples)
    flat = samples.reshape(35, *samples.shape[2:])
    np.savez(tmp_path / "b.npz", data=flat, length=np.full(5, 7), index=np.arange(5))
    scores = [np.sum(np.asarray(model.log_prob(sample))) for sample in samples]
    for file in ("a.npy", "b.npz"):
        assert held_out(tmp_path / "m.safetensors", tmp_path / file)["nats"] == pytest.approx(-sum(scores))


def test_symbols_of_several_sequences_are_trained_on(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 3, (20, 30)))
    card = (
        recipe("hmm")
        .train(
            tmp_path / "a.npy",
            tmp_path / "m.safetensors",
            preset="tiny",
            settings={"emission": "categorical"},
        )
        .card
    )
    assert card["split"] == "first 18 sequences for training, last 2 held out"


def test_the_last_tenth_is_held_out():
    rows = np.arange(25)
    before, after, words = hold_out([rows])
    np.testing.assert_array_equal(np.concatenate([*before, *after]), rows)
    assert len(after[0]) == 2
    assert words == "the last 2 observations held out"
    before, after, words = hold_out([rows] * 12)
    assert (len(before), len(after)) == (11, 1)
    with pytest.raises(SeqgenError, match="a single observation"):
        hold_out([rows[:1]])


@pytest.mark.parametrize("save", [np.save, lambda file, array: np.savez(file, a=array)], ids=["npy", "npz"])
def test_sequences_from_standard_input(save, monkeypatch):
    array = np.arange(6.0).reshape(3, 2)
    file = io.BytesIO()
    save(file, array)
    file.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
    (found,) = read_sequences("-")
    np.testing.assert_array_equal(found, array)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"neither")))
    with pytest.raises(SeqgenError, match=r"standard input is not a complete \.npy or \.npz file"):
        read_sequences("-")
