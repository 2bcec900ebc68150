"""Categorical draws from rows of logits by inverse CDF, with controls.

One 32-bit word w per row defines the uniform u = (w + 1/2) / 2^32; the draw is the first symbol whose cumulative weight
exceeds u times the total, which is the last of the same cumulative sums. A symbol with weight zero is never drawn.
Shapes: B rows, V symbols; in kernels BB rows per program and BV, the smallest power of two >= V.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from triton_kernels._arguments import Controls, check_controls, check_words
from triton_kernels._backend import Configuration, choose, on_device, power_of_two, tl, triton
from triton_kernels.controls import (
    below_max,
    controlled_logits,
    controlled_weights,
    integer_weights,
    relative_weights,
)
from triton_kernels.philox import Noise, philox_block, philox_words_reference, uniforms

if TYPE_CHECKING:
    from triton_kernels._backend import Implementation

MAX_SYMBOLS = 4096


class Draw(NamedTuple):
    """The result of a draw from each row.

    Attributes:
        symbol: (B,) int64; -1 if no symbol can be drawn: all symbols are excluded, or a logit is NaN or +inf.
        log_prob: (B,) log-probability of the symbol after the controls; NaN if symbol is -1.
        model_log_prob: (B,) log-probability of the symbol before the controls; NaN if symbol is -1.
    """

    symbol: torch.Tensor
    log_prob: torch.Tensor
    model_log_prob: torch.Tensor


def draw_categorical(
    logits: torch.Tensor,
    noise: torch.Tensor | Noise,
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
    impl: Implementation = "auto",
) -> Draw:
    """Draw one symbol from each row of logits.

    Both implementations use the same random numbers. The kernel rounds logits to float32, computes exponentials in
    float32 and sums them as integers. For logits of magnitude up to 100, its symbols equal those of the reference
    unless u, or a limit of top-p, min-p or typical, is within 1e-5 of a boundary; its log-probabilities (float32;
    float64 in the reference) agree to 1e-5 plus 1e-6 times their magnitude.

    Args:
        logits: (B, V), any floating-point type; -inf is probability zero. The kernel takes V up to 4096.
        noise: (B,) words of 0 to 2^32 - 1 (int64 or uint32), or a `Noise` whose index and position broadcast to (B,).
        allowed, seen, repetition_penalty, greedy, temperature, top_k, top_p, min_p, typical_p: see `apply_controls`.
        impl: "auto" (Triton on a GPU, else the reference), "reference" or "triton".

    Raises:
        TypeError, ValueError: naming the argument, its value and the valid range.
        ImportError: if Triton is required and not installed.

    Example:
        >>> logits = torch.log(torch.tensor([[0.5, 0.25, 0.0, 0.25]]))
        >>> draw_categorical(logits, torch.tensor([0xD0000000])).symbol
        tensor([3])
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
    if isinstance(noise, torch.Tensor):
        noise = check_words(noise, logits)
    elif isinstance(noise, Noise):
        index, position = noise.counters((logits.shape[0],), logits.device)
        noise = Noise(seed=noise.seed, index=index, position=position, purpose=noise.purpose)
    else:
        raise TypeError(f"noise must be a tensor of words or a Noise, got {noise!r}")
    if choose(impl, logits.device) == "reference":
        return _reference(logits, noise, controls)
    return _launch(logits, noise, controls)


def _reference(logits: torch.Tensor, noise: torch.Tensor | Noise, controls: Controls) -> Draw:
    """The reference implementation in PyTorch and float64, on any device."""
    words = philox_words_reference(noise)[..., 0] if isinstance(noise, Noise) else noise
    x = controlled_logits(logits, controls)
    weights = relative_weights(x)
    cumulative = torch.cumsum(weights, -1)
    point = uniforms(words)[:, None] * cumulative[:, -1:]
    symbol = ((cumulative > point) & (weights > 0)).to(torch.int8).argmax(-1)
    log_prob = torch.log_softmax(x, -1).gather(-1, symbol[:, None])[:, 0]
    model_log_prob = torch.log_softmax(logits.to(torch.float64), -1).gather(-1, symbol[:, None])[:, 0]
    bad = (logits.isnan() | (logits == torch.inf)).any(-1) | (x == -torch.inf).all(-1)
    return Draw(
        symbol.masked_fill(bad, -1),
        log_prob.masked_fill(bad, torch.nan),
        model_log_prob.masked_fill(bad, torch.nan),
    )


@triton.jit
def draw_block(b_w, b_word):
    """Draw from integer weights [BB, BV] by uint32 words [BB]; return BV for a row of zero weights.

    u times the total, rounded down, is the upper half of the 128-bit product of the total and (2 word + 1) 2^31: no bit
    of the word is lost, and an integer exceeds u times the total if and only if it exceeds its floor.
    """
    b_total = tl.sum(b_w, axis=1)
    b_point = tl.umulhi(b_total.to(tl.uint64), (b_word.to(tl.uint64) * 2 + 1) << 31).to(tl.int64)
    return tl.sum((tl.cumsum(b_w, axis=1) <= b_point[:, None]).to(tl.int32), axis=1)


@triton.jit
def log_total(b_w, SCALE: tl.constexpr):
    """Return the log of a row's total weight relative to that of the largest logit; log(1 / SCALE) for zero weights."""
    return tl.log(tl.maximum(tl.sum(b_w, axis=1), 1).to(tl.float32) / SCALE)


@triton.jit(do_not_specialize=["n", "seed", "purpose"])
def categorical_fwd_kernel(
    logits,
    words,
    index,
    position,
    allowed,
    seen,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
    min_p,
    typical_p,
    symbol,
    log_prob,
    model_log_prob,
    n: tl.int64,
    s_logits: tl.int64,
    s_allowed: tl.int64,
    s_seen: tl.int64,
    seed: tl.uint64,
    purpose: tl.int32,
    V: tl.constexpr,
    BB: tl.constexpr,
    BV: tl.constexpr,
    SCALE: tl.constexpr,
):
    o_b = tl.program_id(0).to(tl.int64) * BB + tl.arange(0, BB)  # [BB]
    o_v = tl.arange(0, BV)  # [BV]
    m_b = o_b < n
    m_v = m_b[:, None] & (o_v < V)[None, :]
    b_x = tl.load(logits + o_b[:, None] * s_logits + o_v[None, :], mask=m_v, other=float("-inf")).to(
        tl.float32
    )
    # a row with NaN or +inf becomes a row without drawable symbols
    b_bad = tl.max(((b_x != b_x) | (b_x == float("inf"))).to(tl.int32), axis=1)
    b_x = tl.where(b_bad[:, None] != 0, float("-inf"), b_x)

    if words is not None:
        b_word = tl.load(words + o_b, mask=m_b, other=0).to(tl.uint32)
    else:
        b_index = tl.load(index + o_b, mask=m_b, other=0)
        b_position = tl.load(position + o_b, mask=m_b, other=0)
        b_word, _, _, _ = philox_block(seed, b_index, b_position, purpose)

    b_allowed, b_seen, b_penalty, b_temperature = None, None, None, None
    b_top_k, b_top_p, b_min_p, b_typical_p = None, None, None, None
    if allowed is not None:
        b_allowed = tl.load(allowed + o_b[:, None] * s_allowed + o_v[None, :], mask=m_v, other=0)
    if repetition_penalty is not None:
        b_seen = tl.load(seen + o_b[:, None] * s_seen + o_v[None, :], mask=m_v, other=0)
        b_penalty = tl.load(repetition_penalty + o_b, mask=m_b, other=1.0)
    if temperature is not None:
        b_temperature = tl.load(temperature + o_b, mask=m_b, other=1.0)
    if top_k is not None:
        b_top_k = tl.load(top_k + o_b, mask=m_b, other=1)
    if top_p is not None:
        b_top_p = tl.load(top_p + o_b, mask=m_b, other=1.0)
    if min_p is not None:
        b_min_p = tl.load(min_p + o_b, mask=m_b, other=0.0)
    if typical_p is not None:
        b_typical_p = tl.load(typical_p + o_b, mask=m_b, other=1.0)

    b_d, b_w = controlled_weights(
        b_x, m_v, b_allowed, b_seen, b_penalty, b_temperature, b_top_k, b_top_p, b_min_p, b_typical_p, SCALE
    )
    b_symbol = draw_block(b_w, b_word)
    m_symbol = o_v[None, :] == b_symbol[:, None]
    m_good = tl.sum(b_w, axis=1) > 0
    b_log_prob = tl.sum(tl.where(m_symbol, b_d, 0.0), axis=1) - log_total(b_w, SCALE)
    b_d = below_max(b_x)
    b_model = tl.sum(tl.where(m_symbol, b_d, 0.0), axis=1) - log_total(integer_weights(b_d, SCALE), SCALE)
    tl.store(symbol + o_b, tl.where(m_good, b_symbol, -1).to(tl.int64), mask=m_b)
    tl.store(log_prob + o_b, tl.where(m_good, b_log_prob, float("nan")), mask=m_b)
    tl.store(model_log_prob + o_b, tl.where(m_good, b_model, float("nan")), mask=m_b)


def _constants(symbols: int) -> tuple[dict[str, Any], int]:
    """Return the compile-time arguments and the number of warps for rows of `symbols` symbols."""
    width = max(16, power_of_two(symbols))
    rows = max(1, 128 // width)
    # 8 symbols per thread fit into registers with all controls on
    warps = min(max(rows * width // 256, 1), 16)
    return {"V": symbols, "BB": rows, "BV": width, "SCALE": 2.0**62 / width}, warps


def _launch(logits: torch.Tensor, noise: torch.Tensor | Noise, controls: Controls) -> Draw:
    n, symbols = logits.shape
    if symbols > MAX_SYMBOLS:
        raise ValueError(
            f"logits must have at most {MAX_SYMBOLS} symbols for impl='triton', which holds a row in registers, got "
            f"{symbols}; impl='reference' has no limit"
        )
    out = Draw(
        torch.empty(n, dtype=torch.int64, device=logits.device),
        torch.empty(n, dtype=torch.float32, device=logits.device),
        torch.empty(n, dtype=torch.float32, device=logits.device),
    )
    if n == 0:
        return out
    logits, allowed, seen = _dense(logits), controls.allowed, controls.seen
    allowed = None if allowed is None else _dense(allowed).view(torch.uint8)
    seen = None if seen is None else _dense(seen).view(torch.uint8)
    if isinstance(noise, Noise):
        index, position = noise.counters()
        source: tuple[torch.Tensor | None, ...] = (None, index.contiguous(), position.contiguous())
        seed, purpose = noise.seed, noise.purpose
    else:
        source, seed, purpose = (noise, None, None), 0, 0
    constants, warps = _constants(symbols)
    with on_device(logits.device):
        categorical_fwd_kernel[(-(-n // constants["BB"]),)](
            logits,
            *source,
            allowed,
            seen,
            *(x if x is None else x.contiguous() for x in controls[2:]),
            *out,
            n,
            logits.stride(0),
            0 if allowed is None else allowed.stride(0),
            0 if seen is None else seen.stride(0),
            seed,
            purpose,
            **constants,
            num_warps=warps,
        )
    return out


def _dense(x: torch.Tensor) -> torch.Tensor:
    return x if x.stride(1) == 1 else x.contiguous()


_SCALARS = {
    "n": "i64",
    "s_logits": "i64",
    "s_allowed": "i64",
    "s_seen": "i64",
    "seed": "u64",
    "purpose": "i32",
}
_OUTPUTS = {"symbol": "*i64", "log_prob": "*fp32", "model_log_prob": "*fp32"}
_KEYED = {"index": "*i64", "position": "*i64"}
_CONTROLS = {
    "allowed": "*u8",
    "seen": "*u8",
    "repetition_penalty": "*fp64",
    "temperature": "*fp64",
    "top_k": "*i32",
    "top_p": "*fp64",
    "min_p": "*fp64",
    "typical_p": "*fp64",
}


def _shipped(name: str, symbols: int, types: dict[str, str], logits: str = "*fp32") -> Configuration:
    constants, warps = _constants(symbols)
    types = {"logits": logits, **types, **_OUTPUTS, **_SCALARS}
    return Configuration(
        name=f"categorical/{name}",
        kernel=categorical_fwd_kernel,
        types=types,
        constants=constants,
        num_warps=warps,
    )


SHIPPED = (
    _shipped("2-plain", 2, _KEYED),
    _shipped("96-controls", 96, _KEYED | _CONTROLS),
    _shipped("256-plain", 256, _KEYED),
    _shipped("256-controls", 256, {"words": "*i64"} | _CONTROLS),
    _shipped("256-plain-bf16", 256, _KEYED, "*bf16"),
    _shipped("4096-controls", MAX_SYMBOLS, _KEYED | _CONTROLS),
)
