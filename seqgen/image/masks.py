"""Which channels may see which: the R, G, B order inside a pixel (arXiv 1601.06759, section 3.4)."""

from __future__ import annotations

import numpy as np


def colour_mask(inputs: int, outputs: int, colours: int, *, strict: bool, repeats: int = 1) -> np.ndarray:
    """The taps at the current pixel that are allowed, (outputs, inputs) of 0 and 1.

    Args:
        inputs, outputs: channels. Inputs are `colours` equal groups in the order R, G, B; outputs are that
            `repeats` times over.
        strict: a group sees the colours before its own (mask A); else its own as well (mask B).

    Example:
        >>> colour_mask(3, 3, 3, strict=True).tolist()
        [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """
    source = np.arange(inputs) * colours // inputs
    target = np.arange(outputs) % (outputs // repeats) * colours * repeats // outputs
    allowed = target[:, None] > source if strict else target[:, None] >= source
    return allowed.astype(np.int64)
