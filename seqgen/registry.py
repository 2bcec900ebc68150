"""The model families, as strings: where their models, engines and recipes are. Nothing is imported until it is used.

This is the only list of families. The command line and its help, the exported names `seqgen.<Model>`, the choice of an
engine, training and the checks of the test suite are derived from it. A new family is a folder in `seqgen/models`, a
folder in `tests/models`, and an entry here.
"""

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
        name: as stored in checkpoints and given to `seqgen train`.
        model: the model class, exported as `seqgen.<its name>`.
        help: what it models, in a line.
        engines: engine name to engine class; the first is what "auto" takes. None for a model that does not stream.
        recipe: its `seqgen.training.recipe.Recipe`.
        chunk: default number of symbols in a chunk.
        lanes: how many samples `sample()` computes side by side.
        precisions: the weight precisions that its engines understand.
        needs: the extra that loading, training and scoring it needs; streaming never needs one.
    """

    name: str
    model: str
    help: str
    engines: Mapping[str, str]
    recipe: str
    chunk: int
    lanes: int
    precisions: tuple[str, ...] = ("float32", "bfloat16")
    needs: str | None = "torch"

    @property
    def export(self) -> str:
        """The name of the model class in `seqgen`."""
        return self.model.split(":")[1]

    @property
    def folder(self) -> str:
        """The package in which the family lives, such as "seqgen.models.char_rnn"."""
        return self.model.split(":")[0].rsplit(".", 1)[0]

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


def _family(
    name: str,
    export: str,
    help: str,
    *,
    lanes: int,
    chunk: int,
    more_engines: Mapping[str, str] | None = None,
) -> Family:
    """A family with a fused and a reference engine whose parts have the usual names in the folder of its name."""
    folder = f"seqgen.models.{name.replace('-', '_')}"
    engines = {kind: f"{folder}.{kind}_engine:{export}Engine" for kind in ("numba", "torch")}
    return Family(
        name,
        f"{folder}.model:{export}",
        help,
        engines | dict(more_engines or {}),
        f"{folder}.recipe:RECIPE",
        chunk=chunk,
        lanes=lanes,
    )


_HMM_ENGINES = {
    "numba": "seqgen.models.hmm.numba_engine:HMMEngine",
    "torch": "seqgen.models.hmm.torch_engine:HMMEngine",
}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "markov",
            "seqgen.models.markov.model:MarkovChain",
            "a Markov chain of any order over characters, words or other symbols",
            {
                "numba": "seqgen.models.markov.numba_engine:MarkovEngine",
                "torch": "seqgen.models.markov.torch_engine:MarkovEngine",
            },
            "seqgen.models.markov.recipe:RECIPE",
            chunk=64,
            lanes=1024,
            precisions=("float64",),
            needs=None,
        ),
        Family(
            "hmm",
            "seqgen.models.hmm.model:HMM",
            "a hidden Markov model of symbols, counts or vectors",
            _HMM_ENGINES,
            "seqgen.models.hmm.recipe:HMM_RECIPE",
            chunk=4096,
            lanes=64,
            precisions=("float64",),
            needs=None,
        ),
        Family(
            "gaussian-mixture",
            "seqgen.models.hmm.mixture:GaussianMixture",
            "a mixture of Gaussians over vectors",
            _HMM_ENGINES,
            "seqgen.models.hmm.recipe:MIXTURE_RECIPE",
            chunk=4096,
            lanes=64,
            precisions=("float64",),
            needs=None,
        ),
        _family(
            "char-rnn",
            "CharRNN",
            "a recurrent network over characters: tanh, GRU or LSTM",
            lanes=16,
            chunk=64,
        ),
        _family(
            "fvsbn", "FVSBN", "a fully visible sigmoid belief network over binary images", lanes=64, chunk=1
        ),
        _family(
            "nade", "NADE", "the neural autoregressive distribution estimator over images", lanes=64, chunk=1
        ),
        _family(
            "eonade", "EoNADE", "a NADE for every order of the pixels, completes any mask", lanes=64, chunk=1
        ),
        _family("rnade", "RNADE", "a NADE over real vectors", lanes=64, chunk=4096),
        _family(
            "pixel-cnn",
            "PixelCNN",
            "masked convolutions over images, gated or plain, by class, vector or guiding image",
            lanes=16,
            chunk=1,
            more_engines={"fixed-point": "seqgen.image.fixed_point:FixedPointEngine"},
        ),
        _family("pixel-rnn", "PixelRNN", "two-dimensional LSTMs over images", lanes=16, chunk=1),
        _family(
            "pixel-cnn-pp", "PixelCNNpp", "PixelCNN++: a mixture of logistics over images", lanes=16, chunk=1
        ),
        _family(
            "two-scale", "TwoScale", "a small image first, then the large one around it", lanes=16, chunk=1
        ),
        _family(
            "pixel-cnn-autoencoder",
            "PixelCNNAutoEncoder",
            "an encoder to a short code, and a PixelCNN that decodes it",
            lanes=16,
            chunk=1,
        ),
        Family(
            "autoencoder",
            "seqgen.models.autoencoder.model:AutoEncoder",
            "an encoder to a short code and a decoder, with the squared error",
            {},
            "seqgen.models.autoencoder.recipe:RECIPE",
            chunk=1,
            lanes=16,
        ),
        _family(
            "wavenet",
            "WaveNet",
            "dilated causal convolutions over sound, sample by sample",
            lanes=16,
            chunk=1600,
        ),
    )
}

BUILT_IN_RECIPES: dict[str, str] = {
    "shakespeare-markov": "seqgen.models.markov.built_in_recipes:SHAKESPEARE",
    "weather": "seqgen.models.markov.built_in_recipes:WEATHER",
    "digit-strokes": "seqgen.models.hmm.strokes_recipe:RECIPE",
}
"""Recipes of built-in models that no recipe of a family makes."""


def family(name: str) -> Family:
    """The family of generators of that name, or an error that lists them."""
    generators = {each.name: each for each in FAMILIES.values() if each.engines}
    if name in generators:
        return generators[name]
    if name in FAMILIES:
        raise SeqgenError(
            f"a model of the family {name!r} is no generator: it has no likelihood and nothing to stream; open its "
            f"file with seqgen.{FAMILIES[name].export}.load, and encode, decode or reconstruct images with it"
        )
    raise SeqgenError(f"unknown model family {name!r}; this version knows {', '.join(generators)}")


def recipe(name: str) -> Any:
    """The `Recipe` of a family or of a built-in model, or an error that lists them."""
    locations = {each.name: each.recipe for each in FAMILIES.values()} | BUILT_IN_RECIPES
    if name not in locations:
        raise SeqgenError(f"there is no recipe {name!r}; there are {', '.join(locations)}")
    return resolve(locations[name])


def resolve(location: str) -> Any:
    """Import "module:name"."""
    module, name = location.split(":")
    return getattr(importlib.import_module(module), name)
