"""Optional packages: the extra that installs each, and the check for them before any work is done.

The base install streams every built-in model. Code that needs another package calls `require` or `load` first, so that
a missing package is reported before anything is read, compiled or sampled.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from seqgen.errors import MissingPackageError

DISTRIBUTION = "seqgen-streams"

EXTRAS: dict[str, dict[str, str]] = {
    "torch": {"torch": "torch", "torchaudio": "torchaudio"},
    "triton": {"triton": "triton"},
    "image": {"pillow": "PIL.Image"},
    "audio": {"soundfile": "soundfile"},
    "plot": {"matplotlib": "matplotlib"},
    "strokes": {"scikit-image": "skimage", "scipy": "scipy"},
    "media": {"av": "av"},
}
"""Extra -> distribution name of each of its packages -> the module that must be importable."""

_EXTRA_OF = {package: extra for extra, packages in EXTRAS.items() for package in packages}


def packages(need: str) -> tuple[str, ...]:
    """Return the packages of a need.

    Args:
        need: a package of `EXTRAS`, or an extra, which means all of its packages. A name that is both, such as "torch",
            means the package.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> packages("image"), packages("torch")
        (('pillow',), ('torch',))
    """
    if need in _EXTRA_OF:
        return (need,)
    if need in EXTRAS:
        return tuple(EXTRAS[need])
    raise ValueError(f"need must be one of {', '.join(dict.fromkeys((*EXTRAS, *_EXTRA_OF)))}, got {need!r}")


def missing(*needs: str) -> tuple[str, ...]:
    """Return the packages of some needs that are not installed, without importing any. Errors as in `packages`."""
    wanted = dict.fromkeys(package for need in needs for package in packages(need))
    return tuple(package for package in wanted if not _installed(_module(package)))


def install_line(*needs: str) -> str:
    """Return the command that installs packages or extras, from an index or a checkout. Errors as in `packages`.

    Example:
        >>> install_line("pillow")
        "pip install 'seqgen-streams[image]' (from a checkout: pip install '.[image]')"
    """
    extras = ",".join(dict.fromkeys(_EXTRA_OF[packages(need)[0]] for need in needs))
    return f"pip install '{DISTRIBUTION}[{extras}]' (from a checkout: pip install '.[{extras}]')"


def require(*needs: str, for_what: str) -> None:
    """Raise MissingPackageError with the install command unless all packages of the needs are installed.

    Nothing is imported, so the check takes milliseconds even for torch; only `load` detects a package that is installed
    but broken.

    Args:
        needs: each as in `packages`.
        for_what: the purpose, as the beginning of a sentence, such as "writing .png".
    """
    absent = missing(*needs)
    if absent:
        raise MissingPackageError(
            f"{for_what} needs {_listed(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed; "
            f"{install_line(*absent)}"
        )


def load(package: str, for_what: str) -> ModuleType:
    """Import and return the module of a package, or raise MissingPackageError with the install command.

    If a package is installed but cannot be imported (a missing system library, an incomplete installation), the message
    says so and quotes the import error.

    Args:
        package: one of `EXTRAS`, such as "pillow".
        for_what: as in `require`.
    """
    require(package, for_what=for_what)
    try:
        return importlib.import_module(_module(package))
    except (ImportError, OSError, AttributeError) as error:
        raise MissingPackageError(
            f"{for_what} needs {package}, which is installed but cannot be imported "
            f"({type(error).__name__}: {error}); reinstall it: {install_line(package)}"
        ) from error


def explained(error: ImportError, for_what: str) -> ImportError:
    """Return a MissingPackageError if an import failed for want of an optional package, else the error itself.

    Args:
        error: for example `ModuleNotFoundError("No module named 'torch'", name="torch")`.
        for_what: as in `require`.
    """
    top = (error.name or "").partition(".")[0]
    for package in missing(*EXTRAS):
        if top and top == _module(package).partition(".")[0]:
            return MissingPackageError(
                f"{for_what} needs {package}, which is not installed; {install_line(package)}"
            )
    return error


def _listed(names: tuple[str, ...]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _module(package: str) -> str:
    return EXTRAS[_EXTRA_OF[package]][package]


def _installed(module: str) -> bool:
    """Return whether the top-level package of a module is imported, or found with a file to run.

    A folder without an `__init__` file, as uninstalling may leave behind, is found as a namespace package and does not
    count.
    """
    top = module.partition(".")[0]
    if top in sys.modules:
        return sys.modules[top] is not None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None
