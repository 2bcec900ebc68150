"""The cache of compiled kernels: damaged files, directories that are read-only, directories that others can write."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from seqgen.kernels import cache, trust

SCRIPT = """
from seqgen.kernels.compile import kernel, say_compiling
def double(x):
    return x + x
double = kernel(double)
say_compiling("doubling")
assert double(1) == 2
"""
COMPILED = "seqgen: compiling the doubling kernels, once for this machine …"


@pytest.fixture
def said(tmp_path):
    """Compile or load a kernel in a separate process; return what it prints."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(directory: object, **environment: str) -> list[str]:
        kept = {"PATH": "", "PYTHONPATH": str(Path.cwd()), "SEQGEN_CACHE_DIR": str(directory), **environment}
        done = subprocess.run(
            [sys.executable, tmp_path / "script.py"], env=kept, capture_output=True, text=True, check=True
        )
        return done.stderr.splitlines()

    return run


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_kernel_is_compiled_once(said, tmp_path):
    assert said(tmp_path / "kept") == [COMPILED]
    assert said(tmp_path / "kept") == []
    (file,) = files(tmp_path / "kept")
    assert file.suffix == ".nbc"


@pytest.mark.parametrize("damage", ["empty", "cut", "one bit", "noise", "a pickle", "a directory", "a link"])
def test_a_damaged_file_is_compiled_again(said, tmp_path, damage):
    assert said(tmp_path / "kept") == [COMPILED]
    (file,) = files(tmp_path / "kept")
    whole = file.read_bytes()
    if damage == "a directory":
        file.unlink()
        file.mkdir()
    elif damage == "a link":
        file.unlink()
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(
            {
                "empty": b"",
                "cut": whole[: len(whole) // 2],
                "one bit": whole[:-1000] + bytes([whole[-1000] ^ 4]) + whole[-999:],
                "noise": os.urandom(len(whole)),
                "a pickle": pickle.dumps(("no", "kernel")),
            }[damage]
        )
    assert said(tmp_path / "kept")[:1] == [COMPILED]
    if damage != "a directory":
        assert said(tmp_path / "kept") == []


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null", "/dev/null/below", "/" + "x" * 300])
def test_what_cannot_be_written_is_said_in_one_line(said, place):
    first, second = said(place)
    assert first == COMPILED
    assert second.startswith(f"seqgen: compiled kernels cannot be kept in {place} (")
    assert "Set SEQGEN_CACHE_DIR" in second


def test_without_a_home_nothing_is_written(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "cwd", lambda: Path(__file__).parents[2])
    before = sorted(os.listdir(tmp_path))
    lines = said("", HOME="~")
    assert lines[0] == COMPILED
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("which", ["the directory", "a parent", "the file"])
@pytest.mark.parametrize("whose", ["anyone's", "somebody else's"])
def test_nothing_is_loaded_from_where_others_can_write(said, tmp_path, which, whose):
    if whose == "somebody else's" and os.geteuid() != 0:
        pytest.skip("needs root, to give files away")
    kept = tmp_path / "parent" / "kept"
    assert said(kept) == [COMPILED]
    (file,) = files(kept)
    place = {"the directory": file.parent, "a parent": kept.parent, "the file": file}[which]
    if whose == "anyone's":
        place.chmod(0o777)
        reason = f"{place} can be written by others (mode 0777)"
    else:
        os.chown(place, 12345, 12345)
        reason = f"{place} belongs to user 12345"
    lines = said(kept)
    assert lines[-1] == COMPILED
    if which != "the file":
        assert lines[0].startswith(f"seqgen: the kernel cache is not used: {reason}")
        assert lines[0].endswith("; kernels are compiled in every run")
    if (which, whose) == ("a parent", "anyone's"):
        place.chmod(0o1777)  # as /tmp
        assert said(kept) == []


def test_a_pickle_that_somebody_planted_is_not_executed(tmp_path, monkeypatch):
    """A correct hash does not imply trust: what matters is who can write."""
    path = tmp_path / "kernel.nbc"
    cache._write(path, b"contents")
    assert cache._read(path) == b"contents"
    path.chmod(0o666)
    with pytest.raises(ValueError, match="not a file of the caller"):
        cache._read(path)


def test_groups_of_the_caller_alone_may_write(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(0o775)
    for alone, expected in ((True, None), (False, f"{folder} can be written by others (mode 0775)")):
        monkeypatch.setattr(trust, "_alone", lambda group, alone=alone: alone)
        trust.untrusted.cache_clear()
        assert trust.untrusted(folder) == expected
    trust.untrusted.cache_clear()
