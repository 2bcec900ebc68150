"""Compilation of the C sources beside this file with the system's compiler, for the CPU that Numba compiles for."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.machine import overridden, vectors

HERE = Path(__file__).parent
# `-mcpu` is what some compilers for aarch64 call it
_NATIVE = (("-march=native",), ("-mcpu=native",))
_OTHER = {
    "avx512": ("-march=x86-64-v4",), "avx2": ("-march=x86-64-v3",), "sse": ("-march=x86-64",),
    "neon": ("-mcpu=generic",),
}  # fmt: skip


class NoCompilerError(Exception):
    """There is no C compiler, or it cannot compile the source for this CPU."""


def compiler() -> list[str]:
    """Return the command of the C compiler: $CC, cc, gcc or clang.

    Raises:
        NoCompilerError: if there is none.
    """
    chosen = shlex.split(os.environ.get("CC", ""))
    for command in (chosen, ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    raise NoCompilerError("no C compiler was found: install gcc or clang, or name one in $CC")


def compile_c(source: str, output: Path, options: tuple[str, ...] = (), kind: str | None = None) -> None:
    """Compile a source to a file.

    Args:
        source: its name beside this file.
        output: path of a shared library, or of assembly if `options` contains "-S".
        options: further ones.
        kind: vectors to use, a key of `machine.VECTORS`; None for those of Numba's code.

    Raises:
        NoCompilerError: if there is no compiler, or it refuses.
    """
    command = [*compiler(), "-O3", "-fPIC", *options]
    if kind is None and overridden():
        kind = vectors()
    assembly = "-S" in options
    compiled = output if assembly else output.with_suffix(".o")
    message = ""
    for machine in _NATIVE if kind is None else (_OTHER[kind],):
        steps = [[*command, *machine, *([] if assembly else ["-c"]), "-o", str(compiled), str(HERE / source)]]
        if not assembly:
            # apart from -ffast-math, with which GCC links code that changes the arithmetic of the whole process
            steps.append([*compiler(), "-shared", "-o", str(output), str(compiled), "-lm"])
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                message = message or f"{' '.join(step)}: {done.stderr[:300]}"
                break
        else:
            return
    raise NoCompilerError(f"{source} does not compile here: {message}")


@cache
def library(source: str, options: tuple[str, ...] = (), kind: str | None = None) -> ctypes.CDLL:
    """Return a source as a loaded library; the arguments are those of `compile_c`."""
    with tempfile.TemporaryDirectory(prefix="seqgen-bench-") as folder:
        path = Path(folder) / "library.so"
        compile_c(source, path, options, kind)
        return ctypes.CDLL(str(path))  # remains loaded when the file is gone


@cache
def version() -> str:
    """Return the compiler's first line of `--version`.

    Raises:
        NoCompilerError: if there is none.
    """
    done = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]
