"""The recipe of `seqgen train rnade`: trains on vectors, of which the last tenth is held out."""

from __future__ import annotations

from seqgen.training.recipe import Recipe, Training
from seqgen.training.request import TrainingRequest


def prepare(request: TrainingRequest) -> Training:
    """Read the vectors and create the model and its objective.

    The network's inputs are standardised to mean 0 and deviation 1. The standardisation is part of the model
    (`RNADE.standardise`), so samples and densities are in the units of the data. It needs more precision than bfloat16,
    so the checkpoint is in float32.
    """
    from seqgen.data.arrays import hold_out, read_vectors
    from seqgen.models.rnade.model import RNADE
    from seqgen.models.rnade.objective import VectorObjective
    from seqgen.training.descent import Descent

    config = request.config
    before, after, split = hold_out([read_vectors(request.data, streamed=True)])
    model = RNADE(before[0].shape[1], **request.settings, seed=config.seed).standardise(before[0])
    objective = VectorObjective(before[0], after[0], batch=config.batch, seed=config.seed)
    return Descent(model, objective, {"split": split}, precision="float32")


RECIPE = Recipe(
    name="rnade",
    data="a .npy or .npz file of vectors",
    prepare=prepare,
    defaults={"hidden_size": 50, "components": 10},
    presets={"tiny": {"hidden_size": 16, "components": 4, "steps": 200, "warmup": 20}},
    example="--set hidden_size=50 --set components=10",
)
