"""The codec interface, and the decoder that keeps the decoding state of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Decoder(Protocol):
    """Converts the consecutive symbol blocks of one sample to data."""

    def __call__(self, symbols: np.ndarray, last: bool) -> Any: ...

    def state(self) -> Any: ...

    def restore(self, state: Any) -> None:
        """Continue from a value of `state`, or raise ValueError."""


CODECS: dict[str, type[Codec]] = {}
"""Codecs by the name stored in checkpoints; subclasses of `Codec` register themselves."""


class Codec:
    """Base class of all codecs. A subclass with a `name` can be stored in checkpoints.

    Callers query the properties below instead of the type, so that a new codec is one file in `seqgen/codecs/`.

    Attributes:
        name: name in checkpoints.
        size: number of symbols, or 0 if symbols are not integers.
        medium: kind of data: "text", "symbols" (Python lists), "numbers", "strokes", "image" or "audio". Sinks, the
            command line and the evaluation select by it; any other medium is written as text and JSON lines, and read
            as numbers.
        unit: name of the symbols, in the plural.
        vocabulary: the symbols by number, if they have names; else empty.
        separator: separator between two symbols of a text.
        sample_rate: samples per second, for audio.
        longest: maximum number of symbols in a sample, if there is one.
        default_suffix: suffix of the default format on standard output.
        refused_controls: controls that do not apply to this kind of data.
        exact: whether encoding decoded data always gives the symbols back; if not, chunks with log-probabilities also
            have the symbols.
    """

    name: str
    size: int = 0
    medium: str = "symbols"
    unit: str = "symbols"
    vocabulary: Sequence[Any] = ()
    separator: str = ""
    sample_rate: int | None = None
    longest: int | None = None
    default_suffix: str = ".txt"
    refused_controls: tuple[str, ...] = ()
    exact: bool = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        name = cls.__dict__.get("name")
        if name is None:
            return
        known = CODECS.setdefault(name, cls)
        # reloading a module defines its codecs again
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"the codec name {name!r} is taken by {known.__module__}.{known.__qualname__}")
        CODECS[name] = cls

    def encode(self, data: Any) -> np.ndarray:
        """Encode one item of user data as an array of symbols (T,) or (T, D)."""
        raise NotImplementedError

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """Encode one item or a list of items as a list of symbol arrays."""
        if isinstance(data, list):
            return [self.encode(item) for item in data]
        if isinstance(data, np.ndarray) and data.ndim == 2 and self.size:
            return [self.encode(row) for row in data]
        return [self.encode(data)]

    def encode_prompt(self, data: Any) -> np.ndarray:
        """Encode a prompt: for sequences, the symbols that precede the sample; for images, the known pixels."""
        return self.encode(data)

    def encode_symbols(self, data: Any) -> np.ndarray:
        """Encode symbols given in a control."""
        return self.encode(data)

    def encode_symbol(self, symbol: Any) -> np.ndarray:
        """Encode one symbol as an array (1,); data of several symbols become an array of several."""
        return self.encode(symbol)

    def decoder(self) -> Decoder:
        """Return a new decoder for one sample."""
        return _Stateless(self.decode)

    def decode(self, symbols: np.ndarray) -> Any:
        """Decode an array of symbols."""
        return symbols

    def join(self, parts: list[Any]) -> Any:
        """Concatenate the data of a sample's chunks."""
        return np.concatenate(parts) if parts else np.zeros((0,))

    def config(self) -> dict[str, Any]:
        """Return a JSON description from which `codec_from_config` creates an equal codec."""
        return {"name": self.name}

    def _symbols(self, data: Any) -> np.ndarray:
        """Convert to an integer array and check it against `size`."""
        array = np.asarray(data)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise TypeError(
                f"expected a 1-d integer array of symbols, got {array.dtype} of shape {array.shape}"
            )
        array = array.astype(np.int64)
        if array.size and (array.min() < 0 or array.max() >= self.size):
            bad = int(array[(array < 0) | (array >= self.size)][0])
            raise ValueError(f"symbols must be between 0 and {self.size - 1}, got {bad}")
        return array


class _Stateless:
    """A decoder without state."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode

    def __call__(self, symbols: np.ndarray, last: bool) -> Any:
        return self._decode(symbols)

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        if state is not None:
            raise ValueError(f"a decoder without state cannot have the state {state!r}")
