"""The audio part of `make demo`: a generated recording, its spectrogram, and the real-time factor."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import seqgen
from pipelines.sinks import open_sink
from pipelines.sinks.recording import require_rate
from seqgen.checkpoint import Weights
from seqgen.codecs import codec_from_config
from seqgen.pretrained import find, names

_SHOWN = 0.1  # seconds between two lines on a terminal


def speakers() -> dict[str, Weights]:
    """Return the built-in audio models that need no condition, by name."""
    found = {name: find(name) for name in names()}
    return {
        name: weights
        for name, weights in found.items()
        if codec_from_config(weights.config["codec"]).medium == "audio"
        and not any(weights.config.get(kind) for kind in ("classes", "condition_size", "mels"))
    }


def speak(name: str | Path, folder: Path, *, seed: int, seconds: float = 10.0) -> tuple[Path, Path]:
    """Generate a recording and its spectrogram, FOLDER/NAME.wav and .png, and show the rate meanwhile.

    Args:
        name: a built-in model, or the path of a checkpoint.
        folder: output folder. seed: seed of the sample. seconds: its length.
    """
    codec = codec_from_config(find(name).config["codec"])
    sample_rate = require_rate(codec)
    sound, picture = (folder / f"{Path(name).stem}{suffix}" for suffix in (".wav", ".png"))
    with ExitStack() as files:
        length = round(seconds * sample_rate)
        stream = files.enter_context(
            seqgen.stream(name, n=1, length=length, chunk=max(1, sample_rate // 50), seed=seed)
        )
        sinks = [files.enter_context(open_sink(path, codec)) for path in (sound, picture)]
        shown = 0.0
        for chunk in stream:
            for sink in sinks:
                sink.write(chunk)
            now = time.monotonic()
            if chunk.last or (sys.stdout.isatty() and now - shown > _SHOWN):
                shown = now
                done, rate = (chunk.offset + len(chunk.data)) / sample_rate, stream.stats.rate
                start = "\r\033[K" if sys.stdout.isatty() else ""
                print(
                    f"{start}  {done:4.1f} s of audio, {rate:,.0f} samples/s, "
                    f"{rate / sample_rate:.2f}× real time", end="", flush=True,
                )  # fmt: skip
    print()
    return sound, picture
