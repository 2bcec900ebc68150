"""Compilation of kernels: without the GIL, cached on disk, with a message on stderr when a kernel is compiled.

Numba's own cache checks only the file of the function itself, so it would miss a change in an inlined helper. Here the
cache directory of a kernel is named by a hash of its own source and of all kernel sources that it imports;
`seqgen.kernels.cache` stores compiled kernels.
"""

from __future__ import annotations

import ast
import contextlib
import gc
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
from numba.core.compiler_lock import global_compiler_lock

from seqgen.kernels.cache import KernelCache
from seqgen.kernels.helpers import HelperCompiler
from seqgen.kernels.shielded import shielded
from seqgen.kernels.target import target

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parents[1]
# modules with these names contain the code that is compiled into kernels, and the structures that kernels unpack
_COMPILED = re.compile(
    r"seqgen\.(?:kernels(?:\.\w+)?|(?:\w+\.)*(?:numba_\w+|automaton|inverse_cdf)|rng|controls)"
)


KERNELS: set[Any] = set()
"""All kernels, as Numba's dispatchers, of the modules that are imported."""

if hasattr(os, "register_at_fork"):
    # a child has no other thread, so a lock that one holds would never be released in it, and a half compiled kernel
    # would stay so: a fork waits until the kernel is compiled
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def cache_directory(source: str) -> Path:
    """Return the directory of a file's compiled kernels, below $SEQGEN_CACHE_DIR or the user's cache directory."""
    base = os.environ.get("SEQGEN_CACHE_DIR")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        # without a home directory, nothing is cached
        base = os.devnull if home.startswith("~") else os.path.join(home, "seqgen")
    return Path(base) / f"kernels-{_digest(source)}"


@cache
def _digest(source: str) -> str:
    """Return a hash of Numba's version and of all sources that are compiled into the kernels of a file."""
    digest = hashlib.sha256(numba.__version__.encode())
    for _, text in sorted(sources(source).items()):
        digest.update(text)
    return digest.hexdigest()[:16]


def sources(source: str) -> dict[Path, bytes]:
    """Return a file with kernels, and all files that it imports compiled code from, with their contents."""
    found: dict[Path, bytes] = {}
    waiting = [Path(source)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = path.read_bytes()
            waiting += [_file(name) for name in _imported(found[path]) if _COMPILED.fullmatch(name)]
    return found


def _imported(source: bytes) -> Iterator[str]:
    """Yield the modules that a file imports; a name imported from a package may be a module, too."""
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
    """Compile `function` with Numba on its first call, without the GIL, and cache the result on disk."""
    compiled = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    compiled._cache = KernelCache(function, cache_directory(function.__code__.co_filename))
    compiled.compile = _shielded(compiled.compile)
    KERNELS.add(compiled)
    return compiled


def _shielded(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a dispatcher's method that loads or compiles: signal handlers and garbage collection wait for its end."""

    def compile_whole(signature: Any) -> Any:
        # the compiler makes millions of objects that live until its end; collecting them takes a sixth of its time
        collecting = gc.isenabled()
        try:
            with shielded():
                gc.disable()
                return compile_(signature)
        finally:
            if collecting:
                gc.enable()

    return compile_whole


def inline(function: F) -> F:
    """Compile `function` into the kernels that call it; it cannot be called from Python."""
    return numba.njit(
        nogil=True,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=HelperCompiler,
    )(function)


def splice(function: F) -> F:
    """Insert the code of `function` into the kernels that call it before they are compiled.

    For helpers that LLVM does not inline and that are called so often that passing their arguments takes measurable
    time.
    """
    return numba.njit(nogil=True, error_model="numpy", inline="always")(function)


# ---- messages to the user -------------------------------------------------------------------------------

_announced: dict[str, bool] = {}


def say_compiling(name: str) -> None:
    """Print a message once on stderr if kernels have to be compiled from now on, as those of `name`."""
    if name in _announced:
        _announced[name] = _announced.pop(name)  # move to the end: the message contains the last name
    else:
        _announced[name] = False


class _Speaker(event.Listener):
    """Prints the message when a kernel is compiled because it is not in the cache."""

    def on_start(self, started: Any) -> None:
        if started.data["dispatcher"] not in KERNELS or not _announced:
            return
        name = next(reversed(_announced))
        if not _announced[name]:
            _announced[name] = True
            with contextlib.suppress(OSError, ValueError, AttributeError):  # a message that nobody can read
                said = f"seqgen: compiling the {name} kernels, once for this machine …"
                if not target().fused:
                    said += "\nseqgen: this CPU has no fused multiply-add; neural networks are sampled slowly on it"
                print(said, file=sys.stderr, flush=True)

    def on_end(self, ended: Any) -> None:
        pass


event.register("numba:compile", _Speaker())
