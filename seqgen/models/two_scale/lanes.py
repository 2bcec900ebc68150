"""The base of both engines of two-scale models, composed of two PixelCNN engines; the first image guides the second.

A lane's small image is drawn when its first row is requested. Its pixels are then known pixels of the large image,
which is drawn row by row. The small image uses the random numbers after those of the large one: pixel (c, i, j) has
position C·H·W + (i·w + j)·C + c.
Legend: B lanes, C colours, H × W the large image, h × w the small one, K features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs.pixels import UNKNOWN
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start, StepOutput
from seqgen.errors import SeqgenError
from seqgen.image.engine import PixelEngine


class TwoScaleLanes(PixelEngine):
    """Samples `TwoScale` models; a subclass defines the engine of the parts.

    The state consists of the states of both parts, the condition, which is needed to start the large part, and the
    log-probabilities of the small image, which are returned with later rows.
    """

    completes = "coarse-first"
    part: ClassVar[Any]

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._small: PixelEngine = self._part("small", weights, model)
        self._large: PixelEngine = self._part("large", weights, model)
        shape, small = self.codec.shape, self._small.codec.shape
        self._small.noise_offset = shape[0] * shape[1] * shape[2]
        self._steps = shape[1] // small[1], shape[2] // small[2]
        self._conditions = Conditions.from_config(weights.config["small"])
        self._features = np.zeros((request.lanes, self._conditions.features), np.float32)
        self._guided = np.zeros(request.lanes, np.bool_)
        kept = 2 if request.log_probs else 0
        self._small_log_probs = np.zeros((request.lanes, kept, small[1], small[0], small[2]))

    def _part(self, name: str, weights: Weights, model: Any) -> PixelEngine:
        module = None if model is None else getattr(model, name)
        part: PixelEngine = self.part(weights.part(name, "pixel-cnn"), self.request, model=module)
        return part

    def state(self) -> dict[str, np.ndarray]:
        parts = {"small": self._small.state(), "large": self._large.state()}
        return {
            **super().state(),
            "features": self._features,
            "guided": self._guided,
            "small_log_probs": self._small_log_probs,
            **{f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()},
        }

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features, _ = self._conditions.parse(start.condition)
        self._features[lanes] = features
        self._guided[lanes] = False
        prompt = None
        if start.prompt is not None:
            require_coarse_first(start.prompt != UNKNOWN, self._steps)
            prompt = self._coarse(start.prompt)
        self._small.begin(lanes, self.index[lanes], replace(start, prompt=prompt))

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        ready = self._draw_small(rows)
        made = self._large.advance(np.where(ready, rows, 0))
        for lane in np.flatnonzero(made.counts).tolist():
            first, count = int(self.row[lane]), int(made.counts[lane])
            self.image[lane, :, first : first + count] = self._large.image[lane, :, first : first + count]
            if self.request.log_probs:
                self._merge_log_probs(lane, first, count, made, log_probs)
        return made.counts

    def _draw_small(self, rows: np.ndarray) -> np.ndarray:
        """Draw the missing small images; return (B,) bool, the lanes whose small image is complete."""
        fresh = (rows > 0) & ~self._guided
        left = self._small.codec.shape[1] - self._small.row
        made = self._small.advance(np.where(fresh, left, 0))
        for lane in np.flatnonzero(fresh & (made.counts == left)).tolist():
            if self.request.log_probs:
                for kind, name in enumerate(("log_prob", "log_prob_drawn")):
                    self._small_log_probs[lane, kind] = made.extra[name][lane]
            self._begin_large(lane)
        return self._guided.copy()

    def _begin_large(self, lane: int) -> None:
        """Copy the small image of a lane into the large image, and start the large part."""
        lanes = np.array([lane])
        small = self._small.image[lane]
        self._coarse(self.image[lane])[...] = small
        self._coarse(self.known[lane])[...] = True
        condition = {**self._class_and_vector(lane), "guide": small}
        self._large.begin(lanes, self.index[lanes], Start(None, condition, self.controls.of(lane)))
        self._large.known[lane] = self.known[lane]
        self._large.image[lane] = self.image[lane]
        self._guided[lane] = True

    def _class_and_vector(self, lane: int) -> dict[str, Any]:
        """Reconstruct the condition of a lane from its features."""
        classes, features = self._conditions.classes or 0, self._features[lane]
        parts: dict[str, Any] = {}
        if classes:
            parts["class"] = int(np.argmax(features[:classes]))
        if self._conditions.vector is not None:
            parts["vector"] = features[classes:]
        return parts

    def _coarse(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels (C, h, w) of an image (C, H, W) that form the small image, as a view."""
        down, across = self._steps
        return image[:, ::down, ::across]

    def _merge_log_probs(
        self, lane: int, first: int, count: int, made: StepOutput, log_probs: np.ndarray
    ) -> None:
        """Fill in the log-probabilities of rows of the large image, including those of the small image's pixels."""
        down, across = self._steps
        for kind, name in enumerate(("log_prob", "log_prob_drawn")):
            log_probs[kind, lane, :count] = made.extra[name][lane, :count]
            for row in range(-(-first // down) * down, first + count, down):
                coarse = self._small_log_probs[lane, kind, row // down]
                log_probs[kind, lane, row - first, :, ::across] = coarse

    def settle(self) -> None:
        self._small.settle()
        self._large.settle()

    def close(self) -> None:
        self._small.close()
        self._large.close()


def require_coarse_first(known: np.ndarray, steps: tuple[int, int]) -> None:
    """Raise SeqgenError unless the known pixels (C, H, W) are a prefix in drawing order."""
    down, across = steps
    coarse = np.zeros(known.shape, np.bool_)
    coarse[:, ::down, ::across] = True
    in_raster, is_coarse = (mask.transpose(1, 2, 0).ravel() for mask in (known, coarse))
    in_order = np.concatenate([in_raster[is_coarse], in_raster[~is_coarse]])
    if in_order[int(np.argmin(in_order)) :].any() and not in_order.all():
        raise SeqgenError(
            f"this model draws the small image, which is [:, ::{down}, ::{across}] of the large one, and then the "
            "other pixels; it can only complete images whose known pixels come first in that order: the small image "
            "up to some pixel and nothing else, or the whole of it and the others up to some pixel; a PixelCNN "
            "completes images whose first rows are known"
        )
