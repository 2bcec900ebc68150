"""Files appear under their name only when they are complete, and partial files are always removed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
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


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "folder" / "out.txt")
    for text in ("new", "again"):
        with replace_whole(link) as temporary:
            assert temporary.parent == tmp_path / "folder"
            temporary.write_text(text)
        assert link.is_symlink()
        assert (tmp_path / "folder" / "out.txt").read_text() == text


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"), replace_whole(tmp_path / "a"):
        pass


def test_the_mode_of_a_file_is_kept(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    target.chmod(0o640)
    with replace_whole(target) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_pipe_gets_the_data(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with replace_whole(pipe) as temporary:
        temporary.write_bytes(b"data")
    reader.join(20)
    assert got == [b"data"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "x" * 240 + ".wav"])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    with replace_whole(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match="too long"), replace_whole(tmp_path / ("x" * 256)):
        raise AssertionError("not refused")


KILLED = """
import os, sys
from seqgen.files import replace_whole
with replace_whole(sys.argv[1]) as temporary:
    temporary.write_text("so far")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_there_until_the_file_is_written_again(tmp_path):
    target, other = tmp_path / "out.txt", tmp_path / "out.txt.bak"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for path in (target, target, other)
    ]
    try:
        for process in running:
            assert process.stdout.readline() == "written\n"
        for process in (running[0], running[2]):
            process.kill()
            process.wait()
        assert len(os.listdir(tmp_path)) == 3
        with replace_whole(target) as temporary:
            temporary.write_text("new")
        # that of a process that still runs is left, and that of another file
        left = [name for name in os.listdir(tmp_path) if name != "out.txt"]
        assert len(left) == 2
        assert all((tmp_path / name).read_text() == "so far" for name in left)
        running[1].communicate("")
        assert target.read_text() == "so far"
    finally:
        for process in running:
            process.kill()
            process.communicate()
    with replace_whole(other) as temporary:
        temporary.write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["out.txt", "out.txt.bak"]


def test_an_interrupt_while_the_file_is_created_leaves_nothing(tmp_path, monkeypatch):
    """A signal handler runs when the call that creates the file has returned, before its result is stored."""
    create = os.open

    def interrupted(*arguments):
        os.close(create(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), replace_whole(tmp_path / "a.png"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_what_is_open_is_written_on_in_place(tmp_path, name):
    """A shell's `>>` has opened a file, which must not be replaced by another."""
    if name == "link":
        name = str(tmp_path / "link")
        os.symlink("/dev/stdout", name)
    program = (
        "import sys; from seqgen.files import replace_whole\n"
        "with replace_whole(sys.argv[1]) as temporary: temporary.write_text('b')"
    )
    log = tmp_path / "log"
    with open(log, "a") as file:
        file.write("a")
        file.flush()
        subprocess.run([sys.executable, "-c", program, name], stdout=file, check=True)
        file.write("c")
    assert log.read_text() == "abc"
    command = [
        sys.executable,
        "-m",
        "seqgen",
        "stream",
        "weather",
        "-n",
        "1",
        "--length",
        "3",
        "--seed",
        "7",
        "-q",
    ]
    for more in (["--format", "txt"], ["--format", "jsonl"]):
        with open(log, "a") as file:
            subprocess.run([*command, *more, "-o", name], stdout=file, check=True)
    assert log.read_text().startswith("abccloud rain sun\n{")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to give files away")
def test_the_owner_of_a_file_is_kept(tmp_path):
    path = tmp_path / "theirs"
    path.touch()
    os.chown(path, 12345, 54321)
    with replace_whole(path) as temporary:
        temporary.write_text("new")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_text()) == (12345, 54321, "new")
