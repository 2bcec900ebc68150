"""Common code of all operations: the optional import of Triton, the choice of implementation, and the description of
kernels for the compiler. It does not import torch, so that processes that only compile or list kernels start fast.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Implementation = Literal["auto", "reference", "triton"]

try:
    import triton
    import triton.language as tl

    HAS_TRITON = True
except ImportError:
    HAS_TRITON = False

    def _jit(fn: Any = None, **_: Any) -> Any:
        return _jit if fn is None else fn

    # kernel definitions need these names; their bodies never run without Triton
    triton = SimpleNamespace(jit=_jit, __version__=None)
    tl = SimpleNamespace(constexpr=lambda value: value)

# Triton reads the flag when it decorates a kernel, so its value at the import of this module is decisive
INTERPRET = HAS_TRITON and os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")

NO_TRITON = (
    "Triton is not installed (it has no wheels outside Linux and Windows); impl='reference' runs the same operation "
    "in PyTorch"
)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One variant of a kernel that is compiled for all targets.

    Attributes:
        name: unique, "kernel/variant".
        kernel: the `@triton.jit` function.
        types: Triton type of each run-time argument, such as "*fp32" or "i64".
        constants: value of each compile-time argument; an argument in neither mapping is None.
        num_warps, num_stages: as passed by the launcher.
    """

    name: str
    kernel: Any
    types: dict[str, str]
    constants: dict[str, Any] = field(default_factory=dict)
    num_warps: int = 1
    num_stages: int = 1


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of one program of a compiled kernel on one target.

    Attributes:
        name: the configuration's name.
        target: "sm_90", "gfx942", …
        shared_bytes, shared_limit: shared memory used, and the limit of the target.
        stack_bytes: local memory per thread; above zero means that registers were spilled.
        registers: vector registers per thread.
        instructions: lines of machine code (PTX or AMDGCN), a measure of its size.
        seconds: compile time.
    """

    name: str
    target: str
    shared_bytes: int
    shared_limit: int
    stack_bytes: int
    registers: int
    instructions: int
    seconds: float


def choose(impl: str, device: torch.device) -> str:
    """Return "reference" or "triton" for data on `device`.

    "auto" is "triton" on a GPU and "reference" elsewhere. Raises ValueError for an unknown name and for impl="triton"
    on a device that Triton does not support, ImportError if Triton is required and not installed.
    """
    if impl not in ("auto", "reference", "triton"):
        raise ValueError(f"impl must be 'auto', 'reference' or 'triton', got {impl!r}")
    if impl == "reference" or (impl == "auto" and device.type != "cuda"):
        return "reference"
    if not HAS_TRITON:
        raise ImportError(f"impl={impl!r} on {device}: {NO_TRITON}")
    if device.type != "cuda" and not INTERPRET:
        raise ValueError(
            f"impl='triton' needs tensors on a CUDA or ROCm device, got {device}; on the CPU use impl='reference', or "
            "set TRITON_INTERPRET=1 before Python starts to run kernels in Triton's interpreter"
        )
    return "triton"


def on_device(device: torch.device) -> AbstractContextManager[None]:
    """Make `device` the current device, on which Triton launches kernels."""
    if device.type != "cuda":
        return nullcontext()
    import torch

    return torch.cuda.device(device)


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least `n`."""
    return 1 << max(n - 1, 0).bit_length()
