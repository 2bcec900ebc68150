"""A PixelCNN++ in the layout of the fused sampler: the layers as a table of integers, the weights in one packed array.

Every convolution is split in two: the taps on the row above, whose products are computed for a whole row at once, and
those on the current row. For each convolution one row of inputs is kept, with a zero place on either side; it holds
the previous row until the current row overwrites it place by place.
Legend: C colours, F channels, K features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.padding import padded
from seqgen.models.pixel_cnn_pp.plan import VERTICAL, Layer, places, plan

INPUT, BLOCK, DOWN, UP = range(4)
_KINDS = {"input": INPUT, "block": BLOCK, "down": DOWN, "up": UP}

# fields of one record of the table, all of them positions or counts
_FIELDS = (
    "kind", "scale", "source", "twin", "shortcut",
    "above", "own", "twin_weight", "shortcut_weight", "second_above", "second_own",
    "bias", "second_bias", "condition", "row", "second_row", "sums", "second_sums", "map",
)  # fmt: skip
RECORD = np.dtype([(name, np.int64) for name in _FIELDS])


class Packed(NamedTuple):
    """The weights and sizes that the kernels read.

    Attributes:
        levels: L. columns: W. inputs: C + 1. width: F. mixtures: components. outputs: of the head.
        vertical: layers of the vertical stream, which come first.
        kept, sums, maps: lengths of a lane's state, of its sums, and of the vertical maps.
        table: (layers,) of RECORD. Matrices, biases, rows (of a lane's state), sums (of a lane's scratch) and maps
            (of the vertical stream's scratch) are positions in one-dimensional arrays; "twin" is the layer of the
            vertical
            stream that is an input of a block of the horizontal one, "shortcut" that of the first half; -1 if none.
        matrices: packed one after another. biases: float32, padded. The head comes last in both.
        head, head_bias: positions of the head.
    """

    levels: int
    columns: int
    inputs: int
    width: int
    mixtures: int
    outputs: int
    vertical: int
    kept: int
    sums: int
    maps: int
    table: np.ndarray
    matrices: np.ndarray
    biases: np.ndarray
    head: int
    head_bias: int


class PixelCNNppPacker(Packer):
    """Packs a model's parameters.

    Args:
        arrays: the parameters. config: the model's. features: K, of its condition.
        precision: "float32", "bfloat16" or "auto", see `kernels.packing`.

    Attributes:
        packed: the weights and sizes for the kernels.
        conditions: (blocks, 2F, K) float32, weights of the condition, of all blocks in order.
        macs: multiply-accumulates for one image, without padding.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], features: int, precision: str
    ) -> None:
        super().__init__(arrays, precision)
        self._width = width = int(config["channels"])
        colours, self._rows, self._columns = config["codec"]["shape"]
        self._biases: list[np.ndarray] = []
        self._conditions: list[np.ndarray] = []
        self._biases_length = self._kept = self._sums = self._maps = self.macs = 0
        self._plan = plan(int(config["blocks"]), int(config["scales"]))
        table = np.full((len(self._plan), len(_FIELDS)), -1).view(RECORD)[:, 0]
        for k, layer in enumerate(self._plan):
            here = self._columns_of(layer.scale)
            self._layer(k, layer, table[k], self._rows_of(layer.scale) * here, here)
        head = self["head.weight"][:, :, 0, 0]
        head_at, head_bias = self._matrix(head.T, self._rows * self._columns), self._bias(self["head.bias"])
        self.conditions = (
            np.stack(self._conditions)
            if features
            else np.zeros((len(self._conditions), 2 * width, 0), np.float32)
        )
        self.packed = Packed(
            int(config["codec"]["levels"]), self._columns, colours + 1, width, int(config["mixtures"]), len(head),
            len(self._plan) // 2, self._kept, self._sums, self._maps, table, self.matrices(),
            np.concatenate(self._biases), head_at, head_bias,
        )  # fmt: skip

    def _layer(self, k: int, layer: Layer, row: Any, area: int, here: int) -> None:
        """Pack layer k, with `area` places in an image and `here` in a row, and fill its row of the table."""
        width, name = self._width, f"layers.{k}."
        row["kind"], row["scale"], row["source"] = _KINDS[layer.kind], layer.scale, layer.source
        if layer.stream == VERTICAL:
            row["map"], self._maps = self._maps, self._maps + here * width
        if layer.kind == "input":
            if layer.stream == VERTICAL:
                row["above"], row["own"] = self._two_rows(name + "conv.weight", area)
                row["bias"] = self._bias(self[name + "conv.bias"])
            else:
                row["above"] = self._taps(self[name + "above.weight"], area)
                row["own"] = self._taps(self[name + "left.weight"], area)
                row["bias"] = self._bias(self[name + "above.bias"])
        elif layer.kind == "down":
            row["above"], row["own"] = self._two_rows(name + "weight", area)
            row["bias"] = self._bias(self[name + "bias"])
            row["row"] = self._keep((self._columns_of(layer.scale - 1) + 2) * width)
        elif layer.kind == "up":
            weight = self[name + "weight"].transpose(0, 2, 3, 1).reshape(width, 4 * width)
            below = self._columns_of(layer.scale + 1)
            row["own"] = self._matrix(weight, self._rows_of(layer.scale + 1) * below)
            row["bias"] = self._bias(np.tile(self[name + "bias"], 4))
            row["row"] = self._keep(below * 4 * width)
        else:
            self._block(layer, name, row, area, here)
        if layer.stream != VERTICAL:
            row["sums"], self._sums = self._sums, self._sums + here * padded(width)
            row["second_sums"], self._sums = self._sums, self._sums + here * padded(2 * width)

    def _block(self, layer: Layer, name: str, row: Any, area: int, here: int) -> None:
        width = self._width
        row["above"], row["own"] = self._two_rows(name + "first.weight", area)
        row["second_above"], row["second_own"] = self._two_rows(name + "second.weight", area)
        row["bias"] = self._bias(self[name + "first.bias"])
        row["second_bias"] = self._bias(self[name + "second.bias"])
        row["row"], row["second_row"] = (self._keep((here + 2) * 2 * width) for _ in range(2))
        row["condition"] = len(self._conditions) * 2 * width
        self._conditions.append(
            self.arrays.get(name + "condition.weight", np.zeros((2 * width, 0), np.float32))
        )
        joined = list(layer.shortcuts)
        for part, other in enumerate(joined):
            weight = self[name + "shortcut.weight"][:, part * 2 * width : (part + 1) * 2 * width, 0, 0]
            at = self._matrix(weight.T, area)
            twin = self._plan[other].stream != layer.stream
            row["twin" if twin else "shortcut"] = other
            row["twin_weight" if twin else "shortcut_weight"] = at

    def _two_rows(self, name: str, area: int) -> tuple[int, int]:
        """Append a convolution over two rows as two matrices."""
        weight = self[name]
        return self._taps(weight[:, :, :1], area), self._taps(weight[:, :, 1:], area)

    def _taps(self, weight: np.ndarray, area: int) -> int:
        """Append (outputs, inputs, 1, taps) as a matrix whose rows are the inputs of the first tap, of the second, …"""
        return self._matrix(weight[:, :, 0].transpose(2, 1, 0).reshape(-1, len(weight)), area)

    def _matrix(self, matrix: np.ndarray, area: int) -> int:
        """Append a matrix that is used at `area` places of an image; return its position."""
        self.macs += matrix.size * area
        return self.add(matrix)

    def _bias(self, bias: np.ndarray) -> int:
        at = self._biases_length
        self._biases.append(padded_vector(bias))
        self._biases_length += len(self._biases[-1])
        return at

    def _keep(self, length: int) -> int:
        at, self._kept = self._kept, self._kept + length
        return at

    def _rows_of(self, scale: int) -> int:
        return places(self._rows, scale)

    def _columns_of(self, scale: int) -> int:
        return places(self._columns, scale)
