"""Training recipes: the data, settings and presets of a family, and its function that prepares the training.

A module that defines a recipe imports nothing slow, because the command line's help reads all recipes; torch and the
model are imported in the recipe's `prepare`.
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
from seqgen.training.memory import explained_memory
from seqgen.training.request import TrainingRequest, command, require_output, with_preset
from seqgen.training.settings import split_settings

Report = Callable[[int, int, float, float | None], None]


class Trained(NamedTuple):
    """The result of training: the model as stored (or unfinished), its card, and the record of the run."""

    model: Any
    card: dict[str, Any]
    progress: Any = None


class Training(Protocol):
    """A prepared training: the data are read and the model is created.

    Attributes:
        unit: the unit of the losses and scores that are reported.
    """

    @property
    def unit(self) -> str: ...

    def run(
        self,
        request: TrainingRequest,
        *,
        resume: bool = False,
        stop_after: int | None = None,
        card: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> Trained:
        """Train and write the checkpoint with its card; see `Recipe.train`."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train a model.

    Attributes:
        name: name in `seqgen train`; that of the family for a family's recipe.
        data: description of DATA.
        prepare: reads the data and creates the model.
        defaults: settings of the model and of the data, with their default values.
        presets: named groups of settings of the model, the data and `config`; "default" is empty unless defined.
        config: dataclass of the optimisation settings. Training by gradient descent uses `TrainingConfig` and can be
            resumed; other recipes have their own.
        example: example settings for the help.
        needs_data: whether DATA is required.
        needs: required packages of `seqgen.extras`, in addition to torch for training by gradient descent.
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
        """Whether an interrupted run can be resumed."""
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
        announce: Callable[[str], None] | None = None,
    ) -> Trained:
        """Train a model and write it with its card to `output`.

        Training by gradient descent also writes, next to the output, the loss curve as .png (if matplotlib is
        installed) and, during training, the state for `resume` as .training.safetensors. Missing packages are reported
        before the data are read.

        Args:
            data: the data described by `self.data`.
            output: path of the checkpoint, ending in .safetensors.
            preset: "default" or one of `presets`.
            settings: of `defaults` and of `config`; strings are converted to the type of the default.
            resume: continue from the saved state of an interrupted run.
            stop_after: save the state and stop after this many steps, without writing a checkpoint.
            card: further entries of the model's card: data, licence, description, …
            report: called after every step with (step, steps, loss, score or None).
            announce: called once, before the first step, with the unit of the losses and scores.

        Raises:
            SeqgenError, ValueError: if the data or a setting cannot be used.
            MissingPackageError: if a required package is not installed.
        """
        output = Path(output)
        require_output(output)
        if data is None and self.needs_data:
            raise ValueError(f"{self.name} needs data: {self.data}")
        if resume and not self.resumable:
            raise SeqgenError(f"{self.name} is not trained in steps and cannot be resumed")
        self._require_packages()
        chosen = with_preset(self.presets, preset, settings)
        own, config = split_settings(chosen, dict(self.defaults), self.config)
        source = Path(data) if data is not None else Path("DATA")
        request = TrainingRequest(
            self.name, source, output, own, config,
            command(self.name, source if data is not None else None, output, settings or {}, preset),
        )  # fmt: skip
        with explained_memory(self.name, chosen):
            training = self.prepare(request)
            if announce is not None:
                announce(training.unit)
            return training.run(request, resume=resume, stop_after=stop_after, card=card, report=report)

    def _require_packages(self) -> None:
        """Raise MissingPackageError if a required package is missing, and warn if the loss curve cannot be drawn."""
        torch = ("torch",) if self.resumable else ()
        extras.require(*torch, *self.needs, for_what=f"training {self.name}")
        if self.resumable and extras.missing("matplotlib"):
            line = extras.install_line("matplotlib")
            warnings.warn(
                f"matplotlib is not installed, so the loss curve will not be drawn; {line}",
                SeqgenWarning,
                stacklevel=3,
            )
