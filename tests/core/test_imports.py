"""Lazy imports: the package loads neither torch nor Numba, and sampling a checkpoint needs no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
import seqgen
import triton_kernels
from seqgen.registry import FAMILIES

HEAVY = ("torch", "numba", "triton", "matplotlib", "safetensors", "scipy")
EXTRAS = ("torch", "torchaudio", "triton", "sklearn", "skimage", "matplotlib", "PIL", "soundfile", "av")
"""Except for scipy, which Numba imports if it is installed; the environment of `tests/base` has none."""


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


@pytest.mark.parametrize("package", [seqgen, pipelines, triton_kernels], ids=lambda package: package.__name__)
def test_type_checkers_see_the_names_that_there_are(package):
    """The names under TYPE_CHECKING, which editors read, are those that are imported on use."""
    (block,) = [
        node
        for node in ast.parse(Path(package.__file__).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    assert (
        sorted(alias.asname or alias.name for node in block.body for alias in node.names) == package.__all__
    )
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_every_model_is_exported():
    assert {family.export for family in FAMILIES.values()} < set(seqgen.__all__)


def test_no_fused_engine_loads_torch_or_an_extra():
    """This covers all families, and all imports of streaming, of the sinks and of the help of the command line."""
    program = f"""
import sys
from seqgen.registry import BUILT_IN_RECIPES, FAMILIES, recipe, resolve
from pipelines.sinks.formats import FORMATS
for family in FAMILIES.values():
    if family.engines:
        engine = family.engine_class("numba")
        print(family.name, [m for m in {EXTRAS!r} if m in sys.modules])
for entry in FORMATS:
    resolve(entry.sink)
for name in (*FAMILIES, *BUILT_IN_RECIPES):
    recipe(name)
import pipelines.cli.stream, pipelines.cli.train, pipelines.cli.evaluate, pipelines.cli.models, pipelines.cli.doctor
print("all", [m for m in {EXTRAS!r} if m in sys.modules])
"""
    families = [name for name, family in FAMILIES.items() if family.engines]
    assert run(program).splitlines() == [f"{name} []" for name in (*families, "all")]


def test_families_that_need_no_torch_load_none():
    program = f"""
import sys
from seqgen.registry import FAMILIES, resolve
for family in FAMILIES.values():
    if not family.needs:
        family.model_class(), resolve(family.evaluation)
        print(family.name, [m for m in {EXTRAS!r} if m in sys.modules])
"""
    assert run(program).splitlines() == ["markov []", "hmm []", "gaussian-mixture []"]


def test_every_exported_name_says_where_it_comes_from():
    assert "CharRNN" in dir(seqgen)
    assert seqgen.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="has no attribute 'Charrnn'"):
        _ = seqgen.Charrnn
