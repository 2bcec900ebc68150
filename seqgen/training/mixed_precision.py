"""Mixed-precision training: each module is tried once under autocast, and runs in float32 if bfloat16 is unsupported.

Support for bfloat16 in PyTorch depends on the CPU: without AVX-512, oneDNN has no bfloat16 LSTM and raises "could not
create a primitive descriptor", while linear layers and convolutions work. A list of such cases would become outdated,
hence the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_HALF = (torch.bfloat16, torch.float16)


@contextmanager
def supported_autocast(model: nn.Module, *, enabled: bool = True) -> Iterator[Callable[[], torch.autocast]]:
    """Enable `with autocast():`, which computes in bfloat16 what this machine supports.

    Args:
        model: each of its modules with own parameters is tried, forward and backward, on its first call under autocast;
            unsupported modules run in float32.
        enabled: False computes everything in float32.

    Yields:
        A function that returns the autocast context of one step.

    Example:
        >>> layer = nn.LSTM(3, 4)
        >>> with supported_autocast(layer) as autocast, autocast():
        ...     output, _ = layer(torch.zeros(2, 1, 3))
        >>> output.shape
        torch.Size([2, 1, 4])
    """
    tried = [module for module in model.modules() if enabled and _computes(module)]
    for module in tried:
        module.forward = _trial(module)
    try:
        yield lambda: torch.autocast("cpu", torch.bfloat16, enabled=enabled)
    finally:
        for module in tried:
            module.__dict__.pop("forward", None)


def _computes(module: nn.Module) -> bool:
    return next(module.children(), None) is None and next(module.parameters(), None) is not None


def _trial(module: nn.Module) -> Callable[..., Any]:
    """Return a `forward` that tries the module's own on its first call, and falls back to float32 if that fails."""
    own = type(module).forward

    def in_float32(*inputs: Any, **named: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return own(module, *_widened(inputs), **_widened(named))

    def forward(*inputs: Any, **named: Any) -> Any:
        if not torch.is_autocast_enabled("cpu"):
            return own(module, *inputs, **named)
        if _works(module, own, inputs, named):
            del module.forward
            return own(module, *inputs, **named)
        module.forward = in_float32
        return in_float32(*inputs, **named)

    return forward


def _works(module: nn.Module, forward: Callable[..., Any], inputs: Any, named: Any) -> bool:
    """Return whether a module and its gradient can be computed on these inputs under autocast."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            made = _tensors(forward(module, *_detached(inputs), **_detached(named)))
            total = torch.stack([tensor.float().sum() for tensor in made if tensor.is_floating_point()]).sum()
            if total.requires_grad:
                torch.autograd.grad(total, parameters, allow_unused=True)
    except RuntimeError:
        return False
    return True


def _mapped(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Apply `function` to every tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {name: _mapped(function, item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(function, item) for item in value)
    return value


def _widened(value: Any) -> Any:
    """Convert half-precision tensors to float32; leave all others unchanged."""
    return _mapped(lambda tensor: tensor.float() if tensor.dtype in _HALF else tensor, value)


def _detached(value: Any) -> Any:
    return _mapped(Tensor.detach, value)


def _tensors(value: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _mapped(lambda tensor: found.append(tensor) or tensor, value)  # type: ignore[func-returns-value]
    return found
