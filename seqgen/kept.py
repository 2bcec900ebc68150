"""The weights that the streams of one model share, with what engines have made of them, until the model changes.

A further stream of an unchanged model neither copies, checks, hashes nor packs its parameters. Whenever a stream is
opened, all their bytes are read, so that every change is noticed, however it was made: by an optimizer, in place,
through `.data`, through a numpy array that shares the memory, by `load_state_dict`, by another parameter, dtype or
device. (The version counters of PyTorch's tensors miss the writes through `.data` and numpy.) The parameters of a model
that tells where they are (`Generator.present_memory`) are recognized by a keyed fingerprint, which misses a change with
probability 2^-128 (`kernels/fingerprint.py`); others are compared with a copy, byte by byte. Only arrays that cannot be
written to, such as those of HMMs, are recognized by identity. Kept are one copy of the parameters, and the packed
weights of the last two precisions; they are freed with the model.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.registry import resolve

T = TypeVar("T")

_PRECISIONS = 2


class Memory(NamedTuple):
    """Where the parameters of a model are: C-contiguous arrays, in the order of `Generator.present_arrays`.

    Attributes:
        described: equal for two models, or for a model at two times, if all names, dtypes and shapes are.
        addresses: of the arrays.
        owners: what keeps the memory from being freed, should another thread replace a parameter.
    """

    described: Any
    addresses: list[int]
    owners: Any


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

    def is_in(self, memory: Memory | None) -> bool:
        """Return whether parameters in memory are those of a model of which `remember` was called with these weights.

        False if that is not known.
        """
        described, fingerprint = vars(self).get("remembered", (None, None))
        if memory is None or fingerprint is None:
            return False
        return bool(described == memory.described and fingerprint.matches(memory.addresses))

    def remember(self, memory: Memory | None, arrays: Mapping[str, np.ndarray]) -> None:
        """Let `is_in` recognize parameters in memory, if `arrays`, which have these weights' bytes, are just that.

        Loads a kernel, but not Numba, which takes longer than comparing byte by byte.
        """
        if memory is None or "remembered" in vars(self) or "seqgen.kernels.compile" not in sys.modules:
            return
        found = list(arrays.values())
        kept = [self.arrays[name] for name in arrays]
        if not all(array.flags.c_contiguous for array in (*found, *kept)):
            return
        if [array.ctypes.data for array in found] == memory.addresses:
            # of the copies, which nobody writes to in the meantime
            taken = resolve("seqgen.kernels.fingerprint:Fingerprint")(
                [array.ctypes.data for array in kept], [array.nbytes for array in kept]
            )
            vars(self)["remembered"] = memory.described, taken

    def packed(self, precision: str, make: Callable[[], T], *, what: str = "weights") -> T:
        kept: dict[str, dict[str, Any]] = vars(self).setdefault("by_precision", {})
        own = kept.setdefault(precision, {})
        for earlier in list(kept)[:-_PRECISIONS]:
            kept.pop(earlier, None)
        found: T = own[what] if what in own else own.setdefault(what, make())
        return found

    def part(self, name: str, family: str) -> Weights:
        return self.once(f"part {name}", lambda: KeptWeights.of(super(KeptWeights, self).part(name, family)))


_kept: WeakKeyDictionary[Any, tuple[Any, Any, KeptWeights]] = WeakKeyDictionary()
"""Model -> its class, codec and weights. They are freed with the model, and are neither copied nor pickled with it."""


def kept_weights(model: Any) -> KeptWeights:
    """Return the present weights of a `Generator`, the same object as before if it has not changed since."""
    kind, codec, weights = _kept.get(model, (None, None, None))
    memory = _memory(model)
    if weights is not None and kind is type(model) and codec is model.codec and _is_described(model, weights):
        if weights.is_in(memory):
            return weights
        present = _present(model)
        if weights.has(present):
            weights.remember(memory, present)
            return weights
    made = model.weights()
    present = _present(model)
    arrays = {name: _own(array, present.get(name)) for name, array in made.arrays.items()}
    weights = KeptWeights.of(replace(made, arrays=arrays))
    _kept[model] = (type(model), model.codec, weights)
    return weights


def _present(model: Any) -> Mapping[str, np.ndarray]:
    """Return the parameters, by `arrays` if a class overrides this below the one that defines `present_arrays`."""
    whole, present = (_place(model, name) for name in ("arrays", "present_arrays"))
    found: Mapping[str, np.ndarray] = model.arrays() if whole < present else model.present_arrays()
    return found


def _memory(model: Any) -> Memory | None:
    """Return where the parameters are, unless a class overrides what they are."""
    place = _place(model, "present_memory")
    if any(_place(model, name) < place for name in ("arrays", "present_arrays")):
        return None
    found: Memory | None = model.present_memory()
    return found


def _place(model: Any, name: str) -> int:
    """Return the place of the class that defines a method, in the order in which classes are searched.

    -1 is the object itself, which may have a function of that name.
    """
    if name in vars(model):
        return -1
    return next(place for place, kind in enumerate(type(model).__mro__) if name in vars(kind))


def _own(array: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    """Return `array`, or a copy if it may be written to as a parameter of the model."""
    shared = present is not None and array.flags.writeable and np.may_share_memory(array, present)
    return array.copy() if shared else array


def _is_described(model: Any, weights: KeptWeights) -> bool:
    """Return whether the configuration and the card of a model are those of weights."""
    return bool(model.config() == weights.config and model.own_card() == weights.card)


def _memcmp_of_numpy(one: int, other: int, size: int) -> int:
    """Compare memory as memcmp does, where the C library has no such function."""
    left, right = (np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(at)) for at in (one, other))
    return not np.array_equal(left, right)


try:
    _memcmp: Any = ctypes.CDLL(None).memcmp
    _memcmp.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
except (OSError, TypeError, AttributeError):
    _memcmp = _memcmp_of_numpy
