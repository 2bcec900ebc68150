"""Sinks: where chunks go. `open_sink` chooses one by the suffix of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec, Pixels, Strokes, Vectors, Words
from seqgen.errors import SeqgenError

SUFFIXES = (".txt", ".jsonl", ".npz", ".png", ".y4m", ".pnm", ".pgm", ".ppm")


def open_sink(
    path: str | Path,
    codec: Codec,
    *,
    prompt: str = "",
    fixed: dict[str, Any] | None = None,
    kind: str | None = None,
    options: dict[str, Any] | None = None,
) -> Sink:
    """The sink for a file name: .txt, .jsonl, .npz (numbers and images), .png (images and pen strokes), .y4m
    (images as video), .pgm, .ppm or .pnm (images one after another).

    "-" is standard output: text, or images as .pnm. A .png name with the index in braces, as in
    digit-{index:05d}.png, makes a file for each image.

    Args:
        path: the file.
        codec: of the model whose chunks come.
        prompt: written before every sample of text, and as an entry of every JSON line.
        fixed: entries of every JSON line.
        kind: a suffix to use instead of that of the name, and for standard output.
        options: of the image sinks, where they know them: `scale`, `fps`, `frames` (PNG, y4m) and `style`,
            `side_by_side`, `count`, `columns` (text).

    Raises:
        SeqgenError: if the suffix is unknown or cannot hold what the model makes.
    """
    images = isinstance(codec, Pixels)
    standard = ".pnm" if images else ".txt"
    suffix = kind or (standard if str(path) == "-" else Path(path).suffix.lower())
    if suffix == ".jsonl":
        from pipelines.sinks.jsonl import JSONLSink

        return JSONLSink(path, codec, fixed={**({"prompt": prompt} if prompt else {}), **(fixed or {})})
    if images and suffix in SUFFIXES:
        return _image_sink(path, codec, suffix, options or {})
    if suffix == ".txt":
        from pipelines.sinks.text import TextSink

        space = " " if prompt and isinstance(codec, Words) else ""
        return TextSink(path, codec, prefix=prompt + space, flush=str(path) == "-")
    if suffix == ".npz" and isinstance(codec, Vectors):
        from pipelines.sinks.npz import NPZSink

        return NPZSink(path, codec)
    if suffix == ".png" and isinstance(codec, Strokes):
        from pipelines.sinks.strokes import StrokesSink

        return StrokesSink(path, codec)
    if suffix in SUFFIXES:
        raise SeqgenError(f"a {suffix} file cannot hold {codec.unit}; write .txt or .jsonl")
    raise SeqgenError(f"the suffix {suffix!r} of {str(path)!r} is unknown; there are {', '.join(SUFFIXES)}")


def _image_sink(path: str | Path, codec: Codec, suffix: str, options: dict[str, Any]) -> Sink:
    def some(*names: str) -> dict[str, Any]:
        return {name: options[name] for name in names if options.get(name) is not None}

    if suffix == ".png":
        from pipelines.sinks.png import PNGFilesSink, PNGGridSink, is_pattern

        kind = PNGFilesSink if is_pattern(path) else PNGGridSink
        return kind(path, codec, **some("scale"))
    if suffix == ".y4m":
        from pipelines.sinks.y4m import Y4MSink

        return Y4MSink(path, codec, **some("scale", "fps", "frames"))
    if suffix == ".npz":
        from pipelines.sinks.image_npz import ImageNPZSink

        return ImageNPZSink(path, codec)
    if suffix == ".txt":
        from pipelines.sinks.blocks import BlocksSink

        return BlocksSink(path, codec, **some("style", "side_by_side", "count", "columns"))
    from pipelines.sinks.pnm import PNMSink

    return PNMSink(path, codec)
