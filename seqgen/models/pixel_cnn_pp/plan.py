"""The layers of a PixelCNN++ as data: model, reference engine and fused engine all walk through this one list.

A layer makes a map of F channels at a scale: scale s has one place for every 2^s rows and columns of the image.
Of a place it must know nothing but the pixels before the place's first pixel (its upper left one) in raster order,
so a sampler can make it just before that pixel is drawn, once every 2^s rows and columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

VERTICAL, HORIZONTAL = 0, 1


@dataclass(frozen=True)
class Layer:
    """One layer of one stream.

    Attributes:
        kind: "input" (a convolution of the image), "block" (a gated residual block), "down" (a convolution of
            stride 2) or "up" (a transposed one, which makes 2×2 places of one).
        stream: VERTICAL, which knows whole rows above, or HORIZONTAL, which also knows pixels to the left.
        scale: of the map that it makes.
        source: number of the layer whose map it reads; -1 is the image.
        shortcuts: numbers of the layers whose maps, of the same scale, join in a block.
    """

    kind: str
    stream: int
    scale: int
    source: int
    shortcuts: tuple[int, ...] = ()

    @property
    def cached_every(self) -> int:
        """Every so many rows (and columns) there is something new to read."""
        return 1 << (self.scale + {"down": -1, "up": 1}.get(self.kind, 0))

    @property
    def runs_every(self) -> int:
        """Every so many rows (and columns) it computes: a "down" layer reads two places and makes one of them."""
        return max(self.cached_every, 1 << self.scale)


def plan(blocks: int, scales: int) -> tuple[Layer, ...]:
    """All layers in an order in which they can be computed: the vertical stream, then the horizontal one.

    Args:
        blocks: residual blocks at each scale of the first half; the second half has one more, except at the last
            scale, so that every map of the first half is a short-cut of one block of the second.
        scales: number of resolutions.

    Example:
        >>> [layer.kind for layer in plan(1, 2)[:8]]
        ['input', 'block', 'down', 'block', 'block', 'up', 'block', 'block']
    """
    return tuple(walk(blocks, scales))


def walk(blocks: int, scales: int) -> Iterator[Layer]:
    """The layers of `plan`, one after the other, however many there are."""
    vertical = []
    for layer in _one_stream(blocks, scales):
        vertical.append(layer)
        yield layer
    count = len(vertical)
    for k, layer in enumerate(vertical):
        yield replace(
            layer,
            stream=HORIZONTAL,
            source=layer.source + count if layer.kind != "input" else -1,
            # a block of the horizontal stream is given the map of its twin in the vertical one
            shortcuts=(k, *(s + count for s in layer.shortcuts)) if layer.kind == "block" else (),
        )


def _one_stream(blocks: int, scales: int) -> Iterator[Layer]:
    made = 0

    def layer(kind: str, scale: int, *shortcuts: int) -> Layer:
        nonlocal made
        made += 1
        return Layer(kind, VERTICAL, scale, made - 2, shortcuts)

    kept = []
    for scale in range(scales):
        for kind in ("down" if scale else "input", *itertools.repeat("block", blocks)):
            kept.append(made)
            yield layer(kind, scale)
    kept.pop()  # the second half begins with it
    for scale in reversed(range(scales)):
        if scale < scales - 1:
            yield layer("up", scale)
        for _ in range(blocks + (scale < scales - 1)):
            yield layer("block", scale, kept.pop())


def places(size: int, scale: int) -> int:
    """How many rows or columns of a scale cover `size` of the image.

    Example:
        >>> [places(5, scale) for scale in range(4)]
        [5, 3, 2, 1]
    """
    return -(-size // (1 << scale))


def groups(colours: int) -> int:
    """Numbers for each component of a pixel: weight, C means, C log-scales, and C (C - 1) / 2 coefficients.

    Example:
        >>> [groups(colours) for colours in (1, 3)]
        [3, 10]
    """
    return 1 + 2 * colours + colours * (colours - 1) // 2
