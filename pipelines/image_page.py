"""A page of titled pictures, one below another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqgen import extras

_MARGIN, _TITLE = 12, 15  # in pixels
_PAPER, _INK = (24, 24, 24), (235, 235, 235)


def image_page(sections: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Combine titled pictures into one picture (height, width, 3) uint8.

    Args:
        sections: titles and pictures, (H, W) or (H, W, 3) uint8, as returned by `image_grid`.

    Raises:
        ValueError: if there are no sections.

    Example:
        >>> image_page([("black", np.zeros((20, 400), np.uint8))]).shape
        (59, 424, 3)
    """
    extras.load("pillow", "a page of pictures")
    from PIL import Image, ImageDraw, ImageFont

    if not sections:
        raise ValueError("sections must hold at least one picture, got none")
    font = ImageFont.load_default(_TITLE - 2)
    widths = [max(array.shape[1], round(font.getlength(title))) for title, array in sections]
    heights = [_TITLE + array.shape[0] for _, array in sections]
    page = Image.new("RGB", (max(widths) + 2 * _MARGIN, sum(heights) + _MARGIN * (len(sections) + 1)), _PAPER)
    draw, top = ImageDraw.Draw(page), _MARGIN
    for title, array in sections:
        draw.text((_MARGIN, top - 2), title, _INK, font=font)
        page.paste(Image.fromarray(array).convert("RGB"), (_MARGIN, top + _TITLE))
        top += _TITLE + array.shape[0] + _MARGIN
    return np.asarray(page)
