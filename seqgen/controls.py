"""Sampling controls: an ordered chain of pure functions that transform a model's distribution before a draw.

The order is fixed: allowed, repetition penalty, temperature, top-k, top-p, min-p, typical. Each step maps logits
(unnormalised log-probabilities) (..., V) to logits in float64; -inf is probability 0. `None` is off; without controls,
samples follow the model's own distribution. Greedy decoding is top-p with a limit below every probability, which keeps
the first of the most probable symbols. Semantics are those of the `transformers` library;
`triton_kernels.controls` is equivalent, which a test checks value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from seqgen.codecs import Codec
from seqgen.errors import SeqgenError, integer, real

Step = Callable[[np.ndarray], np.ndarray]


# ---- the steps, as separate functions -----------------------------------------------------------------


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return normalised log-probabilities; each row needs at least one finite value."""
    with np.errstate(divide="ignore"):
        shifted = logits - np.max(logits, -1, keepdims=True)
        return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True))


def apply_allowed(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Set the logits to -inf where `allowed` (V,) is False."""
    return np.where(allowed, logits, -np.inf)


def apply_repetition_penalty(logits: np.ndarray, penalty: float, seen: np.ndarray) -> np.ndarray:
    """Divide positive and multiply negative logits of `seen` symbols by `penalty` (Keskar et al. 2019)."""
    return np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Divide by the temperature; below 1 sharpens, above 1 flattens."""
    return logits / temperature


def apply_top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Keep the k most probable symbols, and those tied with the last of them."""
    k = min(k, logits.shape[-1])
    threshold = np.partition(logits, -k, axis=-1)[..., -k, None]
    return np.where(logits < threshold, -np.inf, logits)


def apply_top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """Keep the fewest most probable symbols with total probability >= p (Holtzman et al. 2020); ties by symbol."""
    return _keep_mass(logits, -logits, p)


def apply_min_p(logits: np.ndarray, p: float) -> np.ndarray:
    """Keep symbols with at least p times the highest probability (Nguyen et al. 2024)."""
    threshold = np.max(logits, -1, keepdims=True) + np.log(p)
    return np.where(logits < threshold, -np.inf, logits)


def apply_typical(logits: np.ndarray, p: float) -> np.ndarray:
    """Keep the symbols with surprisal nearest the entropy, up to total probability p (Meister et al. 2023)."""
    log_p = log_softmax(logits)
    with np.errstate(invalid="ignore"):
        entropy = -np.sum(np.where(np.isneginf(log_p), 0.0, np.exp(log_p) * log_p), -1, keepdims=True)
        distance = np.where(np.isneginf(log_p), np.inf, np.abs(-log_p - entropy))
    return _keep_mass(logits, distance, p, ties=True)


def _keep_mass(logits: np.ndarray, rank_by: np.ndarray, p: float, *, ties: bool = False) -> np.ndarray:
    """Keep symbols in ascending order of `rank_by` while the preceding mass is below p of the total.

    With `ties`, symbols tied with the last one are kept too. Masses are compared unnormalised, so that equal symbols
    sum exactly.
    """
    if p >= 1.0:
        return logits
    order = np.argsort(rank_by, axis=-1, kind="stable")
    weights = np.exp(logits - np.max(logits, -1, keepdims=True))
    before = np.cumsum(np.take_along_axis(weights, order, -1), -1)
    keep_sorted = np.ones(logits.shape, bool)
    keep_sorted[..., 1:] = before[..., :-1] < p * before[..., -1:]
    if ties:
        count = np.sum(keep_sorted, -1, keepdims=True)
        last = np.take_along_axis(np.take_along_axis(rank_by, order, -1), count - 1, -1)
        return np.where(rank_by <= last, logits, -np.inf)
    keep = np.zeros(logits.shape, bool)
    np.put_along_axis(keep, order, keep_sorted, -1)
    return np.where(keep, logits, -np.inf)


# ---- the user's settings ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Sampling controls; None is off, and the default is the model's own distribution.

    Attributes:
        greedy: draw the most probable symbol, the first one of several that tie; after `allowed` and
            `repetition_penalty`, and without the controls that follow here.
        temperature: > 0; 1 changes nothing.
        top_k: >= 1, keep the k most probable symbols, and those tied with the last of them.
        top_p: in (0, 1], keep the most probable symbols up to this total probability.
        min_p: in [0, 1], keep symbols with at least this fraction of the highest probability; 0 keeps all.
        typical_p: in (0, 1], keep the most typical symbols up to this total probability.
        repetition_penalty: > 0; above 1 penalizes symbols of the prompt and of the sample so far.
        allowed: the symbols that may be drawn: a string, or a sequence of symbols.
        stop: one or several sequences; a sample ends with, and includes, the first one to occur.

    Example:
        >>> print(Controls(top_p=0.9, temperature=0.8))
        temperature(0.8) → top_p(0.9)
    """

    greedy: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    allowed: Any = None
    stop: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.greedy, (bool, np.bool_)):
            raise TypeError(f"greedy must be True or False, got {self.greedy!r}")
        if self.greedy:
            for name in AMONG_SEVERAL:
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"greedy draws the most probable symbol, {name} chooses among several; give one of them"
                    )
        if self.temperature is not None:
            real("temperature", self.temperature, above=0.0)
        if self.top_k is not None:
            integer("top_k", self.top_k, low=1)
        for name in ("top_p", "typical_p"):
            if getattr(self, name) is not None:
                real(name, getattr(self, name), above=0.0, high=1.0)
        if self.min_p is not None:
            real("min_p", self.min_p, low=0.0, high=1.0)
        if self.repetition_penalty is not None:
            real("repetition_penalty", self.repetition_penalty, above=0.0)

    def active(self) -> tuple[str, ...]:
        """Return the names of the active controls in the order of application; `stop` is last."""
        given = (name for name in ORDER if getattr(self, name) is not None)
        return tuple(name for name in given if name != "greedy" or self.greedy)

    def bind(self, codec: Codec) -> BoundControls:
        """Encode symbols with the model's codec and check that every control applies to it."""
        if self.active() and not codec.size:
            raise SeqgenError(
                f"the controls {', '.join(self.active())} cannot act on this model: it does not draw symbols "
                "from a finite vocabulary; use controls=None"
            )
        refused = [name for name in self.active() if name in codec.refused_controls]
        if refused:
            raise SeqgenError(f"the control {refused[0]} cannot act on {codec.name}; leave it out")
        mask = None
        if self.allowed is not None:
            mask = np.zeros(codec.size, bool)
            mask[_encode("allowed", codec, self.allowed)] = True
            if not mask.any():
                raise ValueError("allowed must name at least one symbol, got none")
        stops = tuple(tuple(int(s) for s in _encode("stop", codec, stop)) for stop in _stops(self.stop))
        if any(not stop for stop in stops):
            raise ValueError(f"stop must not hold an empty sequence, got {self.stop!r}")
        names = (name for name in Parameters._fields if name != "top_k")
        numbers = {name: float(getattr(self, name) or 0.0) for name in names}
        # clip to the number of symbols, however large the value
        numbers["top_k"] = float(min(self.top_k or 0, codec.size))
        if self.greedy:
            numbers["top_p"] = GREEDY
        if numbers["temperature"]:
            numbers["temperature"] = max(numbers["temperature"], LOWEST_TEMPERATURE)
        return BoundControls(Parameters(**numbers), mask, stops)

    def __str__(self) -> str:
        each = (
            "greedy" if name == "greedy" else f"{name}({getattr(self, name)!r})" for name in self.active()
        )
        return " → ".join(each) or "none"


# this temperature already leaves only the most probable symbol; dividing by less might overflow
LOWEST_TEMPERATURE = 1e-100

# top_p so small that the first of the most probable symbols reaches it
GREEDY = 1e-30

AMONG_SEVERAL = ("temperature", "top_k", "top_p", "min_p", "typical_p")
ORDER = ("allowed", "repetition_penalty", "greedy", *AMONG_SEVERAL, "stop")
assert set(ORDER) == {f.name for f in fields(Controls)}


class Parameters(NamedTuple):
    """The numeric controls in the order of application; 0 is off."""

    repetition_penalty: float = 0.0
    temperature: float = 0.0
    top_k: float = 0.0
    top_p: float = 0.0
    min_p: float = 0.0
    typical_p: float = 0.0


@dataclass(frozen=True)
class BoundControls:
    """Controls encoded in a model's symbols, as engines use them.

    Attributes:
        parameters: the numeric controls, 0 where off.
        allowed: (V,) bool or None.
        stops: sequences of symbols that end a sample.
    """

    parameters: Parameters = field(default_factory=Parameters)
    allowed: np.ndarray | None = None
    stops: tuple[tuple[int, ...], ...] = ()

    @property
    def reshapes(self) -> bool:
        """Return whether any control changes the distribution (stop sequences do not)."""
        return self.allowed is not None or any(self.parameters)

    def steps(self, seen: np.ndarray | None = None) -> list[Step]:
        """Return the active steps in order; `seen` (..., V) bool marks the symbols that are penalized."""
        on, allowed = self.parameters, self.allowed
        steps: list[Step] = []
        if allowed is not None:
            steps.append(lambda x: apply_allowed(x, allowed))
        if on.repetition_penalty and seen is not None:
            steps.append(lambda x: apply_repetition_penalty(x, on.repetition_penalty, seen))
        if on.temperature:
            steps.append(lambda x: apply_temperature(x, on.temperature))
        if on.top_k:
            steps.append(lambda x: apply_top_k(x, int(on.top_k)))
        if on.top_p:
            steps.append(lambda x: apply_top_p(x, on.top_p))
        if on.min_p:
            steps.append(lambda x: apply_min_p(x, on.min_p))
        if on.typical_p:
            steps.append(lambda x: apply_typical(x, on.typical_p))
        return steps

    def apply(self, logits: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
        """Return the normalised log-probabilities (..., V) to draw from, in float64.

        Raises:
            SeqgenError: if no allowed symbol has a positive probability.
        """
        values = np.asarray(logits, np.float64)
        possible = values if self.allowed is None else apply_allowed(values, self.allowed)
        if np.any(np.all(np.isneginf(possible), -1)):
            raise SeqgenError(
                "the controls leave no symbol to draw: `allowed` names only symbols of probability 0"
            )
        for step in self.steps(seen):
            values = step(values)
        return log_softmax(values)


def as_controls(value: Any) -> Controls:
    """Convert `None`, `Controls` or a mapping of control names to `Controls`."""
    if value is None:
        return Controls()
    if isinstance(value, Controls):
        return value
    if isinstance(value, dict):
        unknown = sorted(set(value) - set(ORDER))
        if unknown:
            raise ValueError(f"unknown control {unknown[0]!r}; there are {', '.join(ORDER)}")
        return Controls(**value)
    raise TypeError(f"controls must be seqgen.Controls, a dict or None, got {value!r}")


def _encode(name: str, codec: Codec, value: Any) -> np.ndarray:
    try:
        return codec.encode_symbols(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _stops(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, (str, bytes, np.ndarray)) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)
