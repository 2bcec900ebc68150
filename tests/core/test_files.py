"""Files appear under their name only when they are whole, and nothing partial is ever left behind."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

import seqgen
from seqgen.checkpoint import save_weights
from seqgen.files import replace_whole


def test_a_clean_exit_puts_the_file_in_place(tmp_path):
    target = tmp_path / "out.txt"
    with replace_whole(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_older_file_is_replaced_at_once(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with replace_whole(str(target)) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit], ids=lambda e: e.__name__)
def test_an_error_leaves_the_older_file_and_nothing_else(error, tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")

    def fail() -> None:
        with replace_whole(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    ordinary, target = tmp_path / "ordinary", tmp_path / "out.txt"
    ordinary.write_text("")
    with replace_whole(target):
        pass
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_missing_directory_is_named(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"none.* does not exist; create it first"),
        replace_whole(tmp_path / "none" / "out.txt"),
    ):
        pass


def test_a_directory_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError, match="give the name of a file"), replace_whole(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="does not exist"), replace_whole(tmp_path / "file" / "out"):
        pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_raises_permissionerror(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), replace_whole(tmp_path / "out.txt"):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_full_disk_leaves_no_checkpoint_and_no_partial_file(step, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    where = Path if step == "write_bytes" else os
    weights = seqgen.CharRNN("ab", cell="tanh", hidden_size=2, layers=1).weights()
    monkeypatch.setattr(where, step, full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(weights, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
