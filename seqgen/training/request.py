"""What a recipe is asked for: data, where the checkpoint goes, settings, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqgen.errors import SeqgenError


@dataclass(frozen=True, eq=False)
class TrainingRequest:
    """One training, checked as far as it can be without the data.

    Attributes:
        recipe: the name under which `seqgen train` has it.
        data: file or folder; a path that does not exist for a recipe that needs none.
        output: the checkpoint to write.
        settings: of the model and of the data, complete, each of the type of its default.
        config: of the optimisation, an instance of the recipe's `config`.
        command: the command line that repeats the training.
    """

    recipe: str
    data: Path
    output: Path
    settings: dict[str, Any]
    config: Any
    command: str

    def card(self) -> dict[str, Any]:
        """What every model's card begins with."""
        return {"data": self.data.name, "licence": "that of the data", "command": self.command}


def require_output(output: Path) -> None:
    """Raise ValueError or SeqgenError unless a checkpoint can be written to `output`."""
    if output.suffix != ".safetensors":
        raise ValueError(f"the output must end in .safetensors, got {str(output)!r}")
    if output.is_dir():
        raise SeqgenError(f"the output {str(output)!r} is a directory; give the name of a file")
    if not output.parent.is_dir():
        raise SeqgenError(f"the directory {str(output.parent)!r} does not exist; make it first")


def with_preset(
    presets: Mapping[str, Mapping[str, Any]], preset: str, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The settings of a preset, "default" being none, with `settings` over them.

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
    """The command line that repeats a training run; of files it gives the names only."""
    words = [f"seqgen train {recipe}", *([] if data is None else [data.name]), "-o", output.name]
    if preset != "default":
        words += ["--preset", preset]
    plain = {name: Path(value).name if name == "start" else value for name, value in settings.items()}
    words += [f"--set {name}={value}" for name, value in plain.items()]
    return " ".join(words)
