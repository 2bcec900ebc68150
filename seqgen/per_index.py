"""Prompt, condition and controls of each sample of a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.controls import BoundControls, as_controls
from seqgen.engine import Start


class PerIndex:
    """Prompt, condition and controls of each sample; each is one for all, a list by index, or a function of index."""

    def __init__(self, codec: Codec, prompt: Any, condition: Any, controls: Any) -> None:
        self._codec = codec
        self._prompt, self._condition, self._controls = prompt, condition, controls
        self.shared: Start | None = None
        self._bound: tuple[Any, BoundControls] | None = None
        if not any(isinstance(value, list) or callable(value) for value in (prompt, condition, controls)):
            self.shared = self._make(prompt, condition, controls)

    def described(self) -> dict[str, str]:
        """Return descriptions of prompt, condition and controls, to compare a state with a request."""
        given = {"prompt": self._prompt, "condition": self._condition, "controls": self._controls}
        return {name: _described(name, value) for name, value in given.items()}

    def check(self, first: int, end: int) -> None:
        """Raise ValueError before anything is computed if a list is too short for the indices."""
        for name in ("prompt", "condition", "controls"):
            value = getattr(self, f"_{name}")
            if isinstance(value, list) and len(value) < end:
                raise ValueError(
                    f"{name} is a list by sample index and must have {end} items for the indices "
                    f"{first} to {end - 1}, got {len(value)}"
                )

    def controls_of(self, index: int) -> BoundControls:
        if self.shared is not None:
            return self.shared.controls
        return self._bind(_at("controls", self._controls, index))

    def groups(
        self, lanes: np.ndarray, indices: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, Start]]:
        """Yield lanes and indices grouped by equal `Start`."""
        if self.shared is not None:
            yield lanes, indices, self.shared
            return
        for k, index in enumerate(indices.tolist()):
            start = self._make(
                _at("prompt", self._prompt, index),
                _at("condition", self._condition, index),
                _at("controls", self._controls, index),
            )
            yield lanes[k : k + 1], indices[k : k + 1], start

    def _make(self, prompt: Any, condition: Any, controls: Any) -> Start:
        symbols = None
        if prompt is not None:
            try:
                symbols = self._codec.encode_prompt(prompt)
            except (ValueError, TypeError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"prompt: {error}") from None
        return Start(
            symbols if symbols is not None and len(symbols) else None, condition, self._bind(controls)
        )

    def _bind(self, controls: Any) -> BoundControls:
        if self._bound is None or self._bound[0] is not controls:
            self._bound = (controls, as_controls(controls).bind(self._codec))
        return self._bound[1]


def _described(name: str, value: Any) -> str:
    if isinstance(value, list) or callable(value):
        return "by index"
    if name == "controls":
        return str(as_controls(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_described(name, item)}" for key, item in value.items())
    if hasattr(value, "read"):
        return "as it comes"
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return (
        text
        if len(text) <= 80
        else f"{text[:60]}… (SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
    )


def _at(name: str, value: Any, index: int) -> Any:
    if callable(value):
        return value(index)
    if isinstance(value, list):
        if index >= len(value):
            raise ValueError(f"{name} is a list of {len(value)} items, there is none for sample {index}")
        return value[index]
    return value
