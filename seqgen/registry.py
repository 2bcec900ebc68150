"""The registry of model families: the locations of their models, engines and recipes as strings, imported on use.

This is the only list of families. The command line and its help, the exported names `seqgen.<Model>`, the choice of an
engine, training and the checks of the test suite are derived from it. A new family is a folder in `seqgen/models`, a
folder in `tests/models`, and an entry here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqgen import extras
from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.checkpoint import Weights
    from seqgen.schema import Schema

ENGINES = ("auto", "torch", "numba", "triton", "fixed-point")

ENGINE_NEEDS = {"torch": ("torch",), "fixed-point": ("torch",), "triton": ("torch", "triton")}
"""Engine -> the packages of `seqgen.extras` that it needs."""


@dataclass(frozen=True)
class Family:
    """The locations of a family's parts, as "module:name", and its defaults for streaming.

    Attributes:
        name: as in checkpoints and in `seqgen train`.
        model: the model class, exported as `seqgen.<its name>`.
        help: one-line description.
        engines: engine name -> engine class; "auto" is the first. Empty for a model that does not stream.
        recipe: its `seqgen.training.recipe.Recipe`.
        chunk: default number of symbols per chunk.
        lanes: number of lanes in `sample()`.
        evaluation: the scoring function for held-out data, such as `seqgen.evaluation.sequences.score_sequences`.
        precisions: the weight precisions that its engines support.
        needs: the packages of `seqgen.extras` that loading, training and scoring need; streaming needs none.
        schema: the function that returns the `seqgen.schema.Schema` of a configuration; by default `schema` in
            schema.py of the family's folder.
    """

    name: str
    model: str
    help: str
    engines: Mapping[str, str]
    recipe: str
    chunk: int
    lanes: int
    evaluation: str = "seqgen.evaluation.sequences:score_sequences"
    precisions: tuple[str, ...] = ("float32", "bfloat16")
    needs: tuple[str, ...] = ("torch",)
    schema: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", self.schema or f"{self.folder}.schema:schema")

    @property
    def export(self) -> str:
        """The name of the model class in `seqgen`."""
        return self.model.split(":")[1]

    @property
    def folder(self) -> str:
        """The package in which the family lives, such as "seqgen.models.char_rnn"."""
        return self.model.split(":")[0].rsplit(".", 1)[0]

    def schema_of(self, config: Any) -> Schema:
        """Return the schema of a configuration, or raise SeqgenError if the configuration is invalid."""
        made: Schema = resolve(self.schema)(config)
        return made

    def model_class(self) -> Any:
        """Import and return the model class, or raise MissingPackageError if a required package is not installed."""
        extras.require(*self.needs, for_what=f"loading a model of the family {self.name!r}")
        return resolve(self.model)

    def engine_class(self, engine: str) -> Any:
        """Import and return the class of an engine, or raise SeqgenError listing the engines or the missing package."""
        if engine not in self.engines:
            raise SeqgenError(
                f"engine {engine!r} cannot run the family {self.name!r}; it has {', '.join(self.engines)}"
            )
        extras.require(*ENGINE_NEEDS.get(engine, ()), for_what=f"the engine {engine!r}")
        return resolve(self.engines[engine])


def _family(name: str, export: str, help: str, **parts: Any) -> Family:
    """Return a family whose parts have the usual names in the folder of its name, except those given."""
    folder = f"seqgen.models.{name.replace('-', '_')}"
    usual = {
        "model": f"{folder}.model:{export}",
        "engines": {kind: f"{folder}.{kind}_engine:{export}Engine" for kind in ("numba", "torch")},
        "recipe": f"{folder}.recipe:RECIPE",
    }
    return Family(name=name, help=help, **usual | parts)


def _images(name: str, export: str, help: str, **parts: Any) -> Family:
    """Return a family of image models, whose chunks are rows of pixels."""
    usual = {"chunk": 1, "lanes": 16, "evaluation": "seqgen.image.evaluation:score_images"}
    return _family(name, export, help, **usual | parts)


_EXACT: dict[str, Any] = {"precisions": ("float64",), "needs": ()}
_HMM = "seqgen.models.hmm"
_HMM_ENGINES = {"numba": f"{_HMM}.numba_engine:HMMEngine", "torch": f"{_HMM}.torch_engine:HMMEngine"}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _family(
            "markov", "MarkovChain", "a Markov chain of any order over characters, words or other symbols",
            engines={
                "numba": "seqgen.models.markov.numba_engine:MarkovEngine",
                "torch": "seqgen.models.markov.torch_engine:MarkovEngine",
            },
            evaluation="seqgen.models.markov.evaluation:score_known_symbols", chunk=64, lanes=1024, **_EXACT,
        ),
        _family(
            "hmm", "HMM", "a hidden Markov model over symbols, counts or vectors",
            recipe=f"{_HMM}.recipe:HMM_RECIPE", chunk=4096, lanes=64, **_EXACT,
        ),
        _family(
            "gaussian-mixture", "GaussianMixture", "a mixture of Gaussians over vectors",
            model=f"{_HMM}.mixture:GaussianMixture", engines=_HMM_ENGINES, recipe=f"{_HMM}.recipe:MIXTURE_RECIPE",
            schema=f"{_HMM}.schema:mixture_schema", chunk=4096, lanes=64, **_EXACT,
        ),
        _family(
            "char-rnn", "CharRNN", "a recurrent network over characters: tanh, GRU or LSTM", chunk=64, lanes=16
        ),
        _images("fvsbn", "FVSBN", "a fully visible sigmoid belief network over binary images", lanes=64),
        _images("nade", "NADE", "a neural autoregressive distribution estimator (NADE) over images", lanes=64),
        _images("eonade", "EoNADE", "an order-agnostic NADE over images, completes any mask", lanes=64),
        _family(
            "rnade", "RNADE", "a NADE over real vectors",
            evaluation="seqgen.models.rnade.evaluation:score_vectors", chunk=4096, lanes=64,
        ),
        _images(
            "pixel-cnn", "PixelCNN",
            "masked convolutions over images, gated or plain, conditioned on class, vector or image",
            engines={
                "numba": "seqgen.models.pixel_cnn.numba_engine:PixelCNNEngine",
                "torch": "seqgen.models.pixel_cnn.torch_engine:PixelCNNEngine",
                "fixed-point": "seqgen.image.fixed_point:FixedPointEngine",
            },
        ),
        _images("pixel-rnn", "PixelRNN", "two-dimensional LSTMs over images"),
        _images("pixel-cnn-pp", "PixelCNNpp", "PixelCNN++ over images, with a discretized mixture of logistics"),
        _images("two-scale", "TwoScale", "two PixelCNNs over images: a small image, then the large one given it"),
        _images(
            "pixel-cnn-autoencoder", "PixelCNNAutoEncoder", "an encoder to a short code, and a PixelCNN as its decoder"
        ),
        _images(
            "autoencoder", "AutoEncoder", "an encoder to a short code and a decoder, trained with squared error",
            engines={},
        ),
        _family(
            "wavenet", "WaveNet", "dilated causal convolutions over audio samples",
            evaluation="seqgen.models.wavenet.evaluation:score_recordings", chunk=1600, lanes=16,
        ),
    )
}  # fmt: skip

BUILT_IN_RECIPES: dict[str, str] = {
    "shakespeare-markov": "seqgen.models.markov.built_in_recipes:SHAKESPEARE",
    "weather": "seqgen.models.markov.built_in_recipes:WEATHER",
    "digit-strokes": "seqgen.models.hmm.strokes_recipe:RECIPE",
}
"""Recipes of built-in models that are not trained by a family's recipe."""


def family(name: str) -> Family:
    """Return the family of that name; raise SeqgenError listing the generators if it is unknown or does not stream."""
    found = known_family(name)
    if found.engines:
        return found
    raise SeqgenError(
        f"a model of the family {name!r} is not a generator: it has no likelihood and cannot stream; open its "
        f"file with seqgen.{found.export}.load to encode, decode or reconstruct images"
    )


def known_family(name: Any) -> Family:
    """Return the family of that name, generator or not; raise SeqgenError listing the generators if it is unknown."""
    if isinstance(name, str) and name in FAMILIES:
        return FAMILIES[name]
    generators = [each.name for each in FAMILIES.values() if each.engines]
    raise SeqgenError(f"unknown model family {name!r}; this version knows {', '.join(generators)}")


def validated(weights: Weights) -> Schema:
    """Check the configuration and arrays of a model from a file against its schema, and return the schema.

    Raises:
        SeqgenError: if the family is unknown, or anything is missing, unexpected, of the wrong shape or out of range.
    """
    # cached in `weights`, so that a file that is opened and then streamed is checked once
    kept = vars(weights)
    if "schema" not in kept:
        kind = known_family(weights.family)
        schema = kind.schema_of(weights.config)
        schema.check(weights.arrays, kind.engines)
        kept["schema"] = schema
    checked: Schema = kept["schema"]
    return checked


def recipe(name: str) -> Any:
    """Return the `Recipe` of a family or of a built-in model; raise SeqgenError listing them if it is unknown."""
    locations = {each.name: each.recipe for each in FAMILIES.values()} | BUILT_IN_RECIPES
    if name not in locations:
        raise SeqgenError(f"there is no recipe {name!r}; there are {', '.join(locations)}")
    return resolve(locations[name])


def resolve(location: str) -> Any:
    """Import and return "module:name"."""
    module, name = location.split(":")
    return getattr(importlib.import_module(module), name)
