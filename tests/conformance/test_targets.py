"""Samples are the same bits whichever CPU the kernels are compiled for, with every tile, for every family.

One process for each kind of CPU that this one can stand in for. They start together, and each keeps its kernels in a
cache of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqgen.kernels.target import PROBE, assembly, inspect, target
from tests.conformance.cases import CASES
from tests.conformance.other_target import drawn
from tests.conformance.running import assert_close
from tests.kernel_cache import ROOT
from tests.other_cpu import TARGETS, compiled_for, older_libraries, other_targets

pytestmark = [pytest.mark.slow, pytest.mark.serial]

LIBRARIES = "libraries"

Samples = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the cases' models."""
    folder = tmp_path_factory.mktemp("targets")
    for case in CASES:
        case.model().save(folder / f"{case.id}.safetensors")
    return folder


@pytest.fixture(scope="module")
def others(models: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start the processes: of all CPUs, and with this CPU's kernels and the libraries' code for older ones."""
    environments = {target: compiled_for(target) for target in other_targets()} | {
        LIBRARIES: older_libraries()
    }
    command = [sys.executable, "-m", "tests.conformance.other_target", str(models)]
    running = {
        name: subprocess.Popen([*command, name], env=environment, cwd=ROOT)
        for name, environment in environments.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def here(models: Path, others: Any) -> dict[str, Samples]:
    """Return the samples of this process, of all cases, as JSON has them."""
    found = {case.id: drawn(case, models / f"{case.id}.safetensors") for case in CASES}
    return dict(json.loads(json.dumps(found)))


def result_of(name: str, models: Path, others: dict[str, subprocess.Popen[bytes]]) -> dict[str, Any]:
    """Wait for a process and return the registers that it compiled for, and its samples."""
    assert others[name].wait(timeout=1200) == 0
    return dict(json.loads((models / f"{name}.json").read_text()))


@pytest.mark.parametrize("name", TARGETS)
def test_samples_and_log_probabilities_are_the_same_bits_on_every_cpu(name, models, others, here):
    if name not in others:
        pytest.skip("this CPU does not execute it, or compiles for it anyway")
    result = result_of(name, models, others)
    assert result["target"] == str(inspect(assembly(PROBE, TARGETS[name]["NUMBA_CPU_NAME"])))
    there = result["samples"]
    different = [
        f"{case.id}, {request}, sample {index}: {key}"
        for case in CASES
        for request, expected in here[case.id].items()
        for index, sample in expected.items()
        for key, values in sample.items()
        if repr(there[case.id][request][index][key]) != repr(values)
    ]
    assert not different, different


def test_other_versions_of_exp_and_log_change_only_last_bits_of_real_numbers(models, others, here):
    """numpy, and the C library that kernels call, choose these functions by the CPU that executes them.

    Symbols are compared exactly.
    """
    result = result_of(LIBRARIES, models, others)
    assert result["target"] == str(target())
    there = result["samples"]
    for case in CASES:
        assert_close(there[case.id], here[case.id], 1e-12)
