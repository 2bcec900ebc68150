"""The path of a checkpoint, and the batches of a pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqgen.errors import SeqgenError
from seqgen.training.batches import Batches
from seqgen.training.request import command, require_output, with_preset


def test_an_output_must_be_a_file_that_can_be_written(tmp_path):
    require_output(tmp_path / "x.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        require_output(tmp_path / "x.bin")
    with pytest.raises(SeqgenError, match="does not exist; create it first"):
        require_output(tmp_path / "absent" / "x.safetensors")
    with pytest.raises(SeqgenError, match="is a directory"):
        require_output(tmp_path / "folder.safetensors")


def test_presets():
    presets = {"tiny": {"steps": 10, "batch": 4}}
    assert with_preset(presets, "default", None) == {}
    assert with_preset(presets, "tiny", {"steps": "3"}) == {"steps": "3", "batch": 4}
    with pytest.raises(ValueError, match="preset must be one of default, tiny, got 'huge'"):
        with_preset(presets, "huge", None)


def test_the_command_repeats_the_run():
    data, output = Path("/data/x.npy"), Path("/out/m.safetensors")
    assert command("rnade", data, output, {}) == "seqgen train rnade x.npy -o m.safetensors"
    assert command("rnade", data, output, {"steps": 3}, "tiny").endswith(" --preset tiny --set steps=3")


def test_every_item_comes_once_in_a_pass_and_passes_differ():
    batches = Batches(11, 3, seed=5)
    assert batches.steps_per_pass == 3
    passes = [np.concatenate([batches.rows(3 * number + k) for k in range(3)]) for number in range(2)]
    for rows in passes:
        assert len(set(rows.tolist())) == 9
    assert not np.array_equal(*passes)
    # any step, in any order
    np.testing.assert_array_equal(Batches(11, 3, seed=5).rows(4), passes[1][3:6])
    assert not np.array_equal(Batches(11, 3, seed=6).rows(0), passes[0][:3])
