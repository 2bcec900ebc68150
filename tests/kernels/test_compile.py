"""Compiled kernels: cached by their sources, with a message to the user when they are compiled."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import seqgen
from seqgen.kernels import compile as compiling

MODULES = {
    "rnn": "models/char_rnn/numba_kernel.py",
    "markov": "models/markov/numba_kernel.py",
    "wavenet": "models/wavenet/numba_kernel.py",
    "pixel-cnn": "models/pixel_cnn/numba_pixels.py",
}


def test_a_kernels_cache_depends_on_its_own_sources_only(tmp_path, monkeypatch):
    """A copy of the sources is changed file by file."""
    root = Path(compiling.__file__).parents[1]
    package = tmp_path / "seqgen"
    for source in root.rglob("*.py"):
        target = package / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(compiling, "_PACKAGE", package)

    def digests() -> dict[str, str]:
        compiling._digest.cache_clear()
        return {name: compiling._digest(str(package / file)) for name, file in MODULES.items()}

    before = digests()
    assert len(set(before.values())) == len(MODULES)
    changed = {
        "kernels/draw.py": set(MODULES),
        "kernels/vector.py": {"rnn", "wavenet", "pixel-cnn"},
        "kernels/activations.py": set(MODULES),
        "models/markov/numba_tables.py": {"markov"},
        "models/wavenet/numba_draw.py": {"wavenet"},
        "rng.py": set(MODULES),
        "engine.py": set(),
    }
    for name, expected in changed.items():
        path = package / name
        source = path.read_text()
        path.write_text(source + "\n# changed\n")
        after = digests()
        path.write_text(source)
        assert {module for module in MODULES if after[module] != before[module]} == expected, name
    compiling._digest.cache_clear()


def is_structure(value: Any) -> bool:
    """Return whether a value is a class of named tuples."""
    return isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")


def parts_of(kernel: Any) -> Iterator[Any]:
    """Return a dispatcher and everything that it calls, directly or not, and the structures that these use."""
    seen, waiting = set(), [kernel]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if is_structure(part):
            continue
        function = part.py_func
        used = inspect.getclosurevars(function)
        values = [*used.globals.values(), *used.nonlocals.values()]
        for module in [value for value in values if inspect.ismodule(value)]:
            values += [getattr(module, name) for name in function.__code__.co_names if hasattr(module, name)]
        waiting += [value for value in values if isinstance(value, Dispatcher) or is_structure(value)]


def file_of(part: Any) -> str:
    return inspect.getfile(part if is_structure(part) else part.py_func)


def test_every_source_of_every_kernel_is_in_its_digest():
    """A changed helper is noticed in any file: kernels call only what their digest includes."""
    for module in pkgutil.walk_packages(seqgen.__path__, "seqgen."):
        if ".numba_" in module.name or ".kernels." in module.name:
            importlib.import_module(module.name)
    assert len(compiling.KERNELS) > 40
    followed_by_file: dict[str, dict[Path, bytes]] = {}
    outside = set()
    for kernel in compiling.KERNELS:
        file = kernel.py_func.__code__.co_filename
        followed = followed_by_file.setdefault(file, compiling.sources(file))
        files = {file_of(part) for part in parts_of(kernel)}
        outside |= {(file, other) for other in files if Path(other) not in followed}
    assert not outside


def test_compiling_is_said_once_and_only_when_it_happens(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from seqgen.kernels.compile import kernel, say_compiling\n"
        "def double(x):\n"
        "    return x + x\n"
        "double = kernel(double)\n"
        "say_compiling('doubling')\n"
        "double(1), double(1.5), double(2)\n"
    )
    environment = {"SEQGEN_CACHE_DIR": str(tmp_path / "cache"), "PATH": "", "PYTHONPATH": str(Path.cwd())}
    said = [
        subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert said[0].stderr == "seqgen: compiling the doubling kernels, once for this machine …\n"
    assert said[1].stderr == ""


def test_the_caches_place_can_be_chosen(tmp_path, monkeypatch):
    for name, value, expected in (
        ("XDG_CACHE_HOME", tmp_path, tmp_path / "seqgen"),
        ("SEQGEN_CACHE_DIR", tmp_path / "own", tmp_path / "own"),
    ):
        monkeypatch.setenv(name, str(value))
        if name == "XDG_CACHE_HOME":
            monkeypatch.delenv("SEQGEN_CACHE_DIR", raising=False)
        assert compiling.cache_directory(__file__).parent == expected


def test_a_helper_is_compiled_into_kernels_and_cannot_be_called():
    @compiling.inline
    def half(x):
        return 0.5 * x

    @compiling.kernel
    def twice_half(x):
        return half(x) + half(x)

    assert twice_half(3.0) == 3.0
    with pytest.raises(TypeError, match="not callable"):
        half(3.0)


def test_only_helpers_that_make_arrays_count_references():
    @compiling.inline
    def first(pair, at):
        one, other = pair
        part = one[at:]
        return part[0] + other[at]

    @compiling.inline
    def made(pair):
        return pair[0] + pair[1]

    @compiling.kernel
    def both(pair):
        return first(pair, 1), made(pair).sum()

    # a kernel that is loaded has no helpers
    both._cache.disable()
    one, other = np.arange(4.0), np.ones(4)
    counts = sys.getrefcount(one), sys.getrefcount(other)
    for _ in range(100):
        assert both((one, other)) == (2.0, 10.0)
    assert (sys.getrefcount(one), sys.getrefcount(other)) == counts
    calls = re.compile("call void @NRT_(incref|decref)")
    assert not calls.search(first.inspect_llvm(first.signatures[0]))
    assert calls.search(made.inspect_llvm(made.signatures[0]))
