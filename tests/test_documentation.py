"""The examples in docstrings and in the README run, with the given results."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import pipelines
import seqgen
import triton_kernels

ROOT = Path(__file__).parent.parent
PACKAGES = (seqgen, pipelines, triton_kernels)


def _modules() -> list[str]:
    names = []
    for package in PACKAGES:
        found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names += [
            package.__name__,
            *(module.name for module in found if not module.name.endswith("__main__")),
        ]
    with_examples = []
    for name in names:
        source = ROOT / Path(*name.split("."))
        source = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
        if ">>> " in source.read_text():
            with_examples.append(name)
    return with_examples


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


def test_examples_in_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    assert scope["texts"][0] == capsys.readouterr().out[:200]  # type: ignore[index]
