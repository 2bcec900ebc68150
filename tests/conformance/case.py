"""The definition of a case of the conformance suite; `cases` lists the cases and explains how to add one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from seqgen import Controls
from seqgen.generator import Generator
from seqgen.streaming import Stream
from tests.conformance.running import from_plain, log_prob


def _same(model: Generator) -> Generator:
    return model


def _own_score(model: Generator, sample: dict[str, Any], **condition: Any) -> float:
    return float(log_prob(model, [from_plain(model, sample["data"])], **condition)[0])


@dataclass(frozen=True, eq=False)
class Case:
    """A small model and what may be requested from it.

    Attributes:
        id: used in the names of the tests.
        make: creates a model from a number; called once per number.
        engines: all of them; each is also compared with `reference`.
        reference: the engine that is the specification.
        exact: turns a model into one with which the reference is batch-invariant, for example in float64.
        tolerance: of the log-probability of one symbol, engine against reference.
        length: symbols in a sample.
        prompts: three different ones, or none.
        unknown: a prompt that the codec must refuse, or None.
        controls: at least two different ones, or none; they are assigned by index, also with stop sequences.
        stopping: controls under which some samples stop early, by a stop sequence of several symbols.
        conditions: at least two different ones, or none.
        required: arguments that every request and every call of `log_prob` needs: {"condition": …} or nothing.
        scored: controls under which a sample can be passed to `log_prob`.
        score: log-probability of a sample under the model, equal to the sum over its chunks.
        total: sum of the probabilities of all possible outcomes, which must be 1, or None.
        retrain: changes the parameters of a model in place, as training does; None if there is nothing to change.
        ends: whether the model itself ends its samples.
    """

    id: str
    make: Callable[[int], Generator]
    engines: tuple[str, ...] = ("numba", "torch")
    reference: str = "torch"
    exact: Callable[[Generator], Generator] = _same
    tolerance: float = 1e-9
    length: int = 23
    prompts: tuple[Any, ...] = ()
    unknown: Any = None
    controls: tuple[Controls, ...] = ()
    stopping: Controls | None = None
    conditions: tuple[Any, ...] = ()
    required: Mapping[str, Any] = field(default_factory=dict)
    scored: Controls | None = None
    score: Callable[..., float] = _own_score
    total: Callable[[Generator], float] | None = None
    retrain: Callable[[Generator], Any] | None = None
    ends: bool = False

    def model(self, engine: str | None = None, number: int = 0) -> Generator:
        """Return the model as `engine` needs it to be batch-invariant; None is the unchanged model."""
        return _model(self, engine == self.reference, number)

    def stream(self, engine: str, n: int | None = None, length: int | None = None, **request: Any) -> Stream:
        """Create a stream of the model from an engine."""
        return self.model(engine).stream(n, length, engine=engine, **self.required | request)

    def fused(self, engine: str) -> bool:
        """Return whether an engine gets all requests in every run of the tests; reference engines are too slow."""
        return engine == self.engines[0] or engine not in (self.reference, "fixed-point")

    def everything(self) -> dict[str, Any]:
        """Return a request that varies, by index, everything that the model accepts."""
        return self.request("varied")

    def request(self, kind: str) -> dict[str, Any]:
        """Return a request with log-probabilities.

        It is "plain", "varied" in everything, with varied "conditions" only, or has the "same" prompt, controls and
        condition
        for all samples, which engines begin together.
        """
        return dict(_request(self, kind))


@cache
def _model(case: Case, exact: bool, number: int) -> Generator:
    return case.exact(case.make(number)) if exact else case.make(number)


@cache
def _request(case: Case, kind: str) -> dict[str, Any]:
    """Create each request once, so that equal requests have identical functions."""
    request: dict[str, Any] = {"log_probs": True}
    varied = kind == "varied"
    if varied and case.prompts:
        request["prompt"] = lambda i: (*case.prompts, None)[i % (len(case.prompts) + 1)]
    if varied and case.controls:
        request["controls"] = lambda i: (*case.controls, case.stopping)[i % (len(case.controls) + 1)]
    if (varied and "condition" in case.required) or kind == "conditions":
        request["condition"] = lambda i: case.conditions[i % len(case.conditions)]
    if kind == "same":
        given = {"prompt": case.prompts, "controls": case.controls}
        request |= {name: values[1] for name, values in given.items() if values}
        if case.required:
            request |= dict.fromkeys(case.required, case.conditions[1])
    return request


def all_of_length(length: int) -> Callable[[Generator], float]:
    """Return the total probability of all sequences of `length` symbols."""

    def total(model: Generator) -> float:
        symbols = range(model.codec.size)
        rows = np.array(list(itertools.product(symbols, repeat=length)))
        return float(np.exp(log_prob(model, rows)).sum())

    return total
