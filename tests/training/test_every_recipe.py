"""Every recipe trains, on this CPU and on a CPU with AVX2 but without AVX-512."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seqgen.registry import BUILT_IN_RECIPES, FAMILIES, recipe
from tests.training.tiny_runs import data_of

LESSER = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def trained(folder: Path, environment: dict[str, str], *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.tiny_runs", folder, *options],
        env={**os.environ, **environment}, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("cpu", ["as it is", "AVX2"])
def test_every_recipe_takes_three_steps(cpu, tmp_path):
    found = trained(tmp_path, LESSER if cpu == "AVX2" else {}, "--steps", "3")
    if cpu == "AVX2" and "avx" in found["capability"].lower():
        assert found["capability"] == "AVX2"
    assert set(found["trained"]) == {*FAMILIES, *BUILT_IN_RECIPES}
    for name, made in found["trained"].items():
        assert len(made["losses"]) == (3 if recipe(name).resumable else 0), name
        assert all(map(math.isfinite, [made["score"], *made["losses"]])), name


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["as it is", "AVX2"])
def test_every_tiny_preset_trains_to_its_end_and_learns(cpu, tmp_path):
    found = trained(tmp_path, LESSER if cpu == "AVX2" else {})
    for name, made in found["trained"].items():
        if recipe(name).resumable:
            losses = made["losses"]
            assert sum(losses[-5:]) < sum(losses[:5]), name


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_family_has_a_recipe_a_tiny_preset_and_a_line_of_help(name):
    found = recipe(name)
    assert found.name == name
    assert "tiny" in found.presets
    assert FAMILIES[name].help
    assert found.data


@pytest.mark.parametrize("name", [*FAMILIES, *BUILT_IN_RECIPES])
def test_every_recipe_has_data_to_learn_from(name, tmp_path):
    path = data_of(name, tmp_path)
    assert path is None or path.exists()
