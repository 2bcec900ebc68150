"""Settings of training by gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqgen.errors import integer, real


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Hyperparameters of training; each field can be set on the command line with `--set name=value`.

    Attributes:
        steps: optimizer steps. batch: sequences per step. window: symbols of each sequence per step.
        learning_rate: peak rate; warmup: steps to reach it, followed by cosine decay to a tenth.
        weight_decay: that of AdamW. clip: maximum gradient norm. ema: decay of the moving average, 0 is off.
        validate_every, save_every: intervals in steps. seed: seed of all randomness.
        autocast: compute in bfloat16 where autocast selects it and the machine supports it.
        threads: torch threads, 0 keeps the current number.
        start: name or path of a model whose parameters are the initial ones; "" initializes at random.
    """

    steps: int = 1000
    batch: int = 32
    window: int = 128
    learning_rate: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.998
    validate_every: int = 250
    save_every: int = 100
    seed: int = 0
    autocast: bool = True
    threads: int = 0
    start: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "window", "validate_every", "save_every"):
            integer(name, getattr(self, name), low=1)
        for name in ("warmup", "threads"):
            integer(name, getattr(self, name), low=0)
        integer("seed", self.seed, low=0, high=2**32 - 1)
        real("learning_rate", self.learning_rate, above=0.0)
        real("weight_decay", self.weight_decay, low=0.0)
        real("clip", self.clip, above=0.0)
        real("ema", self.ema, low=0.0, below=1.0)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        part = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, part))))
