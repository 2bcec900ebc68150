"""What is imported when: the package loads neither torch nor Numba, and sampling a checkpoint needs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seqgen

HEAVY = ("torch", "numba", "triton", "matplotlib", "safetensors", "scipy")


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_seqgen_loads_nothing_heavy():
    loaded = run(f"import seqgen, sys; dir(seqgen); print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("package", ["pipelines", "triton_kernels"])
def test_importing_the_other_packages_loads_nothing_heavy(package):
    loaded = run(
        f"import {package}, sys; print([m for m in ('torch', 'numba', 'triton') if m in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_streaming_a_checkpoint_loads_no_torch(tmp_path):
    path = tmp_path / "model.safetensors"
    model = seqgen.CharRNN("helo", cell="lstm", hidden_size=8, layers=2)
    model.save(path)
    program = """
import sys, seqgen
stream = seqgen.stream(sys.argv[1], 2, 30, seed=4, prompt="he", controls={"temperature": 0.9, "stop": "oo"})
print("\\n".join("".join(c.data for c in chunks) for chunks in stream.collect().values()))
print(stream.engine, [m for m in ("torch", "triton", "matplotlib") if m in sys.modules])
"""
    *samples, last = run(program, str(path)).splitlines()
    assert last == "numba []"
    assert samples == model.sample(2, 30, seed=4, prompt="he", controls={"temperature": 0.9, "stop": "oo"})


def test_every_exported_name_says_where_it_comes_from():
    assert "CharRNN" in dir(seqgen)
    assert seqgen.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="has no attribute 'Charrnn'"):
        _ = seqgen.Charrnn
