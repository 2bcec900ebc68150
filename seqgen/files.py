"""Atomic file writes: a file gets its final name only when it is complete.

Until then the data are in a hidden file next to it, `.NAME.xxxxxxxx.partial`. If the process is killed, that file
remains: it holds what was written so far and can be renamed. The next write to NAME removes it, unless a running
process still writes it, which is known by a lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ImportError:  # not on Windows: what was left behind cannot be told from what is being written
    fcntl = None

_DESCRIPTOR = re.compile(rf"(?:/dev/fd|/proc/(?:self|{os.getpid()})/fd)/([0-9]{{1,9}})")
_SUFFIX = ".partial"
_RANDOM = 8  # random characters in the name


@contextlib.contextmanager
def replace_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path; on a clean exit the file is synced and renamed to `path`.

    If the block raises, the temporary file is removed and an existing file at `path` is unchanged. An existing file's
    mode and, for root, owner are kept, a symbolic link is followed, and a pipe, a device or an open descriptor such as
    /dev/stdout gets the data in place of being replaced.

    Raises:
        OSError: if the directory does not exist or cannot be written, or `path` cannot be a file.
    """
    if is_special(path):
        with tempfile.TemporaryDirectory(prefix="seqgen-") as folder:
            temporary = Path(folder) / "data"
            temporary.touch()
            yield temporary
            with open(temporary, "rb") as source, open_special(path) as sink:
                shutil.copyfileobj(source, sink)
        return
    path = target_of(path)
    mode, owner = _mode_of(path), _owner_of(path)
    prefix = _prefix(path)
    _sweep(path.parent, prefix)
    temporary = path.parent.absolute() / f"{prefix}{secrets.token_hex(_RANDOM // 2)}{_SUFFIX}"
    handle = None
    try:
        # the name is known before the file is there, so that it is removed also if a signal arrives in between
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        _lock(handle)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if owner is not None:
            with contextlib.suppress(OSError):  # only root can give a file away
                os.chown(temporary, *owner)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        if handle is not None or not isinstance(error, FileExistsError):
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise
    finally:
        if handle is not None:
            os.close(handle)


def target_of(path: str | os.PathLike[str]) -> Path:
    """Return the path that a write to `path` reaches, through symbolic links; raise OSError if it cannot be a file."""
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    require_folder(path)
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory; give the name of a file")
    return path


def readable(path: str | os.PathLike[str]) -> str:
    """Return the name of a file as text that can be stored: bytes of it that are not UTF-8 are written as escapes.

    Example:
        >>> readable(os.fsdecode(b"caf\\xe9.wav"))
        'caf\\\\xe9.wav'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_special(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` is written to and not replaced: a pipe, a device, a socket, or an open descriptor."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def open_special(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open for writing what `is_special`; a descriptor is written to at its place, not from the beginning."""
    number = _descriptor(path)
    return open(path, "wb") if number is None else os.fdopen(os.dup(number), "wb")


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """Return the number of a descriptor of this process that a path such as /dev/stdout names, or None."""
    name = os.path.abspath(os.fspath(path))
    for _ in range(8):
        found = _DESCRIPTOR.fullmatch(os.fsdecode(name))
        if found:
            return int(found[1])
        try:
            name = os.path.normpath(os.path.join(os.path.dirname(name), os.readlink(name)))
        except OSError:
            break
    return None


def require_folder(path: Path) -> None:
    """Raise FileNotFoundError unless the folder of a file exists."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the directory {str(path.parent)!r} does not exist; create it first")


def _mode_of(path: Path) -> int:
    """Return the mode of the file that is replaced, or that of a new file; raise OSError if it must not be written."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is there and must not be written", str(path))
    return mode


def _owner_of(path: Path) -> tuple[int, int] | None:
    """Return user and group of the file that is replaced, if it belongs to somebody else."""
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return None
    owner = info.st_uid, info.st_gid
    return owner if hasattr(os, "chown") and owner != (os.geteuid(), os.getegid()) else None


def _prefix(path: Path) -> str:
    """Return the beginning of temporary names, as long as the file system allows."""
    try:
        most = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        most = 255
    name = path.name
    room = most - len("..") - _RANDOM - len(_SUFFIX)
    if len(os.fsencode(name)) > room:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        while len(os.fsencode(f"{name}-{digest}")) > room:
            name = name[:-1]
        name = f"{name}-{digest}"
    return f".{name}."


def _sweep(folder: Path, prefix: str) -> None:
    """Remove temporary files with a prefix that no process writes any more."""
    if fcntl is None:
        return
    length = len(prefix) + _RANDOM + len(_SUFFIX)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if len(entry.name) == length and entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    """Mark a temporary file as being written; the mark ends with the process."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
