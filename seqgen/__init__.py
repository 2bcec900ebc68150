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
    "Integers": "seqgen.codecs",
    "MuLaw": "seqgen.codecs",
    "PCM16": "seqgen.codecs",
    "Pixels": "seqgen.codecs",
    "Strokes": "seqgen.codecs",
    "Symbols": "seqgen.codecs",
    "Tokens": "seqgen.codecs",
    "Vectors": "seqgen.codecs",
    "Waveform": "seqgen.codecs",
    "Words": "seqgen.codecs",
    "Controls": "seqgen.controls",
    "SeqgenError": "seqgen.errors",
    "Generator": "seqgen.generator",
    "LiveFeatures": "seqgen.conditions.live_features",
    "Chunk": "seqgen.streaming",
    "Stream": "seqgen.streaming",
    "StreamStats": "seqgen.stats",
    "Weights": "seqgen.checkpoint",
    "MarkovChain": "seqgen.models.markov.model",
    "HMM": "seqgen.models.hmm.model",
    "Categorical": "seqgen.models.hmm.emissions",
    "Poisson": "seqgen.models.hmm.emissions",
    "Gaussian": "seqgen.models.hmm.emissions",
    "GaussianMixture": "seqgen.models.hmm.mixture",
    "CharRNN": "seqgen.models.char_rnn.model",
    "FVSBN": "seqgen.models.fvsbn.model",
    "NADE": "seqgen.models.nade.model",
    "EoNADE": "seqgen.models.eonade.model",
    "RNADE": "seqgen.models.rnade.model",
    "PixelCNN": "seqgen.models.pixel_cnn.model",
    "PixelCNNpp": "seqgen.models.pixel_cnn_pp.model",
    "PixelRNN": "seqgen.models.pixel_rnn.model",
    "TwoScale": "seqgen.models.two_scale.model",
    "PixelCNNAutoEncoder": "seqgen.models.pixel_cnn_autoencoder.model",
    "AutoEncoder": "seqgen.models.autoencoder.model",
    "WaveNet": "seqgen.models.wavenet.model",
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
    from seqgen.checkpoint import Weights as Weights
    from seqgen.codecs import PCM16 as PCM16
    from seqgen.codecs import Bytes as Bytes
    from seqgen.codecs import Characters as Characters
    from seqgen.codecs import Integers as Integers
    from seqgen.codecs import MuLaw as MuLaw
    from seqgen.codecs import Pixels as Pixels
    from seqgen.codecs import Strokes as Strokes
    from seqgen.codecs import Symbols as Symbols
    from seqgen.codecs import Tokens as Tokens
    from seqgen.codecs import Vectors as Vectors
    from seqgen.codecs import Waveform as Waveform
    from seqgen.codecs import Words as Words
    from seqgen.conditions.live_features import LiveFeatures as LiveFeatures
    from seqgen.controls import Controls as Controls
    from seqgen.errors import SeqgenError as SeqgenError
    from seqgen.generator import Generator as Generator
    from seqgen.models.autoencoder.model import AutoEncoder as AutoEncoder
    from seqgen.models.char_rnn.model import CharRNN as CharRNN
    from seqgen.models.eonade.model import EoNADE as EoNADE
    from seqgen.models.fvsbn.model import FVSBN as FVSBN
    from seqgen.models.hmm.emissions import Categorical as Categorical
    from seqgen.models.hmm.emissions import Gaussian as Gaussian
    from seqgen.models.hmm.emissions import Poisson as Poisson
    from seqgen.models.hmm.mixture import GaussianMixture as GaussianMixture
    from seqgen.models.hmm.model import HMM as HMM
    from seqgen.models.markov.model import MarkovChain as MarkovChain
    from seqgen.models.nade.model import NADE as NADE
    from seqgen.models.pixel_cnn.model import PixelCNN as PixelCNN
    from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder as PixelCNNAutoEncoder
    from seqgen.models.pixel_cnn_pp.model import PixelCNNpp as PixelCNNpp
    from seqgen.models.pixel_rnn.model import PixelRNN as PixelRNN
    from seqgen.models.rnade.model import RNADE as RNADE
    from seqgen.models.two_scale.model import TwoScale as TwoScale
    from seqgen.models.wavenet.model import WaveNet as WaveNet
    from seqgen.opening import load as load
    from seqgen.opening import pretrained_models as pretrained_models
    from seqgen.opening import stream as stream
    from seqgen.stats import StreamStats as StreamStats
    from seqgen.streaming import Chunk as Chunk
    from seqgen.streaming import Stream as Stream
