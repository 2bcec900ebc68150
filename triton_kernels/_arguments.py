"""Checks of logits and controls, and conversion of controls to one value per row.

Shapes: B rows, V symbols.
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import torch


class Controls(NamedTuple):
    """Validated controls, None if off; created by `check_controls`, documented at `apply_controls`."""

    allowed: torch.Tensor | None  # (B, V) bool
    seen: torch.Tensor | None  # (B, V) bool
    repetition_penalty: torch.Tensor | None  # (B,) float64
    temperature: torch.Tensor | None  # (B,) float64
    top_k: torch.Tensor | None  # (B,) int32
    top_p: torch.Tensor | None  # (B,) float64
    min_p: torch.Tensor | None  # (B,) float64
    typical_p: torch.Tensor | None  # (B,) float64


def check_controls(
    logits: torch.Tensor,
    *,
    allowed: torch.Tensor | None = None,
    seen: torch.Tensor | None = None,
    repetition_penalty: float | torch.Tensor | None = None,
    greedy: bool = False,
    temperature: float | torch.Tensor | None = None,
    top_k: int | torch.Tensor | None = None,
    top_p: float | torch.Tensor | None = None,
    min_p: float | torch.Tensor | None = None,
    typical_p: float | torch.Tensor | None = None,
) -> Controls:
    """Check logits (B, V) and controls, and convert every active control to one value per row.

    Raises:
        TypeError, ValueError: naming the argument, its value and the valid range. Values of tensors on a GPU are not
            checked, because that would require synchronization.
    """
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        raise TypeError(f"logits must be a floating-point tensor, got {_kind(logits)}")
    if logits.ndim != 2 or logits.shape[1] < 1:
        raise ValueError(f"logits must be of shape (B, V) with V at least 1, got {tuple(logits.shape)}")
    if (seen is None) != (repetition_penalty is None):
        missing, given = ("seen", "repetition_penalty") if seen is None else ("repetition_penalty", "seen")
        raise ValueError(f"{given} acts only together with {missing}, which is None")
    if not isinstance(greedy, bool):
        raise TypeError(f"greedy must be True or False, got {greedy!r}")
    if greedy:
        among_several = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "typical_p": typical_p,
        }  # fmt: skip
        for name, value in among_several.items():
            if value is not None:
                raise ValueError(
                    f"greedy draws the most probable symbol, {name} chooses among several; give one of them"
                )
        # so small that the first of the most probable symbols reaches it
        top_p = 1e-30
    if isinstance(allowed, torch.Tensor) and allowed.shape == logits.shape[1:]:
        allowed = allowed.expand(logits.shape)
    return Controls(
        allowed=_mask("allowed", allowed, logits, also=f" or {tuple(logits.shape[1:])}"),
        seen=_mask("seen", seen, logits),
        repetition_penalty=_per_row("repetition_penalty", repetition_penalty, logits, above=0.0),
        temperature=_per_row("temperature", temperature, logits, above=0.0),
        top_k=_per_row("top_k", top_k, logits, low=1, whole=True),
        top_p=_per_row("top_p", top_p, logits, above=0.0, high=1.0),
        min_p=_per_row("min_p", min_p, logits, low=0.0, high=1.0),
        typical_p=_per_row("typical_p", typical_p, logits, above=0.0, high=1.0),
    )


def check_words(words: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Check random words (B,) for logits (B, V), and return them as contiguous int64."""
    if words.dtype not in (torch.int64, torch.uint32):
        raise TypeError(f"noise must be words of torch.int64 or torch.uint32, got {words.dtype}")
    if words.shape != logits.shape[:1] or words.device != logits.device:
        raise ValueError(
            f"noise must be of shape ({logits.shape[0]},) on {logits.device}, one word per row, got "
            f"{tuple(words.shape)} on {words.device}"
        )
    words = words.to(torch.int64)
    # checking values on a GPU would require synchronization
    if words.device.type == "cpu" and words.numel() and not 0 <= int(words.min()) <= int(words.max()) < 2**32:
        raise ValueError(
            f"noise must be words of 0 to 2^32 - 1, got {int(words.min())} to {int(words.max())}"
        )
    return words.contiguous()


def _kind(value: object) -> str:
    return f"a tensor of {value.dtype}" if isinstance(value, torch.Tensor) else repr(value)


def _mask(
    name: str, value: torch.Tensor | None, logits: torch.Tensor, *, also: str = ""
) -> torch.Tensor | None:
    if value is None:
        return None
    if not isinstance(value, torch.Tensor) or value.dtype != torch.bool:
        raise TypeError(f"{name} must be a tensor of torch.bool, got {_kind(value)}")
    if value.shape != logits.shape:
        raise ValueError(f"{name} must be of shape {tuple(logits.shape)}{also}, got {tuple(value.shape)}")
    if value.device != logits.device:
        raise ValueError(f"{name} must be on {logits.device} like logits, got {value.device}")
    return value


def _per_row(
    name: str,
    value: Any,
    logits: torch.Tensor,
    *,
    above: float | None = None,
    low: float | None = None,
    high: float | None = None,
    whole: bool = False,
) -> torch.Tensor | None:
    """Convert a number or tensor to one value per row (B,), int32 or float64, and check its range."""
    if value is None:
        return None
    rows, symbols = logits.shape
    tensor = isinstance(value, torch.Tensor)
    if tensor:
        if value.dtype == torch.bool or value.is_complex() or (whole and value.is_floating_point()):
            raise TypeError(f"{name} must be {_wanted(whole)}, got {_kind(value)}")
        if value.shape != (rows,) or value.device != logits.device:
            place = f"of shape ({rows},) on {logits.device}"
            raise ValueError(f"{name} must be a tensor {place}, got {tuple(value.shape)} on {value.device}")
        per_row, values = value, value if value.device.type == "cpu" else value.new_empty(0)
    else:
        number = _number(name, value, whole, symbols)
        values = torch.tensor([number], dtype=torch.int64 if whole else torch.float64)
        per_row = torch.full((rows,), number, dtype=values.dtype, device=logits.device)
    wrong = ~torch.isfinite(values)
    if above is not None:
        wrong |= values <= above
    if low is not None:
        wrong |= values < low
    if high is not None:
        wrong |= values > high
    if bool(wrong.any()):
        got = f"{values[wrong][0].item()} in a row" if tensor else repr(value)
        raise ValueError(f"{name} must be {_range(above, low, high, whole)}, got {got}")
    return per_row.clamp(max=symbols).to(torch.int32) if whole else per_row.to(torch.float64)


def _number(name: str, value: Any, whole: bool, symbols: int) -> float:
    if isinstance(value, (bool, str)) or not hasattr(value, "__index__" if whole else "__float__"):
        raise TypeError(f"{name} must be {_wanted(whole)}, got {value!r}")
    if whole:
        # clip large values: more than all symbols is all, less than none is none
        return max(min(operator.index(value), symbols), 0)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _wanted(whole: bool) -> str:
    return f"{'an integer' if whole else 'a number'}, or a tensor of one per row"


def _range(above: float | None, low: float | None, high: float | None, whole: bool) -> str:
    if whole:
        return f"at least {low}"
    bounds = ((">{}", above), (">={}", low), ("<={}", high))
    return " and ".join(text.format(bound) for text, bound in bounds if bound is not None)
