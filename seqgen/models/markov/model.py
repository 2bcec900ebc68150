"""Markov chains of any order over characters, words or any hashable symbols (Petzka, lecture 10, "Markov models").

The lecture's weather table names its third state both Foggy and Cloud; here it is "cloud".
Legend: B sequences, V vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.checks import frozen, probabilities, renormalised
from seqgen.codecs import Characters, Codec, Symbols, Tokens, Words, codec_from_config
from seqgen.errors import SeqgenError, choice, integer, optional_integer
from seqgen.generator import Generator
from seqgen.models.markov.automaton import Automaton, from_ngrams, from_table
from seqgen.models.markov.ngrams import NGramCounter, NGrams
from seqgen.models.markov.schema import CONFIGURATION
from seqgen.models.markov.stationary import stationary
from seqgen.models.markov.units import UNITS, Units
from seqgen.threads import usable_threads

if TYPE_CHECKING:
    from seqgen.models.markov.numba_tables import Tables
    from seqgen.models.markov.numba_whole import WholeSamples

CODECS: dict[str, Callable[[Any], Codec]] = {
    "characters": Characters, "words": Words, "tokens": Tokens, "symbols": Symbols,
}  # fmt: skip
_DERIVED = ("automaton", "tables", "logs", "descending", "_whole", "_packed")


class MarkovChain(Generator):
    """A Markov chain whose next symbol depends on the previous `order` symbols.

    Args:
        order: at least 1.
        smoothing: None uses the frequencies after the longest observed context; "kneser-ney" gives every known symbol
            a positive probability (interpolated Kneser-Ney, see `seqgen.models.markov.smoothing`).
        unit: the symbols of a string: "characters"; "words", split at white space and joined by spaces; "tokens",
            words, punctuation and white space that concatenate to the text; "symbols" for iterables of hashable
            objects. "auto" is characters for strings, else symbols.
        boundaries: whether the model includes the start and end of sequences. None: if it is fitted to more than one
            sequence. Without boundaries, a sample starts with the frequencies of single symbols and is endless.

    Example:
        >>> chain = MarkovChain(order=2, unit="words").fit(["the cat sat", "the cat ran", "a cat sat"])
        >>> chain.sample(2, seed=4)
        ['the cat ran', 'a cat sat']
        >>> weather = MarkovChain.from_table(["sun", "rain"], [[0.9, 0.1], [0.5, 0.5]])
        >>> weather.log_prob(["sun", "rain"], prompt="sun").round(4).tolist()
        [-2.4079]
    """

    family = "markov"
    codec: Codec

    def __init__(
        self,
        order: int = 1,
        smoothing: str | None = None,
        *,
        unit: str = "auto",
        boundaries: bool | None = None,
    ) -> None:
        self._order = CONFIGURATION["order"].check("order", order)
        self._smoothing = CONFIGURATION["smoothing"].check("smoothing", smoothing)
        self._unit = choice("unit", unit, ("auto", *UNITS))
        self._boundaries = None if boundaries is None else bool(boundaries)
        self._ngrams: NGrams | None = None
        self._table: tuple[np.ndarray, np.ndarray] | None = None

    # ---- the settings, which cannot be set, because what was counted depends on them ---------------------

    @property
    def order(self) -> int:
        """The number of symbols on which the next one depends."""
        order: int = self._order
        return order

    @property
    def smoothing(self) -> str | None:
        """None or "kneser-ney"."""
        smoothing: str | None = self._smoothing
        return smoothing

    @property
    def unit(self) -> str:
        """The symbols of a string; "auto" is decided by `fit`."""
        return self._unit

    @property
    def boundaries(self) -> bool | None:
        """Whether the model includes the start and end of sequences; None is decided by `fit`."""
        return self._boundaries

    # ---- fitting --------------------------------------------------------------------------------------

    def fit(self, sequences: Iterable[Any], *, progress: Callable[[int, int], None] | None = None) -> Self:
        """Count the n-grams of sequences, which are read once and not stored.

        Args:
            sequences: an iterable of strings or of iterables of hashable symbols. Empty sequences are ignored. Pass one
                long text as `[text]`.
            progress: called occasionally with the numbers of sequences and symbols so far.

        Returns:
            The chain itself; earlier counts are replaced.

        Raises:
            ValueError: if there are no symbols, or `order` is too large for the longest sequence.
            TypeError: if an item is not a sequence, or a symbol is not hashable.
        """
        units = Units(self.unit)
        counter = NGramCounter(self.order + 1, progress)
        for sequence in units.sequences(sequences):
            counter.add(sequence)
        if not counter.total:
            raise ValueError("sequences must hold at least one symbol, got none")
        ends = counter.sequences > 1 if self.boundaries is None else self.boundaries
        most = counter.longest if ends else counter.longest - 1
        if self.order > most:
            raise ValueError(
                f"order must be at most {most} for sequences whose longest has {counter.longest} symbols"
                f"{'' if ends else ' and boundaries=False'}, got {self.order}"
            )
        codec = CODECS[units.unit](units.checked(counter.vocabulary))
        self.codec, self._ngrams, self._table = codec, counter.finish(ends), None
        self._unit, self._boundaries = units.unit, ends
        self._forget()
        return self

    @classmethod
    def from_table(
        cls,
        symbols: Sequence[Hashable],
        transition: Any,
        start: Any = None,
        *,
        unit: str = "symbols",
    ) -> Self:
        """Create a chain of order 1 with given probabilities; its samples are endless.

        Args:
            symbols: the V symbols.
            transition: (V, V), row = from, column = to.
            start: (V,) probabilities of the first symbol; None is the stationary distribution.
            unit: the type of samples: "symbols" are lists, "words" text joined by spaces, "characters" text.

        Raises:
            ValueError: if a row is not a distribution; the message names it.
            SeqgenError: if start is not given and there are several stationary distributions.
        """
        codec = CODECS[choice("unit", unit, UNITS)](list(symbols))
        size = codec.size
        rows = renormalised(probabilities("transition", transition, (size, size)))
        first = stationary(rows) if start is None else renormalised(probabilities("start", start, (size,)))
        chain = cls(unit=unit, boundaries=False)
        chain.codec, chain._table = codec, (first, rows)
        return chain

    # ---- probabilities --------------------------------------------------------------------------------

    @cached_property
    def automaton(self) -> Automaton:
        """The automaton that is used for sampling and scoring."""
        if self._table is not None:
            return from_table(*self._table)
        return from_ngrams(self._fitted(), self.smoothing)

    def log_prob(self, x: Any, *, prompt: Any = None, end: bool | None = None) -> np.ndarray:
        """Return the exact log-probability of each sequence in nats, (B,) float64; -inf if it cannot occur.

        Args:
            x: one sequence or a list of them: text, symbols, or integer arrays.
            prompt: symbols that precede every sequence and are not scored.
            end: whether to score the end after the last symbol; None: if samples have ends.

        Raises:
            ValueError: if a symbol is unknown to the chain.
        """
        scored_end = self.automaton.ends if end is None else bool(end)
        if scored_end and not self.automaton.ends:
            raise ValueError("end must be False or None: the samples of this chain are endless, got True")
        state = self._state("prompt", prompt)
        closing = [self.automaton.symbols] if scored_end else []
        rows = [np.append(row, closing) for row in self.codec.encode_batch(x)]
        return np.array([self.log_probs_from(state, row).sum() for row in rows], np.float64)

    def log_probs_from(self, state: int, symbols: np.ndarray) -> np.ndarray:
        """Return the log-probability of each of `symbols` (T,), starting from `state`; symbol V is the end."""
        from seqgen.models.markov.numba_walk import score

        log_probs = np.empty(len(symbols))
        score(self.automaton, state, symbols.astype(np.int32), log_probs)
        return log_probs

    def next_probabilities(self, context: Any = None) -> np.ndarray:
        """Return the probability of every symbol after `context`, the preceding symbols of the sequence.

        Returns:
            (V,) in the order of `codec.vocabulary`, or (V + 1,) with the end last if samples have ends.
        """
        return self.automaton.successors(self._state("context", context))[0]

    def stationary(self) -> np.ndarray:
        """Return the stationary distribution (V,) of a chain of order 1.

        Raises:
            SeqgenError: if the order is higher, samples have ends, or there are several stationary distributions.
        """
        automaton = self.automaton
        if self.order != 1 or automaton.ends:
            raise SeqgenError(
                f"only a chain of order 1 whose samples are endless has a stationary distribution over symbols; "
                f"this one has order={self.order}, boundaries={automaton.ends}"
            )
        states = [automaton.follow(automaton.start, np.array([w])) for w in range(automaton.symbols)]
        return stationary(np.array([automaton.successors(state)[0] for state in states]))

    def _state(self, name: str, before: Any) -> int:
        """Return the state after the symbols of the argument `name`."""
        start = self.automaton.start
        if before is None:
            return start
        try:
            return self.automaton.follow(start, self.codec.encode(before))
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{name}: {error}") from None

    # ---- sampling -------------------------------------------------------------------------------------

    def sample(self, n: int = 1, length: int | None = None, seed: int = 0, **arguments: Any) -> Any:
        """Return n samples as a list of texts or of lists of symbols; arguments as in `stream`.

        Samples without controls or conditions are drawn completely, many per kernel call; they equal those of `stream`.
        """
        prompt = arguments.get("prompt")
        if (
            not set(arguments) <= {"start", "threads", "prompt", "engine"}
            or arguments.get("engine", "auto") not in ("auto", "numba")
            or isinstance(prompt, list)
            or callable(prompt)
            or (length is None and not self.automaton.ends)
        ):
            return super().sample(n, length, seed, **arguments)
        n = integer("n", n, low=1)
        threads = optional_integer("threads", arguments.get("threads"), low=1)
        return self._whole.sample(
            self._state("prompt", prompt),
            n,
            optional_integer("length", length, low=1),
            seed=integer("seed", seed, low=0, high=2**64 - 1),
            start=integer("start", arguments.get("start", 0), low=0, high=2**63 - n),
            threads=usable_threads() if threads is None else threads,
        )

    @cached_property
    def tables(self) -> Tables:
        """The automaton in the form that compiled samplers use."""
        from seqgen.models.markov.numba_tables import tables

        return tables(self.automaton)

    @cached_property
    def logs(self) -> np.ndarray:
        """The logarithms of `automaton.full`, which compiled samplers use under controls."""
        from seqgen.models.markov.numba_walk import logarithms

        logs = np.empty_like(self.automaton.full)
        logarithms(self.automaton.full, logs)
        return logs

    @cached_property
    def descending(self) -> np.ndarray:
        """The successors of every context in descending order, which compiled samplers use under controls."""
        from seqgen.models.markov.numba_largest import descending

        return descending(self.automaton)

    @cached_property
    def _whole(self) -> WholeSamples:
        from seqgen.models.markov.numba_whole import WholeSamples

        return WholeSamples(self.tables, self.automaton.symbols, self.codec)

    # ---- the generator interface ----------------------------------------------------------------------

    @property
    def ends(self) -> bool:
        return self.automaton.ends

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments and the vocabulary."""
        return {
            # unlike codec.config(), this accepts symbols that can be streamed but not saved
            "codec": {"name": self.codec.name, "vocabulary": self.codec.vocabulary},
            "order": self.order,
            "smoothing": self.smoothing,
            "boundaries": self.boundaries,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the n-gram counts as a prefix tree, or the table; read-only, because what is drawn depends on them."""
        return self._packed

    @cached_property
    def _packed(self) -> dict[str, np.ndarray]:
        if self._table is not None:
            return {"start": frozen(self._table[0]), "transition": frozen(self._table[1])}
        return {name: frozen(array) for name, array in self._fitted().arrays().items()}

    def save(
        self, path: str | os.PathLike[str], *, precision: str = "auto", card: dict[str, Any] | None = None
    ) -> None:
        """Write the chain to one .safetensors file; symbols must be strings, numbers or booleans."""
        if precision != "auto":
            raise ValueError(f"precision must be 'auto': a Markov chain is stored exactly, got {precision!r}")
        self._packed  # noqa: B018 (raises if the chain is not fitted)
        self.codec.config()
        super().save(path, card=card)

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the chain that `weights` describe."""
        config = weights.config
        chain = cls(config["order"], config["smoothing"], boundaries=config["boundaries"])
        codec = codec_from_config(config["codec"])
        if not codec.vocabulary:
            raise ValueError(f"a Markov chain cannot have the codec {codec.name!r}")
        chain.codec, chain._unit = codec, codec.name
        arrays = {name: frozen(array) for name, array in weights.arrays.items()}
        if "transition" in arrays:
            chain._table = arrays["start"], arrays["transition"]
        else:
            chain._ngrams = NGrams.from_arrays(
                arrays, chain.order + 1, chain.codec.size, bool(config["boundaries"])
            )
        chain._packed = arrays
        return chain

    def _fitted(self) -> NGrams:
        if self._ngrams is None:
            raise SeqgenError("the chain is not fitted; call fit, or create it with from_table")
        return self._ngrams

    def _forget(self) -> None:
        """Drop what was derived from earlier counts."""
        for name in _DERIVED:
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled; the copy derives the rest again."""
        return {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
