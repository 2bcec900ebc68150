"""What `seqgen stream` understands of audio: pipes and recordings, conditions from files, real time."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.checkpoint import Weights
from seqgen.codecs import Audio, codec_from_config
from seqgen.errors import SeqgenError, real

if TYPE_CHECKING:
    import numpy as np

    from seqgen.conditions.audio import AudioConditions

PIPES = (".wav", ".s16le", ".f32le")
_LIVE = 0.02  # seconds in a chunk that somebody waits for


def audio_of(weights: Weights) -> Audio | None:
    """The codec of an audio model, or None."""
    codec = codec_from_config(weights.config["codec"])
    return codec if isinstance(codec, Audio) else None


def output_kind(codec: Audio, output: str, given: str | None, model: str) -> str | None:
    """The suffix that says how to write; None is that of the file's name.

    Raises:
        ValueError: for bytes that would go to a terminal, and for a format that cannot be written to a pipe.
    """
    if output != "-":
        return f".{given}" if given else None
    if sys.stdout.isatty() and given not in ("txt", "jsonl"):
        from pipelines.cli.players import commands_here

        player = commands_here(codec.sample_rate, ".wav", shutil.which)[0]
        raise ValueError(
            "audio is not for a terminal: write a file with -o speech.wav, or give it to a player:  "
            f"seqgen stream {model} --live | {player}"
        )
    if given in ("flac", "ogg", "rf64"):
        raise ValueError(
            f"--format {given} is not for a pipe, only wav, s16le and f32le; or name a file with -o"
        )
    return f".{given}" if given else ".wav"


def player_hint(codec: Audio, output: str, kind: str | None) -> str | None:
    """The line that says how to play what goes into a pipe, or None where it goes elsewhere."""
    if output != "-" or kind not in PIPES or not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        return None
    from pipelines.cli.players import player_line

    return player_line(codec.sample_rate, kind, shutil.which)


def output_name(output: str, suffix: str, n: int | None) -> str:
    """The file to write: of several recordings, each has its index in its name."""
    from pipelines.sinks import RECORDINGS
    from pipelines.sinks.png import is_pattern

    if output == "-" or n == 1 or suffix not in RECORDINGS or is_pattern(output):
        return output
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{{index:05d}}{path.suffix}"))


def default_chunk(codec: Audio, output: str, live: bool) -> int | None:
    """Samples in a chunk: 20 ms where somebody may be listening, else the model's own."""
    return max(1, round(_LIVE * codec.sample_rate)) if live or output == "-" else None


def length_of(codec: Audio, seconds: float, length: int | None) -> int:
    """What --seconds says, in samples."""
    if length is not None:
        raise ValueError("give --seconds or --length, not both")
    return max(1, round(real("seconds", seconds, above=0.0, high=1e12) * codec.sample_rate))


def prompt_of(codec: Audio, prompt: str | None) -> np.ndarray | None:
    """The recording that --prompt names, as audio (T,)."""
    return None if not prompt else _recording(prompt, codec.sample_rate)


def parse_condition(
    weights: Weights, codec: Audio, text: str | None, features: tuple[str, ...], like: tuple[str, ...]
) -> Any:
    """What --condition, --features and --like say together: one condition, or a function of the index.

    Raises:
        SeqgenError: if the model needs a condition that is not given, or takes none.
        ValueError: if one does not fit the model; the message names the file.
    """
    from pipelines.cli import image_options
    from seqgen.conditions.audio import AudioConditions

    conditions = AudioConditions.from_config(weights.config)
    fixed = [kind for kind in conditions.kinds if kind != "features"]
    if len(fixed) > 1:
        raise SeqgenError("the model is conditioned on a class and a vector; stream it from Python")
    parts: dict[str, Any] = {}
    if fixed == ["class"]:
        parts["class"] = image_options.class_by_name(
            text, weights.card.get("classes"), conditions.classes or 0
        )
    elif fixed == ["vector"]:
        if text is None:
            raise SeqgenError(
                f"the model is conditioned on {conditions.vector} numbers; give --condition 0.5,-1,…"
            )
        parts["vector"] = image_options.vector_of(text)
    elif text is not None:
        raise SeqgenError("--condition is for models of classes or vectors; this model takes neither")
    if conditions.mels is None:
        if features or like:
            raise SeqgenError(
                "--features and --like are for models that are conditioned on features, such as a vocoder"
            )
    else:
        parts["features"] = _features(weights.config, codec, conditions, features, like)
    return _together(parts)


def count_of(features: tuple[str, ...], like: tuple[str, ...]) -> int:
    """How many samples the named files ask for, at least 1."""
    return max(1, len(features), len(like))


def _features(
    config: Any, codec: Audio, conditions: AudioConditions, features: tuple[str, ...], like: tuple[str, ...]
) -> list[np.ndarray]:
    if bool(features) == bool(like):
        raise SeqgenError(
            f"the model is conditioned on features of {conditions.mels} numbers a frame; give --like RECORDING, from "
            "which they are computed, or --features FILE.npy, not both"
        )
    if features:
        return [_named(path, conditions, _array(path)) for path in features]
    from seqgen.data.mel import mel_features

    assert conditions.mels is not None
    rate = codec.sample_rate
    return [
        _named(
            path,
            conditions,
            mel_features(_recording(path, rate), rate, hop=config["hop"], mels=conditions.mels),
        )
        for path in like
    ]


def _named(path: str, conditions: AudioConditions, array: Any) -> np.ndarray:
    """Checked features; the error names the file."""
    try:
        return conditions.checked_frames(array)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from None


def _array(path: str) -> Any:
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise SeqgenError(f"{path} is not a whole .npy file: {error}") from None
    if not isinstance(found, np.ndarray):
        raise SeqgenError(f"{path} is an archive; give a .npy file with one array (frames, width)")
    return found


def _recording(path: str, rate: int) -> np.ndarray:
    """A file of sound as the model takes it; what had to be converted is said on standard error."""
    import click

    from seqgen.data.audio_files import read_audio

    found = read_audio(path, rate, mono=True)
    if not len(found.samples):
        raise SeqgenError(f"{path} is empty; give a recording with sound")
    if found.conversions:
        click.echo(f"{path}: {', '.join(found.conversions)}", err=True)
    return found.samples


def _together(parts: dict[str, Any]) -> Any:
    """One condition of its parts, or a function of the index if some part changes with it."""
    if not parts:
        return None
    several = {name: part for name, part in parts.items() if callable(part) or isinstance(part, list)}
    if not several or all(isinstance(part, list) and len(part) == 1 for part in several.values()):
        one = {name: part[0] if isinstance(part, list) else part for name, part in parts.items()}
        return one if len(one) > 1 else next(iter(one.values()))

    def at(index: int) -> Any:
        now = {name: _at(part, index) for name, part in parts.items()}
        return now if len(now) > 1 else next(iter(now.values()))

    return at


def _at(part: Any, index: int) -> Any:
    if isinstance(part, list):
        return part[index % len(part)]
    return part(index) if callable(part) else part
