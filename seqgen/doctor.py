"""Diagnosis of a machine: hardware, library versions, and a test of each engine against known samples."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
from typing import Any

import numpy as np

from seqgen import extras, rng
from seqgen.checkpoint import Weights
from seqgen.codecs import Characters
from seqgen.errors import MissingPackageError
from seqgen.extras import EXTRAS, install_line, missing
from seqgen.neighbours import NAMES, found_instead
from seqgen.registry import ENGINE_NEEDS
from seqgen.streaming import Stream
from seqgen.threads import usable_threads

_LIBRARIES = ("numpy", "numba", "llvmlite", "safetensors", "click", "rich")


def examine() -> dict[str, Any]:
    """Return a report as JSON values: "machine", "libraries", "packages", "engines" and "extras".

    Every engine is run on a small model, and every package of an extra is imported. "works" is the result and "why" the
    reason, with the command that installs what is missing.
    """
    return {
        "machine": _machine(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "packages": {name: found_instead(name) or "found" for name in NAMES},
        "engines": {
            "numba": _engine("numba", "fused samplers on the CPU; its samples are correct"),
            "torch": _engine("torch", "the reference, on the CPU; its samples are correct"),
            "triton": _triton(),
        },
        "extras": {name: _extra(name) for name in EXTRAS},
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
        extensions = [
            name for name in ("avx2", "avx512f", "avx512bf16", "amx-bf16", "neon") if features.get(name)
        ]
        entries["vectors"] = ", ".join(extensions) or "none known"
        entries["kernels use"] = _registers()
    except ImportError:
        entries["vectors"] = "unknown without llvmlite"
    return entries


def _registers() -> str:
    """Return the vector registers for which kernels are compiled."""
    from seqgen.kernels.target import target

    found = target()
    return str(found) if found.fused else f"{found}: the samples are the same, many times slower"


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
    if _lacking("torch"):
        return "unknown without torch"
    torch = extras.load("torch", "it")
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none that PyTorch can use"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _extra(name: str) -> dict[str, Any]:
    """Return the packages of an extra with versions, whether all can be imported, and if not, the install command."""
    packages = {package: _version(package) for package in EXTRAS[name]}
    why = _lacking(*packages)
    return {"works": why is None, "why": why or "installed", "packages": packages}


def _lacking(*packages: str) -> str | None:
    """Return why packages cannot be used, with the install command; None if they can."""
    if absent := missing(*packages):
        return f"not installed: {', '.join(absent)}; {install_line(*absent)}"
    try:
        for package in packages:
            extras.load(package, "it")
    except MissingPackageError as error:
        return str(error)
    except Exception as error:  # a broken package may raise anything
        return f"cannot be imported: {type(error).__name__}: {error}; {install_line(*packages)}"
    return None


def trial_weights() -> Weights:
    """Return a small GRU with pseudo-random parameters that are multiples of 1/8, the same on every machine."""
    symbols, hidden = 4, 8
    shapes = {
        "layers.0.weight_ih_l0": (3 * hidden, symbols),
        "layers.0.weight_hh_l0": (3 * hidden, hidden),
        "layers.0.bias_ih_l0": (3 * hidden,),
        "layers.0.bias_hh_l0": (3 * hidden,),
        "head.weight": (symbols, hidden),
        "head.bias": (symbols,),
    }
    arrays = {}
    for number, (name, shape) in enumerate(shapes.items()):
        noise = rng.uniforms(6, number, np.arange(math.prod(shape)), rng.Purpose.LATENT)
        arrays[name] = (np.floor(noise * 25.0) / 8.0 - 1.5).astype(np.float32).reshape(shape)
    config = {
        "codec": Characters("helo").config(), "cell": "gru", "hidden_size": hidden, "layers": 1, "dropout": 0.0,
        "bias": True,
    }  # fmt: skip
    return Weights("char-rnn", config, arrays)


TRIAL = ("olhohhhhohhhhhohlhlhohhh", "hoolhohohhhohholeoohlhhh")
"""Samples 0 and 1 of `trial_weights` with seed 1, which every engine must reproduce."""


def trial(engine: str) -> tuple[str, ...]:
    """Return an engine's samples of `trial_weights`, to be compared with `TRIAL`."""
    with Stream(trial_weights(), len(TRIAL), 24, batch=2, seed=1, engine=engine) as stream:
        samples = stream.collect()
    return tuple("".join(chunk.data for chunk in chunks) for chunks in samples.values())


def _engine(name: str, what: str) -> dict[str, Any]:
    if why := _lacking(*ENGINE_NEEDS.get(name, ())):
        return {"works": False, "why": why}
    try:
        right = trial(name) == TRIAL
    except Exception as error:
        return {"works": False, "why": f"{type(error).__name__}: {error}"}
    if not right:
        return {"works": False, "why": "its samples are wrong; please report this machine"}
    return {"works": True, "why": what}


def _triton() -> dict[str, Any]:
    if why := _lacking(*ENGINE_NEEDS["triton"]):
        return {"works": False, "why": why}
    if not extras.load("torch", "it").cuda.is_available():
        return {"works": False, "why": f"Triton {_version('triton')} is installed, but PyTorch finds no GPU"}
    return {"works": False, "why": "the GPU kernels in triton_kernels work here, but no family uses them yet"}
