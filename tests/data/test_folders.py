"""The rule for folders: what is read, what is left out, and how it is described."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqgen.data.folders import list_files
from seqgen.errors import SeqgenError, SeqgenWarning


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def names(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in list_files(folder, (".wav", ".txt")).files]


def left_out(folder: Path) -> tuple[str, ...]:
    return list_files(folder, (".wav", ".txt")).notes


def test_files_of_all_sub_folders_in_the_order_of_their_paths(tmp_path):
    make(tmp_path, "b.wav", "a/z.txt", "a/b/c.WAV", "a.txt")
    assert names(tmp_path) == ["a/b/c.WAV", "a/z.txt", "a.txt", "b.wav"]
    assert left_out(tmp_path) == ()


def test_what_is_hidden_made_by_systems_or_of_another_kind_is_left_out_and_named(tmp_path):
    make(tmp_path, "a.wav", "._a.wav", ".trash/b.wav", "c/.d.wav", ".DS_Store")
    make(tmp_path, "__MACOSX/._a.wav", "c/lost+found/b.wav", "notes.md", "c/cover.jpg")
    assert names(tmp_path) == ["a.wav"]
    assert left_out(tmp_path) == (
        "4 left out, hidden: .DS_Store, ._a.wav, .trash/ and 1 more",
        "2 left out, made by the system: __MACOSX/, c/lost+found/",
        "2 left out, of other kinds: c/cover.jpg, notes.md",
    )


def test_what_is_given_by_name_may_be_hidden(tmp_path):
    make(tmp_path / ".data", "a.wav")
    assert names(tmp_path / ".data") == ["a.wav"]


def test_links_to_folders_and_files_are_followed(tmp_path):
    make(tmp_path / "elsewhere", "b.wav", "inner/c.wav")
    data = tmp_path / "data"
    make(data, "a.wav")
    (data / "folder").symlink_to(tmp_path / "elsewhere")
    (data / "file.wav").symlink_to(data / "a.wav")
    assert names(data) == ["a.wav", "file.wav", "folder/b.wav", "folder/inner/c.wav"]
    (tmp_path / "whole").symlink_to(data)
    assert names(tmp_path / "whole") == names(data)


def test_links_in_circles_and_to_nowhere_are_left_out(tmp_path):
    data = tmp_path / "data"
    make(data, "a/b.wav")
    for name, target in {
        "a/up": data, "self": data / "self", "above": tmp_path, "root": Path("/"), "gone": tmp_path / "gone",
        "gone.wav": tmp_path / "gone.wav", "here": data / "a",
    }.items():  # fmt: skip
        (data / name).symlink_to(target)
    assert names(data) == ["a/b.wav"]
    assert left_out(data) == (
        "3 left out, links that lead nowhere: gone, gone.wav, self",
        "1 left out, folders that are read already by another path: here/",
        "3 left out, links to folders that contain them: a/up/, above/, root/",
    )


def test_folders_outside_that_link_to_each_other_are_read_once(tmp_path):
    for one, other in (("x", "y"), ("y", "x")):
        make(tmp_path / one, f"{one}.wav")
        (tmp_path / one / "other").symlink_to(tmp_path / other)
    data = tmp_path / "data"
    data.mkdir()
    (data / "link").symlink_to(tmp_path / "x")
    assert names(data) == ["link/other/y.wav", "link/x.wav"]


def test_a_folder_is_read_once_where_links_overlap(tmp_path):
    make(tmp_path / "x", "a.wav", "inner/b.wav")
    data = tmp_path / "data"
    data.mkdir()
    (data / "1").symlink_to(tmp_path / "x" / "inner")
    (data / "2").symlink_to(tmp_path / "x")
    assert names(data) == ["1/b.wav", "2/a.wav"]
    assert left_out(data) == ("1 left out, folders that are read already by another path: 2/inner/",)


def test_the_contents_of_a_hidden_folder_are_read_through_links(tmp_path):
    make(tmp_path, ".store/1.wav", ".store/more/2.wav")
    (tmp_path / "a.wav").symlink_to(tmp_path / ".store" / "1.wav")
    (tmp_path / "b").symlink_to(tmp_path / ".store" / "more")
    assert names(tmp_path) == ["a.wav", "b/2.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_not_opened(tmp_path):
    make(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "b.wav")
    assert names(tmp_path) == ["a.wav"]
    assert left_out(tmp_path) == ("1 left out, neither files nor folders: b.wav",)


def test_a_folder_that_cannot_be_opened(tmp_path, monkeypatch):
    make(tmp_path, "a.wav", "secret/b.wav")
    scan = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(tmp_path) == ["a.wav"]
    assert left_out(tmp_path) == ("1 left out, folders that cannot be opened: secret/",)
    with pytest.raises(SeqgenError, match=r"cannot read .*secret: Permission denied"):
        names(tmp_path / "secret")


def test_names_that_are_not_utf_8(tmp_path):
    for name in (b"caf\xe9.wav", b".caf\xe9.wav"):
        Path(tmp_path, os.fsdecode(name)).write_text("x")
    assert names(tmp_path) == [os.fsdecode(b"caf\xe9.wav")]
    assert left_out(tmp_path) == ("1 left out, hidden: " + os.fsdecode(b".caf\xe9.wav"),)


def test_the_warning_says_how_many_are_read_and_is_left_out_if_all_are(tmp_path, recwarn):
    make(tmp_path, "a.wav")
    list_files(tmp_path, (".wav",)).warn(tmp_path)
    assert not recwarn
    make(tmp_path, ".b.wav")
    with pytest.warns(SeqgenWarning, match=r": 1 file read; 1 left out, hidden: \.b\.wav$"):
        list_files(tmp_path, (".wav",)).warn(tmp_path)
