"""Held-out likelihood of a model on the user's own data."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.codecs import Audio, Bytes, Characters, Pixels, Strokes, Symbols
from seqgen.data.arrays import read_sequences, read_vectors
from seqgen.data.text import read_text, split_sequences
from seqgen.errors import SeqgenError
from seqgen.generator import Generator
from seqgen.pretrained import find
from seqgen.registry import family

Report = Callable[[int, int], None]


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
    if isinstance(model.codec, Pixels):
        from seqgen.evaluation.held_out_images import held_out_images

        if last != 1.0:
            raise SeqgenError("--last is for texts; of images, --part says which are scored")
        found = held_out_images(model, weights.card, path, part=part or "test", report=report)
        return {"model": os.fspath(name_or_path), "family": model.family, "data": os.fspath(data), **found}
    if isinstance(model.codec, Audio):
        from seqgen.evaluation.held_out_audio import held_out_audio

        if last != 1.0:
            raise SeqgenError("--last is for texts; of recordings, --part says which are scored")
        found = held_out_audio(model, weights.card, path, part=part or "test", report=report)
        return {"model": os.fspath(name_or_path), "family": model.family, "data": os.fspath(data), **found}
    if part is not None:
        raise SeqgenError("--part is for images and recordings; of a text, --last says what is scored")
    unknown = 0
    if isinstance(model.codec, (Characters, Bytes, Symbols)):
        text = read_text(path)
        text = text[len(text) - max(1, round(len(text) * last)) :]
        sequences: list[Any] = split_sequences(text, weights.card.get("sequences", "whole"))
    elif last != 1.0:
        raise SeqgenError("--last is for texts; give a file that holds only the held-out sequences")
    else:
        sequences = _numbers(model, path, weights.card)
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


def _numbers(model: Generator, path: Path, card: Any) -> list[np.ndarray]:
    if isinstance(model.codec, Strokes):
        from seqgen.data.strokes import read_digits, trace_all

        digit = int(card.get("digit", 2))
        return list(trace_all(read_digits(path, digit), segments=card["length"], angles=model.codec.size)[0])
    if model.family == "rnade":
        # a sample is one vector, number by number; a file holds many
        return [read_vectors(path)]
    return [model.codec.encode(sequence) for sequence in read_sequences(path)]
