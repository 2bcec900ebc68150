"""The list of layers of a PixelCNN++, which the model, the reference engine and the fused engine traverse.

A layer computes a map of F channels at a scale; scale s has one position per 2^s rows and columns of the image. A
position depends only on the pixels before its first (upper left) pixel in raster order, so a sampler can compute it
just before that pixel is drawn, once every 2^s rows and columns.
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
        kind: "input" (a convolution of the image), "block" (a gated residual block), "down" (a convolution of stride 2)
            or "up" (a transposed convolution, from one position to 2×2).
        stream: VERTICAL, which covers the rows above, or HORIZONTAL, which also covers pixels to the left.
        scale: scale of its output map.
        source: number of the layer whose map it reads; -1 is the image.
        shortcuts: numbers of the layers whose maps, of the same scale, are inputs of a block.
    """

    kind: str
    stream: int
    scale: int
    source: int
    shortcuts: tuple[int, ...] = ()

    @property
    def cached_every(self) -> int:
        """Interval in rows (and columns) between new values of its input."""
        return 1 << (self.scale + {"down": -1, "up": 1}.get(self.kind, 0))

    @property
    def runs_every(self) -> int:
        """Interval in rows (and columns) between computations; a "down" layer combines two positions into one."""
        return max(self.cached_every, 1 << self.scale)


def plan(blocks: int, scales: int) -> tuple[Layer, ...]:
    """Return all layers in order of computation: the vertical stream, then the horizontal stream.

    Args:
        blocks: residual blocks at each scale of the first half; the second half has one more, except at the last scale,
            so that every map of the first half is a short-cut input of one block of the second half.
        scales: number of resolutions.

    Example:
        >>> [layer.kind for layer in plan(1, 2)[:8]]
        ['input', 'block', 'down', 'block', 'block', 'up', 'block', 'block']
    """
    return tuple(walk(blocks, scales))


def walk(blocks: int, scales: int) -> Iterator[Layer]:
    """Yield the layers of `plan` one by one."""
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
            # a block of the horizontal stream receives the map of the corresponding block of the vertical stream
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
    kept.pop()  # it is the input of the second half
    for scale in reversed(range(scales)):
        if scale < scales - 1:
            yield layer("up", scale)
        for _ in range(blocks + (scale < scales - 1)):
            yield layer("block", scale, kept.pop())


def places(size: int, scale: int) -> int:
    """Return the number of rows or columns of a scale that cover `size` of the image.

    Example:
        >>> [places(5, scale) for scale in range(4)]
        [5, 3, 2, 1]
    """
    return -(-size // (1 << scale))


def groups(colours: int) -> int:
    """Return the parameters per component of a pixel: weight, C means, C log-scales, and C (C - 1) / 2 coefficients.

    Example:
        >>> [groups(colours) for colours in (1, 3)]
        [3, 10]
    """
    return 1 + 2 * colours + colours * (colours - 1) // 2
