"""Data augmentation of images by small random affine maps: rotation, scaling, shear and translation."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

TURN, SCALE, SHEAR, MOVE = 0.15, 0.1, 0.15, 0.06
"""The maximum changes: radians, fraction of the size, radians, and fraction of half the image."""


def jitter(images: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Apply an independent random affine map to each image, intensities (B, C, H, W) uint8, bilinearly interpolated.

    Args:
        generator: source of random numbers. Intensities outside the image are 0.

    Example:
        >>> jitter(np.zeros((2, 1, 4, 4), np.uint8), torch.Generator()).shape
        (2, 1, 4, 4)
    """
    count = len(images)
    turn, wide, tall, shear, right, down = (2.0 * torch.rand(6, count, generator=generator) - 1.0).unbind()
    cos, sin = torch.cos(turn * TURN), torch.sin(turn * TURN)
    wide, tall, shear = 1.0 + SCALE * wide, 1.0 + SCALE * tall, torch.tan(shear * SHEAR)
    maps = torch.stack(
        [
            torch.stack([cos * wide, (cos * shear - sin) * tall, right * MOVE], -1),
            torch.stack([sin * wide, (sin * shear + cos) * tall, down * MOVE], -1),
        ],
        1,
    )
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    moved = grid_sample(torch.from_numpy(images).float(), grid, align_corners=False)
    return moved.round().clamp(0.0, 255.0).to(torch.uint8).numpy()
