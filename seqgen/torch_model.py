"""Conversion of PyTorch modules to and from named numpy arrays, as stored in checkpoints and used by engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from seqgen.checkpoint import Weights
from seqgen.errors import SeqgenError
from seqgen.kept import Memory

_WHOLE, _OWN = nn.Module.state_dict, nn.Module._save_to_state_dict


class NamedArrays(nn.Module):
    """Base class of models that are PyTorch modules."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters as named float32 (or float64) arrays, on the CPU."""
        return {name: array.copy() for name, array in self.present_arrays().items()}

    def present_arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters as `arrays` does, sharing the memory of those on the CPU that numpy can read."""
        return {name: _as_array(name, value) for name, value in self.state_dict().items()}

    def present_memory(self) -> Memory | None:
        """Return where `present_arrays` are; None if any is copied, or a module stores anything else than parameters.

        Visits the modules as `state_dict` does, in a fraction of the time.
        """
        described: list[Any] = []
        addresses: list[int] = []
        owners: list[Any] = []
        waiting: list[Any] = [self]
        while waiting:
            module = waiting.pop()
            kind, own = type(module), module.__dict__
            if kind.state_dict is not _WHOLE or kind._save_to_state_dict is not _OWN:
                return None
            if "state_dict" in own or "_save_to_state_dict" in own:
                return None
            if own["_state_dict_hooks"] or own["_state_dict_pre_hooks"]:
                return None
            stored, children = own["_parameters"], own["_modules"]
            if own["_buffers"]:
                skipped = own["_non_persistent_buffers_set"]
                stored = stored | {name: b for name, b in own["_buffers"].items() if name not in skipped}
            for name, tensor in stored.items():
                if tensor is not None:
                    if not tensor.is_cpu or not tensor.is_contiguous() or tensor.is_neg():
                        return None
                    # another thread may replace the tensor's memory meanwhile, but not free this
                    owner, begin = tensor.untyped_storage(), tensor.storage_offset() * tensor.element_size()
                    if owner.nbytes() < begin + tensor.nbytes:
                        return None
                    described += name, tensor.dtype, tensor.shape
                    addresses.append(owner.data_ptr() + begin)
                    owners.append(owner)
            if children:
                present = {name: child for name, child in children.items() if child is not None}
                described += present
                waiting += reversed(present.values())
                children = present
            described.append(len(children))
        return Memory(described, addresses, owners)

    def take_arrays(self, weights: Weights) -> None:
        """Load the parameters of `weights`; float64 parameters convert the model to float64."""
        tensors = {name: torch.as_tensor(np.array(value)) for name, value in weights.arrays.items()}
        if any(tensor.dtype == torch.float64 for tensor in tensors.values()):
            self.double()
        self.load_state_dict(tensors)


def _as_array(name: str, value: torch.Tensor) -> np.ndarray:
    if value.is_cpu and value.numel() and value.layout == torch.strided:
        last = sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
        if value.untyped_storage().nbytes() < (value.storage_offset() + last + 1) * value.element_size():
            raise SeqgenError(
                f"the memory of the parameter {name} was freed, as when a model is offloaded; load it before sampling"
            )
    value = value.resolve_neg()
    if value.dtype == torch.bfloat16:  # numpy has no such numbers
        value = value.float()
    return value.numpy() if value.is_cpu else value.cpu().numpy()
