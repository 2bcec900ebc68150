"""The model families: where their model class and their engines live. Nothing is imported until it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqgen.errors import SeqgenError

ENGINES = ("auto", "torch", "numba", "triton", "fixed-point")


@dataclass(frozen=True)
class Family:
    """Where a family's parts are, as "module:name", and how it streams by default.

    Attributes:
        name: as stored in checkpoints.
        model: the model class.
        engines: engine name to engine class; the first is what "auto" takes.
        chunk: default number of symbols in a chunk.
        lanes: how many samples `sample()` computes side by side.
        precisions: the weight precisions that its engines understand.
    """

    name: str
    model: str
    engines: Mapping[str, str]
    chunk: int
    lanes: int
    precisions: tuple[str, ...]

    def model_class(self) -> Any:
        """Import and return the model class."""
        return resolve(self.model)

    def engine_class(self, engine: str) -> Any:
        """Import and return the class of an engine, or say which there are."""
        if engine not in self.engines:
            raise SeqgenError(
                f"engine {engine!r} cannot run the family {self.name!r}; it has {', '.join(self.engines)}"
            )
        return resolve(self.engines[engine])


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "markov",
            "seqgen.models.markov.model:MarkovChain",
            {
                "numba": "seqgen.models.markov.numba_engine:MarkovEngine",
                "torch": "seqgen.models.markov.torch_engine:MarkovEngine",
            },
            chunk=64,
            lanes=1024,
            precisions=("float64",),
        ),
        Family(
            "hmm",
            "seqgen.models.hmm.model:HMM",
            {
                "numba": "seqgen.models.hmm.numba_engine:HMMEngine",
                "torch": "seqgen.models.hmm.torch_engine:HMMEngine",
            },
            chunk=4096,
            lanes=64,
            precisions=("float64",),
        ),
        Family(
            "gaussian-mixture",
            "seqgen.models.hmm.mixture:GaussianMixture",
            {
                "numba": "seqgen.models.hmm.numba_engine:HMMEngine",
                "torch": "seqgen.models.hmm.torch_engine:HMMEngine",
            },
            chunk=4096,
            lanes=64,
            precisions=("float64",),
        ),
        Family(
            "char-rnn",
            "seqgen.models.char_rnn.model:CharRNN",
            {
                "numba": "seqgen.models.char_rnn.numba_engine:RNNEngine",
                "torch": "seqgen.models.char_rnn.torch_engine:RNNEngine",
            },
            chunk=64,
            lanes=16,
            precisions=("float32", "bfloat16"),
        ),
        Family(
            "wavenet",
            "seqgen.models.wavenet.model:WaveNet",
            {
                "numba": "seqgen.models.wavenet.numba_engine:WaveNetEngine",
                "torch": "seqgen.models.wavenet.torch_engine:WaveNetEngine",
            },
            chunk=1600,
            lanes=16,
            precisions=("float32", "bfloat16"),
        ),
    )
}


_FIXED_POINT = {"fixed-point": "seqgen.image.fixed_point:FixedPointEngine"}
_NO_ENGINES: Mapping[str, str] = {}


def _image_family(
    name: str, model: str, lanes: int = 16, chunk: int = 1, more_engines: Mapping[str, str] = _NO_ENGINES
) -> Family:
    """An image model, in the folder of its name; a chunk is a row."""
    folder = f"seqgen.models.{name.replace('-', '_')}"
    return Family(
        name,
        f"{folder}.model:{model}",
        {kind: f"{folder}.{kind}_engine:{model}Engine" for kind in ("numba", "torch")} | dict(more_engines),
        chunk=chunk,
        lanes=lanes,
        precisions=("float32", "bfloat16"),
    )


_IMAGE_FAMILIES = (
    _image_family("fvsbn", "FVSBN", lanes=64),
    _image_family("nade", "NADE", lanes=64),
    _image_family("eonade", "EoNADE", lanes=64),
    _image_family("rnade", "RNADE", lanes=64, chunk=4096),
    _image_family("pixel-cnn", "PixelCNN", more_engines=_FIXED_POINT),
    _image_family("pixel-rnn", "PixelRNN"),
    _image_family("pixel-cnn-pp", "PixelCNNpp"),
    _image_family("two-scale", "TwoScale"),
    _image_family("pixel-cnn-autoencoder", "PixelCNNAutoEncoder"),
)
FAMILIES |= {family.name: family for family in _IMAGE_FAMILIES}


def family(name: str) -> Family:
    """The family of that name, or an error that lists them."""
    if name == "autoencoder":
        raise SeqgenError(
            "an auto-encoder is no generator: it has no likelihood and nothing to stream; open its file with "
            "seqgen.AutoEncoder.load, and encode, decode or reconstruct images with it"
        )
    if name not in FAMILIES:
        raise SeqgenError(f"unknown model family {name!r}; this version knows {', '.join(FAMILIES)}")
    return FAMILIES[name]


def resolve(location: str) -> Any:
    """Import "module:name"."""
    module, name = location.split(":")
    return getattr(importlib.import_module(module), name)
