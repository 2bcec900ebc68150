"""seqgen streams text, audio and pixels from generative sequence models.

    >>> import seqgen
    >>> chain = seqgen.MarkovChain(order=1).fit(["abracadabra"])
    >>> for chunk in chain.stream(n=1, length=8, chunk=4, seed=1):
    ...     assert len(chunk.data) == 4

Names are imported when they are first used: `import seqgen` loads neither torch nor Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqgen.neighbours import warn_about_strangers

warn_about_strangers()

_EXPORTS = {
    "Bytes": "seqgen.codecs",
    "Characters": "seqgen.codecs",
    "Symbols": "seqgen.codecs",
    "Vectors": "seqgen.codecs",
    "Words": "seqgen.codecs",
    "Controls": "seqgen.controls",
    "SeqgenError": "seqgen.errors",
    "Generator": "seqgen.generator",
    "Chunk": "seqgen.streaming",
    "Stream": "seqgen.streaming",
    "StreamStats": "seqgen.stats",
    "Weights": "seqgen.checkpoint",
    "MarkovChain": "seqgen.models.markov",
    "HMM": "seqgen.models.hmm",
    "Categorical": "seqgen.models.emissions",
    "Poisson": "seqgen.models.emissions",
    "Gaussian": "seqgen.models.emissions",
    "GaussianMixture": "seqgen.models.mixture",
    "CharRNN": "seqgen.models.char_rnn",
    "load": "seqgen.opening",
    "pretrained_models": "seqgen.opening",
    "stream": "seqgen.opening",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        from seqgen.checkpoint import versions

        return versions()["seqgen"]
    if name not in _EXPORTS:
        raise AttributeError(f"module 'seqgen' has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from seqgen.checkpoint import Weights
    from seqgen.codecs import Bytes, Characters, Symbols, Vectors, Words
    from seqgen.controls import Controls
    from seqgen.errors import SeqgenError
    from seqgen.generator import Generator
    from seqgen.models.char_rnn import CharRNN
    from seqgen.models.emissions import Categorical, Gaussian, Poisson
    from seqgen.models.hmm import HMM
    from seqgen.models.markov import MarkovChain
    from seqgen.models.mixture import GaussianMixture
    from seqgen.opening import load, pretrained_models, stream
    from seqgen.stats import StreamStats
    from seqgen.streaming import Chunk, Stream
