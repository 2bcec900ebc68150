"""The weights of a PixelCNN in the order in which the kernels read them, and all sizes.

The outputs of the horizontal stack are regrouped by colour, so that the channels of one colour are one block of
columns and one matrix product; its inputs end after the group of the colour, which implements the mask. Every group of
channels is padded to whole vectors, every product's outputs to whole blocks.
Legend: C colours, F channels, G = F / C channels of a colour, L levels, K features of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.padding import padded, whole_vectors

VERTICAL, LINK, CONDITION, GUIDE, HORIZONTAL = range(5)


class Sizes(NamedTuple):
    """Integer sizes for the kernels.

    Attributes:
        gated: 1 for two gated stacks, 0 for the plain network.
        colours, rows, columns, levels: of the images.
        channels: F. group: G. layers: depth. head: channels of the hidden layer of the output.
        first_side, side: reach of the kernels to each side in pixels, of the first layer and of the others.
        channels_padded, group_padded: F and G in whole vectors.
        vertical: columns of the vertical stack's sums: two halves of `channels_padded` in whole blocks (0 if plain).
        across: columns of the horizontal stack's sums of one colour.
        mixed, last_mixed: columns of the mix of one colour: skip and residual; of the last layer, skip only.
        hidden, logits: columns of the two products of the output of one colour.
        features: K. guide_colours, guide_rows, guide_columns: of the guide, or 0; guided: columns of its features.
        position: 1 if the first layer has biases for every row and column.
    """

    gated: int
    colours: int
    rows: int
    columns: int
    levels: int
    channels: int
    group: int
    layers: int
    head: int
    first_side: int
    side: int
    channels_padded: int
    group_padded: int
    vertical: int
    across: int
    mixed: int
    last_mixed: int
    hidden: int
    logits: int
    features: int
    guide_colours: int
    guide_rows: int
    guide_columns: int
    guided: int
    position: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Return the sizes for a model's configuration."""
        colours, rows, columns = config["codec"]["shape"]
        channels, head, gated = int(config["channels"]), int(config["head_channels"]), bool(config["gated"])
        group = channels // colours
        channels_padded, group_padded = whole_vectors(channels), whole_vectors(group)
        guide = config.get("guide") or (0, 0, 0)
        return cls(
            gated=int(gated), colours=colours, rows=rows, columns=columns, levels=int(config["codec"]["levels"]),
            channels=channels, group=group, layers=int(config["layers"]), head=head,
            first_side=int(config["first_kernel_size"]) // 2, side=int(config["kernel_size"]) // 2,
            channels_padded=channels_padded, group_padded=group_padded,
            vertical=padded(2 * channels_padded) if gated else 0,
            across=padded((2 if gated else 1) * group_padded), mixed=padded(2 * group_padded),
            last_mixed=padded(group_padded), hidden=padded(head // colours),
            logits=padded(int(config["codec"]["levels"])),
            features=int(config.get("classes") or 0) + int(config.get("condition_size") or 0),
            guide_colours=guide[0], guide_rows=guide[1], guide_columns=guide[2],
            guided=padded(channels) if guide[0] else 0, position=int(bool(config.get("position"))),
        )  # fmt: skip


class Packed(NamedTuple):
    """The weights that the kernels read.

    Attributes:
        matrices: all packed matrices one after another, float32, or uint32 with two bfloat16 in each.
        scale: (L,) float32, the input of the network for each level.
        at: (layers, 4 + 2 C) int64, positions of the matrices of a layer, in weights: VERTICAL (one for each row of
            the kernel), LINK, CONDITION, GUIDE, and from HORIZONTAL on those of each colour, horizontal and mix.
        head_at: (1 + 2 C,) int64, likewise: that of the guide's convolution, and of each colour hidden and output.
        base: (layers · (vertical + C across),) float32, initial values of the sums of the two stacks.
        place: ((H + W) · (vertical + C across),) float32, biases of the first layer for each row and each column.
        residual: (layers · C · G,), biases of the mix. skip: (C · G,), sum of the skip biases of all layers.
        hidden, output: (head,) and (C · L,), biases. guide_net: (F in whole blocks,), biases.
    """

    matrices: np.ndarray
    scale: np.ndarray
    at: np.ndarray
    head_at: np.ndarray
    base: np.ndarray
    place: np.ndarray
    residual: np.ndarray
    skip: np.ndarray
    hidden: np.ndarray
    output: np.ndarray
    guide_net: np.ndarray


def pack_pixel_cnn(arrays: Mapping[str, np.ndarray], sizes: Sizes, precision: str) -> Packed:
    """Pack the parameters of a model.

    Args:
        arrays: the model's parameters by name.
        precision: "float32", "bfloat16" or "auto", see `kernels.packing`.
    """
    return _PixelCNNPacker(arrays, precision, sizes).packed()


class _PixelCNNPacker(Packer):
    def __init__(self, arrays: Mapping[str, np.ndarray], precision: str, sizes: Sizes) -> None:
        super().__init__(arrays, precision)
        self.sizes = sizes
        s = sizes
        both = np.arange(2 * s.channels)
        half, channel = both // s.channels, both % s.channels
        colour, member = channel // s.group, channel % s.group
        self.vertical_places = half * s.channels_padded + channel
        # columns of the horizontal sums: by colour, with the two halves of the gate adjacent (one half if plain)
        self.across_places = colour * s.across + half * s.group_padded + member
        if not s.gated:
            self.across_places = self.across_places[: s.channels]

    def packed(self) -> Packed:
        s = self.sizes
        shape = (s.layers, s.colours)
        at = np.zeros((s.layers, HORIZONTAL + 2 * s.colours), np.int64)
        base = np.zeros((s.layers, s.vertical + s.colours * s.across), np.float32)
        residual, skip = np.zeros((*shape, s.group), np.float32), np.zeros((s.colours, s.group), np.float32)
        for k in range(s.layers):
            name = f"layers.{k}."
            at[k, VERTICAL] = self.vertical(f"{name}vertical")
            at[k, LINK] = self.link(f"{name}link.weight") if s.gated else 0
            at[k, CONDITION] = self.extra(f"{name}condition.weight") if s.features else 0
            at[k, GUIDE] = self.extra(f"{name}guide.weight") if s.guide_colours else 0
            self.biases(name, base[k])
            mixed = self[f"{name}mix.bias"].reshape(2, s.colours, s.group)
            residual[k] = mixed[0]
            skip += mixed[1]
            for c in range(s.colours):
                at[k, HORIZONTAL + 2 * c] = self.horizontal(f"{name}horizontal.weight", k, c)
                at[k, HORIZONTAL + 2 * c + 1] = self.mix(f"{name}mix.weight", k, c)
        guide_net, guide_net_at = np.zeros(0, np.float32), 0
        if s.guide_colours:
            kernel = self["guide_net.weight"]
            guide_net_at = self.add(kernel.transpose(2, 3, 1, 0).reshape(-1, s.channels))
            guide_net = padded_vector(self["guide_net.bias"])
        head_at = [guide_net_at]
        for c in range(s.colours):
            head_at.append(self.head("hidden.weight", s.group, s.head // s.colours, c))
            head_at.append(self.head("output.weight", s.head // s.colours, s.levels, c))
        levels = np.arange(s.levels, dtype=np.float32)
        return Packed(
            matrices=self.matrices(),
            scale=levels * np.float32(2.0 / (s.levels - 1)) - np.float32(1.0),
            at=at,
            head_at=np.array(head_at),
            base=base.ravel(),
            place=self.place().ravel(),
            residual=residual.ravel(),
            skip=skip.ravel(),
            hidden=self["hidden.bias"],
            output=self["output.bias"],
            guide_net=guide_net,
        )

    def vertical(self, name: str) -> int:
        """Append the kernel (outputs, inputs, rows, columns), as one matrix (columns · inputs, sums) per row."""
        s = self.sizes
        if f"{name}.weight" not in self:
            return 0
        kernel = self[f"{name}.weight"].transpose(2, 3, 1, 0)
        places = self.vertical_places if s.gated else self.across_places
        width = s.vertical if s.gated else s.colours * s.across
        begins = [self.add(spread(row.reshape(-1, row.shape[-1]), places, width)) for row in kernel]
        return begins[0]

    def link(self, name: str) -> int:
        """Append the product from the vertical sums, padding included, to the horizontal ones."""
        s = self.sizes
        columns = spread(self[name][:, :, 0, 0].T, self.across_places, s.colours * s.across)
        rows = np.zeros((s.channels_padded + s.channels, columns.shape[1]), np.float32)
        rows[self.vertical_places] = columns
        return self.add(rows)

    def extra(self, name: str) -> int:
        """Append the product from features or the guide's channels to the sums of both stacks."""
        weight = self[name]
        return self.add(self.beside(weight.reshape(len(weight), -1).T))

    def beside(self, matrix: np.ndarray) -> np.ndarray:
        """Rearrange columns for both stacks (inputs, 4F), or for a plain layer (inputs, F), as in the sums."""
        s = self.sizes
        across = spread(matrix[:, -len(self.across_places) :], self.across_places, s.colours * s.across)
        if not s.gated:
            return across
        return np.concatenate(
            [spread(matrix[:, : 2 * s.channels], self.vertical_places, s.vertical), across], 1
        )

    def place(self) -> np.ndarray:
        """Return the first layer's biases for each row, followed by those for each column."""
        if not self.sizes.position:
            return np.zeros((0, 0), np.float32)
        return self.beside(np.concatenate([self["row_bias"], self["column_bias"]]))

    def biases(self, name: str, base: np.ndarray) -> None:
        """Write the initial values of a layer's sums to `base`."""
        s = self.sizes
        if s.gated:
            base[self.vertical_places] = self[f"{name}vertical.bias"]
            base[s.vertical + self.across_places] = self[f"{name}link.bias"]
            return
        part = "vertical" if f"{name}vertical.bias" in self else "horizontal"
        base[self.across_places] = self[f"{name}{part}.bias"]

    def horizontal(self, name: str, layer: int, colour: int) -> int:
        """Append the kernel's columns to the left, and of the pixel itself the colours that `colour` may see."""
        s = self.sizes
        kernel = self[name][:, :, 0].transpose(2, 1, 0)
        inputs = kernel.shape[1]
        seen = colour if layer == 0 else (colour + 1) * s.group
        rows = kernel.reshape(-1, kernel.shape[-1])[: (len(kernel) - 1) * inputs + seen]
        halves = rows.reshape(len(rows), -1, s.colours, s.group)[:, :, colour]
        placed = np.zeros((len(rows), halves.shape[1], s.group_padded), np.float32)
        placed[:, :, : s.group] = halves
        return self.add(placed.reshape(len(rows), -1))

    def mix(self, name: str, layer: int, colour: int) -> int:
        """Append the product from the gated channels up to `colour` to its skip and residual (last layer: skip)."""
        s = self.sizes
        rows = self[name][:, : (colour + 1) * s.group, 0, 0].T
        residual, skip = rows.reshape(len(rows), 2, s.colours, s.group)[:, :, colour].swapaxes(0, 1)
        placed = np.zeros((len(rows), 2 * s.group_padded), np.float32)
        placed[:, : s.group] = skip
        placed[:, s.group_padded : s.group_padded + s.group] = residual
        return self.add(placed if layer + 1 < s.layers else placed[:, : s.group_padded])

    def head(self, name: str, inputs: int, outputs: int, colour: int) -> int:
        """Append the product from the channels up to `colour` to those of `colour`."""
        matrix = self[name][:, :, 0, 0]
        return self.add(matrix[colour * outputs : (colour + 1) * outputs, : (colour + 1) * inputs].T)


def spread(matrix: np.ndarray, places: np.ndarray, width: int) -> np.ndarray:
    """Place the columns of `matrix` (inputs, outputs) at `places` of a matrix of zeros (inputs, width)."""
    placed = np.zeros((len(matrix), width), np.float32)
    placed[:, places] = matrix
    return placed
