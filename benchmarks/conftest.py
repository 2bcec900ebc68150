"""Records what the figures depend on: the machine, the versions, the commit, the command."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.limits import lines
from benchmarks.machine import LIKE, cache_sizes, cpu_model, hold_peers_to_the_target, overridden, vectors

_HERE = Path(__file__).parent
_PACKAGES = ("numpy", "numba", "llvmlite", "torch", "hmmlearn", "markovify", "pytest-benchmark")

hold_peers_to_the_target()  # before a benchmark imports torch
_LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # of other processes, before the start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do not turn a peer's warning into an error, as tests do."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Replace the machine's name and similar entries by what explains a figure."""
    machine_info.clear()
    machine_info.update(
        cpu=cpu_model(),
        vectors=vectors(),
        emulated=overridden(),
        limits=lines(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        caches=cache_sizes(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: _version(name) for name in _PACKAGES},
        environment={
            name: os.environ[name]
            for name in (
                "SEQGEN_THREADS",
                "OMP_NUM_THREADS",
                "NUMBA_CPU_NAME",
                "NUMBA_CPU_FEATURES",
                *LIKE["avx2"],
            )
            if name in os.environ
        },
        load=_LOAD,
        command=" ".join(["pytest", *sys.argv[1:]]),
    )


def pytest_benchmark_generate_commit_info(config: Any) -> dict[str, Any]:
    """Return the commit, and whether the tree differs from it."""
    return {"id": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain", "-uno"))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=_HERE)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
