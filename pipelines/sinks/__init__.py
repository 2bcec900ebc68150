"""Sinks: where chunks go. `open_sink` chooses one by the suffix of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec, Strokes, Vectors, Words
from seqgen.errors import SeqgenError

SUFFIXES = (".txt", ".jsonl", ".npz", ".png")


def open_sink(
    path: str | Path, codec: Codec, *, prompt: str = "", fixed: dict[str, Any] | None = None
) -> Sink:
    """The sink for a file name: .txt, .jsonl, .npz (numbers) or .png (pen strokes); "-" is text on stdout.

    Args:
        path: the file.
        codec: of the model whose chunks come.
        prompt: written before every sample of text, and as an entry of every JSON line.
        fixed: entries of every JSON line.

    Raises:
        SeqgenError: if the suffix is unknown or cannot hold what the model makes.
    """
    suffix = Path(path).suffix.lower() if str(path) != "-" else ".txt"
    if suffix == ".txt":
        from pipelines.sinks.text import TextSink

        space = " " if prompt and isinstance(codec, Words) else ""
        return TextSink(path, codec, prefix=prompt + space, flush=str(path) == "-")
    if suffix == ".jsonl":
        from pipelines.sinks.jsonl import JSONLSink

        return JSONLSink(path, codec, fixed={**({"prompt": prompt} if prompt else {}), **(fixed or {})})
    if suffix == ".npz" and isinstance(codec, Vectors):
        from pipelines.sinks.npz import NPZSink

        return NPZSink(path, codec)
    if suffix == ".png" and isinstance(codec, Strokes):
        from pipelines.sinks.strokes import StrokesSink

        return StrokesSink(path, codec)
    if suffix in SUFFIXES:
        raise SeqgenError(f"a {suffix} file cannot hold {codec.unit}; write .txt or .jsonl")
    raise SeqgenError(f"the suffix {suffix!r} of {str(path)!r} is unknown; there are {', '.join(SUFFIXES)}")
