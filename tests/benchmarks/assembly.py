"""The innermost loop of a compiled C function, and whether it touches the stack."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.compiler import NoCompilerError, compile_c, compiler

CROSS = "aarch64-linux-gnu-gcc"
_STACK = re.compile(r"\b(rsp|esp|sp|x29)\b")  # registers that address it, if there is no frame pointer in rbp


def assembly(
    source: str, options: tuple[str, ...], kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return a source compiled for a kind of CPU, or skip the test where no compiler for it is here."""
    here = "neon" if machine.vectors() == "neon" else "x86"
    if (kind == "neon") != (here == "neon"):
        if kind != "neon" or not shutil.which(CROSS):
            pytest.skip(f"no compiler for {machine.VECTORS[kind]} is here")
        monkeypatch.setenv("CC", CROSS)
    output = folder / f"{kind}.s"
    try:
        compiler()
        compile_c(source, output, (*options, "-S"), kind)
    except NoCompilerError as error:
        pytest.skip(str(error))
    return output.read_text()


def inner_loops(text: str, function: str | None = None) -> list[list[str]]:
    """Return the instructions of the loops of a function, or of all, that contain no other loop."""
    if function is not None:
        text = re.split(rf"^_?{function}:", text, flags=re.MULTILINE)[1]
        text = re.split(r"^\s*\.cfi_endproc", text, flags=re.MULTILINE)[0]
    lines = [line.split("#")[0].split("//")[0].strip() for line in text.splitlines()]
    places = {line[:-1]: number for number, line in enumerate(lines) if re.fullmatch(r"\.?L\w+:", line)}
    jumps = [(line.split() or [""])[-1] for line in lines]
    found = [(places[to], at) for at, to in enumerate(jumps) if to in places and places[to] < at]
    inner = [a for a in found if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in found)]
    return [
        [line for line in lines[begin : end + 1] if line and not line.startswith(".") and line[-1] != ":"]
        for begin, end in inner
    ]


def stack_accesses(loop: list[str]) -> list[str]:
    """Return the instructions that address the stack."""
    return [line for line in loop if _STACK.search(line)]
