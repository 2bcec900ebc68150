"""Packages that only some requests need: which extra installs each, and saying that one is missing before any work.

The base install streams every built-in model. Whatever needs more asks here first, by name, so that nothing is
compiled, sampled or read before it is known that the result can be made.
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
"""By extra, its packages as they are installed, and the module of each that has to be importable."""

_EXTRA_OF = {package: extra for extra, packages in EXTRAS.items() for package in packages}


def packages(need: str) -> tuple[str, ...]:
    """The packages that a need stands for.

    Args:
        need: a package of `EXTRAS`, or an extra, which stands for all of its packages. A name that is both, such as
            "torch", is the package alone.

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
    """Those packages of some needs that are not installed. Nothing is imported. Errors as of `packages`."""
    wanted = dict.fromkeys(package for need in needs for package in packages(need))
    return tuple(package for package in wanted if not _installed(_module(package)))


def install_line(*needs: str) -> str:
    """What to type to get packages or extras, from an index or from a checkout. Errors as of `packages`.

    Example:
        >>> install_line("pillow")
        "pip install 'seqgen-streams[image]' (from a checkout: pip install '.[image]')"
    """
    extras = ",".join(dict.fromkeys(_EXTRA_OF[packages(need)[0]] for need in needs))
    return f"pip install '{DISTRIBUTION}[{extras}]' (from a checkout: pip install '.[{extras}]')"


def require(*needs: str, for_what: str) -> None:
    """Raise MissingPackageError with the line to type unless packages, or all packages of extras, are installed.

    Nothing is imported, so that asking costs milliseconds even for torch; a package that is there and broken is
    noticed by `load` alone.

    Args:
        needs: each as of `packages`.
        for_what: what is asked for, as the beginning of a sentence, such as "writing .png".
    """
    absent = missing(*needs)
    if absent:
        raise MissingPackageError(
            f"{for_what} needs {_listed(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed; "
            f"{install_line(*absent)}"
        )


def load(package: str, for_what: str) -> ModuleType:
    """Import the module of a package and return it, or raise MissingPackageError that says what to install.

    A package that is installed and cannot be imported, for want of a library of the system or because only a part
    of it is there, is named as broken, with its own message.

    Args:
        package: one of `EXTRAS`, such as "pillow".
        for_what: as of `require`.
    """
    require(package, for_what=for_what)
    try:
        return importlib.import_module(_module(package))
    except (ImportError, OSError, AttributeError) as error:
        raise MissingPackageError(
            f"{for_what} needs {package}, which is installed but cannot be imported "
            f"({type(error).__name__}: {error}); install it anew: {install_line(package)}"
        ) from error


def explained(error: ImportError, for_what: str) -> ImportError:
    """The error of an import that failed, or a MissingPackageError if a package of an extra is not installed.

    Args:
        error: for example `ModuleNotFoundError("No module named 'torch'", name="torch")`.
        for_what: as of `require`.
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
    """Whether the top package of a module is there: imported, or found with a file to run.

    A folder without one, as uninstalling may leave behind, is found as a namespace package, and is nothing to use.
    """
    top = module.partition(".")[0]
    if top in sys.modules:
        return sys.modules[top] is not None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None
