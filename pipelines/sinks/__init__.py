"""Sinks: where chunks go. `open_sink` chooses one by the suffix of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec, Pixels, Strokes, Vectors, Words
from seqgen.codecs.audio import Audio
from seqgen.errors import SeqgenError

IMAGES = (".txt", ".npz", ".png", ".y4m", ".pnm", ".pgm", ".ppm")
RECORDINGS = (".wav", ".flac", ".ogg", ".rf64", ".s16le", ".f32le")
SUFFIXES = tuple(dict.fromkeys((".txt", ".jsonl", *IMAGES, *RECORDINGS)))


def open_sink(
    path: str | Path,
    codec: Codec,
    *,
    prompt: Any = None,
    fixed: dict[str, Any] | None = None,
    kind: str | None = None,
    options: dict[str, Any] | None = None,
) -> Sink:
    """The sink for a file name: .txt, .jsonl, .npz (numbers, images, audio), .png (images, pen strokes, spectrograms
    of audio), .y4m (images as video), .pgm, .ppm or .pnm (images one after another), .wav, .flac, .ogg, .rf64,
    .s16le or .f32le (audio).

    "-" is standard output: text, images as .pnm, audio as .wav. A name of a picture or a recording with the index
    in braces, as in digit-{index:05d}.png, makes a file for each sample; a recording of any other name holds one.

    Args:
        path: the file.
        codec: of the model whose chunks come.
        prompt: a text or audio (T,) that is written before every sample; a text also as an entry of every JSON line.
        fixed: entries of every JSON line.
        kind: a suffix to use instead of that of the name, and for standard output.
        options: of the image sinks, where they know them: `scale`, `fps`, `frames` (PNG, y4m) and `style`,
            `side_by_side`, `count`, `columns` (text); of recordings `encoding`.

    Raises:
        SeqgenError: if the suffix is unknown or cannot hold what the model makes.
    """
    images, audio = isinstance(codec, Pixels), isinstance(codec, Audio)
    standard = ".pnm" if images else ".wav" if audio else ".txt"
    suffix = kind or (standard if str(path) == "-" else Path(path).suffix.lower())
    if suffix == ".jsonl":
        from pipelines.sinks.jsonl import JSONLSink

        return JSONLSink(path, codec, fixed={**_named(prompt), **(fixed or {})})
    if audio and suffix in (".png", *RECORDINGS):
        return _audio_sink(path, codec, suffix, prompt, options or {})
    if images and suffix in IMAGES:
        return _image_sink(path, codec, suffix, options or {})
    if suffix == ".txt":
        from pipelines.sinks.text import TextSink, as_text

        space = " " if prompt is not None and len(prompt) and isinstance(codec, Words) else ""
        prefix = "" if prompt is None else as_text(prompt) + space
        return TextSink(path, codec, prefix=prefix, flush=str(path) == "-")
    if suffix == ".npz" and (isinstance(codec, Vectors) or audio):
        from pipelines.sinks.npz import NPZSink

        return NPZSink(path, codec)
    if suffix == ".png" and isinstance(codec, Strokes):
        from pipelines.sinks.strokes import StrokesSink

        return StrokesSink(path, codec)
    if suffix in SUFFIXES:
        more = IMAGES if images else (*RECORDINGS, ".png", ".npz", ".txt") if audio else (".txt",)
        raise SeqgenError(f"a {suffix} file cannot hold {codec.unit}; write {', '.join(more)} or .jsonl")
    raise SeqgenError(f"the suffix {suffix!r} of {str(path)!r} is unknown; there are {', '.join(SUFFIXES)}")


def _named(prompt: Any) -> dict[str, Any]:
    """The prompt as an entry of a JSON line, if it is a text."""
    return {"prompt": prompt} if isinstance(prompt, str) and prompt else {}


def _audio_sink(path: str | Path, codec: Codec, suffix: str, prompt: Any, options: dict[str, Any]) -> Sink:
    if suffix == ".png":
        from pipelines.sinks.spectrogram import SpectrogramSink

        return SpectrogramSink(path, codec, prefix=prompt)
    if str(path) != "-":
        from pipelines.sinks.audio import RecordingSink

        return RecordingSink(path, codec, suffix=suffix, encoding=options.get("encoding"), prefix=prompt)
    from pipelines.sinks.audio_pipe import AudioPipeSink

    return AudioPipeSink(path, codec, kind=suffix, encoding=options.get("encoding"), prefix=prompt)


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
