"""Settings of all tests: one thread for the libraries, cached kernels, repeatable examples, groups of tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.kernel_cache import ROOT, kernel_cache
from tests.spending import Spending

# read by the libraries when they are first imported, which neither pytest nor hypothesis does
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("SEQGEN_CACHE_DIR", str(kernel_cache()))
os.environ.setdefault("TRITON_CACHE_DIR", str(kernel_cache() / "triton"))
# processes that tests start elsewhere also run this checkout, wherever the installed one is
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

settings.register_profile("seqgen", deadline=None, derandomize=True, database=None, max_examples=100)
settings.load_profile("seqgen")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Spending(config), "spending")


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto` means two processes, or one on one core."""
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(process_of(item)))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


def process_of(item: pytest.Item) -> str:
    """Return the group of a test; a group runs in one process, in order, and shares what is created there.

    Tests of a case share its models and streams, those of a file its fixtures. Tests that measure time, memory or a
    second
    core, or start a process for many cases, are `serial`: one after another.
    """
    if item.get_closest_marker("serial"):
        return "serial"
    parameters = getattr(item, "callspec", None)
    case = parameters.params.get("case") if parameters is not None else None
    return item.path.relative_to(ROOT).as_posix() if case is None else case.id
