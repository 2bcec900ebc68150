"""Audio on the command line: recordings and pipes, prompts and conditions from files, real-time output."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.cli.media.base import Medium, MediumOption, Plan
from pipelines.cli.media.conditions import CONDITION, class_by_name, vector_of
from pipelines.cli.media.recordings import features_of, one_or_each, recording_of
from pipelines.sinks.formats import STANDARD_OUTPUT
from seqgen.errors import SeqgenError, real

if TYPE_CHECKING:
    from pipelines.operators import Paced
    from pipelines.sources import FromModel
    from seqgen.codecs import Audio
    from seqgen.stats import StreamStats

_LIVE = 0.02  # seconds per chunk of interactive output


class AudioMedium(Medium):
    """Audio models; a symbol is one audio sample."""

    media = ("audio",)
    label = "audio"
    options: ClassVar[tuple[MediumOption, ...]] = (
        MediumOption("prompt", "a recording to continue, which is written first; - is standard input"),
        CONDITION,
        MediumOption(
            "seconds", "Length of a sample in seconds", {"type": float}, instead="give --length in symbols"
        ),
        MediumOption(
            "like",
            "Recording whose mel features condition a vocoder, - for standard input; the sample is as long. "
            "Repeatable, one per sample",
            {"multiple": True, "metavar": "RECORDING"},
        ),
        MediumOption(
            "features",
            "Array (frames, width) of features that condition a sample, - for standard input. "
            "Repeatable, one per sample",
            {"multiple": True, "metavar": "FILE.npy"},
        ),
        MediumOption("picture", "Also write the spectrogram", {"metavar": "FILE.png"}),
        MediumOption("live", "Output in real time, and count underruns", {"is_flag": True}),
        MediumOption(
            "lead", "Maximum lead of --live over the player, in seconds.  [default: 0.2]", {"type": float}
        ),
    )
    default_n = "1, or one per --like or --features"
    default_chunk = "20 ms with --live or on standard output"
    default_format = "wav"
    on_terminal = ".wav"
    codec: Audio

    def not_for_a_terminal(self, suffix: str) -> str:
        from pipelines.cli.players import commands_here

        player = commands_here(self.codec.sample_rate, ".wav", shutil.which)[0]
        return (
            "audio cannot be written to a terminal: write a file with -o speech.wav, or pipe it to a player:  "
            f"seqgen stream {self.name} --live | {player}"
        )

    def more_outputs(self) -> dict[str, str]:
        picture = self.given["picture"]
        if picture is None:
            return {}
        if Path(picture).suffix.lower() != ".png":
            raise ValueError(f"--picture must end in .png, got {picture!r}")
        if os.path.realpath(picture) == os.path.realpath(self.given["output"]):
            raise ValueError(f"--picture and -o name the same file, {picture!r}; give it another name")
        return {picture: ".png"}

    def length(self, asked: int | None) -> int | None:
        """The value of --seconds, converted to samples."""
        seconds = self.given["seconds"]
        if seconds is None:
            return asked
        if asked is not None:
            raise ValueError("give --seconds or --length, not both")
        return max(1, round(real("seconds", seconds, above=0.0, high=1e12) * self.codec.sample_rate))

    def count(self, plan: Plan) -> int:
        return max(1, len(self.given["features"]), len(self.given["like"]))

    def chunk(self, plan: Plan) -> int | None:
        if self.given["live"] or plan.output == STANDARD_OUTPUT:
            return max(1, round(_LIVE * self.codec.sample_rate))
        return None

    def prompt(self) -> tuple[Any, Any]:
        """The recording given by --prompt, as audio (T,)."""
        path = self.given["prompt"]
        sound = recording_of(path, self.codec.sample_rate) if path else None
        return sound, sound

    def condition(self) -> Any:
        """The condition given by --condition, --features and --like: one for all samples, or a function of the index.

        Raises:
            SeqgenError: if the model needs a condition that is not given, or accepts none.
            ValueError: if one does not fit the model; the message names the file.
        """
        from seqgen.conditions.audio import AudioConditions

        text, features, like = (self.given[name] for name in ("condition", "features", "like"))
        conditions = AudioConditions.from_config(self.weights.config)
        fixed = [kind for kind in conditions.kinds if kind != "features"]
        if len(fixed) > 1:
            raise SeqgenError("the model is conditioned on a class and a vector; stream it from Python")
        parts: dict[str, Any] = {}
        if fixed == ["class"]:
            parts["class"] = class_by_name(text, self.weights.card.get("classes"), conditions.classes or 0)
        elif fixed == ["vector"]:
            if text is None:
                raise SeqgenError(
                    f"the model is conditioned on {conditions.vector} numbers; give --condition 0.5,-1,…"
                )
            parts["vector"] = vector_of(text)
        elif text is not None:
            raise SeqgenError(
                "--condition is for models that are conditioned on a class or a vector; this model is not"
            )
        if conditions.mels is not None:
            parts |= features_of(self.weights.config, self.codec, conditions, features, like)
        elif features or like:
            raise SeqgenError(
                "--features and --like are for models that are conditioned on features, such as a vocoder"
            )
        return one_or_each(parts)

    def check(self, plan: Plan) -> None:
        if self.given["live"] and plan.batch > 1:
            raise ValueError("--live plays one sample after another; leave out --batch")
        super().check(plan)

    def endless(self, plan: Plan) -> bool:
        return not (self.given["like"] or self.given["features"]) and plan.output == STANDARD_OUTPUT

    def paced(self, source: FromModel, plan: Plan) -> Paced | None:
        if not self.given["live"]:
            return None
        from pipelines.operators import Paced

        lead = self.given["lead"]
        return Paced(source, self.codec.sample_rate, lead=0.2 if lead is None else lead)

    def hint(self, plan: Plan) -> str | None:
        """Return the line that tells how to play audio written to a pipe."""
        for_players = plan.format.places == ("pipe",)
        if not for_players or not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
            return None
        from pipelines.cli.players import player_line

        return player_line(self.codec.sample_rate, plan.suffix, shutil.which)

    def amount(self, stats: StreamStats, rate: float) -> str:
        per_second = self.codec.sample_rate
        done = f"{stats.samples:,} recordings, " if stats.samples > 1 else ""
        return (
            f"{done}{stats.symbols / per_second:,.1f} s of audio, {rate:,.0f} samples/s, "
            f"{rate / per_second:.2f}× real time"
        )
