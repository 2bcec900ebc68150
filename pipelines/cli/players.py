"""Player commands for the audio that `seqgen stream` writes to a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def players(sample_rate: int, kind: str) -> dict[str, str]:
    """Return the commands that play the output of `AudioPipeSink` from a pipe, keyed by program name.

    Example:
        >>> players(16000, ".s16le")["aplay"]
        'aplay -q -t raw -f S16_LE -r 16000 -c 1'
    """
    if kind == ".wav":
        return {
            "aplay": "aplay -q",
            "ffplay": "ffplay -v error -nodisp -autoexit -",
            "play": "play -V1 -q -t wav -",
        }
    whole = kind == ".s16le"
    return {
        "aplay": f"aplay -q -t raw -f {'S16_LE' if whole else 'FLOAT_LE'} -r {sample_rate} -c 1",
        "ffplay": f"ffplay -v error -nodisp -autoexit -f {kind[1:]} -ar {sample_rate} -ch_layout mono -",
        "play": f"play -q -t raw -r {sample_rate} -e {'signed' if whole else 'float'} -b {16 if whole else 32} -c 1 -",
    }


def commands_here(sample_rate: int, kind: str, found: Callable[[str], Any]) -> list[str]:
    """Return the commands whose program `found` (such as shutil.which) finds, or all commands if it finds none."""
    commands = players(sample_rate, kind)
    return [command for name, command in commands.items() if found(name)] or list(commands.values())


def player_line(sample_rate: int, kind: str, found: Callable[[str], Any]) -> str:
    """Return one line that describes the audio stream and lists commands to play it."""
    here = "    or  … | ".join(commands_here(sample_rate, kind, found))
    return f"{sample_rate:,} Hz, mono, {kind[1:]}; to play it:  … | {here}"
