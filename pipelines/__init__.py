"""Pipelines of generators: composing, resuming, writing to files, and the command line.

>>> from pipelines import from_model
>>> lines = from_model("weather", n=4, length=3, seed=1).map(lambda chunk: chunk.data).batch(2)
>>> [len(pair) for pair in lines]
[2, 2]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

# seqgen checks this marker to tell this package from others named `pipelines`
__seqgen__ = True

_LOCATIONS = {
    "from_model": "pipelines.sources",
    "Pipeline": "pipelines.pipeline",
    "Stage": "pipelines.stage",
    "Paced": "pipelines.operators.paced",
    "open_sink": "pipelines.sinks",
    "Sink": "pipelines.sinks.base",
    "JSONLSink": "pipelines.sinks.jsonl",
    "TextSink": "pipelines.sinks.text",
    "RecordingSink": "pipelines.sinks.audio",
    "image_grid": "pipelines.grids",
    "spectrogram": "pipelines.spectrograms",
}

__all__ = sorted(_LOCATIONS)
__getattr__, __dir__ = lazy_names(__name__, _LOCATIONS)

if TYPE_CHECKING:
    from pipelines.grids import image_grid as image_grid
    from pipelines.operators.paced import Paced as Paced
    from pipelines.pipeline import Pipeline as Pipeline
    from pipelines.sinks import open_sink as open_sink
    from pipelines.sinks.audio import RecordingSink as RecordingSink
    from pipelines.sinks.base import Sink as Sink
    from pipelines.sinks.jsonl import JSONLSink as JSONLSink
    from pipelines.sinks.text import TextSink as TextSink
    from pipelines.sources import from_model as from_model
    from pipelines.spectrograms import spectrogram as spectrogram
    from pipelines.stage import Stage as Stage
