"""Examining a machine: its hardware, the libraries, and whether each engine really makes the right symbols."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from typing import Any

from seqgen.neighbours import NAMES, found_instead
from seqgen.threads import usable_threads

_LIBRARIES = (
    "numpy",
    "numba",
    "llvmlite",
    "torch",
    "torchaudio",
    "triton",
    "safetensors",
    "soundfile",
    "click",
    "rich",
)


def examine() -> dict[str, Any]:
    """What there is, as JSON values: "machine", "libraries", "packages" and "engines".

    Every engine is tried on a small model; its entry says whether it "works" and "why".
    """
    return {
        "machine": _machine(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "packages": {name: found_instead(name) or "found" for name in NAMES},
        "engines": {"torch": _torch(), "numba": _numba(), "triton": _triton()},
    }


def _machine() -> dict[str, Any]:
    entries: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads used": usable_threads(),
        "gpu": _gpu(),
    }
    try:
        import llvmlite.binding as llvm

        features = llvm.get_host_cpu_features()
        wide = [name for name in ("avx2", "avx512f", "avx512bf16", "amx-bf16", "neon") if features.get(name)]
        entries["vectors"] = ", ".join(wide) or "none known"
    except ImportError:
        entries["vectors"] = "unknown without llvmlite"
    return entries


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _gpu() -> str:
    try:
        import torch
    except ImportError:
        return "unknown without torch"
    if not torch.cuda.is_available():
        return "none that PyTorch can use"
    return torch.cuda.get_device_name()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _sample(engine: str) -> list[str]:
    from seqgen.models.char_rnn import CharRNN

    model = CharRNN("helo", cell="gru", hidden_size=8, layers=1)
    drawn: list[str] = model.sample(2, length=16, seed=1, engine=engine)
    return drawn


def _torch() -> dict[str, Any]:
    try:
        _sample("torch")
    except Exception as error:
        return {"works": False, "why": _reason(error)}
    return {
        "works": True,
        "why": f"the reference, on the CPU; Python {sys.version_info.major}.{sys.version_info.minor}",
    }


def _numba() -> dict[str, Any]:
    try:
        same = _sample("numba") == _sample("torch")
    except Exception as error:
        return {"works": False, "why": _reason(error)}
    if not same:
        return {"works": False, "why": "its samples differ from the reference's; please report this machine"}
    return {"works": True, "why": "fused samplers on the CPU; they agree with the reference"}


def _triton() -> dict[str, Any]:
    version = _version("triton")
    if version == "not installed":
        return {"works": False, "why": "Triton is not installed"}
    try:
        import torch
    except ImportError as error:
        return {"works": False, "why": _reason(error)}
    if not torch.cuda.is_available():
        return {"works": False, "why": f"Triton {version} is installed, but PyTorch finds no GPU"}
    return {"works": False, "why": "the GPU kernels in triton_kernels work here, but no family uses them yet"}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
