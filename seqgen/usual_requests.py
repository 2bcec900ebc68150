"""Requests that together compile every kernel that the usual requests to a model need; `seqgen.warming` makes them.

They are small: a kernel is compiled for the types of its arguments, whatever the sizes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs import Codec, codec_from_config
from seqgen.conditions.audio import AudioConditions
from seqgen.conditions.image import Conditions
from seqgen.errors import SeqgenError
from seqgen.extras import missing
from seqgen.kernels.fingerprint import Fingerprint
from seqgen.kernels.postponed import nothing_postponed
from seqgen.registry import family
from seqgen.streaming import Stream

CONTROLS: tuple[dict[str, Any], ...] = (
    {"temperature": 0.9, "top_p": 0.9},
    {"greedy": True},
    {"top_k": 2},
    {"min_p": 0.1},
    {"typical_p": 0.9},
    {"repetition_penalty": 1.1},
)
"""One of each kind, because a family may draw some of them by kernels of their own."""

_SCORED_BY_KERNELS = ("nade",)
"""Families whose likelihoods need torch, and are computed by kernels all the same."""

_LANES = 4
# symbols; enough for a stream of one lane to use a second core
_CHUNK, _LENGTH = 128, 256


def request_all(weights: Weights) -> None:
    """Stream a model in every usual way: one stream on one core and on two, several streams, controls, a prompt,
    log-probabilities; and score a sample, if its family computes likelihoods by kernels.

    Raises:
        SeqgenError: if the model cannot be streamed at all, as MissingPackageError if it needs an optional package.
            What the model only refuses, as some controls, is left out.
    """
    kind, codec = family(weights.family), codec_from_config(weights.config["codec"])
    length = _LENGTH if codec.longest is None else None
    usual = {"chunk": min(kind.chunk, _CHUNK), "condition": condition(weights, codec)}
    with nothing_postponed(), warnings.catch_warnings():
        # the conditions are no data of the kind that the model was trained on
        warnings.simplefilter("ignore")
        data = _drawn(weights, 1, length, threads=2, **usual)
        _drawn(weights, _LANES, length, batch=_LANES, threads=2, **usual)
        scored: list[dict[str, Any]] = [{"log_probs": True}]
        forced = _forced(codec, data) if weights.family == "markov" else ()
        for more in (*scored, *({"controls": some} for some in CONTROLS), *_prompts(codec, data), *forced):
            try:
                _drawn(weights, 1, length, threads=1, **usual | more)
            except (SeqgenError, ValueError, TypeError):
                continue
        if kind.needs:
            # of parameters, by which the streams of a model recognize it
            one = np.zeros(1)
            Fingerprint([one.ctypes.data], [one.nbytes]).matches([one.ctypes.data])
        if not kind.needs or (weights.family in _SCORED_BY_KERNELS and not missing(*kind.needs)):
            model = kind.model_class().from_weights(weights)
            samples = model.sample(2, length)
            model.log_prob(samples if kind.needs else list(samples))


def condition(weights: Weights, codec: Codec) -> Any:
    """Return a condition that a model accepts, or None for a model that needs none."""
    # of a model that is composed of others, the one that takes the condition
    config = weights.config.get("small") or weights.config.get("decoder") or weights.config
    values: dict[str, Any] = {"class": 0}
    if codec.medium == "image":
        takes: Conditions | AudioConditions = Conditions.from_config(config)
        values["guide"] = None if config.get("guide") is None else np.zeros(config["guide"], np.uint8)
    elif codec.medium == "audio":
        takes = AudioConditions.from_config(config)
        if config.get("mels") is not None:
            values["features"] = np.zeros((2 + _LENGTH // config["hop"], config["mels"]), np.float32)
    else:
        return None
    values["vector"] = np.zeros(config.get("condition_size") or 0, np.float32)
    parts = {name: values[name] for name in takes.kinds}
    return next(iter(parts.values()), None) if len(parts) < 2 else parts


def _prompts(codec: Codec, data: Any) -> Iterator[dict[str, Any]]:
    """Yield requests with the beginning of a sample as prompt, in the forms that some family reads."""
    if codec.medium == "image":
        known = np.full(codec.shape, -1)  # type: ignore[attr-defined]
        known[:, :1] = data[:, :1]
        yield {"prompt": known}
        return
    yield {"prompt": data}
    if isinstance(data, np.ndarray) and data.ndim == 2:
        vector = data[0].astype(float)
        vector[1:] = np.nan
        yield {"prompt": vector}


def _forced(codec: Codec, data: Any) -> Iterator[dict[str, Any]]:
    """Yield a request with a forced second symbol, that of a sample."""
    found = codec.decode(codec.encode(data)[1:2])
    yield {"condition": {1: found if isinstance(found, str) else found[0]}}


def _drawn(weights: Weights, n: int, length: int | None, **request: Any) -> Any:
    """Return the data of a stream's first chunk, after one more of each lane."""
    with Stream(weights, n, length, **request) as stream:
        first = next(stream)
        for _ in range(2 * n - 1):
            next(stream, None)
    return first.data
