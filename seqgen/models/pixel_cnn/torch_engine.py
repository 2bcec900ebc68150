"""The reference sampler of PixelCNNs: the module's layers, the vertical ones per row, the horizontal ones per pixel.

Between rows it keeps, for each layer but the first, the features of the last rows that its kernel reaches. It runs in
the module's dtype and on its device. The last bits of PyTorch's sums depend on the batch. In float64, lanes are
therefore computed one by one, so that samples are identical in any batch; in float32 they are computed together, and
samples are identical up to rounding.
Shapes: n lanes of a group, C colours, W columns, F channels, K features of the condition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.engines.reference_model import private_model
from seqgen.image.draws import draw_levels
from seqgen.image.engine import PixelEngine, positions
from seqgen.models.pixel_cnn.layers import gate


class PixelCNNEngine(PixelEngine):
    """Samples a `PixelCNN`, gated or plain, with PyTorch.

    Attributes:
        rows: (B, layers - 1, F, side, W), the inputs of all layers but the first in the last `side` rows.
        features: (B, K) float32, guide: (B, C', H', W') uint8: the condition.
    """

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._model = private_model(weights, request, model)
        self._like = self._model.parameter_like()
        self._conditions = Conditions.from_config(weights.config)
        lanes, net = request.lanes, self._model
        dtype = np.float64 if self._like.dtype == torch.float64 else np.float32
        size = (lanes, len(net.layers) - 1, net.channels, net.kernel_size // 2, self.codec.shape[2])
        self.rows = np.zeros(size, dtype)
        self.features = np.zeros((lanes, self._conditions.features), np.float32)
        self.guide = np.zeros((lanes, *(self._conditions.guide or (0, 0, 0))), np.uint8)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "rows": self.rows, "features": self.features, "guide": self.guide}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features, guide = self._conditions.parse(start.condition)
        self.rows[lanes] = 0
        self.features[lanes] = features
        if self.guide.size:
            self.guide[lanes] = guide

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        for n in range(int(rows.max(initial=0))):
            lanes = np.flatnonzero(rows > n)
            alone = self.rows.dtype == np.float64
            for group in lanes[:, None] if alone else [lanes]:
                self._draw_row(group, n, log_probs)
        return rows.copy()

    def _draw_row(self, lanes: np.ndarray, n: int, log_probs: np.ndarray) -> None:
        """Draw the n-th row of a step in each of `lanes`."""
        colours, _, columns = self.codec.shape
        h = self.row[lanes] + n
        stored = self._tensor(self.rows[lanes])
        sums, kept = self._begin_row(lanes, h, stored)
        # the pixels to the left that each layer's kernel reaches, zeros outside the image
        left = [
            sums[0].new_zeros(len(lanes), _inputs(layer), layer.kernel // 2) for layer in self._model.layers
        ]
        features = []
        for w in range(columns):
            for c in range(colours):
                # each colour that becomes known makes one more group of the features valid
                inputs, logits = self._pixel(
                    self._pixels(lanes, h, w), left, [part[:, :, w] for part in sums]
                )
                self._draw_pixel(lanes, n, c, w, logits[:, c].double().cpu().numpy(), log_probs)
            inputs[0] = self._pixels(lanes, h, w)
            left = [
                torch.cat([old, new[..., None]], -1)[..., 1:] for old, new in zip(left, inputs, strict=True)
            ]
            features.append(inputs[1:])
        if not self._model.gated:
            new = [torch.stack(parts, -1) for parts in zip(*features, strict=True)]
            kept = [_shifted(stored[:, k], row[:, :, None]) for k, row in enumerate(new)]
        for k, part in enumerate(kept):
            self.rows[lanes, k] = part.cpu().numpy()

    def _begin_row(
        self, lanes: np.ndarray, h: np.ndarray, stored: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Compute the part of a row's horizontal sums from the rows above, the row's vertical stack and the condition.

        Returns:
            (n, width, W) for each layer, and for each layer but the first its rows to keep (of a gated network).
        """
        features = self._tensor(self.features[lanes]) if self._conditions.features else None
        guide = self._guide_row(lanes, h)
        sums, kept = [], []
        current = None
        for k, layer in enumerate(self._model.layers):
            above = self._rows_of_image(lanes, h, layer.kernel // 2) if k == 0 else stored[:, k - 1]
            extra = layer.extra(features, guide)
            if k == 0:
                extra = self._placed(extra, h)
            if not self._model.gated:
                total = layer.horizontal.weight.new_zeros(
                    len(lanes), self._model.channels, self.codec.shape[2]
                )
                if layer.vertical is not None:
                    total = total + _across(layer, above)
                sums.append(total if extra is None else total + extra[:, :, 0])
                continue
            if current is not None:
                kept.append(_shifted(above, current))
                above = torch.cat([above, current], 2)
            up = _across(layer, above)[:, :, None]
            beside = None
            if extra is not None:
                add, beside = extra.chunk(2, 1)
                up = up + add
            total = layer.link(up) if beside is None else layer.link(up) + beside
            sums.append(total[:, :, 0])
            current = gate(up)
        return sums, kept

    def _pixel(self, pixel: Tensor, left: list[Tensor], sums: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Compute the horizontal stack of one column.

        Args:
            pixel: (n, C), as far as known. left: (n, inputs, side) for each layer. sums: (n, width) likewise.

        Returns:
            the inputs (n, inputs) of each layer, and the logits (n, C, L).
        """
        inputs, skip = [pixel], None
        for layer, before, start in zip(self._model.layers, left, sums, strict=True):
            window = torch.cat([before, inputs[-1][..., None]], -1)[:, :, None]
            across = layer.horizontal(window) + start[..., None, None]
            mixed = layer.mix(gate(across) if self._model.gated else relu(across))[..., 0, 0]
            residual, part = mixed.chunk(2, 1)
            skip = part if skip is None else skip + part
            inputs.append(residual if layer.first else inputs[-1] + residual)
        assert skip is not None
        hidden = relu(self._model.hidden(relu(skip)[..., None, None]))
        logits = self._model.output(hidden)[..., 0, 0]
        return inputs[:-1], logits.unflatten(1, (self.codec.shape[0], self.codec.levels))

    def _draw_pixel(
        self, lanes: np.ndarray, n: int, c: int, w: int, logits: np.ndarray, log_probs: np.ndarray
    ) -> None:
        """Draw one colour of one column in the lanes where it is unknown; logits (n, L)."""
        for lane, own in zip(lanes.tolist(), logits, strict=True):
            h = int(self.row[lane]) + n
            if self.known[lane, c, h, w]:
                continue
            level, *scores = draw_levels(self, lane, own, positions(self.codec.shape, h)[c, w])
            self.image[lane, c, h, w] = level
            if self.request.log_probs:
                log_probs[:, lane, n, c, w] = scores

    def _rows_of_image(self, lanes: np.ndarray, h: np.ndarray, count: int) -> Tensor:
        """Return the `count` rows above h as input of the network, (n, C, count, W); zero outside the image."""
        rows = h[:, None] - np.arange(count, 0, -1)
        levels = self.image[lanes[:, None], :, np.maximum(rows, 0)].transpose(0, 2, 1, 3)
        inside = self._tensor(rows >= 0)[:, None, :, None]
        return torch.where(inside, self._model.scale(self._tensor(levels)), 0.0)

    def _pixels(self, lanes: np.ndarray, h: np.ndarray, w: int) -> Tensor:
        """Return one pixel of each lane as input of the network, (n, C)."""
        return self._model.scale(self._tensor(self.image[lanes, :, h, w]))

    def _guide_row(self, lanes: np.ndarray, h: np.ndarray) -> Tensor | None:
        """Return the guide's features (n, F, 1, W) of the row h of each lane."""
        if self._model.guide_net is None:
            return None
        guided = self._model.guided(self._tensor(self.guide[lanes]))
        return guided[torch.arange(len(lanes)), :, torch.as_tensor(h)][:, :, None]

    def _placed(self, extra: Tensor | None, h: np.ndarray) -> Tensor | None:
        """Return the addend to the sums of the first layer, including the position biases of the row h of each lane."""
        own = self._model.placed(None)
        if own is None:
            return extra
        row = own[0][:, torch.as_tensor(h)].transpose(0, 1)[:, :, None]
        return row if extra is None else extra + row

    def _tensor(self, array: np.ndarray) -> Tensor:
        """Return a copy, because the last bit of a sum can depend on the alignment of its operands."""
        made = torch.tensor(array, device=self._like.device)
        return made.to(self._like.dtype) if array.dtype.kind == "f" else made


def _across(layer: Any, above: Tensor) -> Tensor:
    """Apply the vertical convolution to exactly as many rows (n, inputs, rows, W) as its kernel has: (n, width, W)."""
    side = layer.kernel // 2
    sums: Tensor = layer.vertical(pad(above, (side, side, 0, 0)))
    return sums[:, :, 0]


def _shifted(rows: Tensor, row: Tensor) -> Tensor:
    """Append one row (n, F, 1, W) to the rows (n, F, side, W) and drop the first."""
    return torch.cat([rows, row], 2)[:, :, 1:]


def _inputs(layer: Any) -> int:
    channels: int = layer.horizontal.in_channels
    return channels
