"""Settings of all tests: one thread for the libraries, repeatable examples, GPU tests only where there is one."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# read by the libraries when they are first imported, which neither pytest nor hypothesis does
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

settings.register_profile("seqgen", deadline=None, derandomize=True, database=None, max_examples=100)
settings.load_profile("seqgen")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))
