"""The directory in which the tests keep compiled kernels between runs: in the checkout, one per kind of CPU."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import llvmlite.binding as llvm

ROOT = Path(__file__).resolve().parents[1]


def kernel_cache() -> Path:
    """Return the directory for the CPU that Numba compiles for, which NUMBA_CPU_NAME and NUMBA_CPU_FEATURES may set."""
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES") or llvm.get_host_cpu_features().flatten()
    return ROOT / ".cache" / f"{hashlib.sha256(f'{name} {features}'.encode()).hexdigest()[:16]}"
