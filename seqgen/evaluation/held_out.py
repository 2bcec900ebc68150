"""Held-out likelihood of a model on the user's own data."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgen.data.arrays import read_sequences, read_vectors
from seqgen.data.text import read_text, split_sequences
from seqgen.errors import SeqgenError
from seqgen.generator import Generator
from seqgen.pretrained import find
from seqgen.registry import family, resolve

Report = Callable[[int, int], None]


class DataSet(NamedTuple):
    """A medium whose data come as data sets of whole items, with parts that training splits them into."""

    items: str
    score: str


DATA_SETS = {
    "image": DataSet("images", "seqgen.evaluation.held_out_images:held_out_images"),
    "audio": DataSet("recordings", "seqgen.evaluation.held_out_audio:held_out_audio"),
}
"""What scores whole data sets, as "module:function", by the medium of the codec."""


def held_out(
    name_or_path: str | os.PathLike[str], data: str | os.PathLike[str], *, last: float = 1.0, part: str | None = None,
    report: Report | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The exact log-likelihood of `data` under a model, in total and for each symbol.

    A text is cut into sequences as it was in training. A Markov chain's unknown symbols are counted and not
    scored (`open_vocabulary`); an end of a sequence that a chain models is scored as a symbol.

    Args:
        name_or_path: the model.
        data: a text for text models, .npy or .npz for numeric ones, a folder of digits for pen strokes, what
            `seqgen.data.images.read_images` reads for images, and a file or folder of sound for recordings.
        last: score only this last fraction of a text.
        part: of a data set of images or recordings, see `held_out_images` and `held_out_audio`; None is "test".
        report: called with (images or recordings scored, all of them).

    Returns:
        model, family, data, sequences, symbols, unknown, unit, nats (total), nats_per_symbol, bits_per_symbol,
        and perplexity where symbols are discrete; for images and recordings what
        `held_out_images` and `held_out_audio` say.
    """
    weights = find(name_or_path)
    model: Generator = family(weights.family).model_class().from_weights(weights)
    path = Path(data)
    medium = model.codec.medium
    if medium in DATA_SETS:
        if last != 1.0:
            raise SeqgenError(
                f"--last is for texts; of {DATA_SETS[medium].items}, --part says which are scored"
            )
        score = resolve(DATA_SETS[medium].score)
        found = score(model, weights.card, path, part=part or "test", report=report)
        return {"model": os.fspath(name_or_path), "family": model.family, "data": os.fspath(data), **found}
    if part is not None:
        raise SeqgenError("--part is for images and recordings; of a text, --last says what is scored")
    if last != 1.0 and medium not in TEXTS:
        raise SeqgenError("--last is for texts; give a file that holds only the held-out sequences")
    sequences = _READERS.get(medium, _numbers)(model, path, weights.card, last)
    unknown = 0
    if model.family == "rnade":
        nats, symbols = -float(np.sum(np.asarray(model.log_prob(sequences[0])))), len(sequences[0])
    elif model.family == "markov":
        from seqgen.models.markov import score_known

        nats, symbols, unknown, _ = score_known(model, sequences)  # type: ignore[arg-type]
    else:
        nats = -sum(float(np.sum(np.asarray(model.log_prob(sequence)))) for sequence in sequences)
        symbols = sum(len(model.codec.encode(sequence)) for sequence in sequences)
    if not symbols:
        raise SeqgenError(f"{path} has no symbol that the model knows")
    each = nats / symbols
    result: dict[str, Any] = {
        "model": os.fspath(name_or_path),
        "family": model.family,
        "data": os.fspath(data),
        "sequences": len(sequences),
        "symbols": symbols,
        "unknown": unknown,
        "unit": model.codec.unit,
        "nats": nats,
        "nats_per_symbol": each,
        "bits_per_symbol": each / math.log(2),
    }
    if model.codec.size:
        result["perplexity"] = math.exp(min(each, 700.0))
    return result


def _texts(model: Generator, path: Path, card: Any, last: float) -> list[Any]:
    """The last part of a text, cut into sequences as it was in training."""
    text = read_text(path)
    text = text[len(text) - max(1, round(len(text) * last)) :]
    return split_sequences(text, card.get("sequences", "whole"))


def _strokes(model: Generator, path: Path, card: Any, last: float) -> list[Any]:
    """The directions of the pen in pictures of a digit."""
    from seqgen.data.strokes import read_digits, trace_all

    digit = int(card.get("digit", 2))
    return list(trace_all(read_digits(path, digit), segments=card["length"], angles=model.codec.size)[0])


def _numbers(model: Generator, path: Path, card: Any, last: float) -> list[Any]:
    """The sequences of an archive of numbers."""
    if model.family == "rnade":
        # a sample is one vector, number by number; a file holds many
        return [read_vectors(path)]
    return [model.codec.encode(sequence) for sequence in read_sequences(path)]


TEXTS = ("text", "symbols")
_READERS: dict[str, Callable[[Generator, Path, Any, float], list[Any]]] = {
    **dict.fromkeys(TEXTS, _texts),
    "strokes": _strokes,
}
"""What reads held-out data for a codec, by its medium; everything else is read as numbers."""
