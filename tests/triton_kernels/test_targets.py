"""Every shipped kernel compiles for every target on this machine, GPU or not, and fits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from triton_kernels import Resources, compile_all, compile_for, shipped
from triton_kernels.targets import TARGETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compiled() -> dict[tuple[str, str], Resources]:
    pytest.importorskip("triton")
    return {(row.name, row.target): row for row in compile_all()}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", shipped())
def test_kernel_fits(compiled: dict[tuple[str, str], Resources], name: str, target: str) -> None:
    row = compiled[name, target]
    assert row.stack_bytes == 0, "registers are spilled"
    assert row.shared_bytes <= row.shared_limit == TARGETS[target].shared_limit
    assert 0 < row.registers <= 255
    assert row.instructions > 50
    if name.startswith("categorical/256-"):
        assert row.shared_bytes == 0, "a row held by one warp needs no shared memory"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="target must be one of sm_80, sm_90, sm_100, gfx942, got 'sm_12'"):
        compile_for("philox/words", "sm_12")
    with pytest.raises(ValueError, match=r"name must be one of philox/words, .* got 'fft'"):
        compile_for("fft", "sm_90")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=variables, cwd=ROOT
    )


def test_command_refuses_to_compile_in_the_interpreter() -> None:
    pytest.importorskip("triton")
    done = run("-m", "triton_kernels.targets", "--json", TRITON_INTERPRET="1")
    assert done.returncode == 2
    assert "TRITON_INTERPRET is set" in done.stderr
    assert json.loads(done.stdout)["kernels"] == []


def test_package_works_without_triton() -> None:
    program = """
import sys
import triton_kernels
assert triton_kernels.__seqgen__ is True
assert "torch" not in sys.modules and "triton" not in sys.modules
sys.modules["triton"] = None
import torch
drawn = triton_kernels.draw_categorical(torch.zeros(2, 3), torch.tensor([0, 2**32 - 1]))
assert drawn.symbol.tolist() == [0, 2]
from triton_kernels import targets
assert targets.shipped()
try:
    targets.compile_for("philox/words", "sm_90")
except ImportError as error:
    print(error)
from triton_kernels._backend import choose
try:
    choose("auto", torch.device("cuda"))
except ImportError as error:
    print(error)
sys.exit(targets.main([]))
"""
    done = run("-c", program)
    assert done.returncode == 2, done.stderr
    assert done.stdout.count("Triton is not installed") == 2
    assert "cannot compile kernels: Triton is not installed" in done.stderr
