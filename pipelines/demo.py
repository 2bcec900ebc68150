"""`make demo`: a tour of the built-in models in about a minute."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import seqgen
from pipelines.audio_demo import speak, speakers
from pipelines.grids import require_picture
from pipelines.image_demo import draw_live, each_class, image_models, write_page
from pipelines.sinks import open_sink
from seqgen import extras
from seqgen.pretrained import find

OUT = Path("demo")
SECONDS = 8.0
SEED = 7


def main() -> None:
    """Stream Shakespeare, show Markov and HMM samples, draw strokes and images, generate speech, and print rates."""
    extras.require("pillow", "matplotlib", "soundfile", for_what="the demo")
    console = Console(highlight=False)
    OUT.mkdir(exist_ok=True)

    console.rule("shakespeare: an LSTM, character by character (the same seed always gives the same text)")
    prompt = "ROMEO:"
    stream = seqgen.stream("shakespeare", n=1, length=700, chunk=1, prompt=prompt, seed=SEED)
    sys.stdout.write(prompt)
    with stream:
        sys.stdout.write(next(stream).data)
        sys.stdout.flush()
        with _warming([*image_models(), *speakers()]) as others:
            for chunk in stream:
                sys.stdout.write(chunk.data)
                sys.stdout.flush()
                # slowed down to reading speed
                time.sleep(SECONDS / 700)
            print()
            _show_text_and_strokes(console)
            if others.poll() is None:
                print("\nthe kernels of the models of images and sound are still being compiled …")
                others.wait()
    _draw_images(console)
    _speak(console)

    console.rule("measured here, now")
    _measure(console)
    live = "".join(
        f"  .venv/bin/seqgen stream {name} --live | aplay       # in real time; Ctrl-C ends it\n"
        for name in speakers()
    )
    print(
        "\nTry:\n"
        "  .venv/bin/seqgen stream shakespeare                 # endless; Ctrl-C ends it\n"
        "  .venv/bin/seqgen stream shakespeare --temperature 0.6 --seed 1 --length 500\n"
        "  .venv/bin/seqgen stream shakespeare -n 8 --length 300 --batch 8 -o demo/plays.jsonl\n"
        "  .venv/bin/seqgen stream digits-pixelcnn             # a digit, row by row\n"
        "  .venv/bin/seqgen stream digits-pixelcnn -n 64 --batch 16 -o demo/digits.png\n"
        f"{live}"
        "  .venv/bin/seqgen train char-rnn your.txt -o yours.safetensors --preset tiny\n"
        "  .venv/bin/seqgen doctor"
    )


@contextlib.contextmanager
def _warming(names: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Compile the kernels of models in another process, which is ended with the context; its errors do not matter."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "warm", *names],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _show_text_and_strokes(console: Console) -> None:
    console.rule("shakespeare-markov: a word chain with Kneser–Ney smoothing")
    with seqgen.stream("shakespeare-markov", n=3, length=60, seed=SEED) as words:
        for chunk in words:
            sys.stdout.write(chunk.data)
            if chunk.last:
                print("\n")

    console.rule("weather: a three-state chain from a lecture")
    for text in seqgen.load("weather").sample(3, length=10, seed=SEED):
        print(" ", text)

    console.rule("digit-strokes: a hidden Markov model of a handwritten 2, 16 states, 16 pen angles")
    strokes = seqgen.stream("digit-strokes", n=1, length=32, seed=SEED)
    piece = next(strokes)
    print("  states  ", *piece.extra["states"])
    print("  angles  ", *np.round(np.degrees(np.arctan2(piece.data[:, 1], piece.data[:, 0]))).astype(int))
    picture = OUT / "strokes.png"
    with (
        seqgen.stream("digit-strokes", n=64, length=32, seed=SEED) as twos,
        open_sink(picture, twos.codec) as sink,
    ):
        for chunk in twos:
            sink.write(chunk)
    print(f"  64 samples are drawn in {picture}")


def _draw_images(console: Console) -> None:
    models = image_models()
    if not models:
        console.rule("no image model is built in")
        return
    live = "digits-pixelcnn" if "digits-pixelcnn" in models else next(iter(models))
    console.rule(f"{live}: an image, pixel by pixel, shown row by row")
    draw_live(live, seed=SEED)
    page = OUT / "images.png"
    write_page(page, models, seed=SEED)
    print(f"  samples of {', '.join(models)} and completions of upper halves are drawn in {page}")


def _speak(console: Console) -> None:
    for name in speakers():
        console.rule(f"{name}: ten seconds of a WaveNet, sample by sample")
        sound, picture = speak(name, OUT, seed=SEED)
        print(f"  the recording is {sound}, its spectrogram {picture}")


def _measure(console: Console, seconds: float = 1.0) -> None:
    table = Table("model", "family", "streams", "rate", "first chunk", box=None, pad_edge=False)
    for name, batch in (
        ("shakespeare", 1),
        ("shakespeare", 16),
        ("shakespeare-markov", 1),
        ("weather", 1),
        ("digit-strokes", 1),
        *((name, batch) for name in (*image_models(), *speakers()) for batch in (1, 16)),
    ):
        request: dict[str, Any] = {
            "batch": batch,
            "seed": SEED,
            "length": 4096,
            "condition": each_class(find(name)),
        }
        with seqgen.stream(name, **request) as compiled:
            next(compiled)
        with seqgen.stream(name, **request) as stream:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                next(stream)
            stats = stream.stats
            first = f"{(stats.time_to_first or 0.0) * 1000:.1f} ms"
            codec = stream.codec
            rate = f"{stats.rate:,.0f} {codec.unit}/s"
            if codec.medium == "image":
                rate = f"{stats.rate / require_picture(codec)[1]:,.0f} images/s"
            table.add_row(name, find(name).family, str(batch), rate, first)
    console.print(table)


if __name__ == "__main__":
    main()
