"""The schemas of HMMs and Gaussian mixtures.

Legend: B lanes, N observations, K states, M components, D dimensions, V symbols.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.codecs import Codec, Vectors
from seqgen.engines.lane_controls import control_fields
from seqgen.errors import SeqgenError
from seqgen.schema import Choice, Configuration, Field, Fields, Part, Schema, log_probs, prefixed

COVARIANCE = Choice(("diag", "full", "spherical"))

EMISSIONS = ("categorical", "poisson", "gaussian", "gaussian-mixture")
"""The kinds of emission by name."""

_NORMAL = EMISSIONS[2:]
_MOST_STEPS = 1 << 62
_PROBABILITIES: dict[str, Any] = {"low": 0.0, "rows": "probabilities"}


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    if not _fits("gaussian-mixture", codec):
        raise ValueError(f"the codec's vectors must have at least one dimension, got {codec.config()}")


CONFIGURATION = Configuration("hmm", None, {"emission": Part()})
MIXTURE_CONFIGURATION = Configuration(
    "gaussian-mixture",
    ("vectors",),
    {"name": Choice(("gaussian-mixture",)), "covariance_type": COVARIANCE},
    _rule,
)


def schema(config: Any) -> Schema:
    """Return the schema of an `HMM`; its arrays determine the numbers of states and components."""
    codec, given = CONFIGURATION.read(config)
    name, covariance_type = _emission(given["emission"], codec)

    def arrays() -> Fields:
        yield "start", Field(("K",), **_PROBABILITIES)
        yield "transition", Field(("K", "K"), **_PROBABILITIES)
        yield from prefixed("emission.", emission_arrays(name, covariance_type, codec, ("K",)))

    def relations(found: Mapping[str, np.ndarray]) -> None:
        require_positive_definite("emission.covariances", covariance_type, found)

    output = {
        **_observations(name, codec),
        "states": Field(("N",), ("int64",), low=0, below="K"),
        **log_probs("N"),
    }
    return Schema("hmm", codec, (arrays,), _state(codec, "K"), output, relations, ends=False)


def mixture_schema(config: Any) -> Schema:
    """Return the schema of a plain `GaussianMixture`, which streams as an HMM with one state."""
    codec, given = MIXTURE_CONFIGURATION.read(config)
    covariance_type = given["covariance_type"]

    def arrays() -> Fields:
        yield from emission_arrays("gaussian-mixture", covariance_type, codec, ())

    def relations(found: Mapping[str, np.ndarray]) -> None:
        require_positive_definite("covariances", covariance_type, found)

    output = {**_observations("gaussian-mixture", codec), **log_probs("N")}
    return Schema("gaussian-mixture", codec, (arrays,), _state(codec, 1), output, relations, ends=False)


def _emission(config: Mapping[str, Any], codec: Codec) -> tuple[str, str]:
    """Return name and covariance type ("" if it has none) of an emission, and check that it fits the codec."""
    name = config.get("name")
    if not isinstance(name, str) or name not in EMISSIONS:
        raise SeqgenError(f"unknown emission {name!r}; this version knows {', '.join(EMISSIONS)}")
    wanted = ("name", "covariance_type") if name in _NORMAL else ("name",)
    if set(config) != set(wanted):
        raise SeqgenError(
            f"the emission {name!r} must have the entries {', '.join(wanted)}, got {', '.join(config)}"
        )
    if not _fits(name, codec):
        raise SeqgenError(f"the emission {name!r} cannot have the codec {codec.config()}")
    try:
        return name, COVARIANCE.check("covariance_type", config["covariance_type"]) if name in _NORMAL else ""
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"the configuration is wrong: {error}") from None


def _fits(name: str, codec: Codec) -> bool:
    if not isinstance(codec, Vectors):
        # a symbol of `Pixels` is a row of numbers
        return name == "categorical" and codec.size > 0 and codec.medium != "image"
    return name == "poisson" or (name in _NORMAL and codec.dimensions > 0)


def emission_arrays(name: str, covariance_type: str, codec: Codec, states: tuple[int | str, ...]) -> Fields:
    """Yield the parameters of an emission; `states` is its leading axis, if any."""
    if name == "categorical":
        by = f"{codec.size} symbols"
        yield "probabilities", Field((*states, codec.size), by=by, **_PROBABILITIES)
        return
    assert isinstance(codec, Vectors)
    dimensions = codec.dimensions
    by = f"dimensions {dimensions}"
    if name == "poisson":
        yield "rates", Field((*states, *([dimensions] if dimensions else [])), low=0.0, by=by)
        return
    rows = states
    if name == "gaussian-mixture":
        rows = (*states, "M")
        yield "weights", Field(rows, by=by, **_PROBABILITIES)
    yield "means", Field((*rows, dimensions), by=by)
    if covariance_type == "full":
        yield "covariances", Field((*rows, dimensions, dimensions), by=by)
    else:
        yield (
            "covariances",
            Field((*rows, dimensions) if covariance_type == "diag" else rows, above=0.0, by=by),
        )


def require_positive_definite(name: str, covariance_type: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless "full" covariances (..., D, D) are symmetric and positive definite."""
    if covariance_type != "full":
        return
    matrices = arrays[name].astype(np.float64)
    turned = matrices.swapaxes(-1, -2)
    scale = np.abs(matrices).max((-1, -2), keepdims=True, initial=0.0)
    if not (np.abs(matrices - turned) <= 1e-12 * scale + 1e-6 * np.abs(turned)).all():
        raise ValueError(f"{name} must be symmetric")
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{name} must be positive definite: a matrix has an eigenvalue that is not above 0"
        ) from None


def _state(codec: Codec, states: int | str) -> Any:
    def state(engine: str, log_probs: bool) -> Fields:
        yield "index", Field(("B",), ("int64",), low=0)
        yield "position", Field(("B",), ("int64",), low=0, high=_MOST_STEPS)
        yield "hidden", Field(("B",), ("int64",), low=0, below=states)
        if engine == "numba":
            yield "first_log_prob", Field(("B",), ("float64",))
        else:
            yield "first", Field(("B", states), ("float64",), low=0.0)
        if codec.size or engine != "numba":
            yield from control_fields(codec.size)

    return state


def _observations(name: str, codec: Codec) -> dict[str, Field]:
    """Return the output of an engine: observations, and the components of a mixture."""
    if name == "categorical":
        return {"symbols": Field(("N",), ("int64",), low=0, below=codec.size)}
    assert isinstance(codec, Vectors)
    shape: tuple[int | str, ...] = ("N", *([codec.dimensions] if codec.dimensions else []))
    if name == "poisson":
        return {"symbols": Field(shape, ("int64",), low=0)}
    symbols = {"symbols": Field(shape, ("float64",))}
    if name == "gaussian-mixture":
        symbols["components"] = Field(("N",), ("int64",), low=0, below="M")
    return symbols
