"""Alternatives for sampling a WaveNet: a library, a loop in PyTorch, and a loop in C.

All of them get the weights of one of our models, of a shape that all support: only the current input symbol (one tap),
kernels of two taps, 256 symbols. Every peer can be fed symbols and returns their log-probabilities, by which a
benchmark checks that it computes the same model.
"""

from __future__ import annotations

import ctypes
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from benchmarks.compiler import library
from seqgen import WaveNet
from seqgen.checkpoint import to_bfloat16

SOURCE = "wavenet_loop.c"
OPTIONS = ("-ffast-math",)


def comparable(precision: str = "bfloat16", *, layers: int = 20, seed: int = 0) -> WaveNet:
    """Return the model of the comparison: 20 layers, 64 residual and 256 skip channels, exact in `precision`."""
    model = WaveNet(layers, 10, 64, 128, 256, seed=seed).eval()
    with torch.no_grad():
        model.input.weight[1] = 0.0
        model.output.weight.mul_(8.0)
        if precision == "bfloat16":
            for parameter in model.parameters():
                parameter.copy_(parameter.bfloat16().float())
    return model


class TorchLoop:
    """The usual loop: a ring buffer and three `linear`s per layer, softmax, multinomial, feed the symbol back.

    Args:
        model: of two taps. batch: number of streams.
    """

    def __init__(self, model: WaveNet, batch: int) -> None:
        self.model, self.batch = model, batch
        self.buffers = [
            torch.zeros(layer.reach, batch, model.residual_channels) for layer in model.gated_layers
        ]
        half = model.gate_channels // 2
        self.skips = [
            model.skip.weight[:, k * half : (k + 1) * half].contiguous() for k in range(len(model.layers))
        ]
        self.table = model.input.weight[0]
        self.time = 0

    def step(self, symbols: Tensor | None) -> Tensor:
        """Return logits (B, V) after the symbols (B,), None at the start."""
        model = self.model
        h: Tensor = model.input.bias.expand(self.batch, -1)
        if symbols is not None:
            h = h + self.table[symbols]
        slots = [buffer[self.time % len(buffer)] for buffer in self.buffers]
        logits, inputs = self.layers_of_step(h, slots)
        for slot, given in zip(slots, inputs, strict=True):
            slot.copy_(given)
        self.time += 1
        return logits

    def layers_of_step(self, h: Tensor, delayed: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return logits (B, V) and the inputs of all layers, given those of the delayed taps."""
        model, inputs = self.model, []
        skips: Tensor = model.skip.bias
        for layer, before, skip in zip(model.gated_layers, delayed, self.skips, strict=True):
            inputs.append(h)
            filtered, opened = layer.dilated(torch.cat([before, h], 1)).chunk(2, 1)
            gated = torch.tanh(filtered) * torch.sigmoid(opened)
            skips = skips + linear(gated, skip)
            if layer.residual is not None:
                h = h + layer.residual(gated)
        return model.output(torch.relu(model.hidden(torch.relu(skips)))), inputs

    @torch.inference_mode()
    def draw(self, count: int, symbols: Tensor | None = None) -> Tensor:
        """Draw `count` symbols in every stream after `symbols`; return (count, B)."""
        drawn = []
        for _ in range(count):
            logits = self.step(symbols)
            # a race of exponentials, several times as fast as `torch.multinomial`
            symbols = torch.softmax(logits, -1).div_(torch.empty_like(logits).exponential_()).argmax(-1)
            drawn.append(symbols)
        return torch.stack(drawn)

    @torch.inference_mode()
    def log_probs(self, symbols: np.ndarray) -> np.ndarray:
        """Return log-probabilities (T,) of symbols (T,) from the start, as in the first stream."""
        found, before = [], None
        for symbol in symbols.tolist():
            found.append(torch.log_softmax(self.step(before), -1)[0, symbol])
            before = torch.full((self.batch,), symbol)
        return torch.stack(found).numpy()


class LeanTorchLoop(TorchLoop):
    """The same in place: residual and skip channels in one product and one buffer, no list of temporary tensors."""

    def __init__(self, model: WaveNet, batch: int) -> None:
        super().__init__(model, batch)
        channels, skips, layers = model.residual_channels, model.skip_channels, model.gated_layers
        self.input_bias = torch.cat([model.input.bias, model.skip.bias]).detach()
        self.layers = []
        for layer, skip, ring in zip(layers, self.skips, self.buffers, strict=True):
            residual = torch.zeros(channels, skip.shape[1]), torch.zeros(channels)
            if layer.residual is not None:
                residual = layer.residual.weight.detach(), layer.residual.bias.detach()
            mixed = torch.cat([residual[0], skip.detach()]).T.contiguous()
            bias = torch.cat([residual[1], torch.zeros(skips)])
            dilated = layer.dilated.weight.detach().T.contiguous()
            self.layers.append((list(ring), layer.dilated.bias.detach(), dilated, bias, mixed))
        self.sums = torch.empty(batch, channels + skips)
        self.h, self.skip = self.sums[:, :channels], self.sums[:, channels:]
        self.taps = torch.empty(batch, 2 * channels)
        self.old, self.new = self.taps.chunk(2, 1)
        self.gates, self.gated = (
            torch.empty(batch, model.gate_channels),
            torch.empty(batch, model.gate_channels // 2),
        )
        self.filtered, self.opened = self.gates.chunk(2, 1)
        self.second, self.logits = torch.empty(batch, skips), torch.empty(batch, model.codec.size)
        self.head = [
            (o.bias.detach(), o.weight.detach().T.contiguous()) for o in (model.hidden, model.output)
        ]

    def step(self, symbols: Tensor | None) -> Tensor:
        """Return logits (B, V) after the symbols (B,), None at the start, in a buffer that is used again."""
        self.sums.copy_(self.input_bias.expand_as(self.sums))
        if symbols is not None:
            self.h.add_(self.table[symbols])
        for ring, dilated_bias, dilated, mixed_bias, mixed in self.layers:
            slot = ring[self.time % len(ring)]
            self.old.copy_(slot)
            self.new.copy_(self.h)
            slot.copy_(self.h)
            torch.addmm(dilated_bias, self.taps, dilated, out=self.gates)
            torch.mul(self.filtered.tanh_(), self.opened.sigmoid_(), out=self.gated)
            self.sums.add_(mixed_bias).addmm_(self.gated, mixed)
        self.time += 1
        (hidden_bias, hidden), (output_bias, output) = self.head
        torch.addmm(hidden_bias, self.skip.relu_(), hidden, out=self.second)
        return torch.addmm(output_bias, self.second.relu_(), output, out=self.logits)


def compiled_loop(model: WaveNet, batch: int) -> TorchLoop:
    """Return `TorchLoop` with the layers of a step, which do not depend on the place in the ring, as one function."""
    loop = TorchLoop(model, batch)
    layers = torch.compile(loop.layers_of_step, dynamic=False)
    loop.layers_of_step = layers  # type: ignore[method-assign]
    return loop


def vocoder_of(model: WaveNet) -> Any:
    """Return the same model in the library wavenet_vocoder 0.1.1.

    There, every layer's output is multiplied by sqrt(1/2). The input of layer n is therefore ours times sqrt(1/2)^n,
    which
    is compensated in its weights.
    """
    from wavenet_vocoder import WaveNet as Vocoder

    depth, half = len(model.layers), model.gate_channels // 2
    with warnings.catch_warnings():
        # it was written for an older PyTorch, whose functions are deprecated but exist
        warnings.simplefilter("ignore", FutureWarning)
        theirs = Vocoder(
            out_channels=model.codec.size, layers=depth, stacks=depth // model.cycle,
            residual_channels=model.residual_channels, gate_channels=model.gate_channels,
            skip_out_channels=model.skip_channels, kernel_size=2, dropout=0.0, legacy=False,
        )  # fmt: skip
    theirs.make_generation_fast_()
    theirs.eval()

    def put(convolution: Any, weight: Tensor, bias: Tensor | None) -> None:
        convolution.weight.copy_(weight if weight.ndim == 3 else weight[:, :, None])
        convolution.bias.copy_(torch.zeros_like(convolution.bias) if bias is None else bias)

    with torch.no_grad():
        put(theirs.first_conv, model.input.weight[0].T, model.input.bias)
        for number, (layer, own) in enumerate(zip(model.gated_layers, theirs.conv_layers, strict=True)):
            scale = 0.5 ** (number / 2)
            taps = layer.dilated.weight.unflatten(1, (2, -1)).transpose(1, 2)
            put(own.conv, taps / scale, layer.dilated.bias)
            skip = model.skip.weight[:, number * half : (number + 1) * half]
            put(own.conv1x1_skip, skip, model.skip.bias if number == 0 else None)
            if layer.residual is not None:
                put(own.conv1x1_out, layer.residual.weight * scale, layer.residual.bias * scale)
        put(theirs.last_conv_layers[1], model.hidden.weight, model.hidden.bias)
        put(theirs.last_conv_layers[3], model.output.weight, model.output.bias)
    return theirs


@torch.inference_mode()
def vocoder_log_probs(vocoder: Any, symbols: np.ndarray) -> np.ndarray:
    """Return log-probabilities (T,) of symbols (T,) by the library's own stepping."""
    inputs = torch.zeros(1, vocoder.out_channels, len(symbols))
    inputs[0, symbols[:-1], torch.arange(1, len(symbols))] = 1.0
    logits = vocoder.incremental_forward(test_inputs=inputs, T=len(symbols), softmax=False, quantize=False)
    return torch.log_softmax(logits[0].T, -1)[torch.arange(len(symbols)), torch.as_tensor(symbols)].numpy()


class CLoop:
    """`wavenet_loop.c` with a model's weights.

    Args:
        rounded_inputs: round the multiplicands of the matrices to bfloat16, for the AVX-512 BF16 instructions.
        kind: vectors to use, a key of `machine.VECTORS`; None for those of Numba's code.

    Raises:
        NoCompilerError: if there is no C compiler, or it or the CPU does not support these instructions.
    """

    def __init__(self, model: WaveNet, *, rounded_inputs: bool = False, kind: str | None = None) -> None:
        options = (*OPTIONS, *(("-DROUNDED_INPUTS",) if rounded_inputs else ()))
        self._library = library(SOURCE, options, kind)
        layers, channels, skips = model.gated_layers, model.residual_channels, model.skip_channels
        half = model.gate_channels // 2

        def packed(matrix: np.ndarray) -> np.ndarray:
            inputs, outputs = matrix.shape
            if rounded_inputs:
                blocks = matrix.reshape(inputs // 2, 2, outputs // 64, 64).transpose(2, 0, 3, 1)
            else:
                width = self._library.wavenet_width()
                pairs = matrix.reshape(inputs, outputs // 64, 32 // width, 2, width)
                blocks = pairs.transpose(1, 0, 2, 4, 3)
            return to_bfloat16(np.ascontiguousarray(blocks)).ravel()

        arrays = model.arrays()
        mixed, mixed_bias = [], []
        for number in range(len(layers)):
            residual = np.zeros((half, channels), np.float32)
            bias = np.zeros(channels + skips, np.float32)
            if number + 1 < len(layers):
                residual = arrays[f"layers.{number}.residual.weight"].T
                bias[:channels] = arrays[f"layers.{number}.residual.bias"]
            if number == 0:
                bias[channels:] = arrays["skip.bias"]
            skip = arrays["skip.weight"][:, number * half : (number + 1) * half].T
            mixed.append(packed(np.concatenate([residual, skip], 1)))
            mixed_bias.append(bias)
        names = [f"layers.{number}.dilated" for number in range(len(layers))]
        self._weights = [
            arrays["input.weight"][0].copy(), arrays["input.bias"],
            np.concatenate([packed(arrays[f"{name}.weight"].T) for name in names]),
            np.concatenate([arrays[f"{name}.bias"] for name in names]),
            np.concatenate(mixed), np.concatenate(mixed_bias),
            packed(arrays["hidden.weight"].T), arrays["hidden.bias"],
            packed(arrays["output.weight"].T), arrays["output.bias"],
        ]  # fmt: skip
        self._ring = np.zeros((sum(layer.reach for layer in layers), channels), np.float32)
        self._clock, self._before = 0, -1
        self._noise = np.random.default_rng(0)

    def draw(self, count: int) -> np.ndarray:
        """Draw `count` more symbols."""
        return self._run(count, None, None)

    def log_probs(self, symbols: np.ndarray) -> np.ndarray:
        """Return log-probabilities (T,) of symbols (T,) from here on."""
        scores = np.zeros(len(symbols), np.float32)
        self._run(len(symbols), np.ascontiguousarray(symbols, np.int64), scores)
        return scores

    def _run(self, count: int, forced: np.ndarray | None, scores: np.ndarray | None) -> np.ndarray:
        symbols, uniforms = np.zeros(count, np.int64), self._noise.random(count, np.float32)
        pointers = [_pointer(forced), _pointer(uniforms), *(_pointer(array) for array in self._weights)]
        self._library.wavenet_run(
            ctypes.c_int(count), *pointers, _pointer(self._ring), ctypes.c_int64(self._clock),
            ctypes.c_int64(self._before), _pointer(symbols), _pointer(scores),
        )  # fmt: skip
        self._clock, self._before = self._clock + count, int(symbols[-1])
        return symbols


def _pointer(array: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)
