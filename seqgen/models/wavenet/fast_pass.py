"""A fast training pass of a WaveNet's layers in bfloat16 on the CPU, forward and backward.

It computes the same sums as `WaveNet.advance` under autocast, but for one row and a few thousand steps at a time, so
that the activations of a layer are still in the cache when they are used. Everything except the products is in compiled
loops (`numba_gates`); only the inputs and gates of each layer are kept for the backward pass, in buffers that are
reused.
Legend: B batch, T time, L layers, R residual, G gate and S skip channels, k kernel size, F frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen.models.wavenet.layers import Layer
from seqgen.models.wavenet.outputs import bits
from seqgen.threads import Workers

ROWS = 2000


def skip_sums(
    h: Tensor, layers: Sequence[Layer], base: Tensor, skip: Tensor, frames: Tensor | None, mixing: Tensor | None,
    hop: int,
) -> Tensor:  # fmt: skip
    """Return the product of all layers' gates with `skip`, (B, T, S) bfloat16, from the start.

    Args:
        h: (B, T, R) inputs. layers: the L layers. base: (B, L, G), their biases and the global condition.
        skip: (S, L G / 2).
        frames: (B, F + 1, L G) with F hop >= T, or None. mixing: (2, hop), or None for the nearest frame.
        hop: samples per frame, 0 without frames.
    """
    dilated = torch.stack([layer.dilated.weight for layer in layers])
    steps = [layer.residual for layer in layers if layer.residual is not None]
    residual = torch.stack([step.weight for step in steps]) if steps else dilated[:0, :0]
    later = torch.stack([step.bias for step in steps]) if steps else torch.zeros(0, h.shape[2])
    rounded = [x.to(torch.bfloat16) for x in (h, dilated, residual, skip)]
    widened = None if frames is None else frames.float().contiguous()
    dilations = tuple(layer.dilation for layer in layers)
    result: Tensor = _Layers.apply(*rounded, base.float(), later.float(), widened, mixing, dilations, hop)
    return result


class _Layers(torch.autograd.Function):
    """The autograd function of `skip_sums` in bfloat16; L layers have L - 1 `residual` (R, G / 2) with biases."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, dilated: Tensor, residual: Tensor, skip: Tensor, base: Tensor, residual_bias: Tensor,
        frames: Tensor | None, mixing: Tensor | None, dilations: tuple[int, ...], hop: int,
    ) -> Tensor:  # fmt: skip
        from seqgen.models.wavenet import numba_gates as wavenet_gates

        run = _Run.acquire(h, dilated, dilations)
        run.condition(frames, mixing, hop)
        run.inputs[0][:, run.reach[0] :] = h
        biases, later = (x.detach().contiguous().numpy() for x in (base, residual_bias))
        out = h.new_empty(run.batch, run.length, skip.shape[0])

        def work(rows: np.ndarray) -> None:
            taps, product, dense = run.scratch(run.width), run.scratch(run.channels), run.scratch(run.half)
            product_bits, dense_bits = bits(product), bits(dense)
            for b, layer in itertools.product(rows.tolist(), range(run.layers)):
                turned, own = dilated[layer].T, run.inputs[layer][b]
                onward = residual[layer].T if layer + 1 < run.layers else None
                for at, count in run.blocks():
                    z = run.z[layer, b, at : at + count]
                    torch.mm(run.gather(own, layer, at, taps[:count]), turned, out=z)
                    wavenet_gates.gates(
                        run.z_bits,
                        layer,
                        b,
                        at,
                        count,
                        biases,
                        run.frames,
                        run.mixing,
                        run.gate_bits,
                        dense_bits,
                    )
                    if onward is not None:
                        torch.mm(dense[:count], onward, out=product[:count])
                        wavenet_gates.follow(
                            run.input_bits[layer], b, run.reach[layer] + at, count, product_bits, later[layer],
                            run.input_bits[layer + 1], run.reach[layer + 1] + at,
                        )  # fmt: skip
                if onward is None:
                    torch.mm(run.gates[b], skip.T, out=out[b])

        in_parallel(work, run.batch)
        if any(ctx.needs_input_grad):
            ctx.run = run
            ctx.save_for_backward(dilated, residual, skip)
        else:
            run.release()
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        from seqgen.models.wavenet import numba_gates as wavenet_gates

        run: _Run = ctx.run
        dilated, residual, skip = ctx.saved_tensors
        upstream = upstream.contiguous()
        to_h = torch.zeros(run.batch, run.length, run.channels, dtype=torch.bfloat16)
        # per row, because rows run in parallel and sums must not depend on the schedule
        to_dilated, to_residual, to_skip = (
            torch.zeros(run.batch, *x.shape) for x in (dilated, residual, skip)
        )
        to_base = np.zeros((run.batch, run.layers, run.gate), np.float32)
        to_bias = np.zeros((run.batch, run.layers, run.channels), np.float32)
        to_frames, to_mixing = np.zeros_like(run.frames), np.zeros((run.batch, *run.mixing.shape), np.float32)
        h_bits = bits(to_h)

        def work(rows: np.ndarray) -> None:
            taps, to_taps = run.scratch(run.width), run.scratch(run.width)
            product, to_z = run.scratch(run.half), run.scratch(run.gate)
            taps_bits, product_bits, to_z_bits = (bits(x) for x in (to_taps, product, to_z))
            for b in rows.tolist():
                grown = to_h[b]  # gradient of the layer's output, then of its input
                to_skip[b] = torch.mm(upstream[b].T, run.gates[b])
                torch.mm(upstream[b], skip, out=run.to_gates[b])
                for layer in range(run.layers - 1, -1, -1):
                    own, weights, delays = run.inputs[layer][b], dilated[layer], run.delays(layer)
                    inner = layer + 1 < run.layers
                    # in order of time, because a step adds only to earlier steps, which are done
                    for at, count in run.blocks():
                        here, part = grown[at : at + count], to_z[:count]
                        if inner:
                            torch.mm(here, residual[layer], out=product[:count])
                            to_residual[b, layer] += torch.mm(here.T, run.gates_of(b, layer, at, count))
                        wavenet_gates.gate_gradients(
                            run.z_bits, layer, b, at, count, run.to_gate_bits, product_bits, inner, to_z_bits,
                            to_base, run.frames, run.mixing, to_frames, to_mixing, run.learned,
                        )  # fmt: skip
                        to_dilated[b, layer] += torch.mm(part.T, run.gather(own, layer, at, taps[:count]))
                        torch.mm(part, weights, out=to_taps[:count])
                        wavenet_gates.spread(taps_bits, h_bits, b, at, count, delays, to_bias[b, layer])

        in_parallel(work, run.batch)
        run.release()
        ctx.run = None
        return (
            to_h, to_dilated.sum(0), to_residual.sum(0), to_skip.sum(0), torch.from_numpy(to_base),
            torch.from_numpy(to_bias.sum(0)[:-1]), torch.from_numpy(to_frames) if to_frames.size else None,
            torch.from_numpy(to_mixing.sum(0)) if run.learned else None, None, None,
        )  # fmt: skip


def in_parallel(work: Callable[[np.ndarray], None], count: int) -> None:
    """Call `work` on a partition of rows 0 to count - 1, one part per thread, with single-threaded products."""
    before = torch.get_num_threads()
    threads = min(before, count)
    if threads <= 1:
        work(np.arange(count))
        return
    workers = Workers(threads)
    torch.set_num_threads(1)
    try:
        # grad mode is thread-local
        workers.run(torch.no_grad()(work), np.arange(count))
    finally:
        torch.set_num_threads(before)
        workers.close()


class _Run:
    """The buffers that a forward pass leaves for the backward pass, and their indexing.

    Attributes:
        inputs: inputs of each layer, (B, reach + T, R), zeros before the start. z: (L, B, T, G). gates: (B, T, L G /
            2).
        to_gates: gradient of the gates. The `*_bits` are uint16 arrays that share memory with the tensors.
        frames: (B, F + 1, L G) float32, or without frames. mixing: (2, hop) float32.
    """

    _spare: list[_Run] = []  # noqa: RUF012 (shared by the process, because first use of memory pages is slow)

    def __init__(self, h: Tensor, dilated: Tensor, dilations: tuple[int, ...]) -> None:
        self.batch, self.length, self.channels = h.shape
        self.layers, self.gate, self.width = dilated.shape
        self.half, self.taps = self.gate // 2, self.width // self.channels
        self.dilations = dilations
        self.reach = [(self.taps - 1) * dilation for dilation in dilations]
        self.inputs = [h.new_empty(self.batch, reach + self.length, self.channels) for reach in self.reach]
        for inputs, reach in zip(self.inputs, self.reach, strict=True):
            inputs[:, :reach] = 0
        self.z = h.new_empty(self.layers, self.batch, self.length, self.gate)
        self.gates = h.new_empty(self.batch, self.length, self.layers * self.half)
        self.to_gates = torch.empty_like(self.gates)
        self.input_bits = [bits(x) for x in self.inputs]
        self.z_bits, self.gate_bits, self.to_gate_bits = (
            bits(x) for x in (self.z, self.gates, self.to_gates)
        )

    @classmethod
    def acquire(cls, h: Tensor, dilated: Tensor, dilations: tuple[int, ...]) -> _Run:
        """Return a released run of the same shape, or a new one."""
        spare = cls._spare.pop() if cls._spare else None
        if spare is not None and spare._described() == (h.shape, dilated.shape, dilations):
            return spare
        return cls(h, dilated, dilations)

    def release(self) -> None:
        """Release the buffers for the next step."""
        self._spare[:] = [self]

    def _described(self) -> tuple[Any, ...]:
        sizes = (self.batch, self.length, self.channels), (self.layers, self.gate, self.width)
        return *sizes, self.dilations

    def condition(self, frames: Tensor | None, mixing: Tensor | None, hop: int) -> None:
        """Set the frames and their mixing weights."""
        self.frames = np.zeros((self.batch, 0, 0), np.float32) if frames is None else frames.detach().numpy()
        self.learned = mixing is not None
        if mixing is not None:
            self.mixing = mixing.detach().float().contiguous().numpy()
        else:
            self.mixing = np.repeat(np.array([[1.0], [0.0]], np.float32), max(1, hop), 1)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the starts and lengths of the blocks of time."""
        for at in range(0, self.length, ROWS):
            yield at, min(ROWS, self.length - at)

    def scratch(self, columns: int) -> Tensor:
        """Return a buffer for a block."""
        return self.z.new_zeros(min(ROWS, self.length), columns)

    def delays(self, layer: int) -> np.ndarray:
        """Return the delay of each tap of a layer, (k,), largest first."""
        return (self.taps - 1 - np.arange(self.taps)) * self.dilations[layer]

    def gates_of(self, b: int, layer: int, at: int, count: int) -> Tensor:
        """Return the gates (n, G / 2) of a block."""
        return self.gates[b, at : at + count, layer * self.half : (layer + 1) * self.half]

    def gather(self, own: Tensor, layer: int, at: int, out: Tensor) -> Tensor:
        """Fill `out` (n, k R) with the concatenated taps of every step, oldest first."""
        for tap in range(self.taps):
            place = at + tap * self.dilations[layer]
            out[:, tap * self.channels : (tap + 1) * self.channels] = own[place : place + out.shape[0]]
        return out
