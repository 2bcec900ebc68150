"""The recipe of `seqgen train char-rnn`: a text file in, a checkpoint with its card out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgen.data.text import read_text, split_text
from seqgen.models.char_rnn.model import CharRNN
from seqgen.models.char_rnn.objective import TextObjective
from seqgen.training.checkpointed import Report, train_to_checkpoint
from seqgen.training.loop import Progress, TrainingConfig
from seqgen.training.request import command, require_output, with_preset
from seqgen.training.settings import split_settings

MODEL_DEFAULTS: dict[str, Any] = {
    "cell": "lstm",
    "hidden_size": 256,
    "layers": 2,
    "dropout": 0.2,
    "bias": True,
}

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "layers": 1, "dropout": 0.0, "steps": 300, "batch": 16, "window": 64, "warmup": 30},
    "shakespeare": {
        "hidden_size": 320, "dropout": 0.2, "steps": 5000, "batch": 32, "window": 128, "warmup": 200,
        "validate_every": 490,
    },
}  # fmt: skip


def train_char_rnn(
    data: Path,
    output: Path,
    *,
    preset: str = "default",
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    card: dict[str, Any] | None = None,
    report: Report | None = None,
) -> tuple[CharRNN, dict[str, Any], Progress]:
    """Train a `CharRNN` on a UTF-8 text; its last tenth is held out for the score.

    Writes `output` (bfloat16), the loss curve beside it as .png and, while training, the state from which
    `resume` goes on as .training.safetensors.

    Args:
        data: a text file, or a folder of .txt files.
        output: where the checkpoint goes, ending in .safetensors.
        preset: "default", "tiny" or "shakespeare".
        settings: fields of the model (cell, hidden_size, layers, dropout, bias) and of `TrainingConfig`.
        resume: go on from the saved state.
        stop_after: stop after this many steps, with the state saved and no checkpoint written.
        card: what else to say in the model's card: data, licence, description, …
        report: called after every step with (step, steps, loss, score or None).

    Returns:
        the model, its card and the record of the run.

    Raises:
        SeqgenError, ValueError: for data or settings that cannot be used.
    """
    require_output(output)
    chosen = with_preset(PRESETS, preset, settings)
    model_settings, config = split_settings(chosen, MODEL_DEFAULTS, TrainingConfig)
    text = read_text(data)
    before, after = split_text(text)
    vocabulary = "".join(sorted(set(text)))
    model = CharRNN(vocabulary, **model_settings, seed=config.seed)
    objective = TextObjective(
        model.codec.encode(before),
        model.codec.encode(after),
        batch=config.batch,
        window=config.window,
        seed=config.seed,
    )
    return train_to_checkpoint(
        model,
        objective,
        config,
        output,
        resume=resume,
        stop_after=stop_after,
        report=report,
        card={
            "data": data.name,
            "licence": "that of the data",
            "split": f"first {len(before)} characters for training, last {len(after)} held out",
            "command": command("char-rnn", data, output, settings or {}, preset),
            **(card or {}),
        },
    )
