"""The same samples and log-probabilities, to the bit, from kernels that are compiled for other kinds of CPU.

Numba compiles for the CPU that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name, so that the tiles for AVX2, and the C
library's `fmaf` for CPUs without fused multiply-add, run on any machine that has their instructions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from tests.conformance.other_target import streamed
from tests.kernel_cache import ROOT, trusted_place

AVX2 = "+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt,+sse4.2,+avx,+movbe,+cx16"
# the CPU's name, its features, and those that this machine needs to run what is compiled for it
KINDS = {
    "AVX2": ("haswell", AVX2, ("avx2", "fma"), "16 registers of 256 bits"),
    "no fused multiply-add": ("generic", "", (), "without fused multiply-add"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_family_streams_the_same_bits(kind):
    name, features, needed, words = KINDS[kind]
    own = llvm.get_host_cpu_features()
    if not all(own.get(feature) for feature in needed):
        pytest.skip(f"this CPU lacks {' or '.join(needed)}")
    kept = trusted_place() / f"target-{name}"
    environment = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "SEQGEN_CACHE_DIR": str(kept)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.conformance.other_target"],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    other = json.loads(done.stdout)
    assert words in other["target"]
    assert other["streamed"] == streamed()
