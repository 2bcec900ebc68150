"""GPU kernels in Triton on tensors, each with a PyTorch reference that is its specification.

Importing this package needs neither torch, Triton nor a GPU: names are resolved on first use. Every operation takes
impl="auto", "reference" or "triton"; nothing falls back silently.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triton_kernels._backend import Resources
    from triton_kernels.categorical import Draw, draw_categorical
    from triton_kernels.controls import apply_controls
    from triton_kernels.philox import Noise, philox_words, philox_words_reference, uniforms
    from triton_kernels.targets import compile_all, compile_for, shipped

# seqgen checks this marker to tell this package from others named `triton_kernels`
__seqgen__ = True

_HOME = {
    "Draw": "categorical",
    "Noise": "philox",
    "Resources": "_backend",
    "apply_controls": "controls",
    "compile_all": "targets",
    "compile_for": "targets",
    "draw_categorical": "categorical",
    "philox_words": "philox",
    "philox_words_reference": "philox",
    "shipped": "targets",
    "uniforms": "philox",
}

__all__ = [
    "Draw",
    "Noise",
    "Resources",
    "apply_controls",
    "compile_all",
    "compile_for",
    "draw_categorical",
    "philox_words",
    "philox_words_reference",
    "shipped",
    "uniforms",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
