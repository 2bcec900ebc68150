"""Character RNN: h = cell(one_hot(x), h), logits = W h + b (Zhou, lecture 22, "RNN: Recurrent Neural Networks").

The cell is the lecture's tanh recurrence, a GRU or an LSTM, at any depth. The first symbol of a sample is predicted
from a zero input and a zero state, in training as in sampling.
Shapes: B batch, T time, V vocabulary, H hidden size, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from seqgen.checkpoint import Weights
from seqgen.checks import seed_number
from seqgen.codecs import Bytes, Characters, codec_from_config
from seqgen.generator import Generator
from seqgen.models.char_rnn.schema import CONFIGURATION
from seqgen.torch_model import NamedArrays

CELLS: dict[str, Any] = {"tanh": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

State = list[tuple[Tensor, ...]]

_MOST_LOGITS = 1 << 22


class CharRNN(NamedArrays, Generator):
    """A recurrent character model with an exact likelihood, a parallel pass and incremental sampling.

    Args:
        vocabulary: the characters, as a string or a sequence of one-character strings, or "bytes" for the
            256 byte values of UTF-8 text.
        cell: "tanh" (the lecture's recurrence), "gru" or "lstm".
        hidden_size: width H of every layer.
        layers: depth L.
        dropout: dropout probability between layers and before the output, in training only.
        bias: whether there are biases; the lecture's equations have none.
        seed: seed of the initial weights.

    Example:
        >>> model = CharRNN(vocabulary="helo", cell="tanh", hidden_size=8, layers=1)
        >>> model.log_prob(["hello", "hole"]).shape
        torch.Size([2])
        >>> model.sample(2, length=5, seed=1) == model.sample(2, length=5, seed=1)
        True
    """

    family = "char-rnn"

    def __init__(
        self,
        vocabulary: str | Sequence[str] = "bytes",
        *,
        cell: str = "lstm",
        hidden_size: int = 512,
        layers: int = 2,
        dropout: float = 0.0,
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.codec = Bytes() if vocabulary == "bytes" else Characters(vocabulary)
        given = CONFIGURATION.check(
            self.codec, cell=cell, hidden_size=hidden_size, layers=layers, dropout=dropout, bias=bool(bias)
        )
        self.cell, self.hidden_size, self.bias = given["cell"], given["hidden_size"], given["bias"]
        self.dropout = given["dropout"]
        symbols = self.codec.size
        widths = [symbols] + [self.hidden_size] * given["layers"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.layers = nn.ModuleList(
                CELLS[self.cell](width, self.hidden_size, bias=self.bias, batch_first=True)
                for width in widths[:-1]
            )
            self.head = nn.Linear(self.hidden_size, symbols, bias=self.bias)
            if self.cell == "lstm" and self.bias:
                for layer in self.layers:
                    assert isinstance(layer.bias_hh_l0, Tensor)
                    # an initially open forget gate propagates gradients further (Jozefowicz et al. 2015)
                    nn.init.constant_(layer.bias_hh_l0[self.hidden_size : 2 * self.hidden_size], 1.0)

    # ---- computing ------------------------------------------------------------------------------------

    def forward(
        self, inputs: Tensor, state: State | None = None, *, dropout_generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        """Return the logits of the symbol after every input, and the state after the last.

        Args:
            inputs: (B, T) symbols; -1 is the start, encoded as the zero vector.
            state: the state returned by an earlier call; None is the zero state.
            dropout_generator: source of random numbers for dropout; None disables dropout.

        Returns:
            Logits (B, T, V) and the state, one tuple of (1, B, H) tensors per layer.
        """
        symbols = self.codec.size
        hidden = nn.functional.one_hot(inputs + 1, symbols + 1)[..., 1:].to(self.head.weight.dtype)
        after: State = []
        for depth, layer in enumerate(self.layers):
            if depth:
                hidden = self._drop(hidden, dropout_generator)
            before = None if state is None else state[depth] if self.cell == "lstm" else state[depth][0]
            hidden, last = layer(hidden, before)
            after.append(last if isinstance(last, tuple) else (last,))
        return self.head(self._drop(hidden, dropout_generator)), after

    def _drop(self, hidden: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None or not self.dropout:
            return hidden
        keep = torch.empty(hidden.shape).bernoulli_(1 - self.dropout, generator=generator)
        return hidden * (keep / (1 - self.dropout)).to(hidden.dtype)

    def log_prob(self, x: Any, *, prompt: Any = None, grad: bool = False) -> Tensor:
        """Return the exact log-probability of each sequence in nats, (B,) float64, by a parallel pass.

        Args:
            x: a string, a list of strings, or an integer array (T,) or (B, T) of symbols.
            prompt: data that precede every sequence and are not scored.
            grad: whether the result is differentiable with respect to the parameters.
        """
        given = np.zeros(0, np.int64) if prompt is None else self.codec.encode(prompt)
        rows = self.codec.encode_batch(x)
        with torch.set_grad_enabled(grad):
            scores = torch.zeros(len(rows), dtype=torch.float64, device=self.head.weight.device)
            by_length: dict[int, list[int]] = {}
            for number, row in enumerate(rows):
                by_length.setdefault(len(row), []).append(number)
            for numbers in by_length.values():
                scores = scores.index_put(
                    (torch.tensor(numbers),),
                    self._score(given, np.stack([rows[number] for number in numbers])),
                )
        return scores

    def _score(self, given: np.ndarray, rows: np.ndarray) -> Tensor:
        """Return log-probabilities (B,) of `rows` (B, T), each after `given`, in blocks to bound the memory."""
        block = max(64, _MOST_LOGITS // (len(rows) * self.codec.size))
        device = self.head.weight.device
        start = np.full((len(rows), 1), -1)
        before = np.broadcast_to(given, (len(rows), len(given)))
        whole = torch.as_tensor(np.concatenate([start, before, rows], 1).astype(np.int64), device=device)
        total = torch.zeros(len(rows), dtype=torch.float64, device=device)
        state: State | None = None
        for begin in range(0, whole.shape[1] - 1, block):
            targets = whole[:, begin + 1 : begin + 1 + block]
            logits, state = self(whole[:, begin : begin + targets.shape[1]], state)
            scores = torch.log_softmax(logits.double(), -1).gather(-1, targets[..., None])[..., 0]
            unscored = max(0, len(given) - begin)
            total = total + scores[:, unscored:].sum(1)
        return total

    # ---- the generator interface ----------------------------------------------------------------------

    @property
    def ends(self) -> bool:
        return False

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(),
            "cell": self.cell,
            "hidden_size": self.hidden_size,
            "layers": len(self.layers),
            "dropout": self.dropout,
            "bias": self.bias,
        }

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""
        config: Mapping[str, Any] = weights.config
        codec = codec_from_config(config["codec"])
        vocabulary = codec.vocabulary or "bytes"
        rest = {key: value for key, value in config.items() if key != "codec"}
        model = cls(vocabulary, **rest)
        model.take_arrays(weights)
        return model.eval()
