"""PixelRNNs: Row LSTMs with two levels; Diagonal BiLSTMs with three colours and levels, and bfloat16 weights."""

from __future__ import annotations

from typing import Any

from seqgen.models.pixel_rnn.model import PixelRNN
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64


def pixel_rnn(
    shape: tuple[int, int, int], levels: int, number: int, *, bfloat16: bool = False, **arguments: Any
) -> PixelRNN:
    """Return a model whose weights are scaled up, optionally rounded to bfloat16."""
    model = PixelRNN(shape, levels, channels=6, layers=2, seed=number, **arguments)
    for parameter in model.parameters():
        parameter.data *= 2.5
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model


def row(number: int, shape: tuple[int, int, int] = (1, ROWS, COLUMNS)) -> PixelRNN:
    return pixel_rnn(shape, 2, number, kind="row")


def diagonal(number: int, shape: tuple[int, int, int] = (3, ROWS, COLUMNS)) -> PixelRNN:
    return pixel_rnn(shape, 3, number, kind="diagonal", first_kernel_size=3, bfloat16=True)


def trained(model: PixelRNN) -> None:
    """Change every parameter."""
    for parameter in model.parameters():
        parameter.data.mul_(-1.0)


PIXEL_RNN_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}
CASES = [
    Case(
        "pixel-rnn-row",
        row,
        total=all_images(lambda: row(5, (1, 3, 3)).double(), (1, 3, 3)),
        **PIXEL_RNN_CASE | image_case(),
    ),
    Case(
        "pixel-rnn-diagonal",
        diagonal,
        total=all_images(lambda: diagonal(5, (3, 1, 2)).double(), (3, 1, 2), 3),
        **PIXEL_RNN_CASE | image_case(3, 3),
    ),
]
