"""The reference sampler of PixelCNN++: the module's own layers, each run only where its map has a new place.

A layer of the vertical stream runs once per row, one of the horizontal stream once per pixel, and at scale s once per
2^s rows and columns. Outputs that later places read are kept: of a convolution, the previous and the current row of
inputs; of an up-sampling, the two rows of its output. Everything runs in the module's dtype; in float64, lanes are
computed one by one, so that samples are identical in any batch.
Shapes: B lanes, C colours, F channels, L levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import elu, pad

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.controls import log_softmax
from seqgen.engine import Request, Start
from seqgen.engines.reference_model import private_model
from seqgen.image.engine import PixelEngine, positions
from seqgen.models.pixel_cnn_pp.layers import ShiftedConv
from seqgen.models.pixel_cnn_pp.model import PixelCNNpp
from seqgen.models.pixel_cnn_pp.plan import VERTICAL, places


class PixelCNNppEngine(PixelEngine):
    """Samples a `PixelCNNpp` with PyTorch."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._model: PixelCNNpp = private_model(weights, request, model)
        self._device = self._model.parameter_like().device
        self._dtype = self._model.parameter_like().dtype
        self._features = np.zeros((request.lanes, self._model.conditions.features), np.float32)
        numpy_dtype = np.float64 if self._dtype == torch.float64 else np.float32
        self._kept = {
            name: np.zeros((request.lanes, *shape), numpy_dtype)
            for name, shape in self._kept_shapes().items()
        }

    def _kept_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return the shapes of the arrays kept between rows, by name of the layer: (channels, rows, columns)."""
        shapes, width, columns = {}, self._model.channels, self.codec.shape[2]
        for k, layer in enumerate(self._model.plan):
            here = places(columns, layer.scale)
            if layer.kind == "block":
                shapes[f"{k}.first"] = shapes[f"{k}.second"] = (2 * width, 1, here)
            elif layer.kind == "down":
                shapes[f"{k}.down"] = (width, 1, places(columns, layer.scale - 1))
            elif layer.kind == "up":
                shapes[f"{k}.up"] = (width, 2, 2 * places(columns, layer.scale + 1))
        return shapes

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "features": self._features, **self._kept}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._features[lanes] = self._model.conditions.parse(start.condition)[0]
        for array in self._kept.values():
            array[lanes] = 0

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = np.zeros_like(rows)
        running = np.flatnonzero(rows)
        for first, count in sorted({(int(self.row[lane]), int(rows[lane])) for lane in running}):
            together = running[(self.row[running] == first) & (rows[running] == count)]
            for lanes in together[:, None] if self._dtype == torch.float64 else [together]:
                run = _Run(self._model, *self._load(lanes))
                alive = np.ones(len(lanes), bool)
                for row in range(count):
                    self._draw_row(run, lanes, first + row, log_probs[:, :, row : row + 1], alive)
                    made[lanes[alive]] = row + 1
                for name, tensor in run.kept.items():
                    self._kept[name][lanes] = tensor.cpu().numpy()
            if log_probs.shape[2] and self._dtype != torch.float64:
                for lane in together:
                    self._score(int(lane), first, made[lane], log_probs)
        return made

    def _score(self, lane: int, first: int, count: int, log_probs: np.ndarray) -> None:
        """Replace the log-probabilities of `count` rows of a lane by those of the network in float64."""
        image = torch.as_tensor(self.image[lane].astype(np.int64), device=self._device)[None]
        features = torch.as_tensor(self._features[lane : lane + 1], device=self._device)
        rows = slice(first, first + count)
        scores = self._model.pixel_log_probs(image, {"features": features} if features.shape[1] else None)
        # known pixels have none
        drawn = np.where(self.known[lane, :, rows], 0.0, scores[0, :, rows].cpu().numpy()).transpose(1, 0, 2)
        log_probs[0, lane, :count] = drawn
        if not self.controls.reshapes[lane]:
            log_probs[1, lane, :count] = drawn

    def _draw_row(
        self, run: _Run, lanes: np.ndarray, row: int, log_probs: np.ndarray, alive: np.ndarray
    ) -> None:
        """Draw one row of `lanes`; lanes where nothing can be drawn are set to false in `alive`.

        `log_probs` is (2, B, 1, C, W), or (2, B, 0, C, W) if they are not requested.
        """
        colours, _, columns = self.codec.shape
        numbers = positions(self.codec.shape, row)
        run.begin_row(row)
        for column in range(columns):
            mixture = self._model.mixture(run.at_pixel(row, column).double())
            for colour in range(colours):
                pixel = torch.as_tensor(self.image[lanes, :, row, column].astype(np.int64))[:, :, None, None]
                logits = mixture.level_log_probs(pixel.to(self._device), colour)[:, :, 0, 0].cpu().numpy()
                uniforms = rng.uniforms(
                    self.request.seed, self.index[lanes], numbers[colour, column], rng.Purpose.TOKEN
                )
                for k in np.flatnonzero(alive & ~self.known[lanes, colour, row, column]):
                    drawn = self.controls.of(lanes[k]).apply(logits[k])
                    if not np.any(np.isfinite(drawn)):
                        alive[k] = False
                        continue
                    level = int(rng.categorical(np.exp(drawn), uniforms[k]))
                    self.image[lanes[k], colour, row, column] = level
                    scores = log_softmax(logits[k])[level], drawn[level]
                    log_probs[:, lanes[k], :, colour, column] = np.array(scores)[:, None]
            run.put(row, column, self.image[lanes, :, row, column])

    def _load(self, lanes: np.ndarray) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return images, features and kept rows of `lanes`, as new tensors."""

        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(array[lanes]).to(self._device, self._dtype, copy=True)

        image = torch.as_tensor(self.image[lanes].astype(np.int64), device=self._device)
        kept = {name: tensor(array) for name, array in self._kept.items()}
        return image, tensor(self._features), kept


class _Run:
    """The network at one place after another, for lanes that are at the same row.

    Args:
        image: (B, C, H, W) levels; pixels that are not drawn yet are not read.
        features: (B, K) of the condition. kept: the arrays kept from the previous row.
    """

    def __init__(self, model: PixelCNNpp, image: Tensor, features: Tensor, kept: dict[str, Tensor]) -> None:
        self.model, self.features, self.kept = model, features if features.shape[1] else None, kept
        self.pixels = model.with_ones(image)
        self.maps: list[Any] = [None] * len(model.plan)
        self.before: dict[str, Tensor] = {}

    def put(self, row: int, column: int, levels: np.ndarray) -> None:
        """Store the levels (B, C) of a pixel, as input of later places."""
        given = torch.as_tensor(levels.astype(np.int64), device=self.pixels.device)[:, :, None, None]
        self.pixels[:, :, row, column] = self.model.with_ones(given)[:, :, 0, 0]

    def begin_row(self, row: int) -> None:
        """Run the vertical stream, and make the rows that the horizontal stream has kept the previous ones."""
        above = pad(self.pixels, (1, 1, 2, 0))[:, :, row : row + 2]
        self.above = above[:, :, 1:]
        for k, layer in enumerate(self.model.plan):
            if layer.stream != VERTICAL:
                for name in (f"{k}.first", f"{k}.second", f"{k}.down"):
                    if name in self.kept and row % layer.cached_every == 0:
                        self.before[name] = self.kept[name]
                        self.kept[name] = torch.zeros_like(self.kept[name])
            elif layer.kind == "input":
                module: Any = self.model.layers[k]
                self.maps[k] = module.of_window(above)
            else:
                self._run(k, row, 0)

    def at_pixel(self, row: int, column: int) -> Tensor:
        """Run the horizontal stream; return the parameters (B, P, 1, 1) of the pixel's distribution."""
        left = pad(self.pixels, (1, 0))[:, :, row : row + 1, column : column + 1]
        for k, layer in enumerate(self.model.plan):
            if layer.stream == VERTICAL:
                continue
            if layer.kind == "input":
                module: Any = self.model.layers[k]
                self.maps[k] = module.of_window(self.above[..., column : column + 3], left)
            else:
                self._run(k, row, column)
        result: Tensor = self.model.head(elu(self.maps[-1]))
        return result

    def _run(self, k: int, row: int, column: int) -> None:
        """Run layer k if it has an output at this row and column; in the vertical stream, for all columns."""
        layer, module = self.model.plan[k], self.model.layers[k]
        if row % layer.cached_every == 0 and column % layer.cached_every == 0:
            source = self.maps[layer.source]
            if layer.kind == "down":
                window = self._window(f"{k}.down", module, source, column >> (layer.scale - 1))
                if row % layer.runs_every == 0 and column % layer.runs_every == 0:
                    self.maps[k] = module(window)
            elif layer.kind == "up":
                begin = 2 * (column >> (layer.scale + 1))
                made = module(source)
                self.kept[f"{k}.up"][..., begin : begin + made.shape[3]] = made
            else:
                self._run_block(k, column >> layer.scale)
        if layer.kind == "up" and row % (1 << layer.scale) == 0 and column % (1 << layer.scale) == 0:
            own = (row >> layer.scale) % 2
            made = self.kept[f"{k}.up"][:, :, own : own + 1]
            here = column >> layer.scale
            count = places(self.pixels.shape[3], layer.scale)
            self.maps[k] = made[..., :count] if layer.stream == VERTICAL else made[..., here : here + 1]

    def _run_block(self, k: int, place: int) -> None:
        layer, block = self.model.plan[k], self.model.layers[k]

        def window(conv: ShiftedConv, x: Tensor) -> Tensor:
            return self._window(f"{k}.{'first' if conv is block.first else 'second'}", conv, x, place)

        shortcuts = [
            # the place of this pixel in a row of the vertical stream
            self.maps[s][..., place : place + 1]
            if self.model.plan[s].stream != layer.stream
            else self.maps[s]
            for s in layer.shortcuts
        ]
        self.maps[k] = block(self.maps[layer.source], shortcuts, self.features, _keep_all, window)

    def _window(self, name: str, conv: Any, x: Tensor, place: int) -> Tensor:
        """Return the two rows that a convolution reads, around all places or up to one; x is kept for the next row."""
        if conv.kernel_size[1] == 3:
            before, self.kept[name] = self.kept[name], x
            return pad(torch.cat([before, x], 2), conv.sides)
        self.kept[name][..., place : place + 1] = x
        return pad(torch.cat([self.before[name], self.kept[name]], 2), conv.sides)[..., place : place + 2]


def _keep_all(hidden: Tensor) -> Tensor:
    return hidden
