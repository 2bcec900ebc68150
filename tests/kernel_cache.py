"""The directory in which the tests keep compiled kernels between runs, one per kind of CPU.

It is in the checkout, unless others can write there; then no kernel would be loaded from it, and it is in the directory
for temporary files.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import llvmlite.binding as llvm

from seqgen.kernels.trust import untrusted

ROOT = Path(__file__).resolve().parents[1]


def trusted_place() -> Path:
    """Return a directory from which kernels may be loaded."""
    if untrusted(ROOT) is None:
        return ROOT / ".cache"
    own = hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"seqgen-tests-{os.getuid()}-{own}"


def kernel_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory for the CPU that Numba compiles for, which NUMBA_CPU_NAME and NUMBA_CPU_FEATURES may set."""
    name = environment.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = environment.get("NUMBA_CPU_FEATURES") or llvm.get_host_cpu_features().flatten()
    return trusted_place() / f"{hashlib.sha256(f'{name} {features}'.encode()).hexdigest()[:16]}"
