"""Hidden Markov models: p(x, z) = p(z_1) prod p(z_t | z_{t-1}) prod p(x_t | z_t) (Rabiner 1989; Petzka, lecture 10).

Rows of `transition` sum to one: row = from, column = to. (The lecture writes the transpose, A_ij = p(i | j).)
Legend: B sequences, T observations, K states, D dimensions, V symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from seqgen import checks
from seqgen.checkpoint import Weights
from seqgen.codecs import Codec, Vectors, codec_from_config
from seqgen.errors import SeqgenError, integer
from seqgen.generator import Generator, may_stop
from seqgen.models.hmm import fitting as hmm_training
from seqgen.models.hmm import inference as hmm_inference
from seqgen.models.hmm.em import FitHistory
from seqgen.models.hmm.emission import Emission
from seqgen.models.hmm.emissions import parts
from seqgen.models.hmm.fitting import one_column
from seqgen.models.hmm.gathering import Gathered
from seqgen.models.hmm.inference import Chain, filtered, need_possible
from seqgen.registry import family


class Prediction(NamedTuple):
    """The result of `HMM.predict` for the next steps.

    Attributes:
        states: (steps, K) probabilities.
        means: mean observations, (steps,) or (steps, D); probabilities (steps, V) of symbols.
    """

    states: np.ndarray
    means: np.ndarray


class HMM(Generator):
    """A hidden Markov model.

    Samples are endless unless a length is given. A stream with a prompt continues after the prompt's observations: the
    filter gives the distribution of the last hidden state, and the first state of the sample is one transition later.
    `condition={"state": k}` sets the hidden state before the sample to k. Chunks have extra["states"] (and "components"
    of a mixture). With log_probs=True, "log_prob" is log p(x_t, z_t | z_{t-1}) of the drawn observation and state, and
    "log_prob_drawn" the same after the controls. Controls apply to the symbols given the state, for categorical
    emissions only; `allowed` must leave at least one symbol in every state.

    Args:
        start: (K,) probabilities of the first hidden state.
        transition: (K, K), from row to column; zeros are structural and kept by `fit`.
        emission: `Categorical`, `Poisson`, `Gaussian` or `GaussianMixture`, of K states.
        codec: codec of the symbols of a categorical emission; None is the integers.

    Example:
        >>> import seqgen
        >>> coin = HMM([1, 0], [[0.9, 0.1], [0.1, 0.9]], seqgen.Categorical([[1, 0], [0, 1]]))
        >>> coin.viterbi(np.array([0, 0, 1]))[0].tolist()
        [0, 0, 1]
    """

    family: ClassVar[str] = "hmm"

    def __init__(
        self, start: Any, transition: Any, emission: Emission, *, codec: Codec | None = None
    ) -> None:
        if not isinstance(emission, Emission):
            raise TypeError(
                f"emission must be a seqgen emission such as seqgen.Categorical, got {emission!r}"
            )
        if getattr(emission, "family", None) and emission.arrays()["weights"].ndim == 1:
            raise ValueError("a mixture as the emission of an HMM needs weights (K, M), got (M,)")
        states = emission.states
        self._set(
            Chain(
                checks.probabilities("start", start, (states,)),
                checks.probabilities("transition", transition, (states, states)),
            ),
            emission,
        )
        self.codec = emission.default_codec() if codec is None else codec
        if self.codec.size != emission.default_codec().size:
            raise ValueError(
                f"codec must have {emission.default_codec().size} symbols, as the emission has; "
                f"got {self.codec.size}"
            )
        wanted = emission.default_codec()
        if isinstance(wanted, Vectors) and (
            not isinstance(self.codec, Vectors) or self.codec.dimensions != wanted.dimensions
        ):
            raise ValueError(
                f"codec must be of vectors of {wanted.dimensions} dimensions, as the emission has; "
                f"got {self.codec.config()}"
            )
        self.history: FitHistory | None = None

    def _set(self, chain: Chain, emission: Emission) -> None:
        self._chain, self.emission = chain, emission

    @property
    def start(self) -> np.ndarray:
        """The probabilities of the first hidden state, (K,)."""
        return self._chain.start

    @property
    def transition(self) -> np.ndarray:
        """The transition probabilities (K, K), from row to column."""
        return self._chain.transition

    @property
    def states(self) -> int:
        """The number of hidden states K."""
        return len(self._chain.start)

    # ---- fitting ----------------------------------------------------------------------------------------

    @classmethod
    def initialise(cls, states: int, data: Any, **options: Any) -> Self:
        """Return an initial model for a fit; see `seqgen.models.hmm.fitting.initial_parts` for the options.

        Example:
            >>> x = np.concatenate([np.zeros(50), np.full(50, 7.0)])[:, None] + np.sin(np.arange(100))[:, None]
            >>> HMM.initialise(2, x, emission="gaussian").fit(x).decode(x[[0, -1]]).size
            2
        """
        start, transition, emission, codec = hmm_training.initial_parts(states, data, **options)
        return cls(start, transition, emission, codec=codec)

    def fit(
        self,
        sequences: Any,
        *,
        iterations: int = 100,
        tolerance: float = 1e-6,
        params: str = "ste",
        smoothing: float = 0.0,
        regularisation: float = 1e-6,
        progress: Callable[[int, float], None] | None = None,
    ) -> Self:
        """Fit the model in place by Baum-Welch (EM) from the current parameters.

        Args:
            sequences: one sequence, or a list of them.
            iterations: maximum number of iterations.
            tolerance: stop when the log-likelihood per observation gains less than this, in nats.
            params: the parameters to fit: "s" start, "t" transition, "e" emission.
            smoothing: added to the expected count of every symbol of a categorical emission.
            regularisation: this fraction of the data's variance is added to every variance of a Gaussian emission. If
                both
                this and `smoothing` are 0, the log-likelihood never decreases.
            progress: called with the iteration and the log-likelihood.

        Returns:
            The model itself; `history` has the log-likelihood of every iteration, and whether the fit converged.
        """
        self.history = hmm_training.baum_welch(
            self._chain, self.emission, self._sequences(sequences), self._set, params=params, progress=progress,
            iterations=iterations, tolerance=tolerance, smoothing=smoothing, regularisation=regularisation,
        )  # fmt: skip
        return self

    # ---- likelihood -------------------------------------------------------------------------------------

    def log_prob(self, x: Any) -> np.ndarray:
        """Return the exact log-probability of each of B sequences, (B,) nats; -inf if it cannot occur."""
        rows = self._sequences(x)
        return np.array([filtered(self._chain, self.emission, row, keep=False).log_prob for row in rows])

    def score(self, x: Any) -> float:
        """Return the total log-probability of all sequences."""
        return float(self.log_prob(x).sum())

    def aic(self, x: Any) -> float:
        """Return Akaike's information criterion of the sequences, lower is better."""
        return 2.0 * self.free_parameters() - 2.0 * self.score(x)

    def bic(self, x: Any) -> float:
        """Return the Bayesian information criterion of the sequences, lower is better."""
        rows = self._sequences(x)
        return float(np.log(sum(map(len, rows)))) * self.free_parameters() - 2.0 * self.score(rows)

    def free_parameters(self) -> int:
        """The number of free parameters; structural zeros of start and transition do not count."""
        free = [int(np.count_nonzero(row)) - 1 for row in (self.start, *self.transition)]
        return sum(free) + self.emission.free_parameters()

    # ---- hidden states ----------------------------------------------------------------------------------

    def viterbi(self, x: Any) -> tuple[np.ndarray, float]:
        """Return the most probable hidden states (T,) of one sequence, and their joint log-probability with x.

        Raises:
            SeqgenError: if x has probability 0.
        """
        row = self._one(x)
        path, log_prob = hmm_inference.most_likely_path(self._chain, self.emission.likelihood(row))
        if log_prob == -np.inf:
            need_possible(filtered(self._chain, self.emission, row, keep=True), "x")
        return path, log_prob

    def decode(self, x: Any) -> np.ndarray:
        """Return the most probable hidden states (T,) of one sequence."""
        return self.viterbi(x)[0]

    def filter(self, x: Any) -> np.ndarray:
        """Return p(z_t | x_1 … x_t) of one sequence, (T, K)."""
        found = need_possible(filtered(self._chain, self.emission, self._one(x), keep=True), "x")
        return np.exp(found.log_states)

    def smooth(self, x: Any) -> np.ndarray:
        """Return p(z_t | x_1 … x_T) of one sequence, (T, K)."""
        row = self._one(x)
        bounds = np.array([0, len(row)])
        found = hmm_inference.expectation(self._chain, self.emission.likelihood(row), bounds)
        if found.log_prob[0] == -np.inf:
            need_possible(filtered(self._chain, self.emission, row, keep=True), "x")
        return found.posteriors

    predict_proba = smooth

    def predict(self, x: Any, steps: int = 1) -> Prediction:
        """Return the distribution of the hidden state and the mean observation of each of the next `steps` after x."""
        steps = integer("steps", steps, low=1)
        state = hmm_inference.last_filtered(self._chain, self.emission, self._one(x), "x")
        states = []
        for _ in range(steps):
            state = state @ self.transition
            states.append(state)
        return Prediction(np.stack(states), np.stack(states) @ self.emission.expectation())

    def stationary(self) -> np.ndarray:
        """Return the stationary distribution of hidden states, (K,).

        Raises:
            SeqgenError: if there are several, because the chain has several closed classes.
        """
        left, singular, _ = np.linalg.svd(self.transition - np.eye(self.states))
        if np.sum(singular < 1e-10) > 1:
            raise SeqgenError(
                "transition has several stationary distributions: states fall into closed groups"
            )
        return np.abs(left[:, -1]) / np.abs(left[:, -1]).sum()

    # ---- sampling ---------------------------------------------------------------------------------------

    def sample(
        self,
        n: int = 1,
        length: int | None = None,
        seed: int = 0,
        *,
        with_states: bool = False,
        **arguments: Any,
    ) -> Any:
        """Return n samples as one array (n, length, ...), or a list if lengths differ or data are text.

        Args:
            n, length, seed: as in `stream`; length may be None only if a stop sequence ends every sample.
            with_states: also return the hidden states, as an array or list of arrays.
            arguments: as in `stream`.
        """
        if length is None and not may_stop(arguments.get("controls")):
            raise ValueError("length must be given: the samples of an HMM are endless")
        n, lanes = integer("n", n, low=1), family(self.family).lanes
        chunk = 4096 if length is None else min(integer("length", length, low=1), 4096)
        arguments = {"batch": min(n, lanes), "chunk": chunk, **arguments}
        first = arguments.get("start", 0)
        data = Gathered(n, length, first, self.codec.join)
        states = Gathered(n, length, first, np.concatenate)
        with self.stream(n, length, seed=seed, **arguments) as stream:
            for piece in stream:
                data.add(piece.index, piece.offset, piece.data)
                if with_states:
                    states.add(piece.index, piece.offset, piece.extra["states"])
        return (data.whole(), states.whole()) if with_states else data.whole()

    def sample_posterior(self, x: Any, n: int = 1, seed: int = 0) -> np.ndarray:
        """Draw hidden paths (n, T) from p(z | x); path i is a function of x, the seed and i alone."""
        from seqgen.models.hmm.numba_inference import posterior_paths

        seed = integer("seed", seed, low=0, high=2**64 - 1)
        found = need_possible(filtered(self._chain, self.emission, self._one(x), keep=True), "x")
        paths = np.empty((integer("n", n, low=1), len(found.log_states)), np.int64)
        log_backward = np.ascontiguousarray(self._chain.log()[1].T)
        posterior_paths(found.log_states, log_backward, np.uint64(seed), 0, paths)
        return paths

    # ---- the generator interface ------------------------------------------------------------------------

    @property
    def ends(self) -> bool:
        return False

    def config(self) -> dict[str, Any]:
        return {"codec": self.codec.config(), "emission": self.emission.config()}

    def arrays(self) -> dict[str, np.ndarray]:
        own = {f"emission.{name}": array for name, array in self.emission.arrays().items()}
        return {"start": self.start, "transition": self.transition, **own}

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""
        return cls(*parts(weights), codec=codec_from_config(weights.config["codec"]))

    def _sequences(self, x: Any) -> list[np.ndarray]:
        """Convert user data to validated, non-empty sequences."""
        rows = self.codec.encode_batch(one_column(x, self.codec))
        if not rows or any(len(row) == 0 for row in rows):
            raise ValueError("x must hold at least one observation in every sequence, got an empty one")
        return [self.emission.check(row) for row in rows]

    def _one(self, x: Any) -> np.ndarray:
        row = self.emission.check(self.codec.encode(one_column(x, self.codec)))
        if not len(row):
            raise ValueError("x must hold at least one observation, got none")
        return row
