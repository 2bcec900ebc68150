"""What a codec is: symbols to media and back, and the decoder that remembers where a lane stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Decoder(Protocol):
    """Turns the consecutive symbol blocks of one sample into data."""

    def __call__(self, symbols: np.ndarray, last: bool) -> Any: ...

    def state(self) -> Any: ...

    def restore(self, state: Any) -> None:
        """Go on from what `state` gave, or raise ValueError."""


CODECS: dict[str, type[Codec]] = {}
"""Codecs by the name that checkpoints hold; a subclass of `Codec` enters itself."""


class Codec:
    """Base of all codecs. A subclass with a `name` can be stored in checkpoints and opened again from them.

    What others want to know of a codec, they ask here: a codec is a file in `seqgen/codecs/` and nothing else.

    Attributes:
        name: as stored in checkpoints.
        size: number of symbols, or 0 where symbols are not integers.
        medium: what the data are: "text", "symbols" (Python lists), "numbers", "strokes", "image" or "audio". By it
            sinks, the command line and the evaluation choose what they do; what they have nothing for is written as
            text and JSON lines, and read as numbers.
        unit: what a symbol is called, in the plural.
        vocabulary: the symbols by number, where they have names of their own; else empty.
        separator: what stands between two symbols of a text.
        sample_rate: samples per second, of sound.
        longest: symbols in a whole sample, where there is a most.
        default_suffix: of the format that standard output gets unless another is asked for.
        refused_controls: controls that make no sense for this kind of data.
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

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        name = cls.__dict__.get("name")
        if name is None:
            return
        known = CODECS.setdefault(name, cls)
        # a module that is loaded anew defines its codecs again
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"the codec name {name!r} is taken by {known.__module__}.{known.__qualname__}")
        CODECS[name] = cls

    def encode(self, data: Any) -> np.ndarray:
        """One item of user data as an array of symbols (T,) or (T, D)."""
        raise NotImplementedError

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """One item or a list of items as a list of symbol arrays."""
        if isinstance(data, list):
            return [self.encode(item) for item in data]
        if isinstance(data, np.ndarray) and data.ndim == 2 and self.size:
            return [self.encode(row) for row in data]
        return [self.encode(data)]

    def encode_prompt(self, data: Any) -> np.ndarray:
        """What is known of a sample before it is generated; for sequences, the symbols that stand before it."""
        return self.encode(data)

    def encode_symbols(self, data: Any) -> np.ndarray:
        """Symbols as a control names them."""
        return self.encode(data)

    def encode_symbol(self, symbol: Any) -> np.ndarray:
        """One symbol, named as in data, as an array (1,); several in its place come as an array of several."""
        return self.encode(symbol)

    def decoder(self) -> Decoder:
        """A fresh decoder for one sample."""
        return _Stateless(self.decode)

    def decode(self, symbols: np.ndarray) -> Any:
        """The data of a whole array of symbols."""
        return symbols

    def join(self, parts: list[Any]) -> Any:
        """The data of a sample from the data of its chunks."""
        return np.concatenate(parts) if parts else np.zeros((0,))

    def config(self) -> dict[str, Any]:
        """A JSON description from which `codec_from_config` makes an equal codec."""
        return {"name": self.name}

    def _symbols(self, data: Any) -> np.ndarray:
        """An integer array that is checked against `size`."""
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
    """A decoder that needs no memory."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode

    def __call__(self, symbols: np.ndarray, last: bool) -> Any:
        return self._decode(symbols)

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        if state is not None:
            raise ValueError(f"a decoder that remembers nothing cannot have the state {state!r}")
