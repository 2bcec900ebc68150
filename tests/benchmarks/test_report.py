"""The page of a run: it names the kind of CPU and its limits, and every kind has a page of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.report import page, report

ROW = {
    "family": "rng", "work": "uniforms", "unit": "numbers", "rate": 2e8, "peer": "numpy", "peer_rate": 1e8,
    "ratio": 2.0, "target": "≥ 3×", "met": False, "engine": "numba", "batch": 1, "limit": "3 of 4 GMAC/s",
    "note": "", "kind": "rate", "threads": 1, "peer_threads": 2,
}  # fmt: skip


def run(**changes: Any) -> dict[str, Any]:
    """Return the output of a run of one row."""
    described = {
        "cpu": "Some CPU, family 25", "vectors": "avx2", "emulated": False, "cores": 2, "caches": {"L1": "32K"},
        "limits": ["one core: 50 GMAC/s", "1 thread: 49 GMAC/s"], "system": "Linux x86_64", "python": "3.11",
        "versions": {"numpy": "2.4"}, "environment": {}, "load": 0.5, **changes,
    }  # fmt: skip
    return {
        "machine_info": described, "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "datetime": "2026-11-26T12:00:00", "benchmarks": [{"extra_info": ROW}],
    }  # fmt: skip


def test_a_page_names_the_kind_of_cpu_its_limits_the_date_and_the_commit() -> None:
    text = report(run(), "make bench")
    assert text.startswith("# Benchmarks: AVX2\n")
    assert "Some CPU, family 25; AVX2; 2 cores; L1 32K" in text
    assert "  - one core: 50 GMAC/s\n  - 1 thread: 49 GMAC/s\n" in text
    assert "26 November 2026, commit 0123456789ab" in text
    assert "0 of 1 targets met; missed: uniforms" in text
    assert "| 2× | ≥ 3× | **no** | 1 : 2 | 3 of 4 GMAC/s |" in text


def test_code_for_another_cpu_is_said_and_does_not_replace_the_figures_of_that_cpu() -> None:
    emulated = run(emulated=True, environment={"NUMBA_CPU_NAME": "haswell"})
    text = report(emulated, "make bench")
    assert text.startswith("# Benchmarks: code for AVX2, on another CPU\n")
    assert "Settings: NUMBA_CPU_NAME=haswell" in text
    assert page(emulated["machine_info"]) == "REPORT-avx2-emulated.md"
    assert page(run()["machine_info"]) == "REPORT-avx2.md"


@pytest.mark.skipif(machine.vectors() == "neon", reason="names CPUs of another architecture")
@pytest.mark.parametrize(
    ("name", "kind"), [("x86-64", "sse"), ("haswell", "avx2"), ("skylake-avx512", "avx512")]
)
def test_the_vectors_are_those_of_the_cpu_that_numba_compiles_for(name: str, kind: str) -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
    code = "from benchmarks.machine import overridden, vectors; print(vectors(), overridden())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [kind, "True"], done.stderr


@pytest.mark.parametrize(
    ("seconds", "words"), [(46e-6, "46 µs"), (4.44e-3, "4.44 ms"), (0.062, "62 ms"), (2.4, "2.40 s")]
)
def test_seconds_are_written_in_a_unit_that_shows_them(seconds: float, words: str) -> None:
    described = run()
    described["benchmarks"] = [{"extra_info": {**ROW, "rate": seconds, "kind": "seconds"}}]
    assert f"| {words} |" in report(described, "make bench")
