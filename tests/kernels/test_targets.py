"""Products, activations and draws have the same bits on every kind of CPU; `tests/conformance` compares samples."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.kernel_cache import ROOT
from tests.kernels.building_blocks import computed
from tests.other_cpu import compiled_for, other_targets


@pytest.mark.parametrize("target", other_targets())
def test_building_blocks_have_the_same_bits_on_every_cpu(target):
    command = [sys.executable, "-m", "tests.kernels.building_blocks"]
    done = subprocess.run(
        command, env=compiled_for(target), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    assert json.loads(done.stdout) == computed()
