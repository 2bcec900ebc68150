"""A PixelCNN++ laid out for the fused sampler: the layers as a table of numbers, the weights in one packed array.

Every convolution is cut in two: the taps on the row above, whose products are made for a whole row at once, and
those on the own row. Of a convolution one row of inputs is kept, with a place of zeros more on either side; it holds
the row before until the row under way overwrites it place by place. Legend: C colours, F channels, K features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.checkpoint import from_bfloat16, is_bfloat16, to_bfloat16
from seqgen.kernels.vector import pack, padded
from seqgen.models.pixel_cnn_pp.plan import VERTICAL, Layer, places, plan

INPUT, BLOCK, DOWN, UP = range(4)
_KINDS = {"input": INPUT, "block": BLOCK, "down": DOWN, "up": UP}

# one record of the table, all of them places or numbers
_FIELDS = (
    "kind", "scale", "source", "twin", "shortcut",
    "above", "own", "twin_weight", "shortcut_weight", "second_above", "second_own",
    "bias", "second_bias", "condition", "row", "second_row", "sums", "second_sums", "map",
)  # fmt: skip
RECORD = np.dtype([(name, np.int64) for name in _FIELDS])


class PackedPixelCNNpp:
    """The weights in the order in which the kernel reads them, and where everything is.

    Attributes:
        table: (layers,) of RECORD. Weights, biases, rows (of a lane's state), sums (of a lane's scratch) and maps
            (of the vertical stream's scratch) are places in one-dimensional arrays; "twin" is the layer of the
            vertical stream that joins a block of the horizontal one, "shortcut" that of the first half, -1 is none.
        weights: packed one after another. biases: float32, padded. The head comes last in both.
        head, head_bias: where the head begins.
        kept, sums, maps: lengths of a lane's state, of its sums, and of the vertical maps.
        conditions: (blocks, 2F, K) float32, of all blocks in order.
        macs: multiply-accumulates for one image, padding not counted.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], config: Mapping[str, Any], features: int, precision: str
    ) -> None:
        self.width = width = int(config["channels"])
        colours, self._rows, self._columns = config["codec"]["shape"]
        self._inputs = colours + 1
        exact = all(is_bfloat16(array) for array in arrays.values() if array.ndim > 1)
        self._packing = (
            "bfloat16" if precision == "bfloat16" or (precision == "auto" and exact) else "float32"
        )
        self._arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
        if precision == "bfloat16":
            self._arrays = {name: from_bfloat16(to_bfloat16(a)) for name, a in self._arrays.items()}
        self._weights: list[np.ndarray] = []
        self._biases: list[np.ndarray] = []
        self._conditions: list[np.ndarray] = []
        self._weights_length = self._biases_length = 0
        self.kept = self.sums = self.maps = self.macs = 0
        self.plan = plan(int(config["blocks"]), int(config["scales"]))
        self.table = np.full((len(self.plan), len(_FIELDS)), -1).view(RECORD)[:, 0]
        for k, layer in enumerate(self.plan):
            here = self._columns_of(layer.scale)
            self._layer(k, layer, self.table[k], self._rows_of(layer.scale) * here, here)
        head = self._arrays["head.weight"][:, :, 0, 0]
        self.outputs = len(head)
        self.head = self._matrix(head.T, self._rows * self._columns)
        self.head_bias = self._bias(self._arrays["head.bias"])
        self.weights = np.concatenate(self._weights)
        self.biases = np.concatenate(self._biases)
        self.conditions = (
            np.stack(self._conditions)
            if features
            else np.zeros((len(self._conditions), 2 * width, 0), np.float32)
        )

    def _layer(self, k: int, layer: Layer, row: Any, area: int, here: int) -> None:
        """Pack layer k, of `area` places in an image and `here` in a row, and fill its row of the table."""
        width, name = self.width, f"layers.{k}."
        row["kind"], row["scale"], row["source"] = _KINDS[layer.kind], layer.scale, layer.source
        if layer.stream == VERTICAL:
            row["map"], self.maps = self.maps, self.maps + here * width
        if layer.kind == "input":
            if layer.stream == VERTICAL:
                row["above"], row["own"] = self._two_rows(name + "conv.weight", area)
                row["bias"] = self._bias(self._arrays[name + "conv.bias"])
            else:
                row["above"] = self._taps(self._arrays[name + "above.weight"], area)
                row["own"] = self._taps(self._arrays[name + "left.weight"], area)
                row["bias"] = self._bias(self._arrays[name + "above.bias"])
        elif layer.kind == "down":
            row["above"], row["own"] = self._two_rows(name + "weight", area)
            row["bias"] = self._bias(self._arrays[name + "bias"])
            row["row"] = self._keep((self._columns_of(layer.scale - 1) + 2) * width)
        elif layer.kind == "up":
            weight = self._arrays[name + "weight"].transpose(0, 2, 3, 1).reshape(width, 4 * width)
            below = self._columns_of(layer.scale + 1)
            row["own"] = self._matrix(weight, self._rows_of(layer.scale + 1) * below)
            row["bias"] = self._bias(np.tile(self._arrays[name + "bias"], 4))
            row["row"] = self._keep(below * 4 * width)
        else:
            self._block(layer, name, row, area, here)
        if layer.stream != VERTICAL:
            row["sums"], self.sums = self.sums, self.sums + here * padded(width)
            row["second_sums"], self.sums = self.sums, self.sums + here * padded(2 * width)

    def _block(self, layer: Layer, name: str, row: Any, area: int, here: int) -> None:
        width = self.width
        row["above"], row["own"] = self._two_rows(name + "first.weight", area)
        row["second_above"], row["second_own"] = self._two_rows(name + "second.weight", area)
        row["bias"] = self._bias(self._arrays[name + "first.bias"])
        row["second_bias"] = self._bias(self._arrays[name + "second.bias"])
        row["row"], row["second_row"] = (self._keep((here + 2) * 2 * width) for _ in range(2))
        row["condition"] = len(self._conditions) * 2 * width
        self._conditions.append(
            self._arrays.get(name + "condition.weight", np.zeros((2 * width, 0), np.float32))
        )
        joined = list(layer.shortcuts)
        for part, other in enumerate(joined):
            weight = self._arrays[name + "shortcut.weight"][
                :, part * 2 * width : (part + 1) * 2 * width, 0, 0
            ]
            at = self._matrix(weight.T, area)
            twin = self.plan[other].stream != layer.stream
            row["twin" if twin else "shortcut"] = other
            row["twin_weight" if twin else "shortcut_weight"] = at

    def _two_rows(self, name: str, area: int) -> tuple[int, int]:
        """A convolution over two rows as two matrices."""
        weight = self._arrays[name]
        return self._taps(weight[:, :, :1], area), self._taps(weight[:, :, 1:], area)

    def _taps(self, weight: np.ndarray, area: int) -> int:
        """(outputs, inputs, 1, taps) as a matrix whose rows are the inputs of the first tap, of the second, …"""
        return self._matrix(weight[:, :, 0].transpose(2, 1, 0).reshape(-1, len(weight)), area)

    def _matrix(self, matrix: np.ndarray, area: int) -> int:
        at = self._weights_length
        self._weights.append(pack(np.ascontiguousarray(matrix), self._packing))
        self._weights_length += len(matrix) * padded(matrix.shape[1])
        self.macs += matrix.size * area
        return at

    def _bias(self, bias: np.ndarray) -> int:
        at = self._biases_length
        whole = np.zeros(padded(len(bias)), np.float32)
        whole[: len(bias)] = bias
        self._biases.append(whole)
        self._biases_length += len(whole)
        return at

    def _keep(self, length: int) -> int:
        at, self.kept = self.kept, self.kept + length
        return at

    def _rows_of(self, scale: int) -> int:
        return places(self._rows, scale)

    def _columns_of(self, scale: int) -> int:
        return places(self._columns, scale)
