"""The second environment: seqgen's base install, from a wheel, on the newest Python that this machine has.

It is made once and kept below .cache, apart for each Python and each list of versions; the wheel in it is made anew
when the sources have changed. $SEQGEN_BASE_PYTHON names another interpreter.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("seqgen", "pipelines", "triton_kernels")
LEFT_OUT = "SEQGEN_WITHOUT_BASE_TESTS"


class CannotBeMadeError(Exception):
    """The environment cannot be made here; the message says why, and how to leave its tests out."""


@dataclass(frozen=True)
class Base:
    """The environment.

    Attributes:
        folder: where it is; `kernels` in it has what Numba compiled there.
        interpreter: what it was made with.
    """

    folder: Path
    interpreter: str

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def command(self) -> Path:
        """Its command seqgen."""
        return self.folder / "venv" / "bin" / "seqgen"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of its processes: nothing leads to the checkout, kernels are kept."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEQGEN_"))
        }
        return {**kept, "SEQGEN_CACHE_DIR": str(self.folder / "kernels"), "SEQGEN_THREADS": "1"}


def base_environment() -> Base:
    """Make the environment, or bring it up to date with the sources.

    Raises:
        CannotBeMadeError: if there is no interpreter, or pip cannot install.
    """
    with explained():
        interpreter = os.environ.get("SEQGEN_BASE_PYTHON") or ci().newest_python()
        says = "import sys, platform; print(sys.version, platform.machine())"
        version = subprocess.run([interpreter, "-c", says], capture_output=True, text=True, check=True).stdout
    key = hashlib.sha256(f"{interpreter} {version}".encode() + (ROOT / "constraints.txt").read_bytes())
    base = Base(ROOT / ".cache" / f"base-{key.hexdigest()[:16]}", interpreter)
    if not base.folder.exists():
        _forget_what_is_old(base.folder.parent)
    base.folder.mkdir(parents=True, exist_ok=True)
    with open(base.folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run of the tests may be making it
        _install(base)
    return base


def sources() -> list[Path]:
    """The files that the wheel is made of."""
    found = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    for package in PACKAGES:
        found += (path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(found)


def digest() -> str:
    """A hash of the sources."""
    hashed = hashlib.sha256()
    for path in sources():
        hashed.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return hashed.hexdigest()


def _forget_what_is_old(cache: Path) -> None:
    """Remove environments of other interpreters and versions that were not used for two weeks."""
    for lock in cache.glob("base-*/lock"):
        if lock.stat().st_mtime < time.time() - 14 * 24 * 3600:
            shutil.rmtree(lock.parent, ignore_errors=True)


def _install(base: Base) -> None:
    """Make what is missing; a stamp says which sources the installed wheel was made of."""
    stamp, tools, current = base.folder / "installed", base.folder / "tools", digest()
    if stamp.exists() and stamp.read_text() == current:
        return
    fresh = not stamp.exists()
    stamp.unlink(missing_ok=True)
    with explained():
        if fresh:
            ci().make_venv(base.interpreter, str(base.folder / "venv"))
            shutil.rmtree(tools, ignore_errors=True)
            # what builds the wheel stands beside the environment, which has only what seqgen asks for
            _pip(base, "install", "--target", str(tools), "setuptools>=77")
        with tempfile.TemporaryDirectory() as folder:
            # a copy, so that the build leaves nothing in the checkout and takes nothing from earlier builds
            for path in sources():
                copy = Path(folder, "source", path.relative_to(ROOT))
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            wheels = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder, f"{folder}/source"]
            _pip(base, "wheel", *wheels, PYTHONPATH=str(tools))
            (wheel,) = Path(folder).glob("*.whl")
            again = [] if fresh else ["--no-deps", "--force-reinstall"]
            _pip(base, "install", "--no-compile", "-c", str(ROOT / "constraints.txt"), *again, str(wheel))
            _date_by_content(base)
    stamp.write_text(current)


def _date_by_content(base: Base) -> None:
    """Give the installed files times that change only when they do: Numba compiles anew what is younger."""
    for packages in base.folder.glob("venv/lib/python*/site-packages"):
        for path in (path for package in PACKAGES for path in (packages / package).rglob("*.py")):
            seconds = 10**9 + int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:3])
            os.utime(path, (seconds, seconds))


def _pip(base: Base, *arguments: str, **variables: str) -> None:
    command = [str(base.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    environment = {**base.variables, "PIP_USER": "0", **variables}
    subprocess.run(command, env=environment, cwd=base.folder, capture_output=True, text=True, check=True)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what fails into a CannotBeMadeError with the last lines that it printed."""
    try:
        yield
    except (subprocess.CalledProcessError, OSError, SystemExit) as error:
        printed = f"{getattr(error, 'stdout', '') or ''}{getattr(error, 'stderr', '') or ''}".strip()
        lines = "\n".join(printed.splitlines()[-15:])
        raise CannotBeMadeError(
            f"the environment of the tests of the base install cannot be made: {error}\n{lines}\n"
            f"It needs a package index and 400 MB. To leave these tests out, set {LEFT_OUT}=1."
        ) from None


def ci() -> Any:
    """The module .ci/environment.py, which knows how to find a Python and to make an environment."""
    spec = importlib.util.spec_from_file_location("ci_environment", ROOT / ".ci" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
