"""Compiled kernels on disk: keyed by source and checked before they are loaded; a failure of the cache is no error.

A file holds the SHA-256 of its contents, so that a damaged one is recognized and compiled again. Its contents are
machine code and pickles, which run with the caller's rights. A directory is therefore used only if it and all of its
parents belong to the caller or to root, and no one else can write to them; a parent with the sticky bit, such as /tmp,
is allowed. If no file can be written, kernels are compiled in every process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import compiler
from numba.core.caching import _Cache
from numba.core.serialize import dumps

from seqgen.kernels.trust import ours, untrusted

_MAGIC = b"seqgen kernel 1\n"
_CHECK = hashlib.sha256().digest_size


class KernelCache(_Cache):
    """The cache of one dispatcher, one file per signature and CPU; implements Numba's interface.

    Args:
        function: the Python function that is compiled.
        folder: the directory, which is created when it is needed.
    """

    def __init__(self, function: Any, folder: Path) -> None:
        self._function, self._folder = function, folder
        self._enabled = True

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._stem}-*.nbc"):
            path.unlink(missing_ok=True)

    def holds(self, signature: Any, codegen: Any) -> bool:
        """Return whether the kernel is kept for the types of its arguments, and for the CPU of a code generator."""
        return self._path(signature, codegen).is_file()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None if its file is missing or damaged."""
        target_context.refresh()
        if not self._enabled or not os.path.isdir(self._folder):  # False also where it cannot be looked for
            return None
        if (reason := untrusted(self._folder)) is not None:
            _say(f"the kernel cache is not used: {reason}; kernels are compiled in every run")
            return None
        path = self._path(sig, target_context.codegen())
        try:
            data = _read(path)
            if data is None:
                return None
            return compiler.CompileResult._rebuild(target_context, *pickle.loads(data))
        except Exception:
            # whatever is wrong with the file, it can be written again
            with contextlib.suppress(OSError):
                path.unlink()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled function; a failure is reported once, and is no error."""
        if not self._enabled or data.lifted or data.library.has_dynamic_globals:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if untrusted(self._folder) is not None:
                return
            contents = dumps(data._reduce())
            _write(self._path(sig, data.codegen), contents)
        except OSError as error:
            _say(
                f"compiled kernels cannot be kept in {self._folder.parent} ({error.strerror}); they are compiled in "
                "every run. Set SEQGEN_CACHE_DIR to a directory that can be written"
            )

    @property
    def _stem(self) -> str:
        return f"{Path(self._function.__code__.co_filename).stem}.{self._function.__qualname__}"

    def _path(self, signature: Any, codegen: Any) -> Path:
        versions = (numba.__version__, llvmlite.__version__, sys.version_info[:3])
        key = repr((signature, codegen.magic_tuple(), versions, self._function.__code__.co_code))
        return self._folder / f"{self._stem}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"


def _read(path: Path) -> bytes | None:
    """Return the contents of a cache file; None if it does not exist.

    Raises:
        ValueError: if it is damaged, or others could have written it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    with open(handle, "rb") as file:
        own = os.fstat(file.fileno())
        if not stat.S_ISREG(own.st_mode) or not ours(own):
            raise ValueError("not a file of the caller")
        whole = file.read()
    contents = whole[len(_MAGIC) + _CHECK :]
    if whole[: len(_MAGIC) + _CHECK] != _MAGIC + hashlib.sha256(contents).digest():
        raise ValueError("damaged")
    return contents


def _write(path: Path, contents: bytes) -> None:
    """Write a cache file; readers see all of it or nothing."""
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(contents).digest() + contents)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


_said: set[str] = set()


def _say(text: str) -> None:
    """Print a line on stderr, once in a process."""
    if text not in _said:
        _said.add(text)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print(f"seqgen: {text}", file=sys.stderr, flush=True)
