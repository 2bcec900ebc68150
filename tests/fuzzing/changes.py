"""Random changes of JSON values and of arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Path = tuple[Any, ...]

_DEEP: Any = []
for _ in range(300):
    _DEEP = [_DEEP]

ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, 7, 64, 255, 256, 65_537, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1,
    2**63, 2**64, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), "",
    "a", "\x00", "\ud800", "nonsense", "é" * 70_000, [], {}, [1, 2], [[[]]], [None], {"a": 1}, {"name": "bytes"},
    {"name": "characters", "vocabulary": ["a", "b"]}, _DEEP,
)  # fmt: skip
"""Values that a JSON file can hold, most of them wrong wherever they stand."""

_NUMBERS = (
    np.nan,
    np.inf,
    -np.inf,
    -1.0,
    0.0,
    1.0,
    2.0,
    -1e-30,
    1e-45,
    1e30,
    -1e30,
    3e38,
    1e308,
    255.0,
    256.0,
    65_536.0,
)
_WHOLE = (
    -1,
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
_DTYPES = (
    "float64",
    "float32",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "bool",
)


def pick(rng: np.random.Generator, items: Any) -> Any:
    """Return one of the items."""
    return items[int(rng.integers(len(items)))]


# ---- JSON values ----------------------------------------------------------------------------------------


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def at(value: Any, path: Path) -> Any:
    """Return the value at a path."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a copy with `new` at the path."""
    if not path:
        return new
    whole = copy.copy(value)
    whole[path[0]] = replaced(value[path[0]], path[1:], new)
    return whole


def changed_json(value: Any, rng: np.random.Generator) -> Any:
    """Return a JSON value with one to three random changes."""
    for _ in range(int(rng.integers(1, 4))):
        value = _change_json(value, rng)
    return value


def _change_json(value: Any, rng: np.random.Generator) -> Any:
    every = list(paths(value))
    # the entries of long lists are many and alike: half of the changes are made elsewhere
    short = [path for path in every if not path or not isinstance(path[-1], int)]
    path = pick(rng, short if rng.random() < 0.5 else every)
    old = at(value, path)
    kinds: list[Callable[[], Any]] = [lambda: pick(rng, ODD), lambda: at(value, pick(rng, every))]
    if isinstance(old, (int, float)) and not isinstance(old, bool):
        kinds += [
            lambda: old + pick(rng, (-1, 1)),
            lambda: old * pick(rng, (-1, 2, 1000, 10**9)),
            lambda: old if abs(old) > 1e300 else float(old),
        ]
        kinds += [lambda: int(rng.integers(1, 9))] * 3
    elif isinstance(old, str):
        kinds += [lambda: old[:-1], lambda: old + pick(rng, ("x", "\x1b[2J", "\n", "é")), lambda: [old]]
    elif isinstance(old, list) and old:
        kinds += [lambda: old[:-1], lambda: [*old, old[0]], lambda: old[::-1], lambda: [*old, pick(rng, ODD)]]
    elif isinstance(old, dict) and old:
        key = pick(rng, list(old))
        kinds += [lambda: {k: v for k, v in old.items() if k != key}, lambda: {**old, f"{key}_": old[key]}]
        kinds += [lambda: {**old, pick(rng, ("", "more", "name", "\x00")): pick(rng, ODD)}]
    return replaced(value, path, pick(rng, kinds)())


# ---- arrays ---------------------------------------------------------------------------------------------


def changed_arrays(arrays: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return arrays by name with one to three random changes."""
    arrays = dict(arrays)
    for _ in range(int(rng.integers(1, 4))):
        _change_arrays(arrays, rng)
    return arrays


def _change_arrays(arrays: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    names = sorted(arrays)
    if not names or rng.random() < 0.04:
        arrays[pick(rng, ("more", "", "weight", "\x00", *names))] = np.zeros(int(rng.integers(5)), np.float32)
        return
    name, other = pick(rng, names), pick(rng, names)
    kind = rng.random()
    if kind < 0.04:
        del arrays[name]
    elif kind < 0.08:
        arrays[name], arrays[other] = arrays[other], arrays[name]
    elif kind < 0.70:
        arrays[name] = with_other_values(arrays[name], rng)
    else:
        arrays[name] = with_other_layout(arrays[name], rng)


def with_other_values(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an array of the same shape and dtype with some values changed."""
    array = array.copy()
    if not array.size:
        return array
    flat = array.reshape(-1)
    some = rng.integers(len(flat), size=int(pick(rng, (1, 1, 1, 2, 10))))
    kind = int(rng.integers(8))
    with np.errstate(all="ignore"):
        if kind == 0:
            bits = flat.view(np.uint8)
            place = int(rng.integers(len(bits)))
            bits[place] ^= np.uint8(1 << int(rng.integers(8)))
        elif kind == 1:
            bits = flat.view(np.uint8)
            bits[some] = rng.integers(256, size=len(some))
        elif kind == 2:
            flat[:] = flat[::-1].copy()
        elif kind == 3:
            flat[some] = flat[rng.integers(len(flat), size=len(some))]
        elif kind == 4 and array.dtype.kind == "f":
            flat *= array.dtype.type(pick(rng, (-1.0, 0.0, 0.999, 1.001, 30.0, 1e20, -1e20)))
        elif array.dtype.kind == "f":
            flat[some if kind < 7 else slice(None)] = array.dtype.type(pick(rng, _NUMBERS))
        elif array.dtype.kind in "iu":
            whole = np.array([pick(rng, _WHOLE) % (1 << 64)], np.uint64).astype(array.dtype)
            flat[some if kind < 7 else slice(None)] = whole
        else:
            flat[some] = ~flat[some]
    return array


def with_other_layout(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the values of an array in another shape or dtype."""
    kind = int(rng.integers(7))
    axis = int(rng.integers(array.ndim)) if array.ndim else 0
    length = array.shape[axis] if array.ndim else 1
    if kind == 0:
        with np.errstate(all="ignore"):
            return array.astype(pick(rng, _DTYPES))
    if kind == 1 or not array.ndim:
        return array[None]
    if kind == 2:
        return np.ascontiguousarray(array.T)
    if kind == 3:
        return array.reshape(-1)
    if kind == 4:
        return np.take(array, np.arange(int(rng.integers(length + 1))), axis)
    if kind == 5 and length and array.nbytes < 1 << 20:
        return np.repeat(array, 2, axis)
    if length and array.nbytes < 1 << 20:
        return np.concatenate([array, np.take(array, [0], axis)], axis)
    return array.reshape(-1)[: int(rng.integers(3))]
