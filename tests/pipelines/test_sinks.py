"""Sinks write what was streamed, in the order of the indices, and files appear only when they are complete."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

import seqgen
from pipelines import JSONLSink, TextSink, from_model, open_sink
from pipelines.sinks import SUFFIXES
from seqgen.errors import SeqgenError


@pytest.fixture
def samples(model):
    return model.sample(5, length=20, seed=2)


def _write_until(model, path, error):
    """Write two samples of two chunks, and raise `error` when half of the second is written."""
    with open_sink(path, model.codec) as sink:
        for chunk in model.stream(n=2, length=8, chunk=4, seed=9):
            sink.write(chunk)
            if chunk.index == 1:
                raise error


@pytest.mark.parametrize("batch", [1, 3])
def test_text_holds_the_samples_in_order(model, samples, tmp_path, batch):
    path = tmp_path / "out.txt"
    from_model(model, n=5, length=20, seed=2, batch=batch, chunk=6).write(
        TextSink(path, model.codec, prefix=">")
    )
    assert path.read_text() == "".join(f">{sample}\n" for sample in samples)


@pytest.mark.parametrize("batch", [1, 3])
def test_json_lines_hold_the_samples_in_order(model, samples, tmp_path, batch):
    path = tmp_path / "out.jsonl"
    stream = from_model(model, n=5, length=20, seed=2, batch=batch, chunk=6, log_probs=True)
    stream.write(JSONLSink(path, model.codec, fixed={"seed": 2}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["text"] for line in lines] == samples
    assert all(
        line["reason"] == "length" and line["seed"] == 2 and len(line["log_prob"]) == 20 for line in lines
    )


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_an_error_leaves_the_old_file_and_nothing_else(model, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="broken"):
        _write_until(model, path, RuntimeError("broken"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_an_interrupt_keeps_what_was_made(model, tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    with pytest.raises(KeyboardInterrupt):
        _write_until(model, path, KeyboardInterrupt())
    first, second = model.sample(2, length=8, seed=9)
    if suffix == ".txt":
        assert path.read_text() == f"{first}\n{second[:4]}\n"
    else:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["text"] for line in lines] == [first, second[:4]]
        assert [line["reason"] for line in lines] == ["length", "interrupted"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_file(model, tmp_path, monkeypatch):
    path = tmp_path / "out.txt"

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        from_model(model, n=1, length=4).write(open_sink(path, model.codec))
    assert list(tmp_path.iterdir()) == []


def test_numbers_go_to_npz(tmp_path):
    transition = [[0.9, 0.1], [0.2, 0.8]]
    hmm = seqgen.HMM(
        [0.5, 0.5], transition, seqgen.Gaussian([[0.0, 1.0], [3.0, 4.0]], [[1.0, 1.0], [2.0, 2.0]])
    )
    path = tmp_path / "out.npz"
    from_model(hmm, n=3, length=40, seed=1, batch=2, chunk=16).write(open_sink(path, hmm.codec))
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["data"].reshape(3, 40, 2), hmm.sample(3, length=40, seed=1))
        assert archive["length"].tolist() == [40, 40, 40]
        assert len(archive["states"]) == 120


def test_unusable_names_are_refused(model, tmp_path):
    with pytest.raises(SeqgenError, match=r"\.npz file cannot hold characters"):
        open_sink(tmp_path / "x.npz", model.codec)
    with pytest.raises(SeqgenError, match=r"there are .*jsonl"):
        open_sink(tmp_path / "x.docx", model.codec)
    with (
        pytest.raises(FileNotFoundError, match="create it first"),
        open_sink(tmp_path / "missing" / "x.txt", model.codec),
    ):
        pass
    assert ".txt" in SUFFIXES


def test_streams_to_a_path_object(model, tmp_path: Path):
    assert from_model(model, n=2, length=4).write(open_sink(tmp_path / "a.txt", model.codec)) == 2
