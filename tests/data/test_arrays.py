"""Vectors of .npy and .npz files, all of one length and finite; the last tenth is held out."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from seqgen.data.arrays import hold_out, read_sequences, read_vectors
from seqgen.errors import SeqgenError


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
