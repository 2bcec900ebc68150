"""The recipe of `seqgen train wavenet`: trains on recordings, some of which are held out."""

from __future__ import annotations

from typing import Any

from seqgen import extras
from seqgen.errors import SeqgenError, SeqgenWarning, real
from seqgen.training.recipe import Recipe, Training
from seqgen.training.request import TrainingRequest

_MODEL: dict[str, Any] = {
    "layers": 20, "cycle": 10, "residual_channels": 64, "gate_channels": 128, "skip_channels": 128, "kernel_size": 2,
    "levels": 256, "sample_rate": 16000, "output": "categorical", "mixtures": 1, "mels": 0, "hop": 0,
    "local_channels": 64, "upsampling": "nearest", "dropout": 0.0,
}  # fmt: skip
_DATA: dict[str, Any] = {
    "conditional": False, "trim_db": 45.0, "margin": 0.1, "longest_silence": 0.0, "preview_seconds": 0.0,
}  # fmt: skip
_LONG: dict[str, Any] = {
    "batch": 4, "window": 4000, "warmup": 200, "validate_every": 500, "weight_decay": 0.01, "learning_rate": 4e-3,
}  # fmt: skip
_SMALL: dict[str, Any] = {"residual_channels": 48, "gate_channels": 96, "skip_channels": 96}
_PRESETS: dict[str, dict[str, Any]] = {
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


def prepare(request: TrainingRequest) -> Training:
    """Read the recordings and create the model and its objective.

    A warning and the card list what was converted or skipped in reading. Settings: "mels" and "hop" are 0 without
    features; "conditional" conditions on the sub-folder of a file, for example its speaker; "trim_db", "margin" and
    "longest_silence" are those of `read_recordings`; "preview_seconds" is the length of the audio to write at every
    validation, as `<output>.step-N.wav`, 0 for none.
    """
    import warnings

    from seqgen.data.audio import read_recordings, split_recordings
    from seqgen.data.mel import described
    from seqgen.models.wavenet.model import WaveNet
    from seqgen.models.wavenet.objective import AudioObjective, whole_score
    from seqgen.models.wavenet.preview import Preview
    from seqgen.training.descent import Descent

    config, own = request.config, dict(request.settings)
    reading = {name: own.pop(name) for name in ("trim_db", "margin", "longest_silence")}
    conditional = own.pop("conditional")
    preview = real("preview_seconds", own.pop("preview_seconds"), low=0.0)
    rate = own["sample_rate"]
    if own["mels"]:
        extras.require("torchaudio", for_what="training on mel features")
    if preview:
        extras.require("soundfile", for_what="writing previews")
    recordings = read_recordings(request.data, rate, **reading)
    if conditional and not recordings.classes:
        raise SeqgenError(
            f"a class-conditional model needs a folder with a sub-folder for each class, {request.data} has none"
        )
    if recordings.notes:
        warnings.warn(f"{request.data}: {'; '.join(recordings.notes)}", SeqgenWarning, stacklevel=3)
    for name in ("mels", "hop"):
        own[name] = own[name] or None
    model = WaveNet(**own, classes=len(recordings.classes) if conditional else None, seed=config.seed)
    splits = split_recordings(recordings, config.seed)
    objective = AudioObjective(
        model, splits.train, splits.validation, batch=config.batch, window=config.window, seed=config.seed,
        watch=Preview(request.output, splits, preview) if preview else None,
    )  # fmt: skip
    card = {
        "split": f"{splits.how}; {splits.test.samples / rate:.1f} seconds scored",
        "seconds": round(splits.train.samples / rate, 1),
        "sample_rate": rate,
        "reading": reading,
        "conversions": list(recordings.notes),
        **({"features": described(rate, own["hop"], own["mels"])} if own["mels"] else {}),
        **({"feature_range": objective.feature_range} if own["mels"] else {}),
        **({"classes": list(recordings.classes)} if conditional else {}),
    }
    return Descent(model, objective, card, score=lambda stored: whole_score(stored, splits.test))


RECIPE = Recipe(
    name="wavenet",
    data="an audio file or a folder of them: .wav, .flac, .ogg, .mp3",
    prepare=prepare,
    defaults=_MODEL | _DATA,
    presets=_PRESETS,
    example="--set sample_rate=16000 --set preview_seconds=4",
)
