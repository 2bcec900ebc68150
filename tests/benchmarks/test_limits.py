"""The measurement of the machine's limits: what is measured stays in registers, in the code for every kind of CPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import compiler, limits, machine
from benchmarks.compiler import NoCompilerError
from benchmarks.limits import Core, Limits
from tests.benchmarks.assembly import assembly, inner_loops, stack_accesses

try:
    compiler.compiler()
except NoCompilerError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.mark.parametrize("kind", machine.VECTORS)
def test_the_measured_loops_do_not_touch_the_stack(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = assembly(limits.SOURCE, limits.OPTIONS, kind, tmp_path, monkeypatch)
    register = {"avx512": "zmm", "avx2": "ymm", "sse": "xmm", "neon": r"v\d+\.4s"}[kind]
    multiply = {"neon": "fmla", "sse": "addps"}.get(kind, "vfmadd") + f".*{register}"
    found = {
        "multiply_add": (multiply, limits_chains(kind)),
        "read": ("ldr|ldp" if kind == "neon" else "v?mova?p", 8 if kind == "neon" else 16),
        "additions": ("add", 32),
    }
    for name, (pattern, count) in found.items():
        loop = busiest(inner_loops(text, f"limits_{name}"), pattern)
        chosen = [line for line in loop if re.match(pattern, line)]
        assert len(chosen) >= count, name
        assert not stack_accesses(loop)
        if name == "multiply_add":
            assert len({re.split(r"[\s,]+", line)[1 if kind == "neon" else -1] for line in chosen}) == count


def limits_chains(kind: str) -> int:
    """Return the number of sums on this kind of CPU."""
    return 24 if kind in ("avx512", "neon") else 12


def busiest(loops: list[list[str]], pattern: str) -> list[str]:
    """Return the loop with the most instructions of a pattern."""
    return max(loops, key=lambda loop: sum(bool(re.match(pattern, line)) for line in loop))


def test_the_loops_compute_what_they_count() -> None:
    code = limits._code()
    chains = code.limits_chains()
    # begins with x in the total and in each chain, and adds x² in every round
    assert code.limits_multiply_add(10, 0.5) == 0.5 + chains * (0.5 + 10 * 0.25)
    assert code.limits_additions(10, 3) == 3 + 320 * 3


def test_limits_are_worded_beside_what_was_reached() -> None:
    assert Limits(61.2, 91.0).words(12.56, 50.4) == "12.6 of 61 GMAC/s, 50 of 91 GB/s of weights"
    assert (
        Limits(60.0, 90.0).words(30.0, 50.0, ratio=10.0)
        == "30.0 of 60 GMAC/s, 50 of 90 GB/s of weights, 18× at most"
    )
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
