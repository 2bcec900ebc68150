"""The recipe of `seqgen train wavenet`: recordings in, a model of sound with its card out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.audio import AudioSplits, read_recordings, split_recordings
from seqgen.data.mel import described
from seqgen.errors import SeqgenError, real
from seqgen.models.wavenet.model import WaveNet
from seqgen.models.wavenet.objective import AudioObjective, condition_of, whole_score
from seqgen.training.checkpointed import Report, train_to_checkpoint
from seqgen.training.loop import Progress, TrainingConfig
from seqgen.training.request import command, require_output, with_preset
from seqgen.training.settings import split_settings

MODEL_DEFAULTS: dict[str, Any] = {
    "layers": 20, "cycle": 10, "residual_channels": 64, "gate_channels": 128, "skip_channels": 128, "kernel_size": 2,
    "levels": 256, "sample_rate": 16000, "output": "categorical", "mixtures": 1, "mels": 0, "hop": 0,
    "local_channels": 64, "upsampling": "nearest", "dropout": 0.0,
}  # fmt: skip
DATA_DEFAULTS: dict[str, Any] = {
    "conditional": False, "trim_db": 45.0, "margin": 0.1, "longest_silence": 0.0, "preview_seconds": 0.0,
}  # fmt: skip
_LONG: dict[str, Any] = {
    "batch": 4, "window": 4000, "warmup": 200, "validate_every": 500, "weight_decay": 0.01, "learning_rate": 4e-3,
}  # fmt: skip
_SMALL: dict[str, Any] = {"residual_channels": 48, "gate_channels": 96, "skip_channels": 96}
PRESETS: dict[str, dict[str, Any]] = {
    "default": {**_LONG, "steps": 10000},
    "tiny": {
        "layers": 6, "cycle": 6, "residual_channels": 16, "gate_channels": 32, "skip_channels": 32, "steps": 100,
        "batch": 4, "window": 1000, "warmup": 20, "learning_rate": 5e-3,
    },
    "speech": {**_LONG, **_SMALL, "steps": 12000},
    "vocoder": {
        **_LONG, **_SMALL, "layers": 16, "cycle": 8, "mels": 80, "hop": 200, "upsampling": "learned", "steps": 8000,
    },
}  # fmt: skip


def train_wavenet(
    data: Path,
    output: Path,
    *,
    preset: str = "default",
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    card: dict[str, Any] | None = None,
    report: Report | None = None,
) -> tuple[WaveNet, dict[str, Any], Progress]:
    """Train a `WaveNet` on recordings; the score is that of held-out ones, in bits per sample.

    A warning says what was converted or left out when the recordings were read; so does the card.

    Args:
        data: a file of sound, or a folder of them. output: where the checkpoint goes, ending in .safetensors.
        preset: "default", "tiny", "speech" (unconditional) or "vocoder" (sound from mel features).
        settings: fields of the model and of `TrainingConfig`; "mels" and "hop" (0 is no features); "conditional" (on
            the sub-folder of a file, for example its speaker); "trim_db", "margin" and "longest_silence" as in
            `read_recordings`; "preview_seconds": how much sound to write at every validation, as
            `<output>.step-N.wav` (0 is none).
        resume, stop_after, report: as in `train_to_checkpoint`. card: what else to say in the card.

    Returns:
        the model, its card and the record of the run.

    Raises:
        SeqgenError, ValueError: for data or settings that cannot be used.
    """
    require_output(output)
    chosen = with_preset(PRESETS, preset, settings)
    own, config = split_settings(chosen, MODEL_DEFAULTS | DATA_DEFAULTS, TrainingConfig)
    reading = {name: own.pop(name) for name in ("trim_db", "margin", "longest_silence")}
    conditional, preview = (
        own.pop("conditional"),
        real("preview_seconds", own.pop("preview_seconds"), low=0.0),
    )
    recordings = read_recordings(data, own["sample_rate"], **reading)
    if conditional and not recordings.classes:
        raise SeqgenError(
            f"a class-conditional model needs a folder with a sub-folder for each class, {data} has none"
        )
    if recordings.notes:
        warnings.warn(f"{data}: {'; '.join(recordings.notes)}", stacklevel=2)
    for name in ("mels", "hop"):
        own[name] = own[name] or None
    model = WaveNet(**own, classes=len(recordings.classes) if conditional else None, seed=config.seed)
    splits = split_recordings(recordings, config.seed)
    objective = AudioObjective(
        model, splits.train, splits.validation, batch=config.batch, window=config.window, seed=config.seed,
        watch=Preview(output, splits, preview) if preview else None,
    )  # fmt: skip
    rate = own["sample_rate"]
    return train_to_checkpoint(
        model,
        objective,
        config,
        output,
        score=lambda stored: whole_score(stored, splits.test),
        resume=resume,
        stop_after=stop_after,
        report=report,
        card={
            "data": data.name,
            "licence": "that of the data",
            "split": f"{splits.how}; {splits.test.samples / rate:.1f} seconds scored",
            "seconds": round(splits.train.samples / rate, 1),
            "sample_rate": rate,
            "reading": reading,
            "conversions": list(recordings.notes),
            **({"features": described(rate, own["hop"], own["mels"])} if own["mels"] else {}),
            **({"classes": list(recordings.classes)} if conditional else {}),
            "command": command("wavenet", data, output, settings or {}, preset),
            **(card or {}),
        },
    )


class Preview:
    """Writes what a model sounds like while it is trained, from the features of a held-out recording if it has any."""

    def __init__(self, output: Path, splits: AudioSplits, seconds: float) -> None:
        self._output, self._held_out, self._seconds = output, splits.validation, seconds

    def __call__(self, model: WaveNet, step: int) -> None:
        import soundfile

        rate = model.codec.sample_rate
        length = max(1, round(self._seconds * rate))
        longest = int(np.argmax([len(item.samples) for item in self._held_out.items]))
        condition = condition_of(model, self._held_out, longest)
        sound = model.sample(1, length, condition=condition, seed=0)[0]
        soundfile.write(self._output.with_suffix(f".step-{step}.wav"), sound, rate)
