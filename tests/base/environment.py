"""The second environment: seqgen's base install, from a wheel, on the newest Python that this machine has.

It is created once and kept below .cache, separately for each Python and each list of versions; its wheel is rebuilt
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

from tests.kernel_cache import trusted_place

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("seqgen", "pipelines", "triton_kernels")
LEFT_OUT = "SEQGEN_WITHOUT_BASE_TESTS"


class CannotBeMadeError(Exception):
    """The environment cannot be created here; the message contains the reason, and how to skip its tests."""


@dataclass(frozen=True)
class Base:
    """The environment.

    Attributes:
        folder: its path.
        interpreter: the Python that it was created with.
    """

    folder: Path
    interpreter: str

    @property
    def python(self) -> Path:
        """Return the environment's Python."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def command(self) -> Path:
        """Return the environment's command seqgen."""
        return self.folder / "venv" / "bin" / "seqgen"

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables of its processes: nothing refers to the checkout, and kernels are cached."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEQGEN_"))
        }
        return {
            **kept,
            "SEQGEN_CACHE_DIR": str(trusted_place() / self.folder.name / "kernels"),
            "SEQGEN_THREADS": "1",
        }


def base_environment() -> Base:
    """Create the environment, or update it to the sources.

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
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run of the tests may be creating it
        _install(base)
    return base


def sources() -> list[Path]:
    """Return the files that the wheel is built from."""
    found = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    for package in PACKAGES:
        found += (path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(found)


def digest() -> str:
    """Return a hash of the sources."""
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
    """Install what is missing; a stamp records the sources of the installed wheel."""
    stamp, tools, current = base.folder / "installed", base.folder / "tools", digest()
    if stamp.exists() and stamp.read_text() == current:
        return
    fresh = not stamp.exists()
    stamp.unlink(missing_ok=True)
    with explained():
        if fresh:
            ci().make_venv(base.interpreter, str(base.folder / "venv"))
            shutil.rmtree(tools, ignore_errors=True)
            # the build tools are installed elsewhere, so that the environment contains only what seqgen requires
            _pip(base, "install", "--target", str(tools), "setuptools>=77")
        with tempfile.TemporaryDirectory() as folder:
            # a copy, so that the build leaves no files in the checkout and uses none of earlier builds
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
    """Set the times of the installed files by their content, because Numba recompiles a file whose time has changed."""
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
    """Convert failures to a CannotBeMadeError with the last lines that were printed."""
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
    """Return the module .ci/environment.py, which finds a Python and creates an environment."""
    spec = importlib.util.spec_from_file_location("ci_environment", ROOT / ".ci" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
