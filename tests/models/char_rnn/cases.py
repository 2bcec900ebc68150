"""Recurrent networks: every cell, characters and bytes, float32 and bfloat16 weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqgen import CharRNN, Controls
from tests.conformance.case import Case, all_of_length
from tests.conformance.parameters import in_float64, trained

LETTERS = "aé 😀\n"


def char_rnn(vocabulary: str, cell: str, *, bfloat16: bool = False) -> Callable[[int], CharRNN]:
    """Return a recurrent network whose weights are scaled up, optionally rounded to bfloat16."""

    def make(number: int) -> CharRNN:
        model = CharRNN(vocabulary, cell=cell, hidden_size=12, layers=2, seed=number)
        for name, parameter in model.named_parameters():
            parameter.data *= 1.5 if "weight_hh" in name else 3.0
            if bfloat16:
                parameter.data = parameter.data.bfloat16().float()
        return model

    return make


RNN_CASE: dict[str, Any] = {"exact": in_float64, "tolerance": 1e-5, "retrain": trained}
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

CASES = [
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
