"""`seqgen stream`: generate samples of a model and write them as they are generated."""

from __future__ import annotations

import contextlib
import sys
import warnings
from functools import partial
from typing import Any

import click

from pipelines.cli.media import by_medium, format_options, media_options, medium_of, refuse_foreign
from pipelines.cli.media.base import Medium, Plan
from pipelines.cli.sections import SectionCommand, SectionOption
from pipelines.sinks.formats import STANDARD_OUTPUT, SUFFIXES, described, find_format, place_of
from pipelines.sinks.names import as_pattern, is_pattern
from seqgen.errors import SeqgenWarning
from seqgen.files import readable
from seqgen.registry import ENGINES

CONTROLS = (
    "greedy",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repetition_penalty",
    "allowed",
    "stop",
)
STREAM = ("seed", "start", "batch", "engine", "precision", "log_probs", "threads")

_samples, _controls, _output, _computing = (
    partial(click.option, cls=SectionOption, section=section)
    for section in ("Samples", "Controls", "Output", "Computing")
)


@click.command(cls=SectionCommand, tables=(("Formats", described()),))
@click.argument("model")
@_samples("-n", "--n", type=int, help=f"Number of samples.  [default: {by_medium('default_n')}]")
@_samples("--length", type=int, help="Symbols per sample.  [default: until the model ends it, else endless]")
@_samples(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the random numbers; equal seeds give equal samples.",
)
@_samples("--start", type=int, default=0, show_default=True, help="Index of the first sample.")
@_samples("--batch", type=int, default=1, show_default=True, help="Number of samples computed in parallel.")
@_samples("--chunk", type=int, help=f"Symbols per chunk.  [default: {by_medium('default_chunk')}]")
@_controls("--greedy", is_flag=True, help="Draw the most probable symbol, the first one of several that tie.")
@_controls("--temperature", type=float, help="Divide the logits by this: below 1 sharpens, above 1 flattens.")
@_controls("--top-k", type=int, help="Sample from the K most probable symbols.")
@_controls(
    "--top-p", type=float, help="Nucleus sampling: the most probable symbols up to this total probability."
)
@_controls("--min-p", type=float, help="Drop symbols below this fraction of the highest probability.")
@_controls(
    "--typical-p", type=float, help="Typical sampling: the most typical symbols up to this total probability."
)
@_controls("--repetition-penalty", type=float, help="Above 1 penalizes symbols that have already occurred.")
@_controls("--allowed", help="Sample only symbols in this text, or only these pixel levels (0,3).")
@_controls("--stop", multiple=True, help="End a sample after this text. Repeatable.")
@_output(
    "-o", "--output", default=STANDARD_OUTPUT, show_default=True,
    help="Output file; the suffix selects the format (see Formats). - is standard output.",
)  # fmt: skip
@_output(
    "--format", "format_", type=click.Choice([suffix[1:] for suffix in SUFFIXES]),
    help=f"Format, overrides the suffix.  [default on standard output: {by_medium('default_format')}]",
)  # fmt: skip
@_output("--log-probs", is_flag=True, help="Add each symbol's log-probability (.jsonl and .npz).")
@_output("-q", "--quiet", is_flag=True, help="Print nothing on standard error.")
@media_options
@_computing("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@_computing(
    "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
    help="Precision of the weights.",
)  # fmt: skip
@_computing(
    "--threads", type=int, help="Maximum number of threads.  [default: $SEQGEN_THREADS, else all cores]"
)
def command(model: str, quiet: bool, **given: Any) -> None:
    """Stream samples of MODEL, a built-in name (see `seqgen models`) or a .safetensors file.

    \b
    Examples:
      seqgen stream shakespeare                        # until Ctrl-C
      seqgen stream shakespeare --prompt "JULIET:" --temperature 0.7 --length 400
      seqgen stream weather -n 5 --length 7 --seed 3
      seqgen stream shakespeare -n 100 --length 500 --batch 16 -o plays.jsonl
      seqgen stream digit-strokes -n 64 -o twos.png
      seqgen stream digits-pixelcnn                    # an image, row by row
      seqgen stream digits-pixelcnn -n 64 --batch 16 -o page.png
      seqgen stream digits-pixelcnn -n 9 --prompt half.png --keep-rows 14 -o completed.png
      seqgen stream fashion-pixelcnn -n 100 --condition each -o page.png
      seqgen stream digits-pixelcnn --format y4m | ffplay -
      seqgen stream speech --live | aplay              # until Ctrl-C
      seqgen stream speech --seconds 10 -o speech.flac --picture speech.png
      seqgen stream vocoder --like recording.wav -o again.wav
    """
    from pipelines.cli.progress import StreamProgress
    from pipelines.sinks import open_sink
    from pipelines.sources import FromModel
    from seqgen.codecs import codec_from_config
    from seqgen.pretrained import find
    from seqgen.streaming import Stream

    if quiet:
        warnings.simplefilter("ignore", SeqgenWarning)
    weights = find(model)
    codec = codec_from_config(weights.config["codec"])
    refuse_foreign(codec, given)
    medium = medium_of(codec)(model, weights, codec, given)
    plan = _planned(medium, given)
    piped = place_of(plan.output) == "pipe"
    options = format_options(
        plan.format, plan.suffix, given, {"medium": codec.medium, "place": "pipe"} if piped else None
    )
    prompt, written = medium.prompt()
    condition = medium.condition()
    medium.check(plan)
    # open the sinks first, so that what they refuse is reported before the stream is made
    fixed = {"model": readable(model), "seed": given["seed"]}
    options |= medium.sink_options(plan)
    sinks = [open_sink(plan.output, codec, prompt=written, fixed=fixed, kind=plan.suffix, options=options)]
    sinks += [
        open_sink(path, codec, prompt=written, kind=suffix) for path, suffix in medium.more_outputs().items()
    ]
    stream = Stream(
        weights, plan.n, plan.length, prompt=prompt, condition=condition, controls=_chosen(medium, given),
        chunk=plan.chunk, **{name: given[name] for name in STREAM},
    )  # fmt: skip
    hint = None if quiet else medium.hint(plan)
    if hint:
        click.echo(hint, err=True)
    source = FromModel(stream)
    paced = medium.paced(source, plan)
    with contextlib.ExitStack() as files:
        files.enter_context(stream)
        for sink in sinks:
            files.enter_context(sink)
        progress = files.enter_context(
            StreamProgress(
                stream, medium.amount, live=plan.terminal, quiet=quiet, seed=given["seed"],
                lanes=min(plan.batch, plan.n or plan.batch), paced=paced,
            )
        )  # fmt: skip
        for piece in paced or source:
            for sink in sinks:
                sink.write(piece)
            progress.update()


def _planned(medium: Medium, given: dict[str, Any]) -> Plan:
    """Complete the request with defaults."""
    output = given["output"]
    terminal = output == STANDARD_OUTPUT and sys.stdout.isatty()
    suffix = medium.suffix(output, given["format_"])
    format_ = find_format(suffix, medium.codec, output)
    if terminal and format_.binary:
        raise ValueError(medium.not_for_a_terminal(suffix))
    # report a missing package before prompts and conditions are read
    format_.require(suffix)
    for path, other in medium.more_outputs().items():
        find_format(other, medium.codec, path).require(other)
    length = medium.length(given["length"])
    if length is None:
        length = medium.weights.card.get("length")
    plan = Plan(output, suffix, format_, terminal, given["batch"], length, given["n"], given["chunk"])
    if plan.n is None:
        plan.n = medium.count(plan)
    if plan.chunk is None:
        plan.chunk = 1 if terminal and plan.batch == 1 else medium.chunk(plan)
    if format_.single and plan.n != 1 and not is_pattern(output):
        plan.output = str(as_pattern(output))
    return plan


def _chosen(medium: Medium, given: dict[str, Any]) -> dict[str, Any]:
    """The controls."""
    controls = {name: given[name] for name in CONTROLS}
    controls["stop"] = controls["stop"] or None
    if controls["allowed"] is not None:
        controls["allowed"] = medium.allowed(controls["allowed"])
    return controls
