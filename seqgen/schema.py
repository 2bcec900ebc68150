"""Schemas: the arrays of a model and of a stream's state, as determined by the model's configuration.

A file or a state may come from an untrusted source, which can also forge its hash. Before anything is allocated,
compiled or imported, the schema checks the entries of the configuration and their ranges, the names, dtypes and shapes
of the arrays, and then their values. A configuration can therefore request no more memory than the file itself takes,
except for the state of a lane, which is bounded here.

A family declares its schema in `schema.py` in its folder, which imports neither torch nor numba. The constructor of its
model checks its arguments with the same `Configuration`:

    CONFIGURATION = Configuration("toy", ("bytes",), {"width": Integer(), "layers": Integer()})

    def schema(config):
        codec, given = CONFIGURATION.read(config)
        width, by = given["width"], described(given, "width")

        def arrays():
            for layer in range(given["layers"]):
                yield from affine(f"layers.{layer}", width, width, by=by)

        def state(engine, log_probs):
            yield "index", Field(("B",), ("uint64",))
            yield "states", Field(("B", width), ("float32",) if engine == "numba" else FLOATS)

        output = {"symbols": Field(("N",), ("int64",), low=0, below=codec.size), **log_probs("N")}
        return Schema("toy", codec, (arrays,), state, output)

`arrays` yields its fields one by one, and stops at the first missing array; before the first field it must not compute
anything whose cost grows with the configuration. In `state`, "B" is the number of lanes; in `output`, "N" is the number
of symbols. `seqgen/registry.py` finds the function by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.configuration import Boolean, Choice, Configuration, ImageShape, Integer, Part, Real
from seqgen.errors import SeqgenError
from seqgen.fields import FLOATS, Field, Fields, Sizes, affine, described, optional, prefixed

__all__ = [
    "FLOATS",
    "SMALL",
    "TIMES_ITS_FILE",
    "Boolean",
    "Choice",
    "Configuration",
    "Field",
    "Fields",
    "ImageShape",
    "Integer",
    "Part",
    "Real",
    "Schema",
    "Sizes",
    "affine",
    "described",
    "log_probs",
    "optional",
    "part_schema",
    "prefixed",
]

SMALL = 1 << 28
"""Bytes that a lane of any model may take, however small its file."""

TIMES_ITS_FILE = 16
"""Maximum ratio of the memory of a lane to the size of the parameters."""

_LOG_PROBS = ("log_prob", "log_prob_drawn")


@dataclass(frozen=True)
class Schema:
    """The arrays that one configuration determines.

    Attributes:
        family: its name. codec: that of the configuration.
        arrays: the alternative layouts of the model's arrays. A model has the first layout whose first array it has,
            else the last.
        state: function of the engine's name and whether log-probabilities are requested that yields the arrays of a
            stream's state; None for a model that does not stream.
        output: the arrays that an engine returns by name: "symbols" and those that accompany them.
        relations: check across arrays that are valid individually; raises ValueError.
        workspace: bytes that a lane takes during computation, besides its state.
        ends: whether the model ends its samples (`Generator.ends`); otherwise a length or a stop sequence does.
    """

    family: str
    codec: Codec
    arrays: tuple[Callable[[], Fields], ...]
    state: Callable[[str, bool], Fields] | None = None
    output: Mapping[str, Field] = field(default_factory=dict)
    relations: Callable[[Mapping[str, np.ndarray]], None] | None = None
    workspace: int = 0
    ends: bool = True

    @property
    def owner(self) -> str:
        """The family's name with its article."""
        return f"{'an' if self.family[0] in 'aeio' or self.family in ('fvsbn', 'hmm', 'rnade') else 'a'} {self.family}"

    # ---- a model ----------------------------------------------------------------------------------------

    def check(self, arrays: Mapping[str, np.ndarray], engines: Iterable[str] = ()) -> None:
        """Raise SeqgenError unless the arrays are those of a model with this configuration.

        Args:
            arrays: by name. engines: the names of the family's engines.
        """
        sizes: Sizes = {}
        try:
            fields = self._laid_out(arrays, sizes)
            self._bound(arrays, engines, sizes)
            for name, each in fields.items():
                each.values(name, arrays[name], sizes)
            if self.relations is not None:
                self.relations(arrays)
        except ValueError as error:
            raise SeqgenError(str(error)) from None

    def sizes(self, arrays: Mapping[str, np.ndarray]) -> Sizes:
        """Return the lengths that the configuration does not determine, from valid arrays."""
        sizes: Sizes = {}
        self._laid_out(arrays, sizes)
        return sizes

    def fields(self, arrays: Mapping[str, np.ndarray]) -> Fields:
        """Return the declarations of the layout that `arrays` has."""
        for way in self.arrays[:-1]:
            if next(iter(way()))[0] in arrays:
                return way()
        return self.arrays[-1]()

    def _laid_out(self, arrays: Mapping[str, np.ndarray], sizes: Sizes) -> dict[str, Field]:
        """Check names, shapes and dtypes, and return the fields by name."""
        fields = {}
        for name, each in self.fields(arrays):
            if name not in arrays:
                by = f" with {each.by}" if each.by else ""
                raise ValueError(f"there is no array {name}, which {self.owner}{by} needs")
            each.layout(name, arrays[name], sizes, self.owner)
            fields[name] = each
        foreign = sorted(set(arrays) - set(fields))
        if foreign:
            raise ValueError(
                f"there is an array {foreign[0]!r}, which {self.owner} of this configuration does not have"
            )
        return fields

    def _bound(self, arrays: Mapping[str, np.ndarray], engines: Iterable[str], sizes: Sizes) -> None:
        """Raise ValueError if a single lane takes far more memory than the parameters."""
        most = max(SMALL, TIMES_ITS_FILE * sum(array.nbytes for array in arrays.values()))
        for engine in engines if self.state is not None else ():
            assert self.state is not None
            taken = self.workspace + sum(_bytes(each, sizes) for _, each in self.state(engine, False))
            if taken > most:
                raise ValueError(
                    f"the configuration requires {taken >> 20} MiB of memory for each sample in progress, "
                    f"the most is {most >> 20} MiB for {self.owner} of this size"
                )

    # ---- a state ----------------------------------------------------------------------------------------

    def check_state(
        self, engine: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], *, log_probs: bool
    ) -> None:
        """Raise ValueError unless the arrays can be those of a state.

        Args:
            engine: its name. arrays: by name.
            sizes: lengths by name: "B", those of the model (`sizes`), and those that only the engine knows.
            log_probs: whether the stream returns log-probabilities.
        """
        assert self.state is not None, f"{self.family} does not stream"
        known, fields = dict(sizes), dict(self.state(engine, log_probs))
        _require_names(arrays, fields, "its arrays")
        for name, array in arrays.items():
            fields[name].check(f"its {name}", array, known, f"the engine {engine!r}")

    def check_output(
        self, made: Mapping[str, np.ndarray], sizes: Mapping[str, int], *, log_probs: bool
    ) -> None:
        """Raise ValueError unless the arrays can be an engine's output; arguments as in `check_state`."""
        wanted = {name: each for name, each in self.output.items() if log_probs or name not in _LOG_PROBS}
        _require_names(made, wanted, "the arrays of a chunk")
        known = dict(sizes)
        for name, each in wanted.items():
            each.check(f"its {name}", made[name], known, self.owner)


def part_schema(name: str, of: Callable[[Any], Schema], config: Any) -> Schema:
    """Return the schema of a sub-model with the configuration `config`; errors name the sub-model."""
    try:
        return of(config)
    except SeqgenError as error:
        raise SeqgenError(f"{name}: {error}") from None


def log_probs(*shape: int | str) -> dict[str, Field]:
    """Return the two arrays of log-probabilities that accompany symbols on request."""
    return {name: Field(shape, ("float64",), finite=False) for name in _LOG_PROBS}


def _require_names(arrays: Mapping[str, np.ndarray], fields: Mapping[str, Field], what: str) -> None:
    missing = [name for name, each in fields.items() if name not in arrays and not each.optional]
    foreign = sorted(set(arrays) - set(fields))
    if missing or foreign:
        wrong = f"lacks {missing[0]}" if missing else f"has {foreign[0]!r}"
        raise ValueError(f"{what} must be {', '.join(fields)}; it {wrong}")


def _bytes(each: Field, sizes: Sizes) -> int:
    """Return the bytes per lane of an array of a state."""
    lengths = (sizes.get(length, 1) if isinstance(length, str) else length for length in each.shape)
    return math.prod(lengths) * max(np.dtype(dtype).itemsize for dtype in each.dtypes)
