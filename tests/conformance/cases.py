"""The models that the conformance suite runs over.

To register a new family, write a function that makes a small model of it from a number (two numbers must give two
different models), and add a `Case` to `CASES`:

    Case(
        "wavenet",
        make_wavenet,
        prompts=(first, second, third),
        controls=(Controls(temperature=0.7), Controls(top_k=3, stop=...)),
    )

Everything in `tests/conformance` then runs over it with each of its engines. The model should be tiny, so that a
sample takes milliseconds, and its distribution far from flat, so that a wrong number changes a symbol.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from seqgen import CharRNN, Controls
from seqgen.generator import Generator
from seqgen.streaming import Stream
from tests.conformance.running import log_prob


def _same(model: Generator) -> Generator:
    return model


def _own_score(model: Generator, sample: dict[str, Any]) -> float:
    return float(log_prob(model, [sample["data"]])[0])


@dataclass(frozen=True, eq=False)
class Case:
    """A small model and what may be asked of it.

    Attributes:
        id: in the names of the tests.
        make: a model from a number; made once for each number.
        engines: all of them; each is also compared with `reference`.
        reference: the engine that is the specification.
        exact: makes of a model one with which the reference is batch-invariant, for example in float64.
        tolerance: of the log-probability of one symbol, engine against reference.
        length: symbols in a sample.
        prompts: three that differ, or none.
        unknown: a prompt that the codec must refuse, or None.
        controls: at least two that differ, or none; they are dealt out by index, also with stop sequences.
        stopping: controls under which some samples stop early, by a stop sequence of several symbols.
        conditions: at least two that differ, or none.
        scored: controls under which a sample can be given back to `log_prob`.
        score: log-probability of a sample under the model, as its chunks should add up to.
        total: sum of the probabilities of everything that can come out, which must be 1, or None.
        ends: whether the model itself ends its samples.
    """

    id: str
    make: Callable[[int], Generator]
    engines: tuple[str, ...] = ("numba", "torch")
    reference: str = "torch"
    exact: Callable[[Generator], Generator] = _same
    tolerance: float = 1e-9
    length: int = 23
    prompts: tuple[Any, ...] = ()
    unknown: Any = None
    controls: tuple[Controls, ...] = ()
    stopping: Controls | None = None
    conditions: tuple[Any, ...] = ()
    scored: Controls | None = None
    score: Callable[[Generator, dict[str, Any]], float] = _own_score
    total: Callable[[Generator], float] | None = None
    ends: bool = False

    def model(self, engine: str | None = None, number: int = 0) -> Generator:
        """The model as `engine` needs it to be batch-invariant; None is as it was made."""
        return _model(self, engine == self.reference, number)

    def stream(self, engine: str, n: int | None = None, length: int | None = None, **request: Any) -> Stream:
        """A stream of the model from an engine."""
        return self.model(engine).stream(n, length, engine=engine, **request)

    def everything(self) -> dict[str, Any]:
        """A request that varies by index all that the model can take."""
        request: dict[str, Any] = {"log_probs": True}
        if self.prompts:
            request["prompt"] = lambda i: (*self.prompts, None)[i % (len(self.prompts) + 1)]
        if self.controls:
            request["controls"] = lambda i: (*self.controls, self.stopping)[i % (len(self.controls) + 1)]
        return request


@cache
def _model(case: Case, exact: bool, number: int) -> Generator:
    return case.exact(case.make(number)) if exact else case.make(number)


# ---- recurrent networks -------------------------------------------------------------------------------

LETTERS = "aé 😀\n"


def char_rnn(vocabulary: str, cell: str, *, bfloat16: bool = False) -> Callable[[int], CharRNN]:
    """A recurrent network whose weights are scaled up, optionally rounded to bfloat16."""

    def make(number: int) -> CharRNN:
        model = CharRNN(vocabulary, cell=cell, hidden_size=12, layers=2, seed=number)
        for name, parameter in model.named_parameters():
            parameter.data *= 1.5 if "weight_hh" in name else 3.0
            if bfloat16:
                parameter.data = parameter.data.bfloat16().float()
        return model

    return make


def in_float64(model: CharRNN) -> CharRNN:
    """The same parameters in float64, where matrix products do not depend on the batch."""
    return CharRNN.from_weights(model.weights()).double()


def all_of_length(length: int) -> Callable[[Generator], float]:
    """The total probability of all sequences of `length` symbols."""

    def total(model: Generator) -> float:
        symbols = range(model.codec.size)
        rows = np.array(list(itertools.product(symbols, repeat=length)))
        return float(np.exp(log_prob(model, rows)).sum())

    return total


RNN_CASE: dict[str, Any] = {"exact": in_float64, "tolerance": 1e-5}
LETTER_CASE: dict[str, Any] = RNN_CASE | {
    "prompts": ("a", "é é\n", "😀😀 aé"),
    "unknown": "axe",
    "controls": (
        Controls(temperature=0.6, top_k=3, repetition_penalty=1.3),
        Controls(allowed="aé😀", top_p=0.93, min_p=0.02, typical_p=0.9),
    ),
    "stopping": Controls(stop=["aé", "é 😀", "\n😀a "], temperature=3.0),
    "total": all_of_length(3),
}

CHAR_RNN_CASES = [
    Case("tanh", char_rnn(LETTERS, "tanh"), **LETTER_CASE),
    Case("gru", char_rnn(LETTERS, "gru", bfloat16=True), **LETTER_CASE),
    Case("lstm", char_rnn(LETTERS, "lstm"), **LETTER_CASE),
    Case(
        "lstm-bytes",
        char_rnn("bytes", "lstm", bfloat16=True),
        prompts=("a", "naïve 😀", b"\xf0\x9f"),
        unknown="\ud800",
        controls=(Controls(temperature=0.5, top_k=40), Controls(allowed="aé😀", repetition_penalty=0.8)),
        stopping=Controls(allowed="aé😀", stop=["é", "😀", b"\xa9\xa9\xc3"]),
        scored=Controls(allowed="abc"),
        total=all_of_length(1),
        **RNN_CASE,
    ),
]

CASES: list[Case] = [*CHAR_RNN_CASES]
