"""A WaveNet implemented plainly, in float64 with `conv1d`, from named arrays, with which the model is compared."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, one_hot, pad, relu

from seqgen import WaveNet


def raw_outputs(
    model: WaveNet,
    x: np.ndarray,
    global_condition: np.ndarray | None = None,
    features: np.ndarray | None = None,
) -> np.ndarray:
    """Return raw outputs (T, O) of symbols x (T,), under `global_condition` (K,) and `features` (F, M)."""
    arrays = {name: torch.as_tensor(array).double() for name, array in model.arrays().items()}
    config = model.config()
    taps, gates, depth = config["kernel_size"], config["gate_channels"], config["layers"]
    given = torch.as_tensor(np.concatenate([[-1 if model.output_kind == "categorical" else 0], x[:-1]]))
    if model.output_kind == "categorical":
        signal = one_hot(given.long() + 1, model.codec.size + 1)[:, 1:].double()
    else:
        signal = given.double()[:, None] / (32768.0 if model.output_kind == "logistics" else 1.0)
    # tap j of the input reads x[t - 1 - j]; a convolution has its oldest tap first
    kernel = arrays["input.weight"].flip(0).permute(2, 1, 0)
    h = conv1d(pad(signal.T[None], (taps - 1, 0)), kernel, arrays["input.bias"])
    local = None if features is None else _local(model, arrays, torch.as_tensor(features).double(), len(x))
    skips: list[Tensor] = []
    for layer in range(depth):
        dilation = 2 ** (layer % config["cycle"])
        weight = arrays[f"layers.{layer}.dilated.weight"].unflatten(1, (taps, -1)).transpose(1, 2)
        before = pad(h, ((taps - 1) * dilation, 0))
        z = conv1d(before, weight, arrays[f"layers.{layer}.dilated.bias"], dilation=dilation)
        rows = slice(layer * gates, (layer + 1) * gates)
        if global_condition is not None:
            z = (
                z
                + (arrays["globals.weight"][rows] @ torch.as_tensor(global_condition).double())[None, :, None]
            )
        if local is not None:
            z = z + local[None, rows]
        g = torch.tanh(z[:, : gates // 2]) * torch.sigmoid(z[:, gates // 2 :])
        half = slice(layer * gates // 2, (layer + 1) * gates // 2)
        skips.append(conv1d(g, arrays["skip.weight"][:, half, None]))
        if layer + 1 < depth:
            name = f"layers.{layer}.residual"
            h = h + conv1d(g, arrays[f"{name}.weight"][..., None], arrays[f"{name}.bias"])
    out = relu(sum(skips[1:], skips[0]) + arrays["skip.bias"][:, None])
    for name, last in (("hidden", False), ("output", True)):
        out = conv1d(out, arrays[f"{name}.weight"][..., None], arrays[f"{name}.bias"])
        out = out if last else relu(out)
    return out[0].T.numpy()


def _local(model: WaveNet, arrays: dict[str, Tensor], features: Tensor, length: int) -> Tensor:
    """Return the contribution of the features to the gates, (L G, T)."""
    frames = relu(conv1d(pad(features.T[None], (1, 1)), arrays["frames.weight"], arrays["frames.bias"]))[0]
    projected = arrays["local.weight"] @ frames
    t = torch.arange(length)
    hop = int(model.hop or 1)
    if model.upsampling == "nearest":
        return projected[:, t // hop]
    following = (t // hop + 1).clamp(max=len(features) - 1)
    weight = arrays["upsample.weight"]
    return weight[0, t % hop] * projected[:, t // hop] + weight[1, t % hop] * projected[:, following]
