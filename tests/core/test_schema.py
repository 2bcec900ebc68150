"""Errors of schemas, which are raised before anything is imported, allocated or compiled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen import pretrained
from seqgen.checkpoint import Weights, save_weights
from seqgen.errors import SeqgenError
from seqgen.evaluation.held_out import held_out
from seqgen.registry import validated
from seqgen.schema import Schema
from seqgen.training.starting import begin_with
from tests.core.refusals import refusal

Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def changed(name: str, change: Change) -> Weights:
    """Return a built-in model after `change` was applied to its configuration and its arrays."""
    weights = pretrained.find(name)
    config, arrays = json.loads(json.dumps(weights.config)), dict(weights.arrays)
    change(config, arrays)
    return Weights(weights.family, config, arrays, {}, weights.precision)


# ---- messages -------------------------------------------------------------------------------------------


def _wider(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    config.update(hidden_size=16384, layers=1)
    arrays["layers.0.weight_ih_l0"] = np.zeros((65536, 65), np.float32)
    arrays["layers.0.weight_hh_l0"] = np.zeros((16384, 1), np.float32)
    arrays["layers.0.bias_ih_l0"] = arrays["layers.0.bias_hh_l0"] = np.zeros(65536, np.float32)


def _set(**entries: Any) -> Change:
    return lambda config, arrays: config.update(entries)


def _with(name: str, of: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda config, arrays: arrays.update({name: of(arrays[name])})


def _put(name: str, value: Any, *place: int) -> Change:
    def changed(array: np.ndarray) -> np.ndarray:
        copy = array.copy()
        copy[place] = value
        return copy

    return _with(name, changed)


def _image_of(rows: int, columns: int) -> Change:
    return lambda config, arrays: config["codec"].update(shape=[1, rows, columns])


def _angles(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    config["codec"]["angles"] = 10**8


def _all_but_one_unseen(counts: np.ndarray) -> np.ndarray:
    rare = np.zeros(len(counts), np.uint64)
    rare[0] = np.iinfo(np.uint64).max
    return rare


REFUSED = {
    "hidden_size": (
        "shakespeare", _wider,
        "layers.0.weight_hh_l0 has the shape (16384, 1), a char-rnn with cell 'lstm' and hidden_size 16384 needs "
        "(65536, 16384)",
    ),
    "small and wide": (
        "shakespeare", _set(hidden_size=9000),
        "layers.0.weight_ih_l0 has the shape (1280, 65), a char-rnn with cell 'lstm', symbols 65 and hidden_size 9000 "
        "needs (36000, 65)",
    ),
    "skip_channels": (
        "speech", _set(skip_channels=96000),
        "skip.weight has the shape (96, 960), a wavenet with layers 20, gate_channels 96 and skip_channels 96000 needs "
        "(96000, 960)",
    ),
    "rows": (
        "digits-pixelcnn", _image_of(65537, 28),
        "the codec 'pixels' is wrong: rows must be at most 65536, got 65537",
    ),
    "fewer rows": (
        "digits-pixelcnn", _image_of(6553, 28),
        "row_bias has the shape (28, 256), a pixel-cnn with rows 6553, columns 28 and channels 64 needs (6553, 256)",
    ),
    "dimensions": (
        "digits-nade", _image_of(2800, 28),
        "the configuration is wrong: shape must have as many pixels times colours as there are dimensions, 784, got "
        "(1, 2800, 28)",
    ),
    "dtype": (
        "digit-strokes", _with("transition", lambda a: a.astype(np.int8)),
        "transition is of int8, it must be of float32 or float64",
    ),
    "infinity": (
        "digit-strokes", _put("transition", np.inf, 3, 4), "transition is not finite: it has inf at [3, 4]",
    ),
    "negative": (
        "digit-strokes", _put("emission.probabilities", -0.25, 0, 7),
        "emission.probabilities must be at least 0, it has -0.25 at [0, 7]",
    ),
    "sum": (
        "weather", _put("transition", 0.9, 1, 0), "row 1 of transition sums to 1.7, it must sum to 1",
    ),
    "angles": (
        "digit-strokes", _angles,
        "the codec 'strokes' is wrong: angles must be at most 65536, got 100000000",
    ),
    "counts": (
        "shakespeare-markov", _with("counts", _all_but_one_unseen), "counts must be at least 1, it has 0 at 1",
    ),
    "hop": ("vocoder", _set(hop=10**9), "the configuration is wrong: hop must be at most 65536, got 1000000000"),
    "no array": (
        "shakespeare", lambda config, arrays: arrays.pop("head.bias"),
        "there is no array head.bias, which a char-rnn with symbols 65 and hidden_size 320 needs",
    ),
    "foreign array": (
        "weather", lambda config, arrays: arrays.update(more=np.ones(1)),
        "there is an array 'more', which a markov of this configuration does not have",
    ),
    "no entry": (
        "shakespeare", lambda config, arrays: config.pop("cell"),
        "the configuration has no entry 'cell', which the family 'char-rnn' needs",
    ),
    "foreign entry": (
        "shakespeare", _set(flavour=1),
        "the configuration has an entry 'flavour', which the family 'char-rnn' does not know; it knows codec, cell, "
        "hidden_size, layers, dropout, bias",
    ),
    "bool": (
        "shakespeare", _set(layers=True), "the configuration is wrong: layers must be an integer, got True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_said_with_where_it_is_and_what_would_be_right(what):
    name, change, words = REFUSED[what]
    assert refusal(changed(name, change)) == words


def test_the_memory_of_a_lane_is_bounded_by_that_of_the_file():
    """A WaveNet of 24 layers, one channel and 64 taps takes 20 kB, and its ring buffers would take 4 GB."""
    small = seqgen.WaveNet(24, 4, 1, 2, 1, kernel_size=64, levels=2).weights()
    assert validated(small).family == "wavenet"
    large = Weights("wavenet", {**small.config, "cycle": 24}, small.arrays)
    assert "requires 4096 MiB of memory for each sample in progress, the most is 256 MiB" in refusal(large)
    wide = seqgen.PixelCNN((1, 2, 2), channels=32, layers=16).weights()
    wide.config["codec"]["shape"] = [1, 2, 65536]
    assert "MiB of memory for each sample in progress" in refusal(wide)


def test_vectors_of_no_dimensions_have_no_normal_distribution():
    for model in (
        seqgen.GaussianMixture([1.0], [[0.0]], [[1.0]]),
        seqgen.HMM([1.0], [[1.0]], seqgen.Gaussian([[0.0]], [[1.0]])),
    ):
        weights = model.weights()
        bare = {**weights.config, "codec": {**weights.config["codec"], "dimensions": 0}}
        assert "dimension" in refusal(Weights(weights.family, bare, weights.arrays))


def test_poisson_tables_are_bounded():
    model = seqgen.HMM(np.full(400, 1 / 400), np.full((400, 400), 1 / 400), seqgen.Poisson(np.full(400, 1e6)))
    validated(model.weights())
    with pytest.raises(
        SeqgenError, match="400 Poisson rates, the largest of which is 1e\\+06, cannot be drawn"
    ):
        model.stream(n=1, length=1)


# ---- every entry point ----------------------------------------------------------------------------------


def test_every_way_from_a_file_to_a_model_or_an_engine_is_guarded(tmp_path):
    path, text = tmp_path / "bent.safetensors", tmp_path / "a.txt"
    text.write_text("to be or not")
    model = seqgen.CharRNN("tobern \n", hidden_size=4, layers=1)
    whole = model.weights()
    arrays = {**whole.arrays, "head.weight": whole.arrays["head.weight"].T}
    save_weights(Weights(whole.family, whole.config, arrays), path)
    words = rf"{path}: head\.weight has the shape \(4, 8\), a char-rnn with symbols 8 and hidden_size 4 needs"
    ways: Mapping[str, Callable[[], Any]] = {
        "find": lambda: pretrained.find(path),
        "load": lambda: seqgen.load(path),
        "stream": lambda: seqgen.stream(path, n=1, length=3),
        "a model's own load": lambda: seqgen.CharRNN.load(path),
        "evaluation": lambda: held_out(path, text),
        "start of a training": lambda: begin_with(model, str(path)),
    }
    for way in ways.values():
        with pytest.raises(SeqgenError, match=words):
            way()
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "stream", str(path), "-n1", "--length", "5"], capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "head.weight has the shape" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_refused_needs_neither_torch_nor_numba(tmp_path):
    """Load one damaged file of every built-in family, and the schemas of all of them, in a fresh process."""
    for name in pretrained.names():
        weights = pretrained.find(name)
        last = sorted(weights.arrays)[-1]
        arrays = {**weights.arrays, last: weights.arrays[last][..., None]}
        save_weights(Weights(weights.family, weights.config, arrays), tmp_path / f"{name}.safetensors")
    program = """
import sys, seqgen
from pathlib import Path
from seqgen.registry import FAMILIES, resolve
for family in FAMILIES.values():
    resolve(family.schema)
for path in sorted(Path(sys.argv[1]).iterdir()):
    for way in (seqgen.load, seqgen.stream):
        try:
            way(path)
        except seqgen.SeqgenError:
            print(path.stem)
print([module for module in ("torch", "numba", "llvmlite", "scipy") if module in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *refused, modules = done.stdout.splitlines()
    assert sorted(refused) == sorted([*pretrained.names()] * 2)
    assert modules == "[]"


@pytest.mark.parametrize(
    ("field", "value"), [("family", 3), ("config", []), ("card", "none"), ("precision", "float8")]
)
def test_a_description_of_the_wrong_kind_is_corrupted_even_under_a_right_hash(field, value, tmp_path):
    from seqgen import checkpoint

    path = tmp_path / "model.safetensors"
    save_weights(pretrained.find("weather"), path)
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    description = json.loads(header["__metadata__"]["seqgen"]) | {field: value}
    description["digest"] = checkpoint._digest(description)
    header["__metadata__"]["seqgen"] = json.dumps(description)
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + blob[8 + size :])
    with pytest.raises(SeqgenError, match=f"is corrupted.*{field} must be"):
        seqgen.stream(path)


def test_a_file_is_held_against_its_schema_once(monkeypatch):
    checks = []
    check = Schema.check
    monkeypatch.setattr(
        Schema, "check", lambda self, *given: (checks.append(self.family), check(self, *given))
    )
    seqgen.stream("weather", n=1, length=2)
    assert checks == ["markov"]
