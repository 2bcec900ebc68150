"""Rendering of pixels as text: two rows per line as coloured half blocks, or simpler styles for simpler terminals.

Legend: C colours, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

import numpy as np

from seqgen.errors import choice

STYLES = ("colour", "256", "plain", "shades", "ascii")
_SHADES, _ASCII = " ░▒▓█", " .:-=+*#%@"
_HALVES = " ▀▄█"  # by upper bit + 2 * lower bit
_RESET = "\033[0m"


class Painter:
    """Renders one or two rows of pixels as a line of text.

    Args:
        style: "colour" is half blocks in 24-bit colour; "256" in 256 colours; "plain" half blocks with a threshold at
            half the intensity; "shades" one of five shades and "ascii" one of ten characters, with two characters per
            pixel.

    Attributes:
        rows: rows of pixels per line, 2 or 1.
        width: characters per pixel, 1 or 2.

    Example:
        >>> pixels = np.array([[[255, 255, 0, 0]], [[255, 0, 255, 0]]], np.uint8)
        >>> Painter("plain").line(*pixels)
        '█▀▄ '
        >>> Painter("ascii").line(pixels[0])
        '@@@@    '
    """

    def __init__(self, style: str) -> None:
        self.style = choice("style", style, STYLES)
        self.rows = 1 if style in ("shades", "ascii") else 2
        self.width = 3 - self.rows

    def line(
        self,
        upper: np.ndarray,
        lower: np.ndarray | None = None,
        drawn: np.ndarray | None = None,
    ) -> str:
        """Return a line of text.

        Args:
            upper, lower: (C, W) intensities uint8 of one or two rows; without `lower`, its half is empty.
            drawn: (2, W) bool, which pixels exist yet; the others are left empty. None is all.
        """
        width = upper.shape[1]
        there = np.ones((2, width), bool) if drawn is None else drawn.copy()
        if lower is None:
            there[1], lower = False, np.zeros_like(upper)
        if self.rows == 1:
            ramp = _SHADES if self.style == "shades" else _ASCII
            place = np.where(there[0], _grey(upper), 0).astype(int) * len(ramp) // 256
            return "".join(ramp[k] * 2 for k in place)
        if self.style == "plain":
            bits = (_grey(upper) >= 128) & there[0], (_grey(lower) >= 128) & there[1]
            return "".join(_HALVES[k] for k in bits[0] + 2 * bits[1])
        return self._coloured(upper, lower, there)

    def _coloured(self, upper: np.ndarray, lower: np.ndarray, there: np.ndarray) -> str:
        """Return half blocks with the upper pixel as foreground and the lower one as background colour."""
        text, now = [], ""
        for k in range(upper.shape[1]):
            above, below = there[:, k]
            if not above and not below:
                wanted, mark = _RESET, " "
            elif above:
                wanted = f"\033[0;{self._code(38, upper[:, k])}"
                wanted += f";{self._code(48, lower[:, k])}m" if below else "m"
                mark = "▀"
            else:
                wanted, mark = f"\033[0;{self._code(38, lower[:, k])}m", "▄"
            if wanted != now:
                text.append(wanted)
                now = wanted
            text.append(mark)
        return "".join(text) + _RESET

    def _code(self, kind: int, pixel: np.ndarray) -> str:
        """Return the terminal code of a colour; `kind` is 38 for foreground and 48 for background."""
        red, green, blue = (int(value) for value in (pixel if len(pixel) == 3 else np.repeat(pixel, 3)))
        if self.style == "colour":
            return f"{kind};2;{red};{green};{blue}"
        return f"{kind};5;{_indexed(red, green, blue)}"


def terminal_style(levels: int, file: TextIO, environment: Mapping[str, str] = os.environ) -> str:
    """Return the best style for a terminal, from its encoding and COLORTERM, TERM and NO_COLOR.

    Without colour, images of two levels are "plain" and others "shades".
    """
    if "utf" not in (file.encoding or "").lower():
        return "ascii"
    terminal = environment.get("TERM", "")
    if not environment.get("NO_COLOR") and terminal not in ("", "dumb"):
        if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or terminal.endswith("-direct"):
            return "colour"
        if "256color" in terminal:
            return "256"
    return "plain" if levels == 2 else "shades"


def _grey(row: np.ndarray) -> np.ndarray:
    """Return the luminance (W,) of pixels (C, W)."""
    return row[0] if len(row) == 1 else np.rint(row.mean(0))


def _indexed(red: int, green: int, blue: int) -> int:
    """Return the nearest of the 256 colours: the 24 greys and black and white, or the 6 x 6 x 6 cube."""
    if max(red, green, blue) - min(red, green, blue) < 12:
        grey = (red + green + blue) // 3
        return 16 if grey < 4 else 231 if grey > 246 else 232 + min(23, max(0, (grey - 3) // 10))
    steps = np.array([0, 95, 135, 175, 215, 255])
    near = [int(np.abs(steps - value).argmin()) for value in (red, green, blue)]
    return 16 + 36 * near[0] + 6 * near[1] + near[2]
