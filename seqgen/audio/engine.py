"""The base of both WaveNet engines: lanes of audio, their conditions, and the end of a sample at the end of its
features.

Random numbers: a categorical sample at position t uses uniform t of TOKEN; a mixture uses word t of COMPONENT for its
component and word t of EMISSION for its value, as in Gaussian mixtures.
Legend: B lanes, N samples per step, k kernel size, K length of one-hot class and vector, F frames of `hop` samples, Z
columns of all layers' gates.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from seqgen.audio.frames import FrameWindow
from seqgen.audio.numba_lanes import Local, SoundState
from seqgen.checkpoint import Weights
from seqgen.conditions.audio import AudioConditions
from seqgen.conditions.feature_range import feature_range
from seqgen.engine import Checkpoint, Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls
from seqgen.engines.requirements import require_finite
from seqgen.errors import SeqgenError
from seqgen.kernels.lanes import StepArrays

_BLOCK = 4096
"""Number of samples for which features are projected at a time, which bounds the memory of a chunk."""


class SoundEngine(Engine):
    """Base class of both engines. They implement `_condition`, `_prefill`, `_project` and `_draw`, and extend `state`.

    Attributes:
        sound: the state of every lane; history, clock, position and index are its fields.
    """

    def __init__(self, weights: Weights, request: Request) -> None:
        require_finite(weights)
        config = weights.config
        self.request = request
        self.codec = weights.codec
        self.output = str(config["output"])
        self.hop = int(config["hop"] or 0)
        self._conditions = AudioConditions.from_config(config)
        self._trained_on = feature_range(weights.card)
        self._mixes_next = int(config["upsampling"] == "learned")
        self._before = -1.0 if self.output == "categorical" else 0.0
        lanes = request.lanes
        self.sound = SoundState(
            history=np.full((lanes, int(config["kernel_size"])), self._before),
            clock=np.zeros(lanes, np.int64),
            position=np.zeros(lanes, np.int64),
            index=np.zeros(lanes, np.uint64),
        )
        self.history, self.clock, self.position, self.index = self.sound
        self.controls = LaneControls(lanes, self.codec.size or 1)
        self._windows: list[FrameWindow | None] = [None] * lanes
        # features that arrive while a sample is generated are read once
        self.begins_once = bool(self.hop)
        self._prefilled: tuple[Start, dict[str, np.ndarray]] | None = None

    def state(self) -> dict[str, np.ndarray]:
        return {**self.sound._asdict(), **self.controls.state()}

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        self.attach(lanes, start)
        categorical = self.output == "categorical"
        self.controls.begin(lanes, start.controls, start.prompt if categorical else None)
        self.index[lanes], self.position[lanes] = indices, 0
        if self._prefilled is None or self._prefilled[0] is not start:
            first = lanes[:1]
            self.history[first], self.clock[first] = self._before, 0
            self._condition(first, self._conditions.parse(start.condition)[0])
            if start.prompt is not None:
                self._prefill(int(first[0]), start.prompt)
                self.clock[first] = len(start.prompt)
                values = self._values(start.prompt)[::-1][: self.history.shape[1]]
                self.history[first, : len(values)] = values
            self._prefilled = (
                start,
                {name: array[first].copy() for name, array in self._network_state().items()},
            )
        for name, array in self._network_state().items():
            array[lanes] = self._prefilled[1][name]

    def attach(self, lanes: np.ndarray, start: Start) -> None:
        _, source = self._conditions.parse(start.condition)
        for lane in lanes:
            window = None if source is None else FrameWindow(source, self._conditions, self._compare)
            self._windows[lane] = window

    def _compare(self, frames: np.ndarray) -> None:
        """Warn once of features that are not in the range that the model was trained on."""
        if self._trained_on is not None and self._trained_on.warn_outside(frames):
            self._trained_on = None

    def checkpoint(self) -> Checkpoint:
        for lane, window in enumerate(self._windows):
            if window is not None:
                window.hold(int(self.position[lane]) // self.hop - 1)
        return Checkpoint(self.snapshot(), tuple(self._windows))

    def rollback(self, checkpoint: Checkpoint) -> None:
        super().rollback(checkpoint)
        self._windows = list(checkpoint.attached)

    def advance(self, counts: np.ndarray) -> StepOutput:
        lanes, longest = len(counts), int(counts.max(initial=0))
        wanted = self.request.log_probs
        whole = StepArrays.of(lanes, longest, np.float64, log_probs=wanted)
        for begin in range(0, longest, _BLOCK):
            size = min(_BLOCK, longest - begin)
            # arrays of its own, because kernels are compiled for what is contiguous
            block = StepArrays.of(lanes, size, np.float64, log_probs=wanted)
            some = np.where(whole.ended, 0, np.clip(counts - begin, 0, size))
            local = self._features(some, whole.ended) if self.hop else None
            self._draw(some, local, block)
            self.position += some
            self.clock += some
            whole.counts[:] += some
            whole.symbols[:, begin : begin + size] = block.symbols
            whole.log_probs[:, :, begin : begin + size] = block.log_probs
        if self.output != "gaussian":
            whole = whole._replace(symbols=whole.symbols.astype(np.int64))
        return whole.output(log_probs=wanted)

    def _features(self, counts: np.ndarray, ended: np.ndarray) -> Local:
        """Return the projected frames of the next counts[b] samples; reduce `counts` and set `ended` where they end."""
        hop, lanes = self.hop, np.flatnonzero(counts)
        first = self.position // hop
        most = int(np.max((self.position + counts - 1)[lanes] // hop - first[lanes], initial=0)) + 1
        frames: np.ndarray | None = None
        for lane in lanes:
            window = self._windows[lane]
            assert window is not None
            begin, place = int(first[lane]), int(self.position[lane])
            last = (place + int(counts[lane]) - 1) // hop
            # each frame with the neighbours in the receptive field of its convolution
            projected = self._project(window.read(begin - 1, last + 2 + self._mixes_next))
            samples = window.samples(hop)
            if samples is not None:
                left = max(0, samples - place)
                ended[lane] = counts[lane] >= left
                counts[lane] = min(counts[lane], left)
            if window.end is not None:
                # the last frame is interpolated with itself
                projected[max(0, window.end - begin) :] = projected[max(0, window.end - 1 - begin)]
            if frames is None:
                frames = np.zeros((len(counts), most + 1, projected.shape[1]), projected.dtype)
            frames[lane, : len(projected)] = projected
        if frames is None:
            frames = self._project(np.zeros((3, int(self._conditions.mels or 1)), np.float32))[None][:0]
        return Local(frames, first)

    def _values(self, symbols: np.ndarray) -> np.ndarray:
        """Convert symbols to network inputs: categories unchanged, other symbols as numbers from -1 to 1."""
        return symbols / 32768.0 if self.output == "logistics" else symbols.astype(np.float64)

    @abstractmethod
    def _network_state(self) -> dict[str, np.ndarray]:
        """Return the network's state arrays by name, each (B, ...), which prompt and condition determine."""

    @abstractmethod
    def _condition(self, lanes: np.ndarray, global_condition: np.ndarray) -> None:
        """Reset the network state of lanes, with one-hot class and vector `global_condition` (K,)."""

    @abstractmethod
    def _prefill(self, lane: int, prompt: np.ndarray) -> None:
        """Advance a lane over the symbols of a prompt by a parallel pass."""

    @abstractmethod
    def _project(self, frames: np.ndarray) -> np.ndarray:
        """Return the contribution (n, Z) to the gates of frames (n + 2, M), whose first and last are only context."""

    @abstractmethod
    def _draw(self, counts: np.ndarray, local: Local | None, out: StepArrays) -> None:
        """Draw counts[b] samples of lane b into the symbols (float64) and log-probabilities of `out`."""


def diverged() -> SeqgenError:
    """Return the error for a sample that is not finite, as a badly trained model may draw."""
    return SeqgenError(
        "the model drew a sample that is not finite; train it further or with a lower learning rate"
    )
