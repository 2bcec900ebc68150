"""Compiled kernels: kept by what they are made of, and the user hears when they are made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seqgen.engines.numba import compile as compiling

MODULES = ("rnn", "markov", "wavenet_kernel", "pixel_cnn_pixels")


def test_a_kernels_cache_depends_on_its_own_sources_only(tmp_path, monkeypatch):
    """A copy of the sources is changed file by file."""
    root = Path(compiling.__file__).parents[2]
    package = tmp_path / "seqgen"
    for source in root.rglob("*.py"):
        target = package / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(compiling, "_PACKAGE", package)

    def digests() -> dict[str, str]:
        compiling._digest.cache_clear()
        return {name: compiling._digest(str(package / f"engines/numba/{name}.py")) for name in MODULES}

    before = digests()
    assert len(set(before.values())) == len(MODULES)
    changed = {
        "engines/numba/draw.py": set(MODULES),
        "engines/numba/vector.py": {"rnn", "wavenet_kernel", "pixel_cnn_pixels"},
        "engines/numba/markov_tables.py": {"markov"},
        "engines/numba/wavenet_draw.py": {"wavenet_kernel"},
        "rng.py": set(MODULES),
        "engines/base.py": set(),
    }
    for name, expected in changed.items():
        path = package / name
        source = path.read_text()
        path.write_text(source + "\n# changed\n")
        after = digests()
        path.write_text(source)
        assert {module for module in MODULES if after[module] != before[module]} == expected, name
    compiling._digest.cache_clear()


def test_compiling_is_said_once_and_only_when_it_happens(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from seqgen.engines.numba.compile import kernel, say_compiling\n"
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
