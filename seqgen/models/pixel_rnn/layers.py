"""The two recurrent layers of PixelRNN: Row LSTM and Diagonal BiLSTM (van den Oord et al. 2016, arXiv 1601.06759,
sections 3.1 to 3.4; Zhou, lecture 22, "PixelRNN and PixelCNN").

A layer adds the output of an LSTM of F units to its input, maps of 2F features. The input-to-state contribution to the
gates is one masked convolution of all pixels; the state-to-state contribution is computed step by step, over rows or
diagonals. Pixels are scaled to -1 … 1, and padding is 0.
Shapes: B batch, C colours, H rows, W columns, F units, D = 2F features, k kernel size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from seqgen.models.pixel_cnn import MaskedConv

GATES = 4  # in the order o, f, i, g


class RowLSTM(nn.Module):
    """An LSTM from top to bottom; a time step is a row.

    The receptive field of a state is a triangle above it that widens by half the kernel with every row; pixels beside
    it in the rows just above are not covered.
    """

    def __init__(self, colours: int, units: int, kernel: int) -> None:
        super().__init__()
        self.units, self.side = units, kernel // 2
        self.inputs = MaskedConv(2 * units, GATES * units, (1, self.side + 1), colours, repeats=GATES)
        # no mask: all colours of the row above precede all pixels of this row
        self.states = nn.Conv1d(units, GATES * units, kernel, padding=self.side, bias=False)
        self.up = MaskedConv(units, 2 * units, (1, 1), colours)
        open_forget_gates(self.inputs.bias, units)

    def forward(self, features: Tensor, image: Tensor, drop: Any) -> Tensor:
        """Return the features (B, D, H, W) after the layer; the scaled image (B, C, H, W) is ignored."""
        gates = self.inputs(pad(features, (self.side, 0, 0, 0)))
        states = cells = features.new_zeros(len(features), self.units, features.shape[3])
        rows = []
        for row in gates.unbind(2):
            states, cells = lstm_step(row + self.states(states), cells, 1)
            rows.append(states)
        return features + self.up(drop(torch.stack(rows, 2)))


class DiagonalBiLSTM(nn.Module):
    """Two LSTMs, left to right and right to left, whose state depends on the neighbours beside and above.

    A time step is a diagonal. The states of the right-to-left LSTM are shifted down by one row before the two are
    added, so that a pixel depends on the rows above on both sides, and on its own row only to the left. Because of the
    shift, the right-to-left LSTM needs no mask and also reads the pixel itself. In the paper it reads only features
    that exclude their own pixel, so the start of a row does not depend on the last pixel of the previous row.
    """

    def __init__(self, colours: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.inputs_right = MaskedConv(2 * units, GATES * units, (1, 1), colours, repeats=GATES)
        self.inputs_left = nn.Conv2d(2 * units + colours, GATES * units, 1)
        # taps: the pixel above, the pixel beside
        self.states_right = nn.Conv1d(units, GATES * units, 2, bias=False)
        self.states_left = nn.Conv1d(units, GATES * units, 2, bias=False)
        self.up = MaskedConv(units, 2 * units, (1, 1), colours)
        open_forget_gates(self.inputs_right.bias, units)
        open_forget_gates(self.inputs_left.bias, units)

    def forward(self, features: Tensor, image: Tensor, drop: Any) -> Tensor:
        """Return the features (B, D, H, W) after the layer; `image` (B, C, H, W) is scaled."""
        right = self.inputs_right(features)
        left = self.inputs_left(torch.cat([features, image.to(features.dtype)], 1)).flip(3)
        weight = torch.stack([self.states_right.weight, self.states_left.weight])
        states = diagonal_states(torch.stack([right, left]), weight)
        shifted = pad(states[1].flip(3), (0, 0, 1, 0))[:, :, :-1]
        return features + self.up(drop(states[0] + shifted))


def diagonal_states(gates: Tensor, weight: Tensor) -> Tensor:
    """Return the states (2, B, F, H, W) of two LSTMs, both from left to right along skewed maps.

    Args:
        gates: (2, B, 4F, H, W), the input-to-state contribution.
        weight: (2, 4F, F, 2), for the states of the pixels above and to the left.
    """
    sides, batch, _, rows, columns = gates.shape
    units = weight.shape[2]
    steps = skew(gates).permute(4, 0, 1, 3, 2).flatten(2, 3)
    matrix = weight.permute(0, 3, 2, 1).flatten(1, 2)
    states = cells = gates.new_zeros(sides, batch, rows, units)
    made = []
    for step in steps.unbind(0):
        above = pad(states[:, :, :-1], (0, 0, 1, 0))
        product = torch.bmm(torch.cat([above, states], 3).flatten(1, 2), matrix)
        states, cells = lstm_step((step + product).view(sides, batch, rows, -1), cells, 3)
        made.append(states)
    return unskew(torch.stack(made, 4).transpose(2, 3), columns)


def lstm_step(sums: Tensor, cells: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return the new states and cells, given the sums of the gates, stacked along `axis` as o, f, i, g."""
    opened, kept, taken, new = sums.to(cells.dtype).chunk(GATES, axis)
    cells = torch.sigmoid(kept) * cells + torch.sigmoid(taken) * torch.tanh(new)
    return torch.sigmoid(opened) * torch.tanh(cells), cells


def skew(maps: Tensor) -> Tensor:
    """Shift row r of maps (..., H, W) to the right by r, (..., H, H + W - 1), padded with 0.

    Example:
        >>> skew(torch.tensor([[1, 2], [3, 4]])).tolist()
        [[1, 2, 0], [0, 3, 4]]
    """
    rows, columns = maps.shape[-2:]
    padded = pad(maps, (0, rows)).flatten(-2)
    return padded[..., : rows * (rows + columns - 1)].unflatten(-1, (rows, rows + columns - 1))


def unskew(maps: Tensor, columns: int) -> Tensor:
    """Invert `skew`: maps (..., H, H + W - 1) to (..., H, W)."""
    rows = maps.shape[-2]
    return pad(maps.flatten(-2), (0, rows)).unflatten(-1, (rows, rows + columns))[..., :columns]


def open_forget_gates(bias: Tensor | None, units: int) -> None:
    """Set the bias of the forget gates to 1, so that an untrained network retains its cells."""
    assert bias is not None
    with torch.no_grad():
        bias[units : 2 * units] = 1.0
