"""seqgen streams text, audio and pixels from generative sequence models.

    >>> import seqgen
    >>> chain = seqgen.MarkovChain(order=1).fit(["abracadabra"])
    >>> for chunk in chain.stream(n=1, length=8, chunk=4, seed=1):
    ...     assert len(chunk.data) == 4

Names are imported on first use: `import seqgen` imports neither torch nor Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqgen.errors import MissingPackageError
from seqgen.lazy import lazy_names
from seqgen.neighbours import warn_about_others
from seqgen.placeholder import placeholder
from seqgen.registry import FAMILIES

warn_about_others()

_LOCATIONS = {
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
    "load": "seqgen.opening",
    "pretrained_models": "seqgen.opening",
    "stream": "seqgen.opening",
    "train": "seqgen.opening",
    "warm": "seqgen.warming",
    "Categorical": "seqgen.models.hmm",
    "Poisson": "seqgen.models.hmm",
    "Gaussian": "seqgen.models.hmm",
} | {family.export: family.folder for family in FAMILIES.values()}

__all__ = sorted(_LOCATIONS)

_get, __dir__ = lazy_names(__name__, _LOCATIONS)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from seqgen.checkpoint import versions

        return versions()["seqgen"]
    try:
        return _get(name)
    except MissingPackageError as error:
        return placeholder(__name__, name, error)


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
    from seqgen.models.autoencoder import AutoEncoder as AutoEncoder
    from seqgen.models.char_rnn import CharRNN as CharRNN
    from seqgen.models.eonade import EoNADE as EoNADE
    from seqgen.models.fvsbn import FVSBN as FVSBN
    from seqgen.models.hmm import HMM as HMM
    from seqgen.models.hmm import Categorical as Categorical
    from seqgen.models.hmm import Gaussian as Gaussian
    from seqgen.models.hmm import GaussianMixture as GaussianMixture
    from seqgen.models.hmm import Poisson as Poisson
    from seqgen.models.markov import MarkovChain as MarkovChain
    from seqgen.models.nade import NADE as NADE
    from seqgen.models.pixel_cnn import PixelCNN as PixelCNN
    from seqgen.models.pixel_cnn_autoencoder import PixelCNNAutoEncoder as PixelCNNAutoEncoder
    from seqgen.models.pixel_cnn_pp import PixelCNNpp as PixelCNNpp
    from seqgen.models.pixel_rnn import PixelRNN as PixelRNN
    from seqgen.models.rnade import RNADE as RNADE
    from seqgen.models.two_scale import TwoScale as TwoScale
    from seqgen.models.wavenet import WaveNet as WaveNet
    from seqgen.opening import load as load
    from seqgen.opening import pretrained_models as pretrained_models
    from seqgen.opening import stream as stream
    from seqgen.opening import train as train
    from seqgen.stats import StreamStats as StreamStats
    from seqgen.streaming import Chunk as Chunk
    from seqgen.streaming import Stream as Stream
    from seqgen.warming import warm as warm
