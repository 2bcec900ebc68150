"""The models that the conformance suite runs over.

To register a new family, write a function that makes a small model of it from a number (two numbers must give two
different models), and add a `Case` to `CASES`:

    Case(
        "wavenet",
        make_wavenet,
        prompts=(first, second, third),
        controls=(Controls(temperature=0.7), Controls(top_k=3)),
        stopping=Controls(stop=...),
    )

Everything in `tests/conformance` then runs over it with each of its engines; what the case does not say that the
model can do is skipped. The model should be tiny, so that a sample takes milliseconds, and its distribution far
from flat, so that a wrong number changes a symbol.
"""

from __future__ import annotations

from tests.conformance.case import Case
from tests.models.char_rnn.cases import RNN_CASES
from tests.models.hmm.cases import HMM_CASES
from tests.models.markov.cases import MARKOV_CASES
from tests.models.nade.cases import NADE_CASES
from tests.models.pixel_cnn.cases import PIXEL_CNN_CASES
from tests.models.pixel_cnn_autoencoder.cases import PIXEL_CNN_AUTOENCODER_CASES
from tests.models.pixel_cnn_pp.cases import PIXEL_CNN_PP_CASES
from tests.models.pixel_rnn.cases import PIXEL_RNN_CASES
from tests.models.two_scale.cases import TWO_SCALE_CASES
from tests.models.wavenet.cases import WAVENET_CASES

CASES: list[Case] = [
    *RNN_CASES,
    *MARKOV_CASES,
    *HMM_CASES,
    *NADE_CASES,
    *PIXEL_RNN_CASES,
    *PIXEL_CNN_CASES,
    *PIXEL_CNN_PP_CASES,
    *TWO_SCALE_CASES,
    *PIXEL_CNN_AUTOENCODER_CASES,
    *WAVENET_CASES,
]
