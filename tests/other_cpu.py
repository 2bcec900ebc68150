"""Environments of processes whose kernels, numpy or C library run the code for another CPU than this one."""

from __future__ import annotations

import os

import llvmlite.binding as llvm
import numpy as np

from tests.kernel_cache import kernel_cache

TARGETS = {
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
"""Settings of Numba. The generic CPU has no fused multiply-add on x86-64."""

_HASWELL = ("avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe")


def other_targets() -> list[str]:
    """Return the keys of `TARGETS` whose code this CPU executes and does not compile by itself."""
    features = llvm.get_host_cpu_features()
    wide = features.get("avx512f", False) and all(features.get(name, False) for name in _HASWELL)
    return [*(["avx2"] if wide else []), "generic"]


def compiled_for(target: str) -> dict[str, str]:
    """Return an environment in which Numba compiles for a key of `TARGETS`, into a cache of its own."""
    environment = os.environ | TARGETS[target]
    return environment | {"SEQGEN_CACHE_DIR": str(kernel_cache(environment))}


def older_libraries() -> dict[str, str]:
    """Return an environment in which numpy runs its code for CPUs without AVX-512, glibc and OpenBLAS without AVX2.

    On other systems, or with another C library, the settings have no effect.
    """
    features = np._core._multiarray_umath.__cpu_features__
    dispatched = np._core._multiarray_umath.__cpu_dispatch__
    left_out = [name for name in dispatched if name.startswith(("AVX512", "X86_V4")) and features.get(name)]
    return os.environ | {
        "NPY_DISABLE_CPU_FEATURES": " ".join(left_out),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
        "OPENBLAS_CORETYPE": "Nehalem",
    }
