"""Modules as data: their parameters as named numpy arrays, which checkpoints hold and engines are built from."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from seqgen.checkpoint import Weights


class NamedArrays(nn.Module):
    """Base of the models that are PyTorch modules: arrays out, and arrays in."""

    def arrays(self) -> dict[str, np.ndarray]:
        """A copy of the parameters as named float32 (or float64) arrays, on the CPU."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}

    def take_arrays(self, weights: Weights) -> None:
        """Load the parameters of `weights`; those in float64 make the model one of float64."""
        tensors = {name: torch.as_tensor(np.array(value)) for name, value in weights.arrays.items()}
        if any(tensor.dtype == torch.float64 for tensor in tensors.values()):
            self.double()
        self.load_state_dict(tensors)
