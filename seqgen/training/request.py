"""A training request: data, output, settings, and the command that reproduces it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqgen.errors import SeqgenError


@dataclass(frozen=True, eq=False)
class TrainingRequest:
    """One training run, validated as far as possible without the data.

    Attributes:
        recipe: its name in `seqgen train`.
        data: file or folder; a path that does not exist for a recipe without data.
        output: the checkpoint to write.
        settings: all settings of the model and of the data, each of the type of its default.
        config: settings of the optimisation, an instance of the recipe's `config`.
        command: the command line that reproduces the training.
    """

    recipe: str
    data: Path
    output: Path
    settings: dict[str, Any]
    config: Any
    command: str

    def card(self) -> dict[str, Any]:
        """Return the first entries of the model's card."""
        return {"data": self.data.name, "licence": "that of the data", "command": self.command}


def require_output(output: Path) -> None:
    """Raise ValueError or SeqgenError unless a checkpoint can be written to `output`."""
    if output.suffix != ".safetensors":
        raise ValueError(f"the output must end in .safetensors, got {str(output)!r}")
    if output.is_dir():
        raise SeqgenError(f"the output {str(output)!r} is a directory; give the name of a file")
    if not output.parent.is_dir():
        raise SeqgenError(f"the directory {str(output.parent)!r} does not exist; create it first")


def with_preset(
    presets: Mapping[str, Mapping[str, Any]], preset: str, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the settings of a preset ("default" has none), overridden by `settings`.

    Example:
        >>> with_preset({"tiny": {"steps": 100, "batch": 8}}, "tiny", {"steps": 50})
        {'steps': 50, 'batch': 8}
    """
    known = {"default": {}, **presets}
    if preset not in known:
        raise ValueError(f"preset must be one of {', '.join(known)}, got {preset!r}")
    return {**known[preset], **(settings or {})}


def command(
    recipe: str, data: Path | None, output: Path, settings: Mapping[str, Any], preset: str = "default"
) -> str:
    """Return the command line that reproduces a training run, with files by name only."""
    words = [f"seqgen train {recipe}", *([] if data is None else [data.name]), "-o", output.name]
    if preset != "default":
        words += ["--preset", preset]
    plain = {name: Path(value).name if name == "start" else value for name, value in settings.items()}
    words += [f"--set {name}={value}" for name, value in plain.items()]
    return " ".join(words)
