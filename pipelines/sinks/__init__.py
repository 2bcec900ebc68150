"""Sinks, which write chunks to files. `open_sink` selects one from the table of formats by the file's suffix."""

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
    """Return the sink for a file name, from the table `pipelines.sinks.formats`.

    "-" is standard output: text, images as .pnm, audio as .wav. For a picture or recording whose name contains the
    index in braces, as in digit-{index:05d}.png, each sample is written to its own file; a recording of any other name
    holds one sample. Invalid requests are refused here, before anything is written.

    Args:
        path: the file.
        codec: that of the model.
        prompt: a text or audio (T,) to write before every sample; a text is also an entry of every JSON line.
        fixed: entries of every JSON line.
        kind: a suffix that overrides that of the name, and is used for standard output.
        options: options of sinks such as `scale`, `fps`, `style` and `encoding`; options that this sink does not have,
            and None, are ignored.

    Raises:
        SeqgenError: if the suffix is unknown or cannot store the model's data, or a required package is not installed.
        ValueError: if no sink has an option, or the format cannot be written to standard output.
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
