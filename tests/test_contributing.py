"""The examples of CONTRIBUTING.md: their files are written to a folder, imported, and work as described."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgen
from pipelines import Pipeline, from_model
from pipelines.sinks import formats
from seqgen.codecs.base import CODECS
from seqgen.errors import SeqgenError
from seqgen.registry import FAMILIES, recipe

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
FILES = {block.split("\n")[0].removeprefix("# "): block for block in BLOCKS if block.startswith("# ")}
SNIPPETS = [block for block in BLOCKS if not block.startswith("# ")]


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the files to a folder, from which they are imported as if at their paths; remove the modules afterwards."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for package in (
        "seqgen.models",
        "seqgen.codecs",
        "pipelines.sinks",
        "pipelines.operators",
        "triton_kernels",
        "tests.models",
    ):
        folder = tmp_path.joinpath(*package.split("."))
        if folder.is_dir():
            module = importlib.import_module(package)
            monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
    before = set(sys.modules)
    yield tmp_path
    FAMILIES.pop("dice", None)
    CODECS.pop("dna", None)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def run(snippet: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(compile(snippet, "CONTRIBUTING.md", "exec"), scope)
    return scope


def snippet(words: str) -> str:
    (found,) = [block for block in SNIPPETS if words in block]
    return found


def test_every_recipe_is_tried_here():
    assert {Path(name).parts[0] for name in FILES} == {"seqgen", "pipelines", "tests", "triton_kernels"}
    assert len(FILES) == 10
    assert len(SNIPPETS) == 2


def test_a_family(written):
    run(snippet("FAMILIES"))
    (case,) = importlib.import_module("tests.models.dice.cases").CASES
    model = case.make(0)
    samples = model.sample(3, length=40, seed=5)
    assert np.array_equal(model.sample(1, length=40, seed=5, start=2, chunk=7)[0], samples[2])
    stream = model.stream(4, 20, batch=3, chunk=6, seed=1)
    begun = [next(stream) for _ in range(5)]
    resumed = model.stream(4, 20, batch=3, chunk=6, seed=1)
    resumed.load_state_dict(stream.state_dict())
    assert [c.data.tolist() for c in [*begun, *resumed]] == [
        c.data.tolist() for c in model.stream(4, 20, batch=3, chunk=6, seed=1)
    ]
    data, path = written / "throws.txt", written / "dice.safetensors"
    data.write_text("0\n1\n1\n2\n5\n")
    assert "dice" in {family.name for family in FAMILIES.values()}
    trained = recipe("dice").train(data, path)
    np.testing.assert_allclose(trained.model.probabilities, [0.2, 0.4, 0.2, 0, 0, 0.2])
    loaded = seqgen.load(path)
    assert loaded.weights().hash == trained.model.weights().hash
    assert (
        next(seqgen.stream(path, length=5, engine="torch")).data.tolist() == loaded.sample(1, 5)[0].tolist()
    )
    loaded.probabilities[0] = -1.0
    loaded.save(path)
    with pytest.raises(SeqgenError, match="probabilities"):
        seqgen.load(path)


def test_a_codec(written):
    module = importlib.import_module("seqgen.codecs.dna")
    codec = seqgen.codecs.codec_from_config({"name": "dna"})
    assert isinstance(codec, module.DNA)
    assert codec.decode(codec.encode("GATTACA")) == "GATTACA"


def test_a_sink(written, monkeypatch):
    entry = run(snippet("Format"))["entry"]
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, entry))
    monkeypatch.setattr(formats, "SUFFIXES", (*formats.SUFFIXES, *entry.suffixes))
    from pipelines import open_sink

    stream = seqgen.stream("weather", n=3, length=4, seed=1, chunk=2)
    path = written / "weather.lengths"
    pipeline = from_model("weather", n=3, length=4, seed=1, chunk=2)
    pipeline.write(open_sink(path, stream.codec))
    expected = [sum(len(c.data) for c in chunks) for chunks in stream.collect().values()]
    assert [int(line) for line in path.read_text().split()] == expected


def test_an_operator(written):
    every = importlib.import_module("pipelines.operators.every").Every
    source = from_model("weather", n=7, length=1, seed=1)
    whole = [chunk.index for chunk in Pipeline(every(source.stage, 3))]
    assert whole == [0, 3, 6]
    first = Pipeline(every(from_model("weather", n=7, length=1, seed=1).stage, 3))
    next(first)
    second = Pipeline(every(from_model("weather", n=7, length=1, seed=1).stage, 3))
    second.load_state_dict(first.state_dict())
    assert [chunk.index for chunk in second] == [3, 6]


def test_a_kernel(written):
    """This runs in a separate process, because the interpreter has to be chosen before Triton is imported."""
    program = """
import importlib, torch, triton_kernels
from triton_kernels import targets
triton_kernels.__path__.append("triton_kernels")
module = importlib.import_module("triton_kernels.scale")
x = torch.arange(600.0)
for impl in ("reference", "triton"):
    assert torch.equal(module.scale(x, 2.5, impl=impl), 2.5 * x)
targets._MODULES += ("scale",)
assert "scale/fp32" in triton_kernels.shipped()
"""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=written, env=environment, check=True, timeout=120)


def test_a_kernel_is_compiled_for_all_targets(written):
    pytest.importorskip("triton")
    program = """
import triton_kernels
from triton_kernels import targets
triton_kernels.__path__.append("triton_kernels")
targets._MODULES += ("scale",)
(scale,) = [c for c in targets._configurations() if c.name == "scale/fp32"]
assert targets.compile_here(scale, "sm_90").stack_bytes == 0
"""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=written, env=environment, check=True, timeout=120)


def test_the_recipes_pass_the_lint(written):
    tool = [sys.executable, "-m", "ruff"]
    given = [
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
        "--config",
        f"src=[{str(ROOT)!r}, '.']",
        *FILES,
    ]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [*tool, *command, *given], cwd=written, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_recipes_pass_the_type_checks(written):
    """They are checked at their places, in a copy of the packages."""
    for package in ("seqgen", "pipelines", "triton_kernels"):
        shutil.copytree(
            ROOT / package, written / package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pretrained")
        )
    shutil.copytree(
        ROOT / "seqgen/pretrained", written / "seqgen/pretrained", ignore=shutil.ignore_patterns("*.safe*")
    )
    for name, text in FILES.items():
        assert (written / name).read_text() == text
    checked = [name for name in FILES if not name.startswith("tests")]
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *checked]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=written, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_family_passes_every_test_of_a_family(written):
    """The suite runs in a copy of the checkout, in which the family is registered as the recipe says."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("seqgen", "pipelines", "triton_kernels", "benchmarks", "tests", "docs"):
        shutil.copytree(ROOT / folder, written / folder, dirs_exist_ok=True, ignore=ignored)
    for path in (*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "constraints.txt"):
        shutil.copy(path, written)
    (written / "tests/models/dice/__init__.py").touch()
    registry = written / "seqgen/registry.py"
    entry = snippet("FAMILIES").split("\n\n", 1)[1]
    registry.write_text(registry.read_text().replace("\n\ndef family(", f"\n\n{entry}\n\ndef family(", 1))
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:benchmark", "-p", "no:cacheprovider"]
    command += ["-m", "not slow", "-k", "dice", "tests"]
    environment = os.environ | {"PYTHONPATH": str(written)}
    done = subprocess.run(command, cwd=written, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert done.stdout.count("[dice-torch") > 60
