"""Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), the random number generator.

Key = (seed mod 2^32, seed div 2^32); counter = (t mod 2^32, i mod 2^32, i div 2^32, purpose 2^24 + t div 2^32), with
the sample index i and the position t in the sample. Each counter yields four 32-bit words, stored in int64, because
torch supports little arithmetic on uint32. A draw that needs one word uses the first.
Shapes: N counters.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from triton_kernels._backend import Configuration, choose, on_device, tl, triton

if TYPE_CHECKING:
    from triton_kernels._backend import Implementation

_MASK = 0xFFFFFFFF
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_BLOCK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """The address of Philox words that a kernel computes itself.

    Attributes:
        seed: 0 to 2^64 - 1.
        index: the sample index, an int from 0 to 2^64 - 1 or an int64 tensor (indices from 2^63 up as two's
            complement).
        position: the position in the sample, an int from 0 to 2^56 - 1 or an int64 tensor. Index and position
            broadcast against each other.
        purpose: number of the purpose of the draw, 0 to 255.
    """

    seed: int
    index: int | torch.Tensor
    position: int | torch.Tensor
    purpose: int

    def __post_init__(self) -> None:
        for name, bits in (("seed", 64), ("index", 64), ("position", 56), ("purpose", 8)):
            value = getattr(self, name)
            if isinstance(value, torch.Tensor) and name in ("index", "position"):
                _check_tensor(name, value, bits)
            else:
                object.__setattr__(self, name, _integer(name, value, bits))

    def counters(
        self, shape: tuple[int, ...] | None = None, device: torch.device | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return index and position as int64 tensors of one shape (by default their broadcast shape) on one device."""
        tensors = [x for x in (self.index, self.position) if isinstance(x, torch.Tensor)]
        device = device or (tensors[0].device if tensors else torch.device("cpu"))
        index, position = (
            x if isinstance(x, torch.Tensor) else torch.tensor(_signed(x), dtype=torch.int64, device=device)
            for x in (self.index, self.position)
        )
        for name, x in (("index", index), ("position", position)):
            if x.device != device:
                raise ValueError(f"{name} must be on {device} like the other tensors, got {x.device}")
        try:
            index, position = torch.broadcast_tensors(index, position)
            return (index, position) if shape is None else (index.expand(shape), position.expand(shape))
        except RuntimeError:
            wanted = "each other" if shape is None else f"the batch's shape {shape}"
            raise ValueError(
                f"index and position must broadcast to {wanted}, got shapes {tuple(index.shape)} and "
                f"{tuple(position.shape)}"
            ) from None


def philox_words(noise: Noise, *, impl: Implementation = "auto") -> torch.Tensor:
    """Return the four words of each (index, position).

    Args:
        noise: seed, index, position and purpose; index and position broadcast to (...).
        impl: "auto" (Triton on a GPU, else the reference), "reference" or "triton".

    Returns:
        (..., 4) int64, each in 0 to 2^32 - 1, on the device of index and position (the CPU if both are ints).

    Raises:
        ValueError, TypeError: if a number is out of range, or impl="triton" on a device that Triton does not support.
        ImportError: if Triton is required and not installed.
    """
    index, position = noise.counters()
    if choose(impl, index.device) == "reference":
        return philox_words_reference(noise)
    words = torch.empty((*index.shape, 4), dtype=torch.int64, device=index.device)
    n = index.numel()
    if n:
        with on_device(words.device):
            philox_fwd_kernel[(-(-n // _BLOCK),)](
                index.contiguous(),
                position.contiguous(),
                words,
                n,
                noise.seed,
                noise.purpose,
                BN=_BLOCK,
                num_warps=4,
            )
    return words


def philox_words_reference(noise: Noise) -> torch.Tensor:
    """Compute `philox_words` in PyTorch on any device: the specification.

    Example:
        >>> words = philox_words_reference(Noise(seed=0, index=0, position=0, purpose=0))
        >>> [f"{word:08x}" for word in words.tolist()]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    index, position = noise.counters()
    c0, c1 = position & _MASK, index & _MASK
    c2, c3 = (index >> 32) & _MASK, (noise.purpose << 24) + (position >> 32)
    k0, k1 = noise.seed & _MASK, noise.seed >> 32
    for _ in range(10):
        # the products wrap modulo 2^64, which keeps the bits of the unsigned product
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c2 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, ((p0 >> 32) & _MASK) ^ c3 ^ k1
        c1, c3 = p1 & _MASK, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return torch.stack([c0, c1, c2, c3], -1)


def uniforms(words: torch.Tensor) -> torch.Tensor:
    """Map words to (word + 1/2) / 2^32, float64 in the open interval (0, 1), keeping all 32 bits.

    Kernels do not use this: float32 would drop 8 bits. They multiply integer weights by the odd 33-bit integer
    2 word + 1 and shift, which is the same uniform without rounding (`triton_kernels.categorical`).
    """
    return (words.to(torch.float64) + 0.5) * 2.0**-32


@triton.jit
def philox_block(seed, b_index, b_position, purpose):
    """Return four blocks of uint32 words for blocks of int64 indices and positions of one shape."""
    b_c3 = (b_position >> 32).to(tl.uint32) + (tl.to_tensor(purpose).to(tl.uint32) << 24)
    return tl.philox(
        seed, b_position.to(tl.uint32), b_index.to(tl.uint32), (b_index >> 32).to(tl.uint32), b_c3
    )


@triton.jit(do_not_specialize=["n", "seed", "purpose"])
def philox_fwd_kernel(
    index, position, words, n: tl.int64, seed: tl.uint64, purpose: tl.int32, BN: tl.constexpr
):
    o_n = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)  # [BN]
    m_n = o_n < n
    b_index = tl.load(index + o_n, mask=m_n, other=0)
    b_position = tl.load(position + o_n, mask=m_n, other=0)
    b_w0, b_w1, b_w2, b_w3 = philox_block(seed, b_index, b_position, purpose)
    p_words = words + o_n * 4
    tl.store(p_words, b_w0.to(tl.int64), mask=m_n)
    tl.store(p_words + 1, b_w1.to(tl.int64), mask=m_n)
    tl.store(p_words + 2, b_w2.to(tl.int64), mask=m_n)
    tl.store(p_words + 3, b_w3.to(tl.int64), mask=m_n)


def _integer(name: str, value: object, bits: int) -> int:
    wanted = f"an integer from 0 to 2^{bits} - 1"
    if isinstance(value, (bool, torch.Tensor)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")
    number = operator.index(value)
    if not 0 <= number < 2**bits:
        raise ValueError(f"{name} must be {wanted}, got {number}")
    return number


def _check_tensor(name: str, value: torch.Tensor, bits: int) -> None:
    if value.dtype != torch.int64:
        raise TypeError(f"{name} must be an int or an int64 tensor, got a tensor of {value.dtype}")
    # checking values on a GPU would require synchronization
    if bits < 63 and value.device.type == "cpu" and value.numel():
        low, high = int(value.min()), int(value.max())
        if low < 0 or high >= 2**bits:
            raise ValueError(f"{name} must be from 0 to 2^{bits} - 1, got values from {low} to {high}")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


SHIPPED = (
    Configuration(
        name="philox/words",
        kernel=philox_fwd_kernel,
        types={
            "index": "*i64", "position": "*i64", "words": "*i64", "n": "i64", "seed": "u64", "purpose": "i32",
        },
        constants={"BN": _BLOCK},
        num_warps=4,
    ),
)  # fmt: skip
