"""How the compiled kernels are made: nogil, cached on disk, one cache directory for each version of the source.

Numba's own cache only looks at the file of the function itself, so a change in a helper that it inlines would
go unnoticed. Here the directory carries a hash of all engine sources.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


@cache
def cache_directory() -> Path:
    """Where compiled kernels are kept: below $SEQGEN_CACHE_DIR, or the user's cache directory."""
    base = os.environ.get("SEQGEN_CACHE_DIR")
    if base is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        base = str(Path(home) / "seqgen")
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return Path(base) / f"kernels-{digest.hexdigest()[:16]}"


def kernel(function: F) -> F:
    """Compile `function` with Numba when it is first called, without the GIL, and keep the result on disk."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_directory())
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before


def inline(function: F) -> F:
    """Compile `function` into the kernels that call it."""
    return numba.njit(nogil=True, error_model="numpy")(function)


def say_compiling(name: str) -> None:
    """Tell the user on stderr that a first call compiles, if no compiled kernels are on disk yet."""
    directory = cache_directory()
    if not directory.exists() or not any(directory.rglob("*.nbi")):
        print(f"seqgen: compiling the {name} kernels, once for this machine …", file=sys.stderr, flush=True)
