"""What a recipe is asked for: where the checkpoint goes, a preset with settings, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqgen.errors import SeqgenError


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
    family: str, data: Path, output: Path, settings: Mapping[str, Any], preset: str = "default"
) -> str:
    """The command line that repeats a training run; of files it gives the names only."""
    words = [f"seqgen train {family}", data.name, "-o", output.name]
    if preset != "default":
        words += ["--preset", preset]
    plain = {name: Path(value).name if name == "start" else value for name, value in settings.items()}
    words += [f"--set {name}={value}" for name, value in plain.items()]
    return " ".join(words)
