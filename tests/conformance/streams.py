"""Streams that several tests compare with, run once per worker.

Their results are shared: tests compare with them and never change them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from tests.conformance.case import Case
from tests.conformance.running import Plain, chunks, joined, plain_chunk

N = 7
SEED = 2**40 + 17  # both halves are non-zero
FAR = 2**40

_drained: dict[Any, tuple[dict[str, Any], list[Plain]]] = {}


def drained(case: Case, engine: str, **request: Any) -> list[Plain]:
    """Return all chunks of a stream."""
    request = {name: value for name, value in request.items() if value is not None}
    key = (case.id, engine, _key(request))
    if key not in _drained:
        with case.stream(engine, **request) as stream:
            # the request is also stored, so that no other object gets the identity of one in the key
            _drained[key] = request, chunks(stream)
    return _drained[key][1]


def drained_samples(case: Case, engine: str, **request: Any) -> dict[int, Plain]:
    """Return all samples of a stream, joined, by their index."""
    return joined(drained(case, engine, **request))


def alone(case: Case, engine: str, kind: str, *, n: int = N, start: int = 0) -> dict[int, Plain]:
    """Return samples drawn one by one, each in one chunk, on one thread, with which everything else must agree."""
    request = {"n": n, "start": start, "length": case.length, "seed": SEED, "chunk": 64, "threads": 1}
    return drained_samples(case, engine, **request | case.request(kind))


def few(case: Case, engine: str) -> dict[int, Plain]:
    """Return three plain samples far from the first."""
    return alone(case, engine, "plain", n=3, start=FAR)


def side_by_side(case: Case, engine: str, kind: str) -> list[Plain]:
    """Return the chunks of the same samples, three at a time and in chunks of three symbols."""
    return drained(case, engine, **cut(case, kind))


def cut(case: Case, kind: str) -> dict[str, Any]:
    """Return the request of `side_by_side`."""
    request = {"n": N, "length": case.length, "seed": SEED, "start": 0, "batch": 3, "chunk": 3, "threads": 1}
    return request | case.request(kind)


# five samples in three lanes: rounds of several chunks, lanes that continue with the next sample
RESUMED: dict[str, Any] = {"n": 5, "length": 11, "batch": 3, "chunk": 4, "seed": 3}


@cache
def whole_way(case: Case, engine: str, kind: str = "varied") -> tuple[list[dict[str, Any]], list[Plain]]:
    """Return the states of a stream from beginning to end, as JSON, and the chunks between them."""
    stream = case.stream(engine, **RESUMED | case.request(kind))
    states, delivered = [through_json(stream.state_dict())], []
    for chunk in stream:
        delivered.append(plain_chunk(chunk))
        states.append(through_json(stream.state_dict()))
    return states, delivered


def through_json(state: Any) -> Any:
    """Return a state after conversion to JSON and back."""
    return json.loads(json.dumps(state))


def _key(value: Any) -> Any:
    """Return equal keys for equal requests; functions and controls go by identity, so that a case must keep them."""
    if isinstance(value, dict):
        return tuple((name, _key(value[name])) for name in sorted(value))
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_key, value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, bool | int | float | str | bytes):
        return type(value), value
    return id(value)
