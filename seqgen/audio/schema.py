"""Schema parts shared by audio families: configuration of conditions, and the state of `SoundEngine`.

Legend: B lanes, k kernel size.
"""

from __future__ import annotations

from seqgen.codecs import Codec
from seqgen.engines.lane_controls import control_fields
from seqgen.schema import Field, Fields, Integer

MOST_STEPS = 1 << 62

CONDITION = {
    "classes": Integer(optional=True),
    "condition_size": Integer(optional=True),
    "mels": Integer(optional=True),
    # no array has the length of a frame unless features are interpolated, so the length is limited here
    "hop": Integer(optional=True, most=1 << 16),
}
"""Configuration entries of families that are conditioned on a class, a vector or features."""


def sound_state(codec: Codec, taps: int) -> Fields:
    """Yield the state of a `SoundEngine` whose input convolution has `taps` taps."""
    low, high = {"mu-law": (-1, codec.size - 1), "pcm16": (-1, 1)}.get(codec.name, (None, None))
    yield "history", Field(("B", taps), ("float64",), low=low, high=high)
    yield "clock", Field(("B",), ("int64",), low=0, high=MOST_STEPS)
    yield "position", Field(("B",), ("int64",), low=0, high=MOST_STEPS)
    yield "index", Field(("B",), ("uint64",))
    yield from control_fields(codec.size or 1)
