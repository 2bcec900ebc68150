"""Models and states with one error, made from valid ones and their declared schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.configuration import REQUIRED, Boolean, Choice, Configuration, Integer, Real
from seqgen.fields import Field

Damage = tuple[str, Any]
"""A description of the change, and the result."""

HUGE = 10**30
NOT_OF_ANY_KIND: tuple[Any, ...] = ({"a": 1}, [1, 2], "nonsense", float("nan"), -1, HUGE)


def damaged_arrays(
    fields: Mapping[str, Field], arrays: Mapping[str, np.ndarray], seed: int
) -> Iterator[Damage]:
    """Yield arrays of which one is missing, unknown, of another shape or dtype, or has a forbidden value."""
    generator = np.random.default_rng(seed)
    names = [length for field in fields.values() for length in field.shape]
    # a free length may have any value
    own = {length for length in names if isinstance(length, str) and names.count(length) == 1}
    yield "a foreign array", {**arrays, "more": np.zeros(3, np.float32)}
    for name in generator.permutation(sorted(arrays))[:8].tolist():
        array = arrays[name]
        yield f"{name} missing", {key: value for key, value in arrays.items() if key != name}
        yield f"{name} renamed", {f"{key}_" if key == name else key: value for key, value in arrays.items()}
        lengths = _of_other_lengths(fields[name], array, own)
        for what, changed in (*lengths, *_changed(fields[name], array, generator)):
            yield f"{name} {what}", {**arrays, name: changed}


def _of_other_lengths(field: Field, array: np.ndarray, own: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the array longer or shorter along each of its axes."""
    for axis, length in enumerate(array.shape):
        if field.shape[axis] in own:
            continue
        longer = np.repeat(array, [*[1] * (length - 1), 2], axis) if length else _ones(array, axis)
        yield f"longer along {axis}", longer
        if length:
            yield f"shorter along {axis}", np.delete(array, 0, axis)


def _changed(
    field: Field, array: np.ndarray, generator: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the array with one error."""
    if array.shape != array.T.shape:
        yield "transposed", np.ascontiguousarray(array.T)
    yield "of one rank more", array[None]
    if array.ndim > 1:
        yield "of one rank", array.ravel()
    yield "of another dtype", array.astype(np.int8 if array.dtype != np.int8 else np.int16)
    yield "as text", array.astype("U8")
    if not array.size:
        return
    place = int(generator.integers(array.size))
    for what, value in forbidden(field, array.dtype):
        flat = array.flatten()
        flat[place] = value
        yield what, flat.reshape(array.shape)
    if array.dtype == np.bool_:
        flat = array.flatten()
        flat.view(np.uint8)[place] = 7
        yield "with a byte that is no truth value", flat.reshape(array.shape)
    if field.rows == "probabilities":
        yield "with probabilities that add up to 1.1", array * array.dtype.type(1.1)
    elif field.rows == "some":
        yield "with nothing true", np.zeros_like(array)


def forbidden(field: Field, dtype: np.dtype[Any]) -> Iterator[tuple[str, Any]]:
    """Return values that are forbidden in the field, whatever the others are, and that the dtype can represent."""
    if dtype.kind == "f":
        yield "with NaN", np.nan
        if field.finite:
            yield "with infinity", np.inf
            yield "with minus infinity", -np.inf
    bounds: list[tuple[str, float | None]] = [
        ("below its least value", None if field.low is None else field.low - 1),
        ("at the bound that it must lie above", field.above),
        ("above its greatest value", field.high + 1 if isinstance(field.high, (int, float)) else None),
        ("beyond the end", field.below if isinstance(field.below, int) else None),
    ]
    for what, value in bounds:
        if value is not None and (dtype.kind == "f" or _holds(dtype, value)):
            yield what, value


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= value <= limits.max


def _ones(array: np.ndarray, axis: int) -> np.ndarray:
    shape = list(array.shape)
    shape[axis] = 1
    return np.ones(shape, array.dtype)


def damaged_config(configuration: Configuration, config: Mapping[str, Any]) -> Iterator[Damage]:
    """Yield configurations with an unknown or a missing entry, or one that is of the wrong type or out of range."""
    yield "a foreign entry", {**config, "colour of the sky": "blue"}
    for value in (None, 3, [], "text"):
        yield f"{value!r} for a configuration", value
    for name, setting in configuration.entries.items():
        rest = {key: value for key, value in config.items() if key != name}
        if setting.default is REQUIRED:
            yield f"{name} missing", rest
        wrong: list[Any] = [*NOT_OF_ANY_KIND]
        wrong += [] if setting.optional else [None]
        wrong += [True, 1.5, "7"] if isinstance(setting, Integer) else []
        wrong += [True, "0.1", float("inf")] if isinstance(setting, Real) else []
        wrong += [0, 1, "no"] if isinstance(setting, Boolean) else []
        wrong += [0, True, ""] if isinstance(setting, Choice) else []
        for value in wrong:
            yield f"{name}={value!r}", {**rest, name: value}
    codec = dict(config["codec"])
    unknown = ({"name": "nothing"}, {"name": ["characters"]}, {**codec, "more": 1})
    for value in (None, [], "pixels", {}, *unknown):
        yield f"codec={value!r}", {**config, "codec": value}
    for entry in codec:
        rest = {key: value for key, value in codec.items() if key != entry}
        yield f"codec without {entry}", {**config, "codec": rest}
        for value in (*NOT_OF_ANY_KIND[:1], *NOT_OF_ANY_KIND[3:], None, True):
            yield f"codec with {entry}={value!r}", {**config, "codec": {**codec, entry: value}}


def with_arrays(weights: Weights, arrays: Mapping[str, np.ndarray]) -> Weights:
    """Return the model with other arrays."""
    return Weights(weights.family, weights.config, arrays, {}, weights.precision)


def with_config(weights: Weights, config: Any) -> Weights:
    """Return the model with another configuration."""
    return Weights(weights.family, config, weights.arrays, {}, weights.precision)
