"""Models that are made of models: the weights of one part, by the prefix of its arrays."""

from __future__ import annotations

from seqgen.checkpoint import Weights


def part_weights(weights: Weights, part: str, family: str) -> Weights:
    """The part whose configuration is config[part] and whose arrays begin with "part."."""
    prefix = f"{part}."
    arrays = {
        name.removeprefix(prefix): array for name, array in weights.arrays.items() if name.startswith(prefix)
    }
    return Weights(family, weights.config[part], arrays, {}, weights.precision)
