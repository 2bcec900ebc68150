"""Channel masks for the R, G, B order within a pixel (arXiv 1601.06759, section 3.4)."""

from __future__ import annotations

import numpy as np


def colour_mask(inputs: int, outputs: int, colours: int, *, strict: bool, repeats: int = 1) -> np.ndarray:
    """Return the mask of the connections at the current pixel, (outputs, inputs) of 0 and 1.

    Args:
        inputs, outputs: numbers of channels. Inputs are `colours` equal groups in the order R, G, B; outputs are the
            same, repeated `repeats` times.
        strict: a group depends on the previous colours only (mask A); else on its own as well (mask B).

    Example:
        >>> colour_mask(3, 3, 3, strict=True).tolist()
        [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """
    source = np.arange(inputs) * colours // inputs
    target = np.arange(outputs) % (outputs // repeats) * colours * repeats // outputs
    allowed = target[:, None] > source if strict else target[:, None] >= source
    return allowed.astype(np.int64)
