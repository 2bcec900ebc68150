"""Checkpoints: round trips, damage that is found and reported, and files from which nothing is ever executed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import seqgen
from seqgen.checkpoint import (
    FORMAT,
    Weights,
    from_bfloat16,
    is_bfloat16,
    open_weights,
    save_weights,
    to_bfloat16,
)
from seqgen.errors import SeqgenError
from tests.core.damage import assert_same_weights, rewritten


@pytest.fixture(scope="module")
def weights() -> Weights:
    model = seqgen.CharRNN("helo wrd\n", cell="gru", hidden_size=5, layers=2, seed=3)
    return model.weights({"data": "söme text", "score": 1.5, "tags": ["a", None]})


@pytest.fixture(scope="module")
def blob(weights, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    save_weights(weights, path)
    return path.read_bytes()


def reopened(blob: bytes, directory: Path) -> Weights:
    path = directory / "changed.safetensors"
    path.write_bytes(blob)
    return open_weights(path)


def test_what_is_saved_is_opened(weights, blob, tmp_path):
    opened = reopened(blob, tmp_path)
    assert_same_weights(opened, weights)
    assert opened.hash == weights.hash
    assert opened.card == weights.card


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_every_dtype_and_shape_survives(dtype, tmp_path):
    arrays = {
        "scalar": np.array(1, dtype),
        "empty": np.zeros((0, 3), dtype),
        "matrix": np.arange(6).reshape(2, 3).astype(dtype),
        "transposed": np.arange(6).reshape(2, 3).T.astype(dtype),
    }
    weights = Weights("char-rnn", {"codec": {"name": "bytes"}}, arrays)
    save_weights(weights, tmp_path / "a.safetensors")
    opened = open_weights(tmp_path / "a.safetensors")
    assert_same_weights(opened, weights)
    assert opened.hash == weights.hash


def test_arrays_that_are_views_are_saved_by_their_values(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {"transposed": base.T, "strided": base[::2, 1::2], "reversed": base[::-1]}
    weights = Weights("char-rnn", {"codec": {"name": "bytes"}}, arrays)
    save_weights(weights, tmp_path / "a.safetensors")
    assert_same_weights(open_weights(tmp_path / "a.safetensors"), weights)


def test_bfloat16_rounds_as_torch_does():
    patterns = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    ties = (np.arange(2**12, dtype=np.uint32) << np.uint32(16)) | np.uint32(0x8000)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45], np.float32)
    values = np.concatenate([patterns.view(np.float32), ties.view(np.float32), special])
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    rounded = from_bfloat16(to_bfloat16(values))
    np.testing.assert_array_equal(np.isnan(rounded), np.isnan(expected))
    on = ~np.isnan(values)
    np.testing.assert_array_equal(rounded[on].view(np.uint32), expected[on].view(np.uint32))
    assert is_bfloat16(rounded[on])
    assert not is_bfloat16(np.array([0.1], np.float32))


def test_saving_in_bfloat16_rounds_the_parameters_and_halves_the_file(weights, tmp_path):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_weights(weights, full, precision="float32")
    save_weights(weights, half, precision="bfloat16")
    opened = open_weights(half)
    assert opened.precision == "bfloat16"
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(opened.arrays[name], from_bfloat16(to_bfloat16(array)))
    parameters = sum(array.size for array in weights.arrays.values())
    assert full.stat().st_size - half.stat().st_size >= 2 * parameters - 100
    save_weights(opened, full)
    assert open_weights(full).hash == opened.hash


def test_a_scalar_keeps_its_shape_in_bfloat16(tmp_path):
    weights = Weights("char-rnn", {"codec": {"name": "bytes"}}, {"scale": np.array(1.5, np.float32)})
    save_weights(weights, tmp_path / "a.safetensors", precision="bfloat16")
    assert open_weights(tmp_path / "a.safetensors").arrays["scale"].shape == ()


def test_the_hash_covers_family_configuration_and_arrays_but_not_the_card(weights):
    def changed(**fields):
        return Weights(**{**vars(weights), **fields}).hash

    vars(weights).pop("hash", None)
    arrays = dict(weights.arrays)
    name = next(iter(arrays))
    assert changed() == weights.hash
    vars(weights).pop("hash")
    assert changed(card={}) == changed()
    variants = [
        changed(),
        changed(family="markov"),
        changed(config={**weights.config, "layers": 3}),
        changed(arrays={**arrays, name: arrays[name] + 1}),
        changed(arrays={**arrays, name: arrays[name].astype(np.float64)}),
        changed(arrays={**arrays, name: arrays[name].reshape(-1)}),
        changed(arrays={**arrays, "more": np.zeros(1)}),
    ]
    assert len(set(variants)) == len(variants)


# ---- damage -------------------------------------------------------------------------------------------


def test_a_file_cut_off_anywhere_is_refused(blob, tmp_path):
    header = 8 + int.from_bytes(blob[:8], "little")
    lengths = {*range(0, 16), *range(header - 3, header + 4), *range(0, len(blob), 97), len(blob) - 1}
    for length in sorted(lengths):
        with pytest.raises(SeqgenError, match="truncated, corrupted or of another kind"):
            reopened(blob[:length], tmp_path)


def test_a_flipped_bit_is_found_or_changes_nothing(weights, blob, tmp_path):
    generator = np.random.default_rng(0)
    header = 8 + int.from_bytes(blob[:8], "little")
    bits = {*range(64), *generator.integers(64, header * 8, 400), *generator.integers(0, len(blob) * 8, 400)}
    found = 0
    for bit in sorted(int(b) for b in bits):
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            opened = reopened(bytes(damaged), tmp_path)
        except SeqgenError:
            found += 1
        else:
            assert_same_weights(opened, weights)
            assert opened.card == weights.card
    assert found > 0.95 * len(bits)


def test_bytes_after_the_end_are_refused(blob, tmp_path):
    with pytest.raises(SeqgenError, match="not a complete safetensors file"):
        reopened(blob + b"\0", tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + b"\0" * 60, b"hello world, this is text\n" * 9, b"\0" * 64],
    ids=["empty", "pickle", "zip", "text", "zeros"],
)
def test_files_of_other_kinds_are_refused(content, tmp_path):
    with pytest.raises(SeqgenError, match="of another kind"):
        reopened(content, tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}], ids=["none", "foreign"])
def test_a_foreign_safetensors_file_is_refused(metadata, tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors", metadata)
    with pytest.raises(SeqgenError, match="seqgen did not write"):
        seqgen.load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", "{}", '{"format": "x"}', '{"format": Infinity}', '{"format": 1}', "[" * 100_000],
    ids=["empty", "list", "number", "null", "no fields", "words", "infinite", "only format", "deep"],
)
def test_metadata_that_are_no_description_are_refused(text, tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "odd.safetensors", {"seqgen": text})
    with pytest.raises(SeqgenError, match="corrupted"):
        open_weights(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    "fields", [{"format": -7}, {"format": 0}, {"format": True}, {"format": "1"}, {"versions": [1]}]
)
@pytest.mark.parametrize("newer", [0, 1])
def test_formats_and_versions_of_the_wrong_kind_are_corrupted(fields, newer, blob, tmp_path):
    damaged = rewritten(blob, **({"format": FORMAT + newer} | fields))
    with pytest.raises(SeqgenError, match="is corrupted: its seqgen metadata cannot be read"):
        reopened(damaged, tmp_path)


def test_a_newer_format_asks_for_an_upgrade(blob, tmp_path):
    newer = rewritten(blob, format=FORMAT + 1, versions={"seqgen": "9.9"})
    with pytest.raises(SeqgenError, match=rf"format {FORMAT + 1} \(seqgen 9\.9\).*upgrade"):
        reopened(newer, tmp_path)


def test_a_changed_configuration_card_or_precision_is_found(blob, tmp_path):
    for change in (
        {"card": {"licence": "none"}},
        {"config": {}},
        {"precision": "bfloat16"},
        {"family": "hmm"},
    ):
        with pytest.raises(SeqgenError, match="do not match the hash"):
            reopened(rewritten(blob, **change), tmp_path)


def test_an_unknown_family_is_named(tmp_path):
    save_weights(Weights("psychic", {"codec": {"name": "bytes"}}, {}), tmp_path / "a.safetensors")
    with pytest.raises(SeqgenError, match="unknown model family 'psychic'"):
        seqgen.load(tmp_path / "a.safetensors")


# ---- names and paths ----------------------------------------------------------------------------------


def test_a_missing_model_lists_what_is_built_in(tmp_path):
    for name in ("no-such-model", str(tmp_path / "none.safetensors")):
        with pytest.raises(SeqgenError, match=f"no built-in model and no file {name!r}; built in are"):
            seqgen.load(name)


def test_a_directory_is_no_checkpoint(tmp_path):
    with pytest.raises(SeqgenError, match="is a directory"):
        seqgen.load(tmp_path)


def test_a_model_of_another_family_is_refused_by_a_models_own_load(blob, tmp_path):
    class Other(seqgen.CharRNN):
        family = "other"

    path = tmp_path / "model.safetensors"
    path.write_bytes(blob)
    with pytest.raises(
        SeqgenError, match=r"holds a model of the family 'char-rnn', not 'other'.*seqgen\.load"
    ):
        Other.load(path)
    assert seqgen.CharRNN.load(path).cell == "gru"


def test_saving_under_another_suffix_or_precision_raises(weights, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.safetensors"):
        save_weights(weights, tmp_path / "model.bin")
    with pytest.raises(ValueError, match="precision must be one of"):
        save_weights(weights, tmp_path / "model.safetensors", precision="int3")
    assert not list(tmp_path.iterdir())


def test_saving_into_a_missing_directory_says_so(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        save_weights(weights, tmp_path / "none" / "model.safetensors")


# ---- nothing is executed ------------------------------------------------------------------------------


def test_no_source_file_unpickles_or_evaluates():
    forbidden = re.compile(
        r"\bpickle\b|\bmarshal\b|\bshelve\b|(?<![.\w])(?:eval|exec)\(|torch\.(?:load|save)\(|allow_pickle=True"
    )
    root = Path(seqgen.__file__).parent
    sources = [path for folder in (root, root.parent / "pipelines") for path in folder.rglob("*.py")]
    # compiled kernels are pickles, from directories that only the caller and root can write to
    sources.remove(root / "kernels" / "cache.py")
    assert len(sources) > 20
    found = [
        f"{path.relative_to(root.parent)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not found


def test_the_description_is_plain_json(blob):
    size = int.from_bytes(blob[:8], "little")
    description = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"]["seqgen"])
    assert set(description) >= {
        "format",
        "family",
        "config",
        "card",
        "precision",
        "hash",
        "versions",
        "digest",
    }
    assert set(description["versions"]) == {"seqgen", "python", "numpy"}
