"""The weights that the streams of one model share, with what engines have made of them, until the model changes.

A further stream of an unchanged model neither copies, checks, hashes nor packs its parameters. Whenever a stream is
opened, they are compared with a copy, byte by byte, so that every change is noticed, however it was made: by an
optimizer, in place, through `.data`, through a numpy array that shares the memory, by `load_state_dict`, by another
parameter, dtype or device. (The version counters of PyTorch's tensors miss the writes through `.data` and numpy.) Only
arrays that cannot be written to, such as those of HMMs, are recognized by identity. Kept are one copy of the
parameters, and the packed weights of the last two precisions; they are freed with the model.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from seqgen.checkpoint import Weights

T = TypeVar("T")

_PRECISIONS = 2


class KeptWeights(Weights):
    """Weights that nobody can write to, with what was made of them.

    Streams may be opened in several threads at once. There is no lock, which a signal handler that opens a stream
    could not wait for; instead, the value of the thread that is first is used by all.
    """

    @classmethod
    def of(cls, weights: Weights) -> KeptWeights:
        """Return the same weights, whose arrays must have no other owner, or be read-only."""
        return cls(weights.family, weights.config, weights.arrays, weights.card, weights.precision)

    def once(self, what: str, make: Callable[[], T]) -> T:
        kept: dict[str, Any] = vars(self).setdefault("made", {})
        found: T = kept[what] if what in kept else kept.setdefault(what, make())
        return found

    def has(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Return whether `arrays` have the names, dtypes, shapes and bytes of the arrays of these weights."""
        own = self.arrays
        if arrays.keys() != own.keys():
            return False
        # C-contiguous, as all copies are
        addresses = self.once(
            "addresses", lambda: {name: a.ctypes.data for name, a in own.items() if a.flags.c_contiguous}
        )
        for name, array in arrays.items():
            kept = own[name]
            if array is kept:
                continue
            if array.dtype != kept.dtype or array.shape != kept.shape or name not in addresses:
                return False
            array = np.ascontiguousarray(array)
            if _memcmp(array.ctypes.data, addresses[name], array.nbytes):
                return False
        return True

    def packed(self, precision: str, make: Callable[[], T], *, what: str = "weights") -> T:
        kept: dict[str, dict[str, Any]] = vars(self).setdefault("by_precision", {})
        own = kept.setdefault(precision, {})
        for earlier in list(kept)[:-_PRECISIONS]:
            kept.pop(earlier, None)
        found: T = own[what] if what in own else own.setdefault(what, make())
        return found

    def part(self, name: str, family: str) -> Weights:
        return self.once(f"part {name}", lambda: KeptWeights.of(super(KeptWeights, self).part(name, family)))


_kept: WeakKeyDictionary[Any, tuple[Any, KeptWeights]] = WeakKeyDictionary()
"""Model -> its codec and weights. They are freed with the model, and are neither copied nor pickled with it."""


def kept_weights(model: Any) -> KeptWeights:
    """Return the present weights of a `Generator`, the same object as before if it has not changed since."""
    codec, weights = _kept.get(model, (None, None))
    if weights is not None and codec is model.codec and _is_unchanged(model, weights):
        return weights
    made = model.weights()
    present = _present(model)
    arrays = {name: _own(array, present.get(name)) for name, array in made.arrays.items()}
    weights = KeptWeights.of(replace(made, arrays=arrays))
    _kept[model] = (model.codec, weights)
    return weights


def _present(model: Any) -> Mapping[str, np.ndarray]:
    """Return the parameters, by `arrays` if a class overrides this below the one that defines `present_arrays`."""
    kinds = type(model).__mro__
    whole, present = (
        next(k for k, kind in enumerate(kinds) if name in vars(kind)) for name in ("arrays", "present_arrays")
    )
    found: Mapping[str, np.ndarray] = model.arrays() if whole < present else model.present_arrays()
    return found


def _own(array: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    """Return `array`, or a copy if it may be written to as a parameter of the model."""
    shared = present is not None and array.flags.writeable and np.may_share_memory(array, present)
    return array.copy() if shared else array


def _is_unchanged(model: Any, weights: KeptWeights) -> bool:
    return bool(
        model.config() == weights.config and model.own_card() == weights.card and weights.has(_present(model))
    )


def _memcmp_of_numpy(one: int, other: int, size: int) -> int:
    """Compare memory as memcmp does, where the C library has no such function."""
    left, right = (np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(at)) for at in (one, other))
    return not np.array_equal(left, right)


try:
    _memcmp: Any = ctypes.CDLL(None).memcmp
    _memcmp.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
except (OSError, TypeError, AttributeError):
    _memcmp = _memcmp_of_numpy
