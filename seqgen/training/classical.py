"""Recipes of the models that are fitted by counting or by EM, as `seqgen train` calls them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.arrays import hold_out, read_sequences, read_vectors
from seqgen.data.text import read_text, split_sequences, split_text
from seqgen.generator import Generator
from seqgen.models.hmm.mixture import GaussianMixture
from seqgen.models.hmm.model import HMM
from seqgen.models.markov.model import MarkovChain
from seqgen.training.request import command
from seqgen.training.settings import split_settings


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of EM: at most `iterations`, ending when one gains less than `tolerance` nats per observation."""

    iterations: int = 100
    tolerance: float = 1e-5
    seed: int = 0


@dataclass(frozen=True)
class CountConfig:
    """Counting n-grams has no settings of its own."""


def train_markov(data: Path, output: Path, *, settings: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A Markov chain of a text; its last tenth is held out.

    Settings: order, smoothing ("kneser-ney" or "none"), unit, and sequences: "whole", "lines" or "paragraphs".
    """
    from seqgen.models.markov.open_vocabulary import score_known

    defaults = {"order": 3, "smoothing": "kneser-ney", "unit": "characters", "sequences": "whole"}
    chosen, _ = split_settings(settings, defaults, CountConfig)
    how = chosen.pop("sequences")
    if chosen["smoothing"] in ("none", "None"):
        chosen["smoothing"] = None
    before, after = split_text(read_text(data))
    chain = MarkovChain(**chosen).fit(split_sequences(before, how))
    scored = score_known(chain, split_sequences(after, how))
    card = {
        **_card("markov", data, output, settings),
        "split": f"first {len(before)} characters for training, last {len(after)} held out",
        "sequences": how,
        "unknown": scored.unknown,
    }
    if scored.scored and not scored.impossible:
        card |= {
            "score": round(scored.nats_per_symbol, 4),
            "score_unit": f"nats/{chain.codec.unit.rstrip('s')}",
        }
    chain.save(output, card=card)
    return card


def train_hmm(
    data: Path, output: Path, *, settings: dict[str, Any], report: Any = None, **others: Any
) -> dict[str, Any]:
    """An HMM of numeric sequences. Settings: states, emission, structure, covariance_type, components, and EM's."""
    defaults = {
        "states": 8, "emission": "gaussian", "structure": "dense", "covariance_type": "diag", "components": 2,
    }  # fmt: skip
    chosen, config = split_settings(settings, defaults, FitConfig)
    before, after, split = hold_out(read_sequences(data))
    if chosen["emission"] in ("categorical", "poisson") or before[0].ndim == 1:
        before, after = _as_emission(before, chosen["emission"]), _as_emission(after, chosen["emission"])
    model = HMM.initialise(chosen.pop("states"), before, seed=config.seed, **chosen)
    return _fit("hmm", model, before, after, split, config, data, output, settings, report)


def train_mixture(
    data: Path, output: Path, *, settings: dict[str, Any], report: Any = None, **others: Any
) -> dict[str, Any]:
    """A Gaussian mixture of vectors. Settings: components, covariance_type, and EM's."""
    chosen, config = split_settings(settings, {"components": 8, "covariance_type": "diag"}, FitConfig)
    before, after, split = hold_out([read_vectors(data)])
    model = GaussianMixture.initialise(chosen.pop("components"), before[0], seed=config.seed, **chosen)
    return _fit("gaussian-mixture", model, before[0], after, split, config, data, output, settings, report)


def shakespeare_markov(data: Path, output: Path, **others: Any) -> dict[str, Any]:
    """The built-in word chain."""
    from seqgen.models.markov.builtin_recipes import train_shakespeare_markov

    model, card = train_shakespeare_markov(data)
    return _save(model, card, output)


def weather(data: Path | None, output: Path, **others: Any) -> dict[str, Any]:
    """The lecture's weather table."""
    from seqgen.models.markov.builtin_recipes import weather_model

    model, card = weather_model()
    return _save(model, card, output)


def digit_strokes(data: Path, output: Path, **others: Any) -> dict[str, Any]:
    """The HMM of a handwritten 2."""
    from seqgen.models.hmm.strokes_recipe import train_digit_strokes

    model, card = train_digit_strokes(data)
    return _save(model, card, output)


def _save(model: Generator, card: dict[str, Any], output: Path) -> dict[str, Any]:
    model.save(output, card=card)
    return card


def _fit(
    family: str,
    model: HMM | GaussianMixture,
    before: Any,
    after: list[np.ndarray],
    split: str,
    config: FitConfig,
    data: Path,
    output: Path,
    settings: dict[str, Any],
    report: Any,
) -> dict[str, Any]:
    observations = len(before) if isinstance(before, np.ndarray) else sum(map(len, before))

    def progress(iteration: int, log_prob: float) -> None:
        if report is not None:
            report(min(iteration, config.iterations), config.iterations, -log_prob / observations, None)

    model.fit(before, iterations=config.iterations, tolerance=config.tolerance, progress=progress)
    scored = sum(float(np.sum(model.log_prob(row))) for row in after)
    card = {
        **_card(family, data, output, settings),
        "split": split,
        "seed": config.seed,
        "score": round(-scored / sum(map(len, after)), 4),
        "score_unit": "nats/observation",
    }
    model.save(output, card=card)
    return card


def _card(family: str, data: Path, output: Path, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": data.name,
        "licence": "that of the data",
        "command": command(family, data, output, settings),
        "seed": 0,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _as_emission(sequences: list[np.ndarray], emission: str) -> list[np.ndarray]:
    """Sequences as an emission wants them: symbols (T,), counts as they are, else vectors (T, D)."""
    if emission == "categorical":
        return [
            s.astype(np.int64).reshape(len(s)) if s.ndim == 1 or s.shape[1] == 1 else s for s in sequences
        ]
    return sequences if emission == "poisson" else [_two_dimensional(s) for s in sequences]


def _two_dimensional(sequence: np.ndarray) -> np.ndarray:
    return sequence.reshape(len(sequence), -1)
