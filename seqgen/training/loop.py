"""The training loop of likelihood models: AdamW, warm-up and cosine schedule, clipping, an exponential moving average
of the weights (EMA), validation, and a state on disk from which a run resumes bit for bit.

All randomness is a function of (seed, step), so the state consists of the step, the weights, the optimizer's moments,
the EMA and the objective's carry (an RNN's hidden state between windows).
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.files import replace_whole
from seqgen.generator import Generator
from seqgen.training.config import TrainingConfig
from seqgen.training.mixed_precision import supported_autocast
from seqgen.training.stopping import between_steps


class Objective(Protocol):
    """The training objective: nats per symbol of a batch that is a function of the step.

    An optional attribute `fingerprint` identifies the data when a run is resumed. The loss is what gradients are taken
    of; logs show it in the unit of the score.

    Attributes:
        unit: the unit of the score. scale: the number by which a loss is multiplied to be in this unit.
    """

    unit: str
    scale: float

    def loss(self, model: nn.Module, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a step, and the carry for the next step."""

    def validate(self, model: nn.Module) -> float:
        """Return the held-out score of a model, in `unit`."""


@dataclass
class Progress:
    """The record of a run: training losses as optimized, validation scores by step, and the elapsed time."""

    losses: list[tuple[int, float]]
    scores: list[tuple[int, float]]
    seconds: float = 0.0


def train(
    model: nn.Module,
    objective: Objective,
    config: TrainingConfig,
    *,
    state_path: Path | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    report: Callable[[int, float, float | None], None] | None = None,
) -> Progress:
    """Train `model` in place; at the end it has the EMA weights.

    Args:
        model: any module that the objective accepts.
        objective: computes losses and scores.
        config: the hyperparameters.
        state_path: file for the training state (.safetensors); None saves none.
        resume: continue from `state_path` if it exists.
        stop_after: save the state and stop after this many steps of this call; the model then has the current weights,
            not the EMA.
        report: called after every step with (step, loss, validation score or None).

    Raises:
        SeqgenError: if the state on disk is of another configuration, the loss is not finite, or a score is NaN.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    carry: dict[str, Tensor] = {}
    progress = Progress([], [])
    first = 0
    run = _described(model, objective, config)
    if resume and state_path is not None and state_path.exists():
        first, carry, progress = _restore(state_path, model, optimizer, average, run)
    elif resume:
        warnings.warn(
            f"there is no state to resume from at {state_path}; the training begins with step 1", SeqgenWarning,
            stacklevel=2,
        )  # fmt: skip
    last = config.steps if stop_after is None else min(config.steps, first + stop_after)
    with supported_autocast(model, enabled=config.autocast) as autocast, between_steps() as stopping:
        for step in range(first, last):
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = config.rate(step)
            with autocast():
                loss, carry = objective.loss(model, step, carry)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise SeqgenError(
                    f"the loss is {value} at step {step}; lower learning_rate (now {config.learning_rate})"
                )
            # a smaller decay in early steps, as in TensorFlow's ExponentialMovingAverage
            decay = min(config.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, tensor in model.state_dict().items():
                    average[name].lerp_(tensor, 1 - decay)
            progress.losses.append((step, value))
            done = step + 1
            score = None
            if done % config.validate_every == 0 or done == config.steps:
                score = _with_weights(model, average, lambda: objective.validate(model))
                if math.isnan(score):
                    raise SeqgenError(
                        f"the held-out score is nan after {done} steps; "
                        f"lower learning_rate (now {config.learning_rate})"
                    )
                progress.scores.append((done, score))
            progress.seconds += time.perf_counter() - began
            save = done % config.save_every == 0 or done == last
            if state_path is not None and save:
                _save(state_path, model, optimizer, average, carry, done, run, progress)
            if report is not None:
                report(done, value, score)
            if stopping.asked:
                if state_path is not None and not save:
                    _save(state_path, model, optimizer, average, carry, done, run, progress)
                stopping.leave()
    if last == config.steps:
        model.load_state_dict(average)
    return progress


def _with_weights(model: nn.Module, weights: Mapping[str, Tensor], action: Callable[[], float]) -> float:
    own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)
    model.eval()
    try:
        return action()
    finally:
        model.load_state_dict(own)
        model.train()


def _described(model: nn.Module, objective: Objective, config: TrainingConfig) -> dict[str, Any]:
    """Return what a state and the run that resumes from it must have in common: settings, model and data."""
    settings = {name: value for name, value in asdict(config).items() if name != "threads"}
    architecture = model.config() if isinstance(model, Generator) else {}
    described = {**settings, **architecture, "data": getattr(objective, "fingerprint", None)}
    as_stored: dict[str, Any] = json.loads(json.dumps(described))
    return as_stored


# ---- the state on disk --------------------------------------------------------------------------------


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    carry: Mapping[str, Tensor],
    step: int,
    run: Mapping[str, Any],
    progress: Progress,
) -> None:
    from safetensors.torch import save

    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    tensors |= {f"carry.{k}": v for k, v in carry.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    # safetensors requires contiguous tensors that do not share memory
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    header = {"step": step, "run": run, "progress": asdict(progress)}
    with replace_whole(path) as temporary:
        temporary.write_bytes(save(tensors, {"training": json.dumps(header)}))


def _restore(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    run: Mapping[str, Any],
) -> tuple[int, dict[str, Tensor], Progress]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        # not by its name, which may not be UTF-8
        blob = path.read_bytes()
        # clone, because the last bit of matrix products may depend on the alignment of their operands
        tensors = {name: tensor.clone() for name, tensor in load(blob).items()}
        size = int.from_bytes(blob[:8], "little")
        header = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"]["training"])
        step, recorded = int(header["step"]), header["progress"]
        found = dict(header["run"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise SeqgenError(
            f"{path} is not the state of a training run ({error}); remove it to start over"
        ) from None
    for name, value in run.items():
        if found.get(name) != value:
            raise SeqgenError(
                f"{path} was made with {name}={found.get(name)!r}, this run has {name}={value!r}; "
                "use the same settings to resume, or remove the file to start over"
            )
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "carry": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        group, rest = name.split(".", 1)
        groups[group][rest] = tensor
    try:
        model.load_state_dict(groups["model"])
    except RuntimeError as error:
        raise SeqgenError(f"{path} is the state of another model: {error}") from None
    for name in average:
        average[name].copy_(groups["average"][name])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimizer"].items():
        number, key = name.split(".", 1)
        moments.setdefault(int(number), {})[key] = tensor
    layout: dict[str, Any] = optimizer.state_dict()
    optimizer.load_state_dict({"state": moments, "param_groups": layout["param_groups"]})
    progress = Progress(
        [tuple(pair) for pair in recorded["losses"]],
        [tuple(pair) for pair in recorded["scores"]],
        recorded["seconds"],
    )
    return step, groups["carry"], progress
