"""The likelihood objective for audio: nats per sample, on crops that are a function of the seed and the step.

A crop has no context before its start, like a sample. Crops are drawn so that all samples of the recordings are used
about equally often.
Legend: B crops, T window, M features per frame, F frames.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from seqgen import rng
from seqgen.data.audio import Recordings
from seqgen.errors import SeqgenError
from seqgen.models.wavenet.model import WaveNet
from seqgen.models.wavenet.outputs import log_probs

LN2 = math.log(2.0)
VALIDATION_CROPS, VALIDATION_SAMPLES = 16, 4096


class Crops(NamedTuple):
    """A batch of crops of recordings.

    Attributes:
        x: (B, T) symbols. scored: (B, T) bool, False in padding.
        global_condition: (B, K) one-hot classes or None.
        features: (B, F + 3, M) with one frame before and two after, or None.
    """

    x: Tensor
    scored: Tensor
    global_condition: Tensor | None
    features: Tensor | None


class AudioData:
    """The symbols and features of recordings for a model.

    Args:
        model: determines codec, hop and conditions. recordings: at the model's sample rate.
    """

    def __init__(self, model: WaveNet, recordings: Recordings) -> None:
        self.recordings = recordings
        self.codec, self.hop, self.classes = model.codec, model.hop, model.conditions.classes
        kind: type[np.generic] = np.int16 if model.codec.size <= 1 << 15 else np.int32
        if model.output_kind == "gaussian":
            kind = np.float32
        self.symbols = [model.codec.encode(item.samples).astype(kind) for item in recordings.items]
        self.lengths = np.array([len(row) for row in self.symbols])
        self.features: list[np.ndarray] = []
        if self.hop is not None:
            self.features = [model.features(item.samples) for item in recordings.items]
        self._ends = np.cumsum(self.lengths)

    def fingerprint(self) -> bytes:
        """Return a digest of the symbols."""
        digest = hashlib.sha256()
        for row in self.symbols:
            digest.update(row.tobytes())
        return digest.digest()

    def places(self, uniforms: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the recordings (B,) and starts (B,) of crops, given pairs (B, 2) of uniforms.

        The first number selects a sample, the second its position in the crop; a crop lies within its recording and
        starts at a frame.
        """
        chosen = (uniforms[:, 0] * self._ends[-1]).astype(np.int64)
        files = np.searchsorted(self._ends, chosen, side="right")
        within = chosen - (self._ends[files] - self.lengths[files])
        first = within - (uniforms[:, 1] * window).astype(np.int64)
        first = np.clip(first, 0, np.maximum(0, self.lengths[files] - window))
        return files, first - first % (self.hop or 1)

    def crops(self, files: Sequence[int], firsts: Sequence[int], window: int) -> Crops:
        """Return crops of `window` samples (a multiple of the hop), padded after the end of a recording."""
        x = np.zeros((len(files), window), self.symbols[0].dtype)
        scored = np.zeros((len(files), window), bool)
        features = None
        if self.hop is not None:
            features = np.zeros((len(files), window // self.hop + 3, self.features[0].shape[1]), np.float32)
        for row, (file, first) in enumerate(zip(files, firsts, strict=True)):
            part = self.symbols[file][first : first + window]
            x[row, : len(part)], scored[row, : len(part)] = part, True
            if features is not None and self.hop is not None:
                frame = first // self.hop
                begin = max(0, frame - 1)
                some = self.features[file][begin : frame - 1 + features.shape[1]]
                shift = begin - (frame - 1)
                features[row, shift : shift + len(some)] = some
        global_condition = None
        if self.classes is not None:
            labels = torch.tensor([self.recordings.labels[file] for file in files])
            global_condition = one_hot(labels, self.classes).float()
        symbols = x if x.dtype == np.float32 else x.astype(np.int64)
        given = None if features is None else torch.from_numpy(features)
        return Crops(torch.from_numpy(symbols), torch.from_numpy(scored), global_condition, given)


class AudioObjective:
    """Random crops for a `WaveNet`; the score is in bits per sample.

    Args:
        model: the model to train. train, held_out: recordings.
        batch: crops B per step. window: samples T per crop. seed: seed of crops and dropout.
        watch: called with (model, step) before each validation.
    """

    unit, scale = "bits/sample", 1.0 / LN2

    def __init__(
        self, model: WaveNet, train: Recordings, held_out: Recordings, *, batch: int, window: int, seed: int,
        watch: Callable[[WaveNet, int], None] | None = None,
    ) -> None:  # fmt: skip
        if model.hop is not None and window % model.hop:
            raise ValueError(
                f"window must be a multiple of hop={model.hop}, because crops consist of whole frames, got {window}"
            )
        if not train.samples or not held_out.samples:
            raise SeqgenError("there is nothing to train on or nothing held out; give more recordings")
        self._train, self._held_out = AudioData(model, train), AudioData(model, held_out)
        self._batch, self._window, self._seed, self._watch = batch, window, seed, watch
        self._steps = 0
        digest = hashlib.sha256(self._train.fingerprint() + self._held_out.fingerprint())
        self.fingerprint = digest.hexdigest()[:16]
        # a held-out crop includes context before the scored samples
        context = model.receptive_field
        self._context = context + -context % (model.hop or 1)

    @property
    def feature_range(self) -> list[float]:
        """The smallest and the largest number in the features of the training recordings."""
        features = self._train.features
        return [round(float(min(map(np.min, features))), 4), round(float(max(map(np.max, features))), 4)]

    def loss(self, model: nn.Module, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean nats per sample of a step."""
        assert isinstance(model, WaveNet)
        self._steps = step + 1
        words = rng.words(self._seed, np.arange(self._batch), step, rng.Purpose.SHUFFLE)
        files, firsts = self._train.places(rng.to_uniform(words[:, :2]), self._window)
        crops = self._train.crops(files.tolist(), firsts.tolist(), self._window)
        dropout = torch.Generator().manual_seed((self._seed << 32) + step)
        return -_scores(model, crops, dropout)[crops.scored].mean(), {}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        """Return the mean bits per sample of a fixed set of held-out crops, given their context."""
        assert isinstance(model, WaveNet)
        if self._watch is not None:
            self._watch(model, self._steps)
        total, count = 0.0, 0
        for crops in self._held_out_crops():
            total -= float(_scores(model, crops)[crops.scored].double().sum())
            count += int(crops.scored.sum())
        return total / (count * LN2)

    def _held_out_crops(self) -> Iterator[Crops]:
        hop = self._held_out.hop or 1
        window = self._context + VALIDATION_SAMPLES + -VALIDATION_SAMPLES % hop
        for number in range(VALIDATION_CROPS):
            words = rng.words(self._seed, number, 0, rng.Purpose.SPLIT)
            files, firsts = self._held_out.places(rng.to_uniform(words[None, :2]), window)
            crops = self._held_out.crops(files.tolist(), firsts.tolist(), window)
            if firsts[0]:
                crops.scored[:, : self._context] = False
            yield crops


def _scores(model: WaveNet, crops: Crops, dropout: torch.Generator | None = None) -> Tensor:
    """Return the log-probabilities (B, T) of the samples of crops, in nats."""
    frames = None if crops.features is None else model.frame_channels(crops.features)
    raw = model.from_start(crops.x, crops.global_condition, frames, dropout_generator=dropout)
    return log_probs(model.output_kind, raw, crops.x)


def whole_score(model: WaveNet, recordings: Recordings) -> float:
    """Return the bits per sample of whole recordings, each from its start."""
    nats = 0.0
    for number, item in enumerate(recordings.items):
        nats -= float(model.log_prob(item.samples, condition=condition_of(model, recordings, number)))
    return nats / (recordings.samples * LN2)


def condition_of(model: WaveNet, recordings: Recordings, number: int) -> dict[str, object] | None:
    """Return the condition of one of the recordings: its class and its features."""
    parts: dict[str, object] = {}
    if model.conditions.classes is not None:
        parts["class"] = recordings.labels[number]
    if model.hop is not None:
        parts["features"] = model.features(recordings.items[number].samples)
    return parts or None
