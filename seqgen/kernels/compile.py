"""How the compiled kernels are made: nogil, cached on disk, said on stderr when it takes its seconds.

Numba's own cache only looks at the file of the function itself, so a change in a helper that it inlines would go
unnoticed. Here the directory of a kernel carries a hash of its own source and of all kernel sources that it imports;
`seqgen.kernels.cache` keeps what is compiled.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event

from seqgen.kernels.cache import KernelCache
from seqgen.kernels.shielded import shielded

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parents[1]
# what is compiled into kernels stands in modules of these names, and so do the structures that they take apart
_COMPILED = re.compile(
    r"seqgen\.(?:kernels(?:\.\w+)?|(?:\w+\.)*(?:numba_\w+|automaton|inverse_cdf)|rng|controls)"
)


def cache_directory(source: str) -> Path:
    """Where the compiled kernels of a source file are kept: below $SEQGEN_CACHE_DIR, or the user's cache directory."""
    base = os.environ.get("SEQGEN_CACHE_DIR")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        # without a home directory there is no place
        base = os.devnull if home.startswith("~") else os.path.join(home, "seqgen")
    return Path(base) / f"kernels-{_digest(source)}"


@cache
def _digest(source: str) -> str:
    """A hash of Numba's version and of the sources that the kernels of a file are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    for _, text in sorted(sources(source).items()):
        digest.update(text)
    return digest.hexdigest()[:16]


def sources(source: str) -> dict[Path, bytes]:
    """A file with kernels and all that it takes kernels or constants from, directly or not, with their contents."""
    found: dict[Path, bytes] = {}
    waiting = [Path(source)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = path.read_bytes()
            waiting += [_file(name) for name in _imported(found[path]) if _COMPILED.fullmatch(name)]
    return found


def _imported(source: bytes) -> Iterator[str]:
    """The modules that a file imports, and those that the names which it imports from a package would be."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            within = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in within if name.startswith("seqgen.") and _file(name).exists())


def _file(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def kernel(function: F) -> F:
    """Compile `function` with Numba when it is first called, without the GIL, and keep the result on disk."""
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    compiled._cache = KernelCache(function, cache_directory(function.__code__.co_filename))
    compiled.compile = _shielded(compiled.compile)
    _kernels.add(compiled)
    return compiled


def _shielded(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a dispatcher that loads or compiles, without signal handlers in the middle of it."""

    def compile_whole(signature: Any) -> Any:
        with shielded():
            return compile_(signature)

    return compile_whole


def inline(function: F) -> F:
    """Compile `function` into the kernels that call it."""
    return numba.njit(nogil=True, error_model="numpy")(function)


def splice(function: F) -> F:
    """Put the code of `function` into the kernels that call it before they are compiled.

    For what is called so often that handing over its arguments would show, where LLVM leaves a call.
    """
    return numba.njit(nogil=True, error_model="numpy", inline="always")(function)


# ---- what the user hears of it --------------------------------------------------------------------------

_kernels: set[Any] = set()
_announced: dict[str, bool] = {}


def say_compiling(name: str) -> None:
    """From here on, tell the user once on stderr if kernels have to be compiled, which then are those of `name`."""
    if name in _announced:
        _announced[name] = _announced.pop(name)  # the last one is the one that speaks
    else:
        _announced[name] = False


class _Speaker(event.Listener):
    """Hears of every compilation that the cache could not spare."""

    def on_start(self, started: Any) -> None:
        if started.data["dispatcher"] not in _kernels or not _announced:
            return
        name = next(reversed(_announced))
        if not _announced[name]:
            _announced[name] = True
            with contextlib.suppress(OSError, ValueError, AttributeError):  # a message that nobody can read
                said = f"seqgen: compiling the {name} kernels, once for this machine …"
                print(said, file=sys.stderr, flush=True)

    def on_end(self, ended: Any) -> None:
        pass


event.register("numba:compile", _Speaker())
