"""What `seqgen stream` understands of images: conditions by name, prompts from files, and sensible defaults."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Any

from seqgen.checkpoint import Weights
from seqgen.codecs import Pixels, codec_from_config
from seqgen.conditions.image import Conditions
from seqgen.errors import SeqgenError

BINARY = (".npz", ".png", ".y4m", ".pnm")


def pixels_of(weights: Weights) -> Pixels | None:
    """The codec of an image model, or None."""
    codec = codec_from_config(weights.config["codec"])
    return codec if isinstance(codec, Pixels) else None


def output_kind(codec: Pixels | None, output: str, given: str | None) -> str | None:
    """The suffix that says how to write; None is that of the file's name.

    Raises:
        ValueError: for bytes that would go to a terminal.
    """
    if output != "-":
        return f".{given}" if given else None
    terminal = sys.stdout.isatty()
    if given is None:
        return ".txt" if terminal or codec is None else ".pnm"
    if terminal and f".{given}" in BINARY:
        raise ValueError(f"--format {given} is not for a terminal; give a file with -o, or a pipe")
    return f".{given}"


def default_chunk(codec: Pixels, kind: str) -> int:
    """Rows in a chunk: one where rows are shown as they come, else eight, which cost less for each row."""
    return 1 if kind in (".txt", ".y4m") else min(8, codec.shape[1])


def sink_options(kind: str, n: int | None, batch: int, **given: Any) -> dict[str, Any]:
    """The options of the image sinks; an option that the format does not know is an error."""
    known = {".png": ("scale",), ".y4m": ("scale", "fps", "frames"), ".txt": ("style",)}.get(kind, ())
    for name, value in given.items():
        if value is not None and name not in known:
            raise ValueError(f"--{name} is not for {kind} but for {_those_that_know(name)}")
    if kind != ".txt":
        return given
    if not sys.stdout.isatty():
        # what a file or a pipe gets does not depend on the batch
        return {"style": given["style"]}
    columns = shutil.get_terminal_size().columns
    return {"style": given["style"], "side_by_side": batch, "count": n, "columns": columns}


def _those_that_know(name: str) -> str:
    return {"scale": ".png and .y4m", "style": "images as text"}.get(name, ".y4m")


def image_prompt(codec: Pixels | None, prompt: str | None, keep_rows: int | None, mask: str | None) -> Any:
    """What --prompt, --keep-rows and --mask say: the text as it is, or the known pixels of an image."""
    if codec is None:
        if keep_rows is not None or mask is not None:
            raise SeqgenError("--keep-rows and --mask are for image models")
        return prompt or None
    if prompt is None:
        if keep_rows is not None or mask is not None:
            raise ValueError("--keep-rows and --mask need --prompt FILE, the image to complete")
        return None
    if keep_rows is None and mask is None:
        raise ValueError("--prompt needs --keep-rows or --mask, which say what of the image is known")
    from seqgen.data.completion import read_prompt

    return read_prompt(prompt, codec, keep_rows=keep_rows, mask=mask)


def allowed_levels(text: str) -> list[int]:
    """Levels that are separated by commas or spaces."""
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(f"--allowed takes levels such as 0,3,15 for image models, got {text!r}")
    return [int(word) for word in words]


def parse_condition(weights: Weights, text: str | None) -> Any:
    """What --condition says: a class by number or name, "each" for one class after another, a vector, a guide image.

    Raises:
        SeqgenError: if the model needs a condition that is not given, or is conditioned on several kinds at once.
        ValueError: if there is no such class; the message lists them.
    """
    if pixels_of(weights) is None:
        if text is not None:
            raise SeqgenError("--condition is for image and audio models; give other conditions from Python")
        return None
    # models that are made of several networks are conditioned on what the first one is
    inner = weights.config.get("small") or weights.config.get("decoder") or weights.config
    conditions = Conditions.from_config(inner)
    kinds = conditions.kinds
    if len(kinds) > 1:
        raise SeqgenError(f"the model is conditioned on {' and '.join(kinds)}; stream it from Python")
    if kinds == ("class",):
        return class_by_name(text, weights.card.get("classes"), conditions.classes or 0)
    if not kinds or text is None:
        # the engine says what it wants, or that it takes none
        return text
    if kinds == ("vector",):
        return vector_of(text)
    from seqgen.data.completion import read_levels

    assert conditions.guide is not None
    return read_levels(text, Pixels(conditions.guide, conditions.levels))


def class_by_name(text: str | None, names: Any, count: int) -> int | Callable[[int], int]:
    """A class by number or name; a function of the index for "each"."""
    known = [str(name) for name in names] if isinstance(names, list) and len(names) == count else []
    there = ", ".join(f"{k} ({name})" for k, name in enumerate(known)) or f"0 to {count - 1}"
    if text is None:
        raise SeqgenError(f"the model makes samples of a class; give --condition: {there}, or each")
    if text == "each":
        return lambda index: index % count
    same = [k for k, name in enumerate(known) if name.casefold() == text.strip().casefold()]
    if same:
        return same[0]
    if text.strip().isdecimal() and int(text) < count:
        return int(text)
    raise ValueError(f"there is no class {text!r}; there are {there}, and each")


def vector_of(text: str) -> Any:
    """Numbers separated by commas or spaces, as float32."""
    import numpy as np

    try:
        return np.array([float(word) for word in text.replace(",", " ").split()], np.float32)
    except ValueError:
        raise ValueError(
            f"--condition takes a vector such as 0.5,-1,2 for this model, got {text!r}"
        ) from None
