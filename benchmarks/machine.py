"""The machine's properties, as far as the system reports them."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def cpu_model() -> str:
    """Return the processor, with the widest vectors that it has."""
    if not _CPUINFO.exists():
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for line in _CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name") or platform.machine()
    family = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
    flags = fields.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "")
    return ", ".join(part for part in (model, family, vectors) if part)


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
