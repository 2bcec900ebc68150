"""Sinks: where chunks go. `open_sink` chooses one from the table of formats by the suffix of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.sinks.formats import OPTIONS, STANDARD_OUTPUT, SUFFIXES, find_format
from seqgen.registry import resolve

if TYPE_CHECKING:
    from pipelines.sinks.base import Sink
    from seqgen.codecs import Codec

__all__ = ["SUFFIXES", "open_sink"]


def open_sink(
    path: str | Path,
    codec: Codec,
    *,
    prompt: Any = None,
    fixed: dict[str, Any] | None = None,
    kind: str | None = None,
    options: dict[str, Any] | None = None,
) -> Sink:
    """The sink for a file name; `pipelines.sinks.formats` is the table of what there is.

    "-" is standard output: text, images as .pnm, audio as .wav. A name of a picture or a recording with the index
    in braces, as in digit-{index:05d}.png, makes a file for each sample; a recording of any other name holds one.
    Nothing is written or made yet, but what can be refused is refused here.

    Args:
        path: the file.
        codec: of the model whose chunks come.
        prompt: a text or audio (T,) that is written before every sample; a text also as an entry of every JSON line.
        fixed: entries of every JSON line.
        kind: a suffix to use instead of that of the name, and for standard output.
        options: keywords of sinks such as `scale`, `fps`, `style` and `encoding`; those that this one does not know
            do nothing, and None is left out.

    Raises:
        SeqgenError: if the suffix is unknown or cannot hold what the model makes, or a package that writes it is
            not installed.
        ValueError: for an option that no sink knows, and for standard output if the format can only be a file.
    """
    suffix = kind or (codec.default_suffix if str(path) == STANDARD_OUTPUT else Path(path).suffix.lower())
    entry = find_format(suffix, codec, path)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    unknown = sorted(set(given) - set(OPTIONS))
    if unknown:
        raise ValueError(f"no sink has the option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
    entry.require(suffix)
    from pipelines.sinks.base import SinkRequest

    known = {option.name: given[option.name] for option in entry.options if option.name in given}
    sink: Sink = resolve(entry.sink).for_request(SinkRequest(path, codec, suffix, prompt, fixed or {}, known))
    return sink
