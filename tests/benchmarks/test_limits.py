"""The measurement of the machine's limits: what is measured stays in registers, in the code for every kind of CPU."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks import compiler, limits, machine
from benchmarks.compiler import NoCompilerError
from benchmarks.limits import Core, Limits

try:
    compiler.compiler()
except NoCompilerError as error:
    pytest.skip(str(error), allow_module_level=True)

X86 = machine.vectors() != "neon"
CROSS = "aarch64-linux-gnu-gcc"
ACCESS = re.compile(r"\b(rsp|esp|rbp|sp|x29)\b")  # registers that address the stack


def inner_loop(assembly: str, function: str) -> list[str]:
    """Return the instructions of the last label that is jumped back to within a function: its innermost loop."""
    body = re.split(rf"^_?{function}:", assembly, flags=re.MULTILINE)[1]
    body = re.split(r"^\s*retq?\b", body, flags=re.MULTILINE)[0]
    lines = [line.split("#")[0].split("//")[0].strip() for line in body.splitlines()]
    places = {line[:-1]: number for number, line in enumerate(lines) if re.fullmatch(r"\.?L\w+:", line)}
    loops = []
    for number, line in enumerate(lines):
        target = line.split()[-1] if line else ""
        if target in places and places[target] < number:
            loops.append((number - places[target], places[target], number + 1))
    _, begin, end = min(loops)
    return [line for line in lines[begin:end] if line and not line.startswith(".") and not line.endswith(":")]


def loops(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Compile the source for a kind of CPU; return the inner loop of each measurement."""
    if (kind == "neon") == X86:
        if kind != "neon" or not shutil.which(CROSS):
            pytest.skip(f"no compiler for {machine.VECTORS[kind]} is here")
        monkeypatch.setenv("CC", CROSS)
    output = folder / f"{kind}.s"
    try:
        compiler.compile_c(limits.SOURCE, output, (*limits.OPTIONS, "-S"), kind)
    except NoCompilerError as error:
        pytest.skip(f"the compiler does not know {machine.VECTORS[kind]}: {error}")
    text = output.read_text()
    return {name: inner_loop(text, f"limits_{name}") for name in ("multiply_add", "read", "additions")}


@pytest.mark.parametrize("kind", machine.VECTORS)
def test_the_measured_loops_do_not_touch_the_stack(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = loops(kind, tmp_path, monkeypatch)
    for name, loop in found.items():
        assert not [line for line in loop if ACCESS.search(line)], name
    register = {"avx512": "zmm", "avx2": "ymm", "sse": "xmm", "neon": r"v\d+\.4s"}[kind]
    chains = 24 if kind in ("avx512", "neon") else 12
    multiply = {"neon": "fmla", "sse": "addps"}.get(kind, "vfmadd")
    sums = [line for line in found["multiply_add"] if line.startswith(multiply) and re.search(register, line)]
    assert len(sums) == chains
    assert len({re.split(r"[\s,]+", line)[1 if kind == "neon" else -1] for line in sums}) == chains
    loads = [line for line in found["read"] if "ldr" in line or "ldp" in line or "mova" in line]
    assert sum(2 if line.startswith("ldp") else 1 for line in loads) == 16
    additions = [line for line in found["additions"] if line.startswith("add")]
    assert len(additions) >= 32


def test_the_loops_compute_what_they_count() -> None:
    code = limits._code()
    chains = code.limits_chains()
    # begins with x in the total and in each chain, and adds x² in every round
    assert code.limits_multiply_add(10, 0.5) == 0.5 + chains * (0.5 + 10 * 0.25)
    assert code.limits_additions(10, 3) == 3 + 320 * 3


def test_limits_are_worded_beside_what_was_reached() -> None:
    assert Limits(61.2, 91.0).words(12.56, 50.4) == "12.6 of 61 GMAC/s, 50 of 91 GB/s of weights"
    assert Limits(61.2, 91.0).words(gbytes=1.44) == "1.4 of 91 GB/s of weights"
    assert Limits(None, None).words(12.56) == "12.6 GMAC/s (limits unknown without a C compiler)"


def test_a_rate_that_the_clock_does_not_explain_is_said() -> None:
    good = Core(width=8, registers=16, chains=12, fused=True, gmacs=50.0, ghz=3.2)
    assert "differs" not in str(good)
    assert "3.20 GHz × 8 floats × 2 = 51.2" in str(good)
    assert "differs by 29 %" in str(good._replace(gmacs=33.0))


def test_without_a_compiler_the_limits_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    compiler.library.cache_clear()
    limits.multiply_add_rate.cache_clear()
    limits.limits.cache_clear()
    assert limits.limits(1 << 20) == Limits(None, None)
    assert limits.lines() == [
        "not measured: no C compiler was found: install gcc or clang, or name one in $CC"
    ]
    limits.limits.cache_clear()
