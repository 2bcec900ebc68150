"""What the schemas of sound families share: entries of a condition, and the state of every `SoundEngine`.

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
    # of features that are not mixed no array is as long as a frame
    "hop": Integer(optional=True, most=1 << 16),
}
"""The entries of families that take a class, a vector or features."""


def sound_state(codec: Codec, taps: int) -> Fields:
    """What is in the state of every `SoundEngine` that looks `taps` samples back."""
    low, high = {"mu-law": (-1, codec.size - 1), "pcm16": (-1, 1)}.get(codec.name, (None, None))
    yield "history", Field(("B", taps), ("float64",), low=low, high=high)
    yield "clock", Field(("B",), ("int64",), low=0, high=MOST_STEPS)
    yield "position", Field(("B",), ("int64",), low=0, high=MOST_STEPS)
    yield "index", Field(("B",), ("uint64",))
    yield from control_fields(codec.size or 1)
