"""The likelihood objective for text: nats per character over consecutive windows (truncated BPTT).

The text is divided into B rows that are read in parallel, T characters per step; the hidden state is carried from
window to window (truncated back-propagation through time). Each pass over the text starts at a new random offset with
the zero state and the start symbol, as in sampling.
Legend: B rows, T window.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from seqgen import rng
from seqgen.errors import SeqgenError
from seqgen.models.char_rnn.model import CharRNN, State


class TextObjective:
    """Training windows of one long text for `CharRNN`.

    Args:
        train: training symbols, (N,). held_out: validation symbols, (M,).
        batch: rows B. window: characters T per row and step. seed: seed of offsets and dropout.
    """

    unit, scale = "nats/character", 1.0

    def __init__(
        self, train: np.ndarray, held_out: np.ndarray, *, batch: int, window: int, seed: int
    ) -> None:
        needed = batch * (window + 1)
        if len(train) < needed:
            raise SeqgenError(
                f"the training text has {len(train)} characters, batch={batch} rows of window={window} need "
                f"{needed}; give more text or lower batch or window"
            )
        if not len(held_out):
            raise SeqgenError("the held-out text is empty; give more text")
        self._train, self._held_out = train.astype(np.int64), held_out.astype(np.int64)
        self.fingerprint = hashlib.sha256(self._train.tobytes() + self._held_out.tobytes()).hexdigest()[:16]
        self._batch, self._window, self._seed = batch, window, seed
        self._row = len(train) // batch
        self.steps_per_pass = max(1, (self._row - 1) // window)

    def loss(self, model: nn.Module, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean nats per character of a step, and the hidden state for the next step."""
        assert isinstance(model, CharRNN)
        number, within = divmod(step, self.steps_per_pass)
        shift = int(rng.uniforms(self._seed, number, 0, rng.Purpose.SHUFFLE) * len(self._train))
        rows = shift + self._row * np.arange(self._batch)[:, None] + within * self._window
        symbols = self._train[(rows + np.arange(-1, self._window)) % len(self._train)]
        inputs, targets = torch.from_numpy(symbols[:, :-1].copy()), torch.from_numpy(symbols[:, 1:].copy())
        state: State | None = None
        if within == 0:
            inputs[:, 0] = -1
        else:
            state = _unflatten(carry)
        dropout = torch.Generator().manual_seed((self._seed << 32) + step)
        logits, after = model(inputs, state, dropout_generator=dropout)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        return loss, _flatten(after)

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        """Return the exact nats per character of the held-out text, as one sequence."""
        assert isinstance(model, CharRNN)
        return -float(model.log_prob(self._held_out)) / len(self._held_out)


def _flatten(state: State) -> dict[str, Tensor]:
    return {f"{layer}.{k}": t.detach() for layer, tensors in enumerate(state) for k, t in enumerate(tensors)}


def _unflatten(carry: dict[str, Tensor]) -> State:
    layers = 1 + max(int(name.split(".")[0]) for name in carry)
    parts = len(carry) // layers
    return [tuple(carry[f"{layer}.{k}"] for k in range(parts)) for layer in range(layers)]
