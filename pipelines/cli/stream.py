"""`seqgen stream`: samples of a model, live."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from seqgen.errors import SeqgenError
from seqgen.registry import ENGINES

CONTROLS = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "allowed", "stop")
FORMATS = ("txt", "jsonl", "npz", "png", "y4m", "pnm", "wav", "flac", "ogg", "rf64", "s16le", "f32le")
STYLES = ("colour", "256", "plain", "shades", "ascii")
LOOK = ("scale", "fps", "frames", "style")


@click.command()
@click.argument("model")
@click.option(
    "-n",
    "--n",
    type=int,
    help="Number of samples.  [default: 1 with --length, for images and for audio (one for each --like), endless "
    "otherwise and for y4m in a pipe]",
)
@click.option(
    "--length", type=int, help="Symbols in a sample.  [default: endless, or until the model ends it]"
)
@click.option("--seconds", type=float, help="Length of a sample in seconds, for audio models.")
@click.option(
    "--prompt",
    help="Text that stands before every sample; it is printed first. For image models an image file to complete, for "
    "audio models a recording to go on from, which is written first.",
)
@click.option("--keep-rows", type=int, help="Rows of the prompt's image that are kept, from the top.")
@click.option(
    "--mask", help="Image file, white where the prompt's image is kept and black where it is drawn anew."
)
@click.option(
    "--condition",
    help="What to make: a class by number or name, each for one after another; numbers 0.5,-1 or an image file "
    "where the model takes such.",
)
@click.option(
    "--like", multiple=True, metavar="RECORDING",
    help="Audio file that a vocoder speaks again, from its mel features. May be repeated, for sample after sample.",
)  # fmt: skip
@click.option(
    "--features", multiple=True, metavar="FILE.npy",
    help="Features (frames, width) that a sample follows, for audio models that take them. May be repeated.",
)  # fmt: skip
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed: the same seed gives the same samples."
)
@click.option("--start", type=int, default=0, show_default=True, help="Index of the first sample.")
@click.option("--batch", type=int, default=1, show_default=True, help="Samples computed side by side.")
@click.option(
    "--chunk",
    type=int,
    help="Symbols in a chunk.  [default: 1 on a terminal, else the model's; of images a row if live, else 8 rows; of "
    "audio 20 ms if live or in a pipe]",
)
@click.option("--temperature", type=float, help="Below 1 is safer, above 1 wilder.")
@click.option("--top-k", type=int, help="Draw from the K most likely symbols.")
@click.option("--top-p", type=float, help="Draw from the most likely symbols up to this mass.")
@click.option(
    "--min-p", type=float, help="Drop symbols below this fraction of the likeliest one's probability."
)
@click.option("--typical-p", type=float, help="Draw from the most typical symbols up to this mass.")
@click.option("--repetition-penalty", type=float, help="Above 1 makes symbols seen so far less likely.")
@click.option("--allowed", help="Draw only symbols of this text, or only these levels (0,3).")
@click.option("--stop", multiple=True, help="End a sample after this text. May be repeated.")
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@click.option(
    "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
    help="Of the weights.",
)  # fmt: skip
@click.option("--log-probs", is_flag=True, help="Add each symbol's log-probability (.jsonl and .npz).")
@click.option("--threads", type=int, help="Most threads to use.  [default: $SEQGEN_THREADS or all cores]")
@click.option(
    "-o",
    "--output",
    default="-",
    show_default=True,
    help="File, by suffix: .txt .jsonl, .npz for numbers and images; for images also .png (a page of all, or a file "
    "for each with a name like digit-{index:05d}.png), .y4m (video), .pgm .ppm .pnm (one after another); .png for pen "
    "strokes; for audio .wav .flac .ogg .rf64 (of several samples a file for each, name-00000.wav), and .png, a "
    "spectrogram; - is standard output.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Instead of the suffix. In a pipe audio can be wav, s16le or f32le (samples without a header).  [default on "
    "standard output: txt; for images pnm, and half blocks on a terminal; for audio wav]",
)
@click.option(
    "--scale", type=int, help="Enlarge pixels so many times in .png and .y4m.  [default: to look at]"
)
@click.option("--fps", type=int, help="Frames a second of .y4m.  [default: 25]")
@click.option(
    "--frames",
    type=click.Choice(["rows", "images"]),
    help="A frame of .y4m for every row as it is drawn, or for every image.  [default: rows]",
)
@click.option(
    "--style", type=click.Choice(STYLES), help="Of images as text.  [default: what the terminal has]"
)  # fmt: skip
@click.option(
    "--encoding", type=click.Choice(["pcm16", "pcm24", "float32"]),
    help="Of samples in .wav, .flac and .rf64.  [default: pcm16]",
)  # fmt: skip
@click.option("--picture", metavar="FILE.png", help="Draw the spectrogram of audio too.")
@click.option("--live", is_flag=True, help="Give audio in real time, and count how often it comes too late.")
@click.option(
    "--lead", type=float, help="Seconds that --live may be ahead of the player.  [default: 0.2]"
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error.")
def command(
    model: str, n: int | None, length: int | None, seconds: float | None, prompt: str | None, output: str,
    quiet: bool, keep_rows: int | None, mask: str | None, condition: str | None, format_: str | None,
    like: tuple[str, ...], features: tuple[str, ...], encoding: str | None, picture: str | None, live: bool,
    lead: float | None, **options: Any,
) -> None:  # fmt: skip
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
    from pipelines.cli import audio_options as sound
    from pipelines.cli import image_options as images
    from pipelines.cli.progress import StreamProgress
    from pipelines.operators import Paced
    from pipelines.sinks import open_sink
    from pipelines.sources import FromModel
    from seqgen.pretrained import find
    from seqgen.streaming import Stream

    weights = find(model)
    controls = {name: options.pop(name) for name in CONTROLS}
    controls["stop"] = controls["stop"] or None
    look = {name: options.pop(name) for name in LOOK}
    codec, audio = images.pixels_of(weights), sound.audio_of(weights)
    if audio is None:
        kind = images.output_kind(codec, output, format_)
        _refuse(like=like, features=features, encoding=encoding, picture=picture, live=live, lead=lead)
    else:
        kind = sound.output_kind(audio, output, format_, model)
    if codec is not None and controls["allowed"] is not None:
        controls["allowed"] = images.allowed_levels(controls["allowed"])
    if seconds is not None:
        if audio is None:
            raise SeqgenError("--seconds is for audio models; give --length in symbols")
        length = sound.length_of(audio, seconds, length)
    if length is None:
        length = weights.card.get("length")
    terminal = output == "-" and sys.stdout.isatty()
    chunk = options.pop("chunk")
    if chunk is None and terminal and options["batch"] == 1:
        chunk = 1
    suffix = kind or Path(output).suffix.lower()
    if n is None and audio is not None:
        n = sound.count_of(features, like)
    if n is None and (length is not None or (codec is not None and (output, suffix) != ("-", ".y4m"))):
        n = 1
    if codec is not None:
        chunk = images.default_chunk(codec, suffix) if chunk is None else chunk
        look = images.sink_options(suffix, n, options["batch"], **look)
    elif any(value is not None for value in look.values()):
        raise SeqgenError(f"{', '.join(f'--{name}' for name in LOOK)} are for image models")
    if audio is None:
        known = images.image_prompt(codec, prompt, keep_rows, mask)
        written: Any = prompt
        wanted = images.parse_condition(weights, condition)
    else:
        images.image_prompt(None, None, keep_rows, mask)
        known = written = sound.prompt_of(audio, prompt)
        wanted = sound.parse_condition(weights, audio, condition, features, like)
        look = {"encoding": encoding}
        output = sound.output_name(output, suffix, n)
        chunk = sound.default_chunk(audio, output, live) if chunk is None else chunk
        if live and options["batch"] > 1:
            raise ValueError("--live plays one sample after another; leave out --batch")
    stream = Stream(
        weights, n, length, prompt=known, condition=wanted, controls=controls, chunk=chunk, **options,
    )  # fmt: skip
    endless = weights.family == "char-rnn" or (audio is not None and not (like or features) and output == "-")
    if options["batch"] > 1 and length is None and endless and not controls["stop"]:
        raise ValueError(
            "--batch above 1 needs --length or --stop: endless samples cannot be written in turn"
        )
    hint = None if audio is None or quiet else sound.player_hint(audio, output, kind)
    if hint:
        click.echo(hint, err=True)
    fixed = {"model": model, "seed": options["seed"]}
    source: Any = FromModel(stream)
    paced = Paced(source, audio.sample_rate, lead=0.2 if lead is None else lead) if audio and live else None
    with contextlib.ExitStack() as files:
        files.enter_context(stream)
        sinks = [open_sink(output, stream.codec, prompt=written, fixed=fixed, kind=kind, options=look)]
        if picture is not None:
            sinks.append(open_sink(picture, stream.codec, prompt=written, kind=".png"))
        for sink in sinks:
            files.enter_context(sink)
        progress = files.enter_context(
            StreamProgress(
                stream,
                live=terminal,
                quiet=quiet,
                seed=options["seed"],
                lanes=min(options["batch"], n or options["batch"]),
                paced=paced,
            )
        )
        for piece in paced or source:
            for sink in sinks:
                sink.write(piece)
            progress.update()


def _refuse(**given: Any) -> None:
    """Refuse options of audio for other models."""
    for name, value in given.items():
        if value not in (None, (), False):
            raise SeqgenError(f"--{name} is for audio models")
