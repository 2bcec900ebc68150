"""WaveNet (van den Oord et al. 2016, arXiv 1609.03499; Chintala, "Generative models"; Zhou, lecture 22): dilated causal
convolutions that predict every audio sample from those before it,

    h₀[t] = b + Σ_j V_j x[t - 1 - j],
    z_l = W_l [h_l[t - (k-1) d_l], …, h_l[t - d_l], h_l[t]] + b_l + conditions,   g_l = tanh(z_l,1) σ(z_l,2),
    h_{l+1} = h_l + R_l g_l,   output = A relu(B relu(S [g_0, …, g_{L-1}])),

with the dilations d_l = 1, 2, 4, … in cycles. Before the start every h is zero, in training as in sampling.
Shapes: B batch, T time, L layers, R residual, G gate and S skip channels, k kernel size, O outputs, K components,
M features of a frame, H local channels, F frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from seqgen.checkpoint import Weights
from seqgen.checks import seed_number
from seqgen.codecs import PCM16, MuLaw, Waveform
from seqgen.codecs.audio import PCM_SCALE, Audio
from seqgen.conditions.audio import ArrayFrames, AudioConditions
from seqgen.conditions.feature_range import feature_range
from seqgen.errors import SeqgenError, integer
from seqgen.generator import Generator
from seqgen.image.model import dropper
from seqgen.models.wavenet.fast_pass import skip_sums
from seqgen.models.wavenet.layers import Input, Layer, Past, Upsample, begin_with_units, gate, upsampled
from seqgen.models.wavenet.likelihood import of_equal_length, score
from seqgen.models.wavenet.schema import CONFIGURATION
from seqgen.torch_model import NamedArrays


class WaveNet(NamedArrays, Generator):
    """A WaveNet with an exact likelihood, a parallel pass, and global and local conditions.

    Args:
        layers: L. cycle: number of layers after which dilations restart at 1; layer l has dilation 2^(l mod cycle).
        residual_channels, gate_channels, skip_channels: R, G (both halves of the gate together, even) and S.
        kernel_size: k, taps of every convolution.
        levels: number of mu-law codes, for a categorical output.
        sample_rate: in samples per second.
        output: "categorical" (a softmax over mu-law codes), "logistics" (mixture of discretized logistics over 16
            bits) or "gaussian" (mixture of Gaussians; its likelihood is a density).
        mixtures: K, components of a mixture; 1 for a categorical output.
        classes: number of classes to condition on. condition_size: length of a vector to condition on. Both are global.
        mels: M, numbers per frame of features (for example mel bands) to condition on locally.
        hop: samples per frame. local_channels: H, channels of the convolution over frames.
        upsampling: "nearest" (a frame applies to all its samples) or "learned" (each sample has its own weights of the
            frame and the next, initialised to linear interpolation).
        dropout: dropout probability of the layers' inputs, in training only.
        seed: seed of the initial weights.

    Example:
        >>> model = WaveNet(4, 2, 8, 16, 8, levels=16)
        >>> model.receptive_field
        8
        >>> model.log_prob(np.zeros(100, np.float32)).shape
        torch.Size([1])
    """

    family = "wavenet"
    codec: Audio

    def __init__(
        self,
        layers: int = 20,
        cycle: int = 10,
        residual_channels: int = 64,
        gate_channels: int = 128,
        skip_channels: int = 256,
        kernel_size: int = 2,
        levels: int = 256,
        sample_rate: int = 16000,
        *,
        output: str = "categorical",
        mixtures: int = 1,
        classes: int | None = None,
        condition_size: int | None = None,
        mels: int | None = None,
        hop: int | None = None,
        local_channels: int = 64,
        upsampling: str = "nearest",
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.output_kind = CONFIGURATION["output"].check("output", output)
        if output == "categorical":
            self.codec = MuLaw(levels, sample_rate)
        else:
            self.codec = PCM16(sample_rate) if output == "logistics" else Waveform(sample_rate)
        given = CONFIGURATION.check(
            self.codec, layers=layers, cycle=cycle, residual_channels=residual_channels, gate_channels=gate_channels,
            skip_channels=skip_channels, kernel_size=kernel_size, output=output, mixtures=mixtures, classes=classes,
            condition_size=condition_size, mels=mels, hop=hop, local_channels=local_channels, upsampling=upsampling,
            dropout=dropout,
        )  # fmt: skip
        self.conditions = AudioConditions.from_config(given)
        depth, self.cycle, self.mixtures, self.hop = (
            given[name] for name in ("layers", "cycle", "mixtures", "hop")
        )
        self.residual_channels = channels = given["residual_channels"]
        self.gate_channels = gates = given["gate_channels"]
        self.skip_channels = skips = given["skip_channels"]
        self.kernel_size = taps = given["kernel_size"]
        self.local_channels = local = given["local_channels"]
        self.upsampling, self.dropout = given["upsampling"], given["dropout"]
        self._feature_card: dict[str, Any] = {}
        symbols = self.codec.size or 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.input = Input(taps, symbols, channels)
            self.layers = nn.ModuleList(
                Layer(channels, gates, taps, 2 ** (number % cycle), last=number == depth - 1)
                for number in range(depth)
            )
            self.skip = nn.Linear(depth * gates // 2, skips)
            self.hidden = nn.Linear(skips, skips)
            self.output = nn.Linear(skips, self.codec.size or 3 * self.mixtures)
            if self.conditions.global_width:
                self.globals = nn.Linear(self.conditions.global_width, depth * gates, bias=False)
            if mels is not None and hop is not None:
                self.frames = nn.Conv1d(mels, local, 3)
                self.local = nn.Linear(local, depth * gates, bias=False)
                if upsampling == "learned":
                    self.upsample = Upsample(hop)
            self._begin()

    def _begin(self) -> None:
        """Initialise the weights so that activations keep their magnitude through the layers."""
        for layer in self.gated_layers:
            begin_with_units(layer.dilated)
            if layer.residual is not None:
                begin_with_units(layer.residual)
        # gates are about 1/3 in magnitude, and a ReLU halves the mean square
        begin_with_units(self.skip, 2.0**1.5)
        begin_with_units(self.hidden, 2.0**0.5)
        begin_with_units(self.output, 0.3)
        for name in ("globals", "local"):
            if hasattr(self, name):
                begin_with_units(getattr(self, name), 0.5)

    @property
    def receptive_field(self) -> int:
        """The number of previous samples that a prediction depends on: k + Σ_l (k - 1) d_l."""
        return self.kernel_size + sum(layer.reach for layer in self.gated_layers)

    @property
    def gated_layers(self) -> list[Layer]:
        """The L layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    # ---- computing ------------------------------------------------------------------------------------

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the raw outputs (B, T, O) for every sample of x given those before it.

        Args:
            x: (B, T) symbols, or for a Gaussian output values.
            condition: "global_condition" (B, K'), the concatenated one-hot class and vector, and "features" (B, F, M)
                with F hop >= T.
        """
        given = condition or {}
        frames = None
        if "features" in given:
            frames = self.frame_channels(pad(given["features"], (0, 0, 1, 1)))
        return self.from_start(x, given.get("global_condition"), frames)

    def from_start(
        self,
        x: Tensor,
        global_condition: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        dropout_generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the raw outputs (B, T, O) for whole samples; arguments as in `advance`.

        On the CPU, under autocast to bfloat16 and without dropout, it uses `fast_pass`.
        """
        h, _ = self._first(x, None)
        dropping = dropout_generator is not None and self.dropout > 0.0
        if h.dtype != torch.bfloat16 or h.device.type != "cpu" or dropping:
            return self.advance(x, None, global_condition, frames, dropout_generator=dropout_generator)[0]
        base = torch.stack([layer.dilated.bias for layer in self.gated_layers]).expand(len(x), -1, -1)
        if global_condition is not None:
            base = base + self.globals(global_condition).unflatten(-1, base.shape[1:])
        local = None if frames is None else self.local(self._followed(frames, x.shape[1]))
        mixing = None if frames is None else self._mixing()
        sums = skip_sums(h, self.gated_layers, base, self.skip.weight, local, mixing, self.hop or 0)
        return self._head(sums + self.skip.bias)

    def advance(
        self,
        x: Tensor,
        past: Past | None = None,
        global_condition: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        dropout_generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Past]:
        """Return the raw outputs (B, T, O) for samples that continue from `past`, and the new past.

        Args:
            x: (B, T) as in `forward`. past: None is the start.
            global_condition: (B, K') one-hot class and vector, if the model takes them.
            frames: (B, F, H) from `frame_channels`; the first is that of x[:, 0:hop]. "learned" upsampling uses one
                more
                frame after the last of T samples; if it is missing, the last one is repeated. None omits the local
                condition.
            dropout_generator: source of random numbers for dropout; None disables dropout.
        """
        drop = dropper(self.dropout, dropout_generator)
        h, inputs = self._first(x, past)
        projected = None if global_condition is None else self.globals(global_condition)
        local = None if frames is None else self.local(self._followed(frames, x.shape[1]))
        hidden: list[Tensor] = []

        def taps(number: int, h: Tensor) -> Tensor:
            before = None if past is None else past.hidden[number]
            side_by_side, kept = self.gated_layers[number].taps(drop(h), before)
            hidden.append(kept)
            return side_by_side

        def conditions(part: slice) -> Iterator[Tensor]:
            if projected is not None:
                yield projected[:, None, part]
            if local is not None and self.hop is not None:
                yield upsampled(local[..., part], self.hop, self._mixing(), x.shape[1])

        raw = self.through_layers(h, taps, conditions)
        return raw, Past(inputs[:, inputs.shape[1] - self.kernel_size :], hidden)

    def through_layers(
        self,
        h: Tensor,
        taps: Callable[[int, Tensor], Tensor],
        conditions: Callable[[slice], Iterable[Tensor]],
    ) -> Tensor:
        """Return the raw outputs (..., O), given the inputs (..., R) of the first layer, for one or many steps.

        Args:
            taps: function of a layer's number and its inputs h that returns the concatenated taps (..., k R), oldest
                first.
            conditions: function of a layer's slice of the L G gate columns that yields the contributions to its gates.
        """
        gates = []
        for number, layer in enumerate(self.gated_layers):
            z = layer.dilated(taps(number, h))
            for term in conditions(slice(number * self.gate_channels, (number + 1) * self.gate_channels)):
                z = z + term
            gates.append(gate(z))
            if layer.residual is not None:
                h = h + layer.residual(gates[-1])
        return self._head(self.skip(torch.cat(gates, -1)))

    def _first(self, x: Tensor, past: Past | None) -> tuple[Tensor, Tensor]:
        """Return the input (B, T, R) of the first layer, and the inputs (B, k + T) of the network."""
        values = self.input_values(x)
        start = values.new_full((len(x), self.kernel_size), 0 if values.is_floating_point() else -1)
        inputs = torch.cat([start if past is None else past.inputs.to(values.dtype), values], 1)
        h = self.input(inputs[:, :-1])
        if torch.is_autocast_enabled(h.device.type):
            h = h.to(torch.get_autocast_dtype(h.device.type))
        return h, inputs

    def _head(self, sums: Tensor) -> Tensor:
        """Return the raw outputs (B, T, O), given the skip sums (B, T, S) over all layers."""
        raw: Tensor = self.output(relu(self.hidden(relu(sums))))
        return raw

    def _mixing(self) -> Tensor | None:
        return self.upsample.weight if self.upsampling == "learned" else None

    def input_values(self, x: Tensor) -> Tensor:
        """Convert symbols to network inputs: mu-law codes unchanged, other symbols to numbers from -1 to 1."""
        if self.output_kind == "categorical":
            return x
        return x.to(self.skip.weight.dtype) / (PCM_SCALE if self.output_kind == "logistics" else 1.0)

    def frame_channels(self, features: Tensor) -> Tensor:
        """Return the channels (B, F, H) of frames.

        Args:
            features: (B, F + 2, M), with one additional frame on each side (zeros at the ends of a sample).
        """
        return relu(self.frames(features.transpose(1, 2))).transpose(1, 2)

    def _followed(self, frames: Tensor, length: int) -> Tensor:
        """Return the frames for `length` samples and one more, repeating the last one if there is none."""
        assert self.hop is not None
        count = -(-length // self.hop) + 1
        return frames[:, :count] if frames.shape[1] >= count else torch.cat([frames, frames[:, -1:]], 1)

    # ---- likelihood -----------------------------------------------------------------------------------

    def log_prob(
        self, x: Any, *, prompt: Any = None, condition: Any = None, symbols: bool = False, grad: bool = False
    ) -> Tensor:
        """Return the exact log-probability of each recording in nats, (B,) float64; for Gaussian outputs a log-density.

        Args:
            x: one recording (T,), several (B, T), or a list of recordings of any lengths: floats in [-1, 1], int16
                samples, or the model's symbols.
            prompt: audio that precedes every recording and is not scored. It has no features.
            condition: one condition for all, or a list or array with one per recording.
            symbols: whether x are the symbols of a stream (`extra["symbols"]`). Those of a Gaussian output are any
                numbers, which the data are clipped to [-1, 1] from.
            grad: whether the result is differentiable with respect to the parameters.
        """
        given = np.zeros(0, np.int64) if prompt is None else self.codec.encode(prompt)
        rows = self._drawn(x) if symbols else self.codec.encode_batch(x)
        parsed = [self.conditions.parse(item) for item in self.conditions.each(condition, len(rows))]
        trained_on = feature_range(self._feature_card)
        for _, source in parsed:
            if (
                trained_on is not None
                and isinstance(source, ArrayFrames)
                and trained_on.warn_outside(source.array)
            ):
                break
        like = self.skip.weight
        scores = torch.zeros(len(rows), dtype=torch.float64, device=like.device)
        with torch.set_grad_enabled(grad), torch.autocast(like.device.type, enabled=False):
            for numbers in of_equal_length(rows):
                some = np.stack([rows[n] for n in numbers])
                scored = score(self, given, some, [parsed[n] for n in numbers])
                scores = scores.index_put((torch.tensor(numbers, device=like.device),), scored)
        return scores

    def _drawn(self, x: Any) -> list[np.ndarray]:
        """Return symbols as rows, or raise ValueError."""
        if self.codec.size or self.codec.exact:
            return self.codec.encode_batch(x)
        rows = [np.asarray(row, np.float64) for row in (x if np.ndim(x[0]) else [x])]
        for row in rows:
            if row.ndim != 1 or not np.isfinite(row).all():
                raise ValueError(f"symbols must be rows of finite numbers, got {row!r}")
        return rows

    # ---- features -------------------------------------------------------------------------------------

    def features(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """Compute the mel features (F, M) of a recording that this model is conditioned on: see `seqgen.data.mel`.

        Args:
            audio: (T,) floats in [-1, 1] or int16. sample_rate: that of the recording; None is the model's.
        """
        from seqgen.data.mel import mel_features

        if self.conditions.mels is None or self.hop is None:
            raise SeqgenError("this model is not conditioned on features")
        rate = self.codec.sample_rate
        if sample_rate is not None and integer("sample_rate", sample_rate, low=1) != rate:
            raise SeqgenError(
                f"the recording has {sample_rate} samples per second, the model {rate}; "
                f"seqgen.data.audio.resample(audio, {sample_rate}, {rate}) converts it"
            )
        return mel_features(audio, rate, hop=self.hop, mels=self.conditions.mels)

    # ---- the generator interface ----------------------------------------------------------------------

    @property
    def ends(self) -> bool:
        """Whether samples end, which they do with their features; without features they are endless."""
        return self.conditions.mels is not None

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(), "layers": len(self.layers), "cycle": self.cycle,
            "residual_channels": self.residual_channels, "gate_channels": self.gate_channels,
            "skip_channels": self.skip_channels, "kernel_size": self.kernel_size, "output": self.output_kind,
            "mixtures": self.mixtures, "classes": self.conditions.classes, "condition_size": self.conditions.vector,
            "mels": self.conditions.mels, "hop": self.hop, "local_channels": self.local_channels,
            "upsampling": self.upsampling, "dropout": self.dropout,
        }  # fmt: skip

    def own_card(self) -> dict[str, Any]:
        """Return the features that the model was trained on."""
        return self._feature_card

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""
        config = dict(weights.config)
        codec = {name: value for name, value in config.pop("codec").items() if name != "name"}
        model = cls(**config, **codec)
        model.take_arrays(weights)
        model._feature_card = {
            name: weights.card[name] for name in ("features", "feature_range") if name in weights.card
        }
        return model.eval()
