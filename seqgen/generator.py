"""The generator interface, which every model implements.

Sample i of a model is a pure function of (weights, seed, i, prompt or condition of i, controls). `stream` is the
primitive, `sample` drains it, and both build an engine from `Weights`, the model as plain data.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from seqgen.checkpoint import Weights, is_bfloat16, save_weights
from seqgen.codecs import Codec
from seqgen.controls import as_controls
from seqgen.errors import integer
from seqgen.kept import Memory, kept_weights
from seqgen.registry import family
from seqgen.streaming import Stream


class Generator(ABC):
    """Base class of all models. A family implements `log_prob`, `config`, `arrays` and `from_weights`."""

    family: ClassVar[str]
    codec: Codec

    @property
    def ends(self) -> bool:
        """Whether the model ends its samples; otherwise they end at a length or a stop sequence."""
        return True

    @abstractmethod
    def log_prob(self, x: Any) -> Any:
        """Return the exact log-probability of each of B samples in nats, (B,)."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the configuration as JSON values; "codec" describes the codec."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters as named arrays."""

    def present_arrays(self) -> Mapping[str, np.ndarray]:
        """Return what `arrays` does, to be read at once; not copied where that can be avoided.

        Whenever a stream is opened, these are compared with those of the last one, byte by byte, except for read-only
        arrays, which are recognized by identity, and those of which `present_memory` tells where they are.
        """
        return self.arrays()

    def present_memory(self) -> Memory | None:
        """Return where `present_arrays` are, faster than these; None if they are not in memory as they are stored."""
        return None

    def own_card(self) -> dict[str, Any]:
        """Return the entries of the card that belong to the model and that engines read."""
        return {}

    @classmethod
    @abstractmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""

    def weights(self, card: dict[str, Any] | None = None) -> Weights:
        """Return the model as plain data, with a copy of its current parameters."""
        arrays = self.arrays()
        floating = [a for a in arrays.values() if a.dtype == np.float32]
        precision = "bfloat16" if floating and all(map(is_bfloat16, floating)) else "float32"
        return Weights(self.family, self.config(), arrays, {**self.own_card(), **(card or {})}, precision)

    def stream(
        self,
        n: int | None = None,
        length: int | None = None,
        *,
        batch: int = 1,
        chunk: int | None = None,
        seed: int = 0,
        start: int = 0,
        prompt: Any = None,
        condition: Any = None,
        controls: Any = None,
        engine: str = "auto",
        precision: str = "auto",
        log_probs: bool = False,
        threads: int | None = None,
    ) -> Stream:
        """Stream samples chunk by chunk.

        The stream has the parameters that the model has now; changes of any kind concern only later streams. Those of
        an unchanged model share its packed weights.

        Args:
            n: number of samples; None is endless.
            length: symbols per sample; None is until the model or a stop sequence ends it, or endless.
            batch: number of samples computed in parallel. Affects the order of the chunks, never a sample.
            chunk: symbols per chunk; None is the family's default.
            seed: 0 to 2^64 - 1.
            start: index of the first sample.
            prompt: data that precede the sample and are not part of it: one for all samples, a list by sample index, or
                a function of the index.
            condition: the condition in the form that the family defines; one, a list or a function.
            controls: `seqgen.Controls`; one, a list or a function.
            engine: "auto", "torch" (the reference), "numba" or "triton"; "fixed-point" for a PixelCNN.
            precision: of the weights: "auto" (as stored), "float32" or "bfloat16"; sums are in float32.
            log_probs: return the log-probability of every symbol in `Chunk.extra`.
            threads: maximum number of threads; None is $SEQGEN_THREADS or all cores.

        Raises:
            ValueError, TypeError: if an argument is out of range.
            SeqgenError: if the model or the engine does not support the request.
        """
        return Stream(
            kept_weights(self), n, length, batch=batch, chunk=chunk, seed=seed, start=start, prompt=prompt,
            condition=condition, controls=controls, engine=engine, precision=precision, log_probs=log_probs,
            threads=threads, model=self,
        )  # fmt: skip

    def sample(self, n: int = 1, length: int | None = None, seed: int = 0, **arguments: Any) -> Any:
        """Drain a stream and return a list of n samples, or one array (n, length, ...) for numeric data.

        Takes the arguments of `stream`. The defaults of `batch` and `chunk` are chosen for throughput.
        """
        n = integer("n", n, low=1)
        kind = family(self.family)
        if length is None and not self.ends and not may_stop(arguments.get("controls")):
            raise ValueError(f"length must be given: the samples of a {self.family} model are endless")
        arguments.setdefault("batch", min(n, kind.lanes))
        most = self.codec.longest if length is None else integer("length", length, low=1)
        if most is not None:
            arguments.setdefault("chunk", min(most, 4096))
        with self.stream(n, length, seed=seed, **arguments) as stream:
            samples = stream.collect()
        data = [self.codec.join([chunk.data for chunk in chunks]) for chunks in samples.values()]
        if isinstance(data[0], np.ndarray) and len({part.shape for part in data}) == 1:
            return np.stack(data)
        return data

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        precision: str = "auto",
        card: dict[str, Any] | None = None,
    ) -> None:
        """Write the model to one .safetensors file.

        Args:
            path: the output file.
            precision: "float32", "bfloat16" (parameters are rounded) or "auto" (unchanged).
            card: data, licence, training command, score, …: JSON values stored with the model.
        """
        save_weights(self.weights(card), path, precision=precision)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Load a model of this family by built-in name or path."""
        from seqgen.pretrained import find_family

        return cls.from_weights(find_family(name_or_path, cls.family))


def may_stop(controls: Any) -> bool:
    """Return whether controls (one, a list or a function) can end a sample."""
    if isinstance(controls, list) or callable(controls):
        return True
    return as_controls(controls).stop is not None
