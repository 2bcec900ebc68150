"""Exact sampling of any image model by fixed-point (Jacobi) iteration, which draws all pixels in parallel.

Random numbers are addressed by pixel, so each pixel is a deterministic function of the pixels before it, and the sample
is the unique fixed point of drawing every pixel from the current image. A sweep draws all pixels from the image of the
previous sweep by one parallel pass. A pixel is final once all pixels before it are, so the iteration ends after at most
as many sweeps as there are pixels, usually after a small fraction of them (Song et al. 2021, arXiv 2002.03629; Wiggers
and Hoogeboom 2020, arXiv 2002.09928). A sweep costs a full pass, so the method pays off only where a pass over all
pixels costs about as much as a pass over one.
Shapes: B lanes, C colours, H rows, W columns, N rows, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.engines.reference_model import private_model
from seqgen.errors import SeqgenError
from seqgen.image.draws import draw_levels
from seqgen.image.engine import PixelEngine, positions


class FixedPointEngine(PixelEngine):
    """Samples an `ImageModel` of raster order with PyTorch; computes the whole image at its first row.

    The samples are those of the reference engine in the model's dtype, unless a draw lies within rounding error of a
    boundary. In float64, lanes are computed one by one, so that they are identical in any batch.

    Attributes:
        whole: (B,) bool, whether the lane's image is complete.
        scores: (B, 2, C, H, W) float64, its log-probabilities; empty if they are not requested.
        sweeps: (B,) int64, number of passes, including the last one, which changes nothing.
    """

    name = "fixed-point"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._model = private_model(weights, request, model)
        if self._model.completes != "raster":
            raise SeqgenError(
                f"engine 'fixed-point' samples models that draw in raster order, not the family {weights.family!r}"
            )
        self._like = self._model.parameter_like()
        lanes, kept = request.lanes, 2 if request.log_probs else 0
        self.whole = np.zeros(lanes, np.bool_)
        self.sweeps = np.zeros(lanes, np.int64)
        self.scores = np.zeros((lanes, kept, *self.codec.shape))
        conditions = self._model.conditions
        self._features = np.zeros((lanes, conditions.features), np.float32)
        self._guide = np.zeros((lanes, *(conditions.guide or (0, 0, 0))), np.uint8)
        self._positions = np.stack([positions(self.codec.shape, h) for h in range(self.codec.shape[1])], 1)

    def state(self) -> dict[str, np.ndarray]:
        own = {"whole": self.whole, "sweeps": self.sweeps, "scores": self.scores}
        return {**super().state(), **own, "features": self._features, "guide": self._guide}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features, guide = self._model.conditions.parse(start.condition)
        self._features[lanes] = features
        if self._guide.size:
            self._guide[lanes] = guide
        self.whole[lanes] = False
        self.sweeps[lanes] = 0
        self.scores[lanes] = 0

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        fresh = np.flatnonzero((rows > 0) & ~self.whole)
        alone = self._like.dtype == torch.float64
        for group in fresh[:, None] if alone else [fresh] if len(fresh) else []:
            self._find(group)
        if self.request.log_probs:
            for lane in np.flatnonzero(rows):
                first = int(self.row[lane])
                handed = self.scores[lane, :, :, first : first + int(rows[lane])]
                log_probs[:, lane, : rows[lane]] = handed.transpose(0, 2, 1, 3)
        return rows.copy()

    def _find(self, lanes: np.ndarray) -> None:
        """Draw the images of `lanes`; converged lanes leave the batch."""
        pixels = self.image[0].size
        while len(lanes):
            logits = self._logits(lanes)
            changed = np.array(
                [self._sweep(lane, own) for lane, own in zip(lanes.tolist(), logits, strict=True)]
            )
            self.sweeps[lanes] += 1
            # after as many sweeps as pixels, changes can come only from rounding in passes that are not bit-causal
            found = ~changed | (self.sweeps[lanes] > pixels)
            self.whole[lanes] = found
            lanes = lanes[~found]

    def _sweep(self, lane: int, logits: np.ndarray) -> bool:
        """Draw every pixel given the current image, with logits (C, H, W, L); return whether any pixel changed."""
        levels, *scores = draw_levels(self, lane, logits, self._positions)
        unknown = ~self.known[lane]
        changed = bool(np.any((levels != self.image[lane]) & unknown))
        self.image[lane][unknown] = levels[unknown]
        if self.request.log_probs:
            self.scores[lane] = np.where(unknown, scores, 0.0)
        return changed

    def _logits(self, lanes: np.ndarray) -> np.ndarray:
        """Return the logits of one parallel pass: (n, C, H, W, L) float64."""
        given: Mapping[str, Tensor] = {}
        if self._features.size:
            given = {**given, "features": self._tensor(self._features[lanes]).to(self._like.dtype)}
        if self._guide.size:
            given = {**given, "guide": self._tensor(self._guide[lanes].astype(np.int64))}
        logits = self._model(self._tensor(self.image[lanes].astype(np.int64)), given)
        array: np.ndarray = logits.double().cpu().numpy().transpose(0, 1, 3, 4, 2)
        return array

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=self._like.device)
