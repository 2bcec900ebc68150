"""`seqgen stream`: samples of a model, live."""

from __future__ import annotations

import sys
from typing import Any

import click

from seqgen.errors import SeqgenError
from seqgen.families import ENGINES

CONTROLS = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "allowed", "stop")


@click.command()
@click.argument("model")
@click.option("-n", "--n", type=int, help="Number of samples.  [default: 1 with --length, else endless]")
@click.option(
    "--length", type=int, help="Symbols in a sample.  [default: endless, or until the model ends it]"
)
@click.option("--seconds", type=float, help="Length of a sample in seconds, for audio models.")
@click.option("--prompt", help="Text that stands before every sample; it is printed first.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed: the same seed gives the same samples."
)
@click.option("--start", type=int, default=0, show_default=True, help="Index of the first sample.")
@click.option("--batch", type=int, default=1, show_default=True, help="Samples computed side by side.")
@click.option("--chunk", type=int, help="Symbols in a chunk.  [default: 1 on a terminal, else the model's]")
@click.option("--temperature", type=float, help="Below 1 is safer, above 1 wilder.")
@click.option("--top-k", type=int, help="Draw from the K most likely symbols.")
@click.option("--top-p", type=float, help="Draw from the most likely symbols up to this mass.")
@click.option(
    "--min-p", type=float, help="Drop symbols below this fraction of the likeliest one's probability."
)
@click.option("--typical-p", type=float, help="Draw from the most typical symbols up to this mass.")
@click.option("--repetition-penalty", type=float, help="Above 1 makes symbols seen so far less likely.")
@click.option("--allowed", help="Draw only symbols of this text.")
@click.option("--stop", multiple=True, help="End a sample after this text. May be repeated.")
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@click.option(
    "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
    help="Of the weights.",
)  # fmt: skip
@click.option("--log-probs", is_flag=True, help="Add each symbol's log-probability (.jsonl and .npz).")
@click.option("--threads", type=int, help="Most threads to use.  [default: $SEQGEN_THREADS or all cores]")
@click.option(
    "-o", "--output", default="-", show_default=True,
    help="File, by suffix: .txt .jsonl, .npz for numbers, .png for pen strokes; - is standard output.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error.")
def command(
    model: str, n: int | None, length: int | None, seconds: float | None, prompt: str | None, output: str,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Stream samples of MODEL, a built-in name (see `seqgen models`) or a .safetensors file.

    \b
    Examples:
      seqgen stream shakespeare                        # until Ctrl-C
      seqgen stream shakespeare --prompt "JULIET:" --temperature 0.7 --length 400
      seqgen stream weather -n 5 --length 7 --seed 3
      seqgen stream shakespeare -n 100 --length 500 --batch 16 -o plays.jsonl
      seqgen stream digit-strokes -n 64 -o twos.png
    """
    from pipelines.cli.progress import StreamProgress
    from pipelines.sinks import open_sink
    from seqgen.pretrained import find
    from seqgen.streaming import Stream

    weights = find(model)
    controls = {name: options.pop(name) for name in CONTROLS}
    controls["stop"] = controls["stop"] or None
    if seconds is not None:
        length = _symbols(weights.config, seconds, length)
    if length is None:
        length = weights.card.get("length")
    live = output == "-" and sys.stdout.isatty()
    chunk = options.pop("chunk")
    if chunk is None and live and options["batch"] == 1:
        chunk = 1
    if n is None and length is not None:
        n = 1
    stream = Stream(
        weights, n, length, prompt=prompt or None, controls=controls, chunk=chunk, **options,
    )  # fmt: skip
    if options["batch"] > 1 and length is None and weights.family == "char-rnn" and not controls["stop"]:
        raise ValueError(
            "--batch above 1 needs --length or --stop: endless samples cannot be written in turn"
        )
    fixed = {"model": model, "seed": options["seed"]}
    with (
        stream,
        open_sink(output, stream.codec, prompt=prompt or "", fixed=fixed) as sink,
        StreamProgress(stream, live=live, quiet=quiet, seed=options["seed"]) as progress,
    ):
        for piece in stream:
            sink.write(piece)
            progress.update()


def _symbols(config: Any, seconds: float, length: int | None) -> int:
    rate = config.get("codec", {}).get("sample_rate")
    if rate is None:
        raise SeqgenError("--seconds is for audio models; give --length in symbols")
    if length is not None:
        raise ValueError("give --seconds or --length, not both")
    return round(seconds * float(rate))
