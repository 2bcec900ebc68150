"""A WaveNet's weights in the order in which the fused sampler reads them.

Legend: L layers, k kernel size, R residual channels, G/2 = `half` channels of a gate, Z = L · `gates` columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.padding import padded, whole_vectors

# columns of `Packed.at`
PAST, PRESENT, RESIDUAL, SKIP = 0, 1, 2, 3
# entries of `Packed.head_at`
HIDDEN, OUTPUT = 0, 1
KINDS = {"categorical": 0, "logistics": 1, "gaussian": 2}


class Sizes(NamedTuple):
    """Sizes for the kernels; "padded" sizes are rounded up to whole vectors or blocks.

    Attributes:
        layers, taps, channels: L, k and R; channels_padded: columns of a residual product.
        half, half_padded: channels of each half of a gate, and the column at which the second half begins.
        gates: columns of a layer's gate product. skip, skip_padded, outputs, outputs_padded: of the head.
        kind: of the output, as in `KINDS`. symbols: levels of a categorical output. mixtures: components of others.
        hop: samples in a frame, 0 for none. ring: numbers in the ring buffers of a lane.
    """

    layers: int
    taps: int
    channels: int
    channels_padded: int
    half: int
    half_padded: int
    gates: int
    skip: int
    skip_padded: int
    outputs: int
    outputs_padded: int
    kind: int
    symbols: int
    mixtures: int
    hop: int
    ring: int


class Packed(NamedTuple):
    """The weights.

    Attributes:
        matrices: all packed matrices, one after another; at: (L, 4) int64, the positions of those of a layer: of the
            delayed taps, of the current one, of the residual and of the skips; head_at: (2,) those of the head.
        input: (k, levels or 1, R) float32. input_bias: (R,). base: (Z,) float32, the biases of the gates.
        residual: (L, R) float32 biases. skip, hidden, output: biases, padded.
        dilations, ring_at, ring_mask: (L,) int64; the ring buffer of a layer begins at ring_at and has ring_mask + 1
            rows.
        upsample: (2, hop) float32, the weights of a frame and the next; (1, 0) everywhere for the nearest frame.
    """

    matrices: np.ndarray
    at: np.ndarray
    head_at: np.ndarray
    input: np.ndarray
    input_bias: np.ndarray
    base: np.ndarray
    residual: np.ndarray
    skip: np.ndarray
    hidden: np.ndarray
    output: np.ndarray
    dilations: np.ndarray
    ring_at: np.ndarray
    ring_mask: np.ndarray
    upsample: np.ndarray


class Conditioning(NamedTuple):
    """The projection of conditions to gate columns: positions in `Packed.matrices`, and the frames' biases.

    Attributes:
        global_at: (K, Z), of class and vector. frames_at: (3 M, padded H), of the convolution, with biases (padded H).
        local_at: (H, Z). local_channels: H. Unused if the model has no such condition.
    """

    global_at: int
    frames_at: int
    local_at: int
    local_channels: int
    frames: np.ndarray


def pack_wavenet(
    arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], precision: str
) -> tuple[Sizes, Packed, Conditioning]:
    """Return sizes and packed weights of a checkpoint's arrays.

    Args:
        precision: "float32", "bfloat16" or "auto", see `kernels.packing`.
    """
    layers, taps = int(config["layers"]), int(config["kernel_size"])
    channels, half = int(config["residual_channels"]), int(config["gate_channels"]) // 2
    skip, hop = int(config["skip_channels"]), int(config["hop"] or 0)
    packer = Packer(arrays, precision)
    half_padded = whole_vectors(half)
    gates = padded(2 * half_padded)
    outputs = len(packer["output.bias"])
    categorical = config["output"] == "categorical"

    def spread(matrix: np.ndarray) -> np.ndarray:
        """Return (inputs, 2 half) as (inputs, gates), each half starting at a whole vector."""
        placed = np.zeros((len(matrix), gates), np.float32)
        placed[:, :half], placed[:, half_padded : half_padded + half] = matrix[:, :half], matrix[:, half:]
        return placed

    at = np.zeros((layers, 4), np.int64)
    base = np.zeros(layers * gates, np.float32)
    residual = np.zeros((layers, channels), np.float32)
    for number in range(layers):
        name = f"layers.{number}."
        dilated = spread(packer[name + "dilated.weight"].T)
        at[number, PAST], at[number, PRESENT] = (
            packer.add(dilated[:-channels]),
            packer.add(dilated[-channels:]),
        )
        base[number * gates : (number + 1) * gates] = spread(packer[name + "dilated.bias"][None])[0]
        if number < layers - 1:
            at[number, RESIDUAL] = packer.add(packer[name + "residual.weight"].T)
            residual[number] = packer[name + "residual.bias"]
        at[number, SKIP] = packer.add(packer["skip.weight"].T[number * half : (number + 1) * half])
    head_at = np.array([packer.add(packer[f"{name}.weight"].T) for name in ("hidden", "output")])

    def columns(name: str) -> int:
        """Append the matrix for the gate columns of all layers, (L · 2 half, inputs), as (inputs, Z)."""
        matrix = packer[name].reshape(layers, 2 * half, -1)
        return packer.add(np.concatenate([spread(layer.T) for layer in matrix], 1))

    global_at = columns("globals.weight") if "globals.weight" in packer else 0
    frames_at, local_at, local_channels, frames = 0, 0, 0, np.zeros(0, np.float32)
    if "local.weight" in packer:
        kernel = packer["frames.weight"]
        local_channels, frames = len(kernel), padded_vector(packer["frames.bias"])
        frames_at = packer.add(kernel.transpose(2, 1, 0).reshape(-1, local_channels))
        local_at = columns("local.weight")
    dilations = 2 ** (np.arange(layers) % int(config["cycle"]))
    # a row is read before it is written, so a ring buffer of exactly the reach is enough
    rows = np.array([_power_of_two(max(1, (taps - 1) * int(d))) for d in dilations])
    upsample = np.zeros((2, max(hop, 1)), np.float32)
    upsample[0] = 1.0
    if "upsample.weight" in packer:
        upsample[:] = packer["upsample.weight"]
    packed = Packed(
        packer.matrices(), at, head_at, packer["input.weight"], packer["input.bias"], base, residual,
        padded_vector(packer["skip.bias"]), padded_vector(packer["hidden.bias"]), padded_vector(packer["output.bias"]),
        dilations.astype(np.int64), np.concatenate([[0], np.cumsum(rows * channels)[:-1]]), rows - 1, upsample,
    )  # fmt: skip
    sizes = Sizes(
        layers, taps, channels, padded(channels), half, half_padded, gates, skip, padded(skip), outputs,
        padded(outputs),
        KINDS[config["output"]], outputs if categorical else 1, int(config["mixtures"]), hop,
        int(rows.sum()) * channels,
    )  # fmt: skip
    return sizes, packed, Conditioning(global_at, frames_at, local_at, local_channels, frames)


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
