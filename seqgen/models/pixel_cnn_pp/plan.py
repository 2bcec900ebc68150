"""The layers of a PixelCNN++ as data: model, reference engine and fused engine all walk through this one list.

A layer makes a map of F channels at a scale: scale s has one place for every 2^s rows and columns of the image.
Of a place it must know nothing but the pixels before the place's first pixel (its upper left one) in raster order,
so a sampler can make it just before that pixel is drawn, once every 2^s rows and columns.
"""

from __future__ import annotations

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
    vertical = _one_stream(blocks, scales)
    count = len(vertical)
    horizontal = [
        replace(
            layer,
            stream=HORIZONTAL,
            source=layer.source + count if layer.kind != "input" else -1,
            # a block of the horizontal stream is given the map of its twin in the vertical one
            shortcuts=(k, *(s + count for s in layer.shortcuts)) if layer.kind == "block" else (),
        )
        for k, layer in enumerate(vertical)
    ]
    return (*vertical, *horizontal)


def _one_stream(blocks: int, scales: int) -> list[Layer]:
    layers: list[Layer] = []

    def add(kind: str, scale: int, *shortcuts: int) -> int:
        layers.append(Layer(kind, VERTICAL, scale, len(layers) - 1, shortcuts))
        return len(layers) - 1

    kept = []
    for scale in range(scales):
        kept.append(add("down" if scale else "input", scale))
        kept += [add("block", scale) for _ in range(blocks)]
    kept.pop()  # the second half begins with it
    for scale in reversed(range(scales)):
        if scale < scales - 1:
            add("up", scale)
        for _ in range(blocks + (scale < scales - 1)):
            add("block", scale, kept.pop())
    return layers


def places(size: int, scale: int) -> int:
    """How many rows or columns of a scale cover `size` of the image.

    Example:
        >>> [places(5, scale) for scale in range(4)]
        [5, 3, 2, 1]
    """
    return -(-size // (1 << scale))
