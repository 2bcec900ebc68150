"""Conversion of PyTorch modules to and from named numpy arrays, as stored in checkpoints and used by engines."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from seqgen.checkpoint import Weights


class NamedArrays(nn.Module):
    """Base class of models that are PyTorch modules."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters as named float32 (or float64) arrays, on the CPU."""
        return {name: array.copy() for name, array in self.present_arrays().items()}

    def present_arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters as `arrays` does, sharing the memory of those on the CPU that numpy can read."""
        return {name: _as_array(value) for name, value in self.state_dict().items()}

    def take_arrays(self, weights: Weights) -> None:
        """Load the parameters of `weights`; float64 parameters convert the model to float64."""
        tensors = {name: torch.as_tensor(np.array(value)) for name, value in weights.arrays.items()}
        if any(tensor.dtype == torch.float64 for tensor in tensors.values()):
            self.double()
        self.load_state_dict(tensors)


def _as_array(value: torch.Tensor) -> np.ndarray:
    if value.dtype == torch.bfloat16:  # numpy has no such numbers
        value = value.float()
    return value.numpy() if value.is_cpu else value.cpu().numpy()
