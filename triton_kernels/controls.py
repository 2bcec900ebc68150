"""Sampling controls, applied to logits in a fixed order: allowed symbols, repetition penalty, temperature, top-k,
top-p, min-p, typical. Each step operates on the renormalised result of the previous one.

The semantics are those of the logits warpers of Hugging Face's `transformers`. This module has the reference in
float64, which is the specification, and the same steps for kernels, on a block of rows in registers.
Shapes: B rows, V symbols; in kernels BB rows per program and BV, the smallest power of two >= V.
"""

from __future__ import annotations

import torch

from triton_kernels._arguments import Controls, check_controls
from triton_kernels._backend import tl, triton


def apply_controls(
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
) -> torch.Tensor:
    """Return the log-probabilities under the controls, (B, V) float64, -inf for excluded symbols.

    Every control is None (off), one value for all rows, or a tensor (B,), in which the value in brackets turns the
    control off for a row. Temperature 0 is not allowed: greedy decoding is `greedy`.

    Args:
        logits: (B, V), any floating-point type; -inf is probability zero.
        allowed: (V,) or (B, V) bool; False excludes a symbol.
        seen: (B, V) bool, the symbols that repetition_penalty applies to.
        repetition_penalty: above 0 (1): positive logits of seen symbols are divided by it, negative ones multiplied.
        greedy: for all rows, keeps the most probable symbol, the first one of several that tie; not together with the
            controls below.
        temperature: above 0 (1), divides the logits.
        top_k: at least 1 (V): keeps the k most probable symbols, and all tied with the k-th.
        top_p: in (0, 1] (1): keeps the fewest most probable symbols with at least this total probability; that is, a
            symbol is kept while the preceding probability is below top_p. Among tied symbols, lower ids come first.
        min_p: in [0, 1] (0): keeps symbols with at least min_p times the highest probability.
        typical_p: in (0, 1] (1): like top_p in ascending order of |-log p - entropy|, keeping all symbols tied with the
            last (Meister et al., "Locally typical sampling", 2022).

    Raises:
        TypeError, ValueError: naming the argument, its value and the valid range.

    Example:
        >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.125, 0.125]]))
        >>> apply_controls(logits, top_p=0.7).exp()
        tensor([[0.6667, 0.3333, 0.0000, 0.0000]], dtype=torch.float64)
    """
    controls = check_controls(
        logits,
        allowed=allowed,
        seen=seen,
        repetition_penalty=repetition_penalty,
        greedy=greedy,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        typical_p=typical_p,
    )
    return torch.log_softmax(controlled_logits(logits, controls), -1)


def controlled_logits(logits: torch.Tensor, controls: Controls) -> torch.Tensor:
    """Return the logits after the controls, (B, V) float64, not normalised, -inf for excluded symbols."""
    x = logits.to(torch.float64)
    if controls.allowed is not None:
        x = x.masked_fill(~controls.allowed, -torch.inf)
    if controls.repetition_penalty is not None and controls.seen is not None:
        penalty = controls.repetition_penalty[:, None]
        x = torch.where(controls.seen, torch.where(x > 0, x / penalty, x * penalty), x)
    if controls.temperature is not None:
        # subtract the maximum first, so that a small temperature cannot overflow
        x = _below_max(x) / controls.temperature[:, None]
    if controls.top_k is not None:
        kth = controls.top_k.clamp(max=x.shape[1]).to(torch.int64) - 1
        x = x.masked_fill(x < x.sort(dim=-1, descending=True).values.gather(-1, kth[:, None]), -torch.inf)
    if controls.top_p is not None:
        order = x.sort(dim=-1, descending=True, stable=True).indices
        x = _keep(x, order, controls.top_p, ties=None)
    if controls.min_p is not None:
        x = x.masked_fill(relative_weights(x) < controls.min_p[:, None], -torch.inf)
    if controls.typical_p is not None:
        log_p = torch.log_softmax(x, -1)
        entropy = -torch.special.xlogy(log_p.exp(), log_p.exp()).sum(-1, keepdim=True)
        surprise = (-log_p - entropy).abs()
        x = _keep(x, surprise.sort(dim=-1, stable=True).indices, controls.typical_p, ties=surprise)
    return x


def relative_weights(x: torch.Tensor) -> torch.Tensor:
    """Return probabilities relative to the row's maximum, so that tied maxima weigh exactly 1 and sum exactly."""
    return torch.exp(_below_max(x))


def _below_max(x: torch.Tensor) -> torch.Tensor:
    top = x.amax(-1, keepdim=True)
    return x - top.masked_fill(top == -torch.inf, 0.0)


def _keep(
    x: torch.Tensor, order: torch.Tensor, mass: torch.Tensor, *, ties: torch.Tensor | None
) -> torch.Tensor:
    """Keep symbols in `order` while the preceding probability is below `mass`, and those tied with the last."""
    weights = relative_weights(x).gather(-1, order)
    cumulative = torch.cumsum(weights, -1)
    before = torch.nn.functional.pad(cumulative[:, :-1], (1, 0))
    keep = (before < mass[:, None] * cumulative[:, -1:]) | (mass[:, None] >= 1)
    if ties is None:
        keep = torch.zeros_like(keep).scatter(-1, order, keep)
    else:
        last = keep.sum(-1, keepdim=True).clamp(min=1) - 1
        keep = ties <= ties.gather(-1, order).gather(-1, last)
    return x.masked_fill(~keep, -torch.inf)


# ---- the same steps on a block of rows in a kernel ------------------------------------------------------ Weights are
# integers, exp(y - max y) in units of 1 / SCALE. Integer sums do not depend on the order of summation, so the result
# does not depend on the thread layout, cumulative sums never decrease, and the last one is the total. SCALE = 2^62 / BV
# keeps every sum within int64 and at least 46 bits below the largest weight.


@triton.jit
def order_key(b_y):
    """Map float32 to uint32 monotonically, with equal values for both zeros, and 0 only for a negative NaN."""
    b_bits = tl.where(b_y == 0.0, 0.0, b_y).to(tl.uint32, bitcast=True)
    return tl.where(b_bits >= 0x80000000, b_bits ^ 0xFFFFFFFF, b_bits | 0x80000000)


@triton.jit
def threshold(b_key, b_mass, b_target):
    """Return the largest c (uint32, [BB]) for which the mass of the keys >= c reaches the target; 0 if none does.

    Method: bisection on the bits of c, with 32 sums and no sorting.
    """
    b_c = (b_target * 0).to(tl.uint32)
    b_bit = b_c + 0x80000000
    for _ in range(32):
        b_try = b_c | b_bit
        b_reached = tl.sum(tl.where(b_key >= b_try[:, None], b_mass, b_mass * 0), axis=1) >= b_target
        b_c = tl.where(b_reached, b_try, b_c)
        b_bit = b_bit >> 1
    return b_c


@triton.jit
def below_max(b_y):
    """Return y - max y for each row; a row of -inf is unchanged."""
    b_max = tl.max(b_y, axis=1)
    return b_y - tl.where(b_max == float("-inf"), 0.0, b_max)[:, None]


@triton.jit
def integer_weights(b_d, SCALE: tl.constexpr):
    """Return exp(d) for d = y - max y, in units of 1 / SCALE, as int64."""
    return (tl.exp(b_d) * SCALE).to(tl.int64)


@triton.jit
def mass_target(b_p, b_w):
    """Return a fraction p of the row's total weight as an integer, rounded up."""
    b_total = tl.sum(b_w, axis=1)
    b_target = tl.ceil(b_p.to(tl.float64) * b_total.to(tl.float64)).to(tl.int64)
    return tl.where(b_p >= 1.0, b_total, b_target)


@triton.jit
def controlled_weights(
    b_x,
    m_v,
    b_allowed,
    b_seen,
    b_penalty,
    b_temperature,
    b_top_k,
    b_top_p,
    b_min_p,
    b_typical_p,
    SCALE: tl.constexpr,
):
    """Apply the controls to float32 logits [BB, BV], which are -inf where m_v is False; None for controls that are off.

    Returns d = y - max y of the logits y after penalty and temperature, [BB, BV] float32, and the integer weights after
    all controls, [BB, BV] int64, 0 for excluded symbols.
    """
    b_y = b_x
    if b_allowed is not None:
        b_y = tl.where(b_allowed != 0, b_y, float("-inf"))
    if b_penalty is not None:
        b_r = b_penalty.to(tl.float32)[:, None]
        b_y = tl.where(b_seen != 0, tl.where(b_y > 0, b_y / b_r, b_y * b_r), b_y)
    # use the logits before the temperature, which keeps their order but could round neighbours to equal values
    b_key = tl.where(m_v, order_key(b_y), 0)
    b_d = below_max(b_y)
    if b_temperature is not None:
        b_d = b_d / tl.maximum(b_temperature.to(tl.float32), 1e-30)[:, None]
    b_w = integer_weights(b_d, SCALE)
    if b_top_k is not None:
        b_k = threshold(b_key, m_v.to(tl.int32) + tl.zeros_like(b_key).to(tl.int32), b_top_k.to(tl.int32))
        b_w = tl.where(b_key >= b_k[:, None], b_w, 0)
    if b_top_p is not None:
        b_target = mass_target(b_top_p, b_w)
        b_last = threshold(b_key, b_w, b_target)
        b_above = tl.sum(tl.where(b_key > b_last[:, None], b_w, 0), axis=1)
        # among the symbols tied at the threshold, which have equal weights, lower ids come first
        b_tie = (b_key == b_last[:, None]).to(tl.int32)
        b_before = b_above[:, None] + (tl.cumsum(b_tie, axis=1) - b_tie).to(tl.int64) * b_w
        b_w = tl.where((b_key > b_last[:, None]) | ((b_tie != 0) & (b_before < b_target[:, None])), b_w, 0)
    if b_min_p is not None:
        b_w = tl.where(tl.exp(b_d) >= b_min_p.to(tl.float32)[:, None], b_w, 0)
    if b_typical_p is not None:
        # |-log p - entropy| = |d - mean of d|: the normaliser cancels
        b_e = tl.where(b_w > 0, tl.exp(b_d), 0.0)
        b_sum = tl.maximum(tl.sum(b_e, axis=1), 1e-30)
        b_mean = tl.sum(b_e * tl.where(b_w > 0, b_d, 0.0), axis=1) / b_sum
        b_near = tl.where(b_w > 0, 0xFFFFFFFF - order_key(tl.abs(b_d - b_mean[:, None])), 0)
        b_last = threshold(b_near, b_w, mass_target(b_typical_p, b_w))
        b_w = tl.where(b_near >= b_last[:, None], b_w, 0)
    return b_d, b_w
