"""The reference sampler of PixelRNNs: the module's own products, each pixel computed once, drawn from in numpy.

Between rows it keeps the states of the row above (and the cells, of the Row LSTM). It runs in the module's dtype
and on its device. PyTorch's matrix products depend on the batch in the last bits: in float64 lanes are therefore
computed one by one, which keeps the promise "the same bits in any batch"; in float32 those that stand at the same
row are computed together, and the promise holds to rounding.
Shapes: B lanes of a group, C colours, W columns, F units, D = 2F features, k kernel size.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.engines.reference_model import private_model
from seqgen.image.draws import draw_levels
from seqgen.image.engine import PixelEngine, positions
from seqgen.models.pixel_rnn.layers import DiagonalBiLSTM, RowLSTM, lstm_step


class PixelRNNEngine(PixelEngine):
    """Samples a `PixelRNN` with PyTorch."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        from seqgen.models.pixel_rnn.model import PixelRNN

        super().__init__(weights, request)
        self._model: PixelRNN = private_model(weights, request, model)
        self._like = self._model.parameter_like().detach()
        self._conditions = Conditions.from_config(weights.config)
        dtype = np.float64 if self._like.dtype == torch.float64 else np.float32
        size = (request.lanes, len(self._model.layers), 2, self._model.channels, self.codec.shape[2])
        # of the row above: states and cells of a Row LSTM, or the states of the two directions
        self._memory = np.zeros(size, dtype)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "memory": self._memory}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._conditions.parse(start.condition)
        self._memory[lanes] = 0

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        for t in range(int(rows.max(initial=0))):
            lanes = np.flatnonzero(rows > t)
            for row in np.unique(self.row[lanes] + t):
                group = lanes[self.row[lanes] + t == row]
                alone = self._memory.dtype == np.float64
                for part in group[:, None] if alone else [group]:
                    self._draw_row(part, int(row), log_probs[:, :, t : t + 1])
        return rows.copy()

    def _draw_row(self, lanes: np.ndarray, row: int, log_probs: np.ndarray) -> None:
        """Draw one row of `lanes`; log_probs (2, B', 0 or 1, C, W) of all lanes is filled for them."""
        model, side = self._model, self._model.first.side
        colours, _, columns = self.codec.shape
        image = pad(self._scaled(lanes), (side, side, side, 0))[:, :, row : row + side + 1]
        above = model.first.above(image[:, :, :-1])[:, :, 0]
        memory = self._tensor(self._memory[lanes])
        steps = [steps_of(layer, memory[:, k]) for k, layer in enumerate(model.layers)]
        places = positions(self.codec.shape, row)
        for column in range(columns):
            for colour in range(colours):
                # with every colour that becomes known, one more group of the features becomes right
                near = image[:, :, -1:, column : column + side + 1]
                features = above[:, :, column] + model.first.beside(near)[:, :, 0, 0]
                for step in steps:
                    features = features + step.pixel(column, features)
                logits = model.head(features[:, :, None, None])[:, colour, :, 0, 0].double().cpu().numpy()
                self._draw_pixel(lanes, logits, places[colour, column, ...], (colour, row, column), log_probs)
                image[:, colour, -1, column + side] = self._scaled(lanes)[:, colour, row, column]
        row_image = image[:, :, -1, side : side + columns]
        made = torch.stack([step.memory(row_image) for step in steps], 1)
        self._memory[lanes] = made.cpu().numpy()

    def _draw_pixel(
        self,
        lanes: np.ndarray,
        logits: np.ndarray,
        position: np.ndarray,
        place: tuple[int, int, int],
        log_probs: np.ndarray,
    ) -> None:
        """Draw the pixel at `place` (colour, row, column) of each lane that does not know it."""
        colour, row, column = place
        for lane, own in zip(lanes.tolist(), logits, strict=True):
            if self.known[lane, colour, row, column]:
                continue
            level, *scores = draw_levels(self, lane, own, position)
            self.image[lane, colour, row, column] = level
            if log_probs.shape[2]:
                log_probs[:, lane, 0, colour, column] = scores

    def _scaled(self, lanes: np.ndarray) -> Tensor:
        """The images of `lanes` as the network reads them, (B, C, H, W)."""
        return self._model.scale(torch.as_tensor(self.image[lanes], device=self._like.device))

    def _tensor(self, array: np.ndarray) -> Tensor:
        # a copy, because products may differ in the last bit with the alignment of their operands
        return torch.tensor(array, device=self._like.device)


class RowSteps(Protocol):
    """One layer along one row."""

    def pixel(self, column: int, features: Tensor) -> Tensor:
        """What the layer adds to the features (B, D) of this column's pixel; columns come in order, a column again
        and again while its colours become known."""

    def memory(self, image: Tensor) -> Tensor:
        """After the row: what the next one needs, (B, 2, F, W); image (B, C, W) is the scaled row."""


def steps_of(layer: Any, memory: Tensor) -> RowSteps:
    """The steps of a layer along a row; memory (B, 2, F, W) is that of the row above."""
    return RowLSTMSteps(layer, memory) if isinstance(layer, RowLSTM) else DiagonalSteps(layer, memory)


class RowLSTMSteps:
    """A Row LSTM: the states' part of the gates is known for the whole row when it begins."""

    def __init__(self, layer: RowLSTM, memory: Tensor) -> None:
        self._layer, self._before = layer, memory
        self._after = torch.zeros_like(memory)
        self._sums = layer.states(memory[:, 0].contiguous())
        width = memory.shape[3] + layer.side
        self._features = memory.new_zeros(len(memory), 2 * layer.units, 1, width)

    def pixel(self, column: int, features: Tensor) -> Tensor:
        layer = self._layer
        self._features[:, :, 0, column + layer.side] = features
        near = self._features[:, :, :, column : column + layer.side + 1]
        sums = self._sums[:, :, column] + layer.inputs(near)[:, :, 0, 0]
        states, cells = lstm_step(sums, self._before[:, 1, :, column], 1)
        self._after[:, 0, :, column], self._after[:, 1, :, column] = states, cells
        added: Tensor = layer.up(states[:, :, None, None])[:, :, 0, 0]
        return added

    def memory(self, image: Tensor) -> Tensor:
        return self._after


class DiagonalSteps:
    """A Diagonal BiLSTM: to the right pixel by pixel, and to the left when the row is complete."""

    def __init__(self, layer: DiagonalBiLSTM, memory: Tensor) -> None:
        self._layer, self._before = layer, memory
        # states and cells, with a column of zeros before the first
        self._right = pad(torch.zeros_like(memory), (1, 0))
        above, self._beside = layer.states_right.weight.unbind(2)
        self._sums = linear(memory[:, 0].mT, above)
        self._features = memory.new_zeros(len(memory), 2 * layer.units, memory.shape[3])

    def pixel(self, column: int, features: Tensor) -> Tensor:
        layer = self._layer
        self._features[:, :, column] = features
        states, cells = self._right[:, :, :, column].unbind(1)
        sums = self._sums[:, column] + linear(states, self._beside)
        sums = sums + layer.inputs_right(features[:, :, None, None])[:, :, 0, 0]
        states, cells = lstm_step(sums, cells, 1)
        self._right[:, 0, :, column + 1], self._right[:, 1, :, column + 1] = states, cells
        both = states + self._before[:, 1, :, column]
        added: Tensor = layer.up(both[:, :, None, None])[:, :, 0, 0]
        return added

    def memory(self, image: Tensor) -> Tensor:
        layer = self._layer
        above, beside = layer.states_left.weight.unbind(2)
        inputs = layer.inputs_left(torch.cat([self._features, image], 1)[:, :, None])[:, :, 0]
        sums = inputs + linear(self._before[:, 1].mT, above).mT
        states = cells = torch.zeros_like(self._before[:, 0, :, 0])
        made = []
        for column in range(sums.shape[2] - 1, -1, -1):
            states, cells = lstm_step(sums[:, :, column] + linear(states, beside), cells, 1)
            made.append(states)
        return torch.stack([self._right[:, 0, :, 1:], torch.stack(made[::-1], 2)], 1)
