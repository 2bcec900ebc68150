"""Audio previews during training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqgen import extras
from seqgen.data.audio import AudioSplits
from seqgen.models.wavenet.model import WaveNet
from seqgen.models.wavenet.objective import condition_of


class Preview:
    """Writes samples during training, conditioned on the features of a held-out recording if the model takes any."""

    def __init__(self, output: Path, splits: AudioSplits, seconds: float) -> None:
        self._output, self._held_out, self._seconds = output, splits.validation, seconds

    def __call__(self, model: WaveNet, step: int) -> None:
        soundfile = extras.load("soundfile", "writing previews")
        rate = model.codec.sample_rate
        length = max(1, round(self._seconds * rate))
        longest = int(np.argmax([len(item.samples) for item in self._held_out.items]))
        condition = condition_of(model, self._held_out, longest)
        sound = model.sample(1, length, condition=condition, seed=0)[0]
        # a file, because the module cannot encode names that are not UTF-8
        with open(self._output.with_suffix(f".step-{step}.wav"), "wb") as file:
            soundfile.write(file, sound, rate, format="WAV")
