"""The machine's properties, as far as the system reports them, and the vectors of the code that Numba compiles."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from seqgen.kernels.target import target

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_TYPICAL = {"L1": "32K", "L2": "512K", "L3": "8192K"}

VECTORS = {"avx512": "AVX-512", "avx2": "AVX2", "sse": "SSE", "neon": "NEON"}  # name in a path: in words


def cpu_model() -> str:
    """Return the processor's name, and its family and model where the system numbers them."""
    fields: dict[str, str] = {}
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name") or _asked("lscpu").get("Model name") or _brand() or platform.machine()
    numbers = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
    return ", ".join(part for part in (model, numbers) if part)


def vectors() -> str:
    """Return the widest vectors of Numba's code, a key of `VECTORS`: those of this CPU, or of the one that is set.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES set another CPU. AVX without fused multiply-add counts as SSE.
    """
    found = target()
    if found.floats == 4:
        return "neon" if found.fused else "sse"
    return {8: "avx2", 16: "avx512"}[found.floats]


LIKE = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "sse": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
"""The variables that keep PyTorch and its libraries to the instructions of a kind of CPU; read when they are loaded."""


def hold_peers_to_the_target() -> None:
    """Let PyTorch use no wider vectors than Numba's code, where that is compiled for another CPU than this one."""
    if overridden():
        for name, value in LIKE.get(vectors(), {}).items():
            os.environ.setdefault(name, value)


def overridden() -> bool:
    """Return whether Numba compiles for another CPU than this one."""
    return any(os.environ.get(name) is not None for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))


def cache_sizes() -> dict[str, str]:
    """Return the data caches of core 0 by level: {"L1": "32K", "L2": "1024K", …}; empty if the system reports none."""
    sizes = {}
    for index in sorted(_CACHES.glob("index*")):
        try:
            if (index / "type").read_text().strip() == "Instruction":
                continue
            sizes[f"L{(index / 'level').read_text().strip()}"] = (index / "size").read_text().strip()
        except OSError:
            continue
    return sizes


def cache_bytes() -> dict[str, int]:
    """Return the bytes of the data caches by level, typical ones if the system reports none."""
    scales = {"K": 1024, "M": 1 << 20}
    sizes = cache_sizes() or _TYPICAL
    return {level: int(size.rstrip("KM")) * scales.get(size[-1], 1) for level, size in sizes.items()}


def _asked(*command: str) -> dict[str, str]:
    """Return the "name: value" lines of a command, none if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    parts = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in parts}


def _brand() -> str | None:
    """Return the processor's name on macOS."""
    return _asked("sysctl", "machdep.cpu.brand_string").get("machdep.cpu.brand_string")
