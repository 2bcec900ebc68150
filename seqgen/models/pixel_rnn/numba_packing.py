"""The weights of a PixelRNN in the order in which the kernels read them, and all sizes.

Outputs are regrouped by colour, so that the computation of one colour is one matrix product; its inputs end after the
group of the colour, which implements the mask. Gates are padded to whole vectors, the outputs of every product to whole
blocks.
Legend: C colours, F units, U = F / C units of a colour, D = 2F features, V = D / C of a colour, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.kernels.packing import Packer
from seqgen.kernels.padding import padded, whole_vectors

_GATES = 4


class Sizes(NamedTuple):
    """Integer sizes for the kernels.

    Attributes:
        colours, rows, columns, levels: of the images.
        units: F. layers: depth. head: channels of the hidden layer of the output.
        diagonal: 1 for Diagonal BiLSTMs, 0 for Row LSTMs.
        first_side: reach of the first convolution to each side, in pixels.
        side: how many states of the row above a state reads to each side of its own column.
        lead: values before a pixel's features that its gates read together with them: the features of the pixels to the
            left (row), or the states of the one to the left (diagonal).
        stride: distance between the features of adjacent pixels.
        units_padded: U in whole vectors. gates: columns of the sums of one colour, 4 · units_padded.
        features, hidden, logits: columns of the products for one colour's features, hidden channels and levels.
    """

    colours: int
    rows: int
    columns: int
    levels: int
    units: int
    layers: int
    head: int
    diagonal: int
    first_side: int
    side: int
    lead: int
    stride: int
    units_padded: int
    gates: int
    features: int
    hidden: int
    logits: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Return the sizes for a model's configuration."""
        colours, rows, columns = config["codec"]["shape"]
        levels, units, head = (
            int(config["codec"]["levels"]),
            int(config["channels"]),
            int(config["head_channels"]),
        )
        diagonal = config["kind"] == "diagonal"
        side = 0 if diagonal else int(config["kernel_size"]) // 2
        units_padded = whole_vectors(units // colours)
        return cls(
            colours=colours, rows=rows, columns=columns, levels=levels, units=units, head=head,
            layers=int(config["layers"]), diagonal=int(diagonal),
            first_side=int(config["first_kernel_size"]) // 2, side=side,
            lead=units if diagonal else side * 2 * units,
            # in the diagonal kind states, features and pixel are adjacent: the left-going LSTM reads the last two
            stride=3 * units + colours if diagonal else 2 * units,
            units_padded=units_padded, gates=_GATES * units_padded, features=padded(2 * units // colours),
            hidden=padded(head // colours), logits=padded(levels),
        )  # fmt: skip


class Packed(NamedTuple):
    """The weights that the kernels read. Every `..._at` is a matrix's position in `matrices`, in weights.

    Attributes:
        matrices: all packed matrices one after another, float32, or uint32 with two bfloat16 in each.
        scale: (L,) float32, the input of the network for each level.
        above_at: (first_side,), of the first convolution for each row above; beside_at: (C,), for the current row.
        states_at: (layers,), from the states of the row above to all gates.
        inputs_at, up_at: (layers, C).
        left_at: (layers, 3), of the left-going LSTM: from features and pixel, from the state above, from the adjacent
            state, to all gates.
        hidden_at, output_at: (C,).
        first: (C, features), inputs, left: (layers, C, gates), up: (layers, C, features), hidden: (C, hidden),
            output: (C, logits): biases, float32.
    """

    matrices: np.ndarray
    scale: np.ndarray
    above_at: np.ndarray
    beside_at: np.ndarray
    states_at: np.ndarray
    inputs_at: np.ndarray
    up_at: np.ndarray
    left_at: np.ndarray
    hidden_at: np.ndarray
    output_at: np.ndarray
    first: np.ndarray
    inputs: np.ndarray
    left: np.ndarray
    up: np.ndarray
    hidden: np.ndarray
    output: np.ndarray


def pack_pixel_rnn(arrays: Mapping[str, np.ndarray], sizes: Sizes, precision: str) -> Packed:
    """Pack the parameters of a model.

    Args:
        arrays: the model's parameters by name.
        precision: "float32", "bfloat16" or "auto", see `kernels.packing`.
    """
    return _PixelRNNPacker(arrays, precision, sizes).packed()


class _PixelRNNPacker(Packer):
    def __init__(self, arrays: Mapping[str, np.ndarray], precision: str, sizes: Sizes) -> None:
        super().__init__(arrays, precision)
        self.sizes = sizes

    def packed(self) -> Packed:
        s = self.sizes
        each = range(s.colours)
        above = self.kernel("first.above")
        above_at = [self.add(self.by_colour(rows, s.features)) for rows in above]
        beside = self.kernel("first.beside")[0]
        beside_at = [self.add(self.masked(beside, s.first_side * s.colours + c, c)) for c in each]
        states_at = np.zeros(s.layers, np.int64)
        inputs_at, up_at = np.zeros((2, s.layers, s.colours), np.int64)
        left_at = np.zeros((s.layers, 3), np.int64)
        inputs, left = np.zeros((2, s.layers, s.colours, s.gates), np.float32)
        up = np.zeros((s.layers, s.colours, s.features), np.float32)
        for k in range(s.layers):
            name = f"layers.{k}."
            going = "_right" if s.diagonal else ""
            # (taps, inputs, outputs); in the diagonal kind the taps are the pixel above and the adjacent one
            taps = self[f"{name}states{going}.weight"].transpose(2, 1, 0)
            own = self.kernel(f"{name}inputs{going}")[0]
            if s.diagonal:
                own, taps = np.concatenate([taps[1], own]), taps[:1]
            states_at[k] = self.add(self.gates(taps.reshape(-1, taps.shape[-1])))
            inputs[k] = self.gates(self[f"{name}inputs{going}.bias"][None]).reshape(s.colours, -1)
            up[k] = self.bias(f"{name}up.bias", s.features)
            out = self.kernel(f"{name}up")[0]
            for c in each:
                seen = s.lead + (c + 1) * 2 * s.units // s.colours
                inputs_at[k, c] = self.add(self.gates(own[:seen])[:, c * s.gates : (c + 1) * s.gates])
                up_at[k, c] = self.add(self.masked(out, (c + 1) * s.units // s.colours, c))
            if s.diagonal:
                taps = self[f"{name}states_left.weight"].transpose(2, 1, 0)
                matrices = (self.kernel(f"{name}inputs_left")[0], taps[0], taps[1])
                left_at[k] = [self.add(self.gates(matrix)) for matrix in matrices]
                left[k] = self.gates(self[f"{name}inputs_left.bias"][None]).reshape(s.colours, -1)
        hidden, output = self.kernel("hidden")[0], self.kernel("output")[0]
        hidden_at = [self.add(self.masked(hidden, (c + 1) * 2 * s.units // s.colours, c)) for c in each]
        output_at = [self.add(self.masked(output, (c + 1) * s.head // s.colours, c)) for c in each]
        levels = np.arange(s.levels, dtype=np.float32)
        return Packed(
            matrices=self.matrices(),
            scale=levels * np.float32(2.0 / (s.levels - 1)) - np.float32(1.0),
            above_at=np.array(above_at),
            beside_at=np.array(beside_at),
            states_at=states_at,
            inputs_at=inputs_at,
            up_at=up_at,
            left_at=left_at,
            hidden_at=np.array(hidden_at),
            output_at=np.array(output_at),
            first=self.bias("first.above.bias", s.features),
            inputs=inputs,
            left=left,
            up=up,
            hidden=self.bias("hidden.bias", s.hidden),
            output=self.bias("output.bias", s.logits),
        )

    def kernel(self, name: str) -> np.ndarray:
        """Return a convolution's kernel as a matrix for each of its rows, (rows, columns · inputs, outputs)."""
        kernel = self[f"{name}.weight"].transpose(2, 3, 1, 0)
        return kernel.reshape(len(kernel), -1, kernel.shape[-1])

    def masked(self, matrix: np.ndarray, seen: int, colour: int) -> np.ndarray:
        """Return the columns of one colour's outputs, in the first `seen` rows, the inputs that it may see."""
        outputs = matrix.shape[1] // self.sizes.colours
        return matrix[:seen, colour * outputs : (colour + 1) * outputs]

    def by_colour(self, matrix: np.ndarray, width: int) -> np.ndarray:
        """Return the columns of each colour's outputs, padded to `width`, one colour after another."""
        colours = self.sizes.colours
        placed = np.zeros((len(matrix), colours, width), np.float32)
        placed[:, :, : matrix.shape[1] // colours] = matrix.reshape(len(matrix), colours, -1)
        return placed.reshape(len(matrix), -1)

    def gates(self, matrix: np.ndarray) -> np.ndarray:
        """Return the columns o, f, i, g of all units as (inputs, C · gates): by colour, four of `units_padded`."""
        s = self.sizes
        group = s.units // s.colours
        placed = np.zeros((len(matrix), s.colours, _GATES, s.units_padded), np.float32)
        placed[..., :group] = matrix.reshape(len(matrix), _GATES, s.colours, group).swapaxes(1, 2)
        return placed.reshape(len(matrix), -1)

    def bias(self, name: str, width: int) -> np.ndarray:
        """Return a bias as (C, width)."""
        return self.by_colour(self[name][None], width).reshape(self.sizes.colours, width)
