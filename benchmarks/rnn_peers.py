"""Loops in PyTorch that sample an LSTM: `nn.LSTMCell`, `nn.LSTM`, and one without a needless operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqgen import CharRNN

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]  # one-hot inputs (B, V), state -> logits (B, V), state


def cell_loop(model: CharRNN) -> Step:
    """Return a loop of `nn.LSTMCell`s, stepped manually."""
    cells = []
    for layer in model.layers:
        assert isinstance(layer, nn.LSTM)
        cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
        cells.append(cell)

    def step(hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        after = []
        for k, cell in enumerate(cells):
            after.append(cell(hidden, None if state is None else state[k]))
            hidden = after[-1][0]
        return model.head(hidden), after

    return step


def lstm_loop(model: CharRNN, *, onednn: bool = True) -> Step:
    """Return a loop of one `nn.LSTM` of two layers, called with sequences of length one.

    With oneDNN, PyTorch's default, every call packs the weights again.
    """
    first, second = model.layers
    assert isinstance(first, nn.LSTM)
    lstm = nn.LSTM(first.input_size, first.hidden_size, num_layers=2)
    names = dict(first.state_dict())
    names.update({name.replace("_l0", "_l1"): value for name, value in second.state_dict().items()})
    lstm.load_state_dict(names)
    lstm.eval()

    def step(hidden: Tensor, state: Any) -> tuple[Tensor, Any]:
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(onednn and before)
        out, state = lstm(hidden[None], state)
        torch._C._set_mkldnn_enabled(before)
        return model.head(out[0]), state

    return step


class LeanLoop:
    """The two layers with the input product as a table, one product each for the rest, and everything in place."""

    def __init__(self, model: CharRNN, batch: int) -> None:
        first, second = model.layers
        assert isinstance(first, nn.LSTM)
        size = first.hidden_size
        given, other = dict(first.state_dict()), dict(second.state_dict())
        self.first_bias = given["bias_ih_l0"] + given["bias_hh_l0"]
        self.table = (given["weight_ih_l0"].T + self.first_bias).contiguous()
        self.first = given["weight_hh_l0"].T.contiguous()
        self.second = torch.cat([other["weight_ih_l0"], other["weight_hh_l0"]], 1).T.contiguous()
        self.second_bias = other["bias_ih_l0"] + other["bias_hh_l0"]
        self.head, self.head_bias = model.head.weight.detach().T.contiguous(), model.head.bias.detach()
        self.hidden = torch.zeros(batch, 2 * size)
        self.lower, self.upper = self.hidden[:, :size], self.hidden[:, size:]
        self.cells = torch.zeros(batch, size), torch.zeros(batch, size)
        self.gates, self.squashed = torch.empty(batch, 4 * size), torch.empty(batch, size)
        self.parts = self.gates.split(size, 1)
        self.logits = torch.empty(batch, len(self.table))

    def step(self, symbols: Tensor | None) -> Tensor:
        """Return logits (B, V) after the symbols (B,), None at the start, in a buffer that is used again."""
        inputs = self.first_bias if symbols is None else self.table[symbols]
        torch.addmm(inputs, self.lower, self.first, out=self.gates)
        self._gate(self.cells[0], self.lower)
        torch.addmm(self.second_bias, self.hidden, self.second, out=self.gates)
        self._gate(self.cells[1], self.upper)
        return torch.addmm(self.head_bias, self.upper, self.head, out=self.logits)

    def _gate(self, cell: Tensor, hidden: Tensor) -> None:
        opened, kept, candidate, shown = self.parts
        size = cell.shape[1]
        self.gates[:, : 2 * size].sigmoid_()
        cell.mul_(kept).addcmul_(opened, candidate.tanh_())
        torch.mul(shown.sigmoid_(), torch.tanh(cell, out=self.squashed), out=hidden)
