"""The text objective: the windows that are read, and exact scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from seqgen import CharRNN
from seqgen.errors import SeqgenError
from seqgen.models.char_rnn.objective import TextObjective


class Recorder(CharRNN):
    """A model that stores its inputs."""

    def forward(self, inputs, state=None, *, dropout_generator=None):
        self.fed = inputs.numpy().copy()
        self.state = state
        return super().forward(inputs, state, dropout_generator=dropout_generator)


def recorder(vocabulary: str = "abcdefghij") -> Recorder:
    return Recorder(vocabulary, cell="gru", hidden_size=4, layers=1)


def test_windows_follow_on_from_each_other_and_a_pass_begins_like_a_sample():
    symbols = np.arange(83) % 10
    objective = TextObjective(symbols, symbols[:5], batch=2, window=8, seed=3)
    assert objective.steps_per_pass == 5
    model, carry, rows = recorder(), {}, []
    for step in range(2 * objective.steps_per_pass):
        _, carry = objective.loss(model, step, carry)
        begins = step % objective.steps_per_pass == 0
        assert (model.state is None) == begins
        assert np.all(model.fed[:, 0] == -1) == begins
        rows.append(model.fed)
    for first in (0, objective.steps_per_pass):
        read = np.concatenate(rows[first : first + objective.steps_per_pass], 1)
        for row in read:
            pairs = set(itertools.pairwise(row[1:]))
            assert pairs <= set(zip(symbols, np.roll(symbols, -1), strict=True))


def test_passes_begin_at_different_offsets():
    symbols = np.random.default_rng(0).integers(0, 10, 500)
    objective = TextObjective(symbols, symbols[:5], batch=2, window=50, seed=3)
    model = recorder()
    begun = set()
    for number in range(5):
        objective.loss(model, number * objective.steps_per_pass, {})
        begun.add(model.fed.tobytes())
    assert len(begun) == 5


def test_the_loss_is_the_mean_of_the_exact_conditionals():
    symbols = np.random.default_rng(1).integers(0, 10, 60)
    objective = TextObjective(symbols, symbols[:5], batch=1, window=59, seed=0)
    model = recorder()
    loss, _ = objective.loss(model, 0, {})
    read = model.fed[0, 1:]
    end = int(np.flatnonzero([np.array_equal(np.roll(symbols, -k)[:58], read) for k in range(60)])[0])
    last = symbols[(end + 58) % 60]
    exact = -float(model.log_prob(np.append(read, last)).detach()) / 59
    assert float(loss.detach()) == pytest.approx(exact, abs=1e-5)


def test_the_held_out_score_is_exact():
    symbols = np.random.default_rng(1).integers(0, 10, 60)
    objective = TextObjective(symbols, symbols[:33], batch=1, window=20, seed=0)
    model = recorder()
    exact = -float(model.log_prob(symbols[:33]).detach()) / 33
    assert objective.validate(model) == pytest.approx(exact, abs=1e-12)


def test_data_have_a_fingerprint():
    symbols = np.arange(60) % 10
    one, same, other = (
        TextObjective(part, symbols[:5], batch=1, window=9, seed=0).fingerprint
        for part in (symbols, symbols.copy(), symbols[1:])
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("length", "held_out", "message"), [(59, 5, "has 59 characters.* need 60"), (60, 0, "held-out")]
)
def test_too_little_text_says_how_much_is_needed(length, held_out, message):
    with pytest.raises(SeqgenError, match=message):
        TextObjective(np.zeros(length, int), np.zeros(held_out, int), batch=3, window=19, seed=0)


def test_dropout_differs_from_step_to_step():
    symbols = np.zeros(50, int)
    objective = TextObjective(symbols, symbols[:5], batch=1, window=40, seed=3)
    model = CharRNN("ab", cell="gru", hidden_size=16, layers=2, dropout=0.5)
    with torch.no_grad():
        losses = [float(objective.loss(model, step, {})[0]) for step in (0, 1, 2, 0)]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3
