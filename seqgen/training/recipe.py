"""How a family is trained: what it reads, its settings and presets, and the one function that is its own.

A module that holds a recipe imports nothing heavy, so that the command line's help can read all of them; torch and the
model are imported by the recipe's `prepare`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from seqgen import extras
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.training.config import TrainingConfig
from seqgen.training.request import TrainingRequest, command, require_output, with_preset
from seqgen.training.settings import split_settings

Report = Callable[[int, int, float, float | None], None]


class Trained(NamedTuple):
    """What a training made: the model as it was stored (or the unfinished one), its card, and the record of the run."""

    model: Any
    card: dict[str, Any]
    progress: Any = None


class Training(Protocol):
    """A training that is ready to run: data are read, the model is made."""

    def run(
        self,
        request: TrainingRequest,
        *,
        resume: bool = False,
        stop_after: int | None = None,
        card: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> Trained:
        """Train, and write the checkpoint with its card; see `Recipe.train`."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train a model.

    Attributes:
        name: as `seqgen train` takes it; for a family's recipe that of the family.
        data: what DATA is, in words.
        prepare: reads the data and makes the model.
        defaults: settings of the model and of the data, with their defaults.
        presets: named settings, of the above and of `config`; "default" is no settings, unless it is given here.
        config: the settings of the optimisation, a dataclass. Training by gradients has `TrainingConfig` and can be
            resumed; what is fitted in one go has its own.
        example: a setting or two, as the help shows them.
        needs_data: whether DATA must be given.
        needs: packages of `seqgen.extras` that it needs, besides torch for training by gradients.
    """

    name: str
    data: str
    prepare: Callable[[TrainingRequest], Training]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: type[Any] = TrainingConfig
    example: str = ""
    needs_data: bool = True
    needs: tuple[str, ...] = ()

    @property
    def resumable(self) -> bool:
        """Whether an interrupted run can go on."""
        return self.config is TrainingConfig

    def train(
        self,
        data: str | os.PathLike[str] | None,
        output: str | os.PathLike[str],
        *,
        preset: str = "default",
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
        stop_after: int | None = None,
        card: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> Trained:
        """Train a model, and write it with its card to `output`.

        Training by gradients puts the loss curve beside it as .png, if matplotlib is installed, and, while it runs,
        the state from which `resume` goes on as .training.safetensors. What is not installed is said before the data
        are read.

        Args:
            data: what the recipe reads (`self.data` says it).
            output: where the checkpoint goes, ending in .safetensors.
            preset: "default" or one of `presets`.
            settings: of `defaults` and of `config`; strings are converted to the type of the default.
            resume: go on from the saved state of an interrupted run.
            stop_after: stop after this many steps, with the state saved and no checkpoint written.
            card: what else to say in the model's card: data, licence, description, …
            report: called after every step with (step, steps, loss, score or None).

        Raises:
            SeqgenError, ValueError: for data or settings that cannot be used.
            MissingPackageError: if a package that the training needs is not installed.
        """
        output = Path(output)
        require_output(output)
        if data is None and self.needs_data:
            raise ValueError(f"{self.name} needs data: {self.data}")
        if resume and not self.resumable:
            raise SeqgenError(f"{self.name} trains in one go and cannot be resumed")
        self._require_packages()
        chosen = with_preset(self.presets, preset, settings)
        own, config = split_settings(chosen, dict(self.defaults), self.config)
        source = Path(data) if data is not None else Path("DATA")
        request = TrainingRequest(
            self.name, source, output, own, config,
            command(self.name, source if data is not None else None, output, settings or {}, preset),
        )  # fmt: skip
        return self.prepare(request).run(
            request, resume=resume, stop_after=stop_after, card=card, report=report
        )

    def _require_packages(self) -> None:
        """Raise MissingPackageError if something is missing, and warn if the loss curve cannot be drawn."""
        torch = ("torch",) if self.resumable else ()
        extras.require(*torch, *self.needs, for_what=f"training {self.name}")
        if self.resumable and extras.missing("matplotlib"):
            line = extras.install_line("matplotlib")
            warnings.warn(
                f"matplotlib is not installed, so the loss curve will not be drawn; {line}",
                SeqgenWarning,
                stacklevel=3,
            )
