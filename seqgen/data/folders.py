"""Which files of a folder belong to a data set: one rule for recordings, images and texts.

Read are the files whose names have one of the kind's suffixes, in either case, in the folder and all its sub-folders,
through symbolic links. Left out, and named in the notes, are

- hidden files and folders, whose names begin with a dot: among them `._NAME` of macOS, `.trash` and `.git`;
- folders that systems make: `__MACOSX`, `@eaDir`, `lost+found`, …;
- links that lead nowhere, or to a folder that is read already or contains the link;
- folders that cannot be opened, and what is not a regular file;
- files with other suffixes.

The rule is for what is found in a folder: a file or folder that is given by name is read whatever its name.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from seqgen.errors import SeqgenError, SeqgenWarning

SYSTEM_FOLDERS = (
    "__MACOSX", "__pycache__", "@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "RECYCLER",
    "System Volume Information", "lost+found",
)  # fmt: skip

HIDDEN = "hidden"
SYSTEM = "made by the system"
NOWHERE = "links that lead nowhere"
READ_ALREADY = "folders that are read already by another path"
LOOP = "links to folders that contain them"
UNREADABLE = "folders that cannot be opened"
NOT_REGULAR = "neither files nor folders"
OTHER = "of other kinds"

_NAMED = 3


class Listing(NamedTuple):
    """The files of a folder.

    Attributes:
        files: those to read, in the order of their paths.
        left_out: the names, relative to the folder, of what is not read, by reason. A folder is named with "/" at its
            end, and its contents are not counted.
    """

    files: tuple[Path, ...]
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def notes(self) -> tuple[str, ...]:
        """One phrase for each reason to leave something out, with the number and the first names."""
        return tuple(left_out_note(names, reason) for reason, names in self.left_out.items())

    def warn(self, folder: str | os.PathLike[str]) -> None:
        """Issue a SeqgenWarning with the number of files that are read and the notes, if anything is left out."""
        if self.left_out:
            read = f"{len(self.files)} file{'s' if len(self.files) != 1 else ''} read"
            warnings.warn(f"{folder}: {'; '.join([read, *self.notes])}", SeqgenWarning, stacklevel=3)


def list_files(folder: str | os.PathLike[str], suffixes: Sequence[str]) -> Listing:
    """List the files of a folder and its sub-folders by the rule of this module.

    Every folder is read once: by its own path if it is inside `folder`, else by the first link to it.

    Args:
        folder: an existing folder. suffixes: in lower case, such as (".wav", ".flac").

    Raises:
        SeqgenError: if the folder cannot be opened.
    """
    return _Walk(Path(folder), suffixes).listing()


def left_out_note(names: Sequence[str], reason: str) -> str:
    """Return "N left out, REASON: first names".

    Example:
        >>> left_out_note(["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"], "empty")
        '5 left out, empty: a.wav, b.wav, c.wav and 2 more'
    """
    return f"{len(names)} left out, {reason}: {first_names(names)}"


def first_names(names: Sequence[str]) -> str:
    """Return the first few of several names, and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class _Walk:
    """One pass over a folder. Links to folders are followed after all real folders, so that these keep their paths."""

    def __init__(self, root: Path, suffixes: Sequence[str]) -> None:
        self._root, self._suffixes = root, frozenset(suffixes)
        self._real_root = Path(os.path.realpath(root))
        self._files: list[Path] = []
        self._left_out: dict[str, list[str]] = {}
        self._links: list[Path] = []
        self._read: set[str] = set()

    def listing(self) -> Listing:
        try:
            self._read_below(self._root)
        except OSError as error:
            raise SeqgenError(f"cannot read {self._root}: {error.strerror or error}") from None
        while self._links:
            waiting, self._links = sorted(self._links), []
            for link in waiting:
                self._follow(link)
        reasons = (HIDDEN, SYSTEM, NOWHERE, READ_ALREADY, LOOP, UNREADABLE, NOT_REGULAR, OTHER)
        left_out = {
            reason: tuple(sorted(self._left_out[reason])) for reason in reasons if reason in self._left_out
        }
        return Listing(tuple(sorted(self._files)), left_out)

    def _read_below(self, top: Path) -> None:
        """Read a folder and its real sub-folders; raise OSError if `top` itself cannot be opened."""
        folders = [top]
        while folders:
            folder = folders.pop()
            real = os.path.realpath(folder)
            if real in self._read:
                self._leave_out(folder, READ_ALREADY, is_folder=True)
                continue
            try:
                with os.scandir(folder) as entries:
                    found = list(entries)
            except OSError:
                if folder == top:
                    raise
                self._leave_out(folder, UNREADABLE, is_folder=True)
                continue
            self._read.add(real)
            folders += self._sort(folder, found)

    def _sort(self, folder: Path, entries: Iterable[os.DirEntry[str]]) -> list[Path]:
        """Put the entries of a folder where they belong; return its real sub-folders."""
        inside: list[Path] = []
        for entry in entries:
            path = folder / entry.name
            is_folder = _safely(entry.is_dir)
            if entry.name.startswith("."):
                self._leave_out(path, HIDDEN, is_folder)
            elif is_folder and entry.name in SYSTEM_FOLDERS:
                self._leave_out(path, SYSTEM, is_folder)
            elif is_folder:
                (self._links if entry.is_symlink() else inside).append(path)
            elif not _safely(entry.is_file):
                there = os.path.exists(path)
                self._leave_out(path, NOT_REGULAR if there else NOWHERE)
            elif path.suffix.lower() in self._suffixes:
                self._files.append(path)
            else:
                self._leave_out(path, OTHER)
        return inside

    def _follow(self, link: Path) -> None:
        target = Path(os.path.realpath(link))
        here = Path(os.path.realpath(link.parent))
        if here.is_relative_to(target) or self._real_root.is_relative_to(target):
            self._leave_out(link, LOOP, is_folder=True)
        elif str(target) in self._read:
            self._leave_out(link, READ_ALREADY, is_folder=True)
        else:
            try:
                self._read_below(link)
            except OSError:
                self._leave_out(link, UNREADABLE, is_folder=True)

    def _leave_out(self, path: Path, reason: str, is_folder: bool = False) -> None:
        name = str(path.relative_to(self._root)) + ("/" if is_folder else "")
        self._left_out.setdefault(reason, []).append(name)


def _safely(question: Callable[[], bool]) -> bool:
    """Return the answer of `os.DirEntry.is_dir` or `is_file`; False for a link that leads in a circle."""
    try:
        return question()
    except OSError:
        return False
