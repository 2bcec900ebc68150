"""Packages that only some requests need: which extra installs each, and saying that one is missing before any work.

The base install streams every built-in model. Whatever needs more asks here first, by name, so that nothing is
compiled, sampled or read before it is known that the result can be made.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from seqgen.errors import SeqgenError

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


def missing(need: str) -> tuple[str, ...]:
    """Those packages of a need that are not installed. Nothing is imported. Errors as of `packages`."""
    return tuple(package for package in packages(need) if not _installed(_module(package)))


def install_line(need: str) -> str:
    """What to type to get a package or an extra, from an index or from a checkout. Errors as of `packages`.

    Example:
        >>> install_line("pillow")
        "pip install 'seqgen-streams[image]' (from a checkout: pip install '.[image]')"
    """
    extra = _EXTRA_OF[packages(need)[0]]
    return f"pip install '{DISTRIBUTION}[{extra}]' (from a checkout: pip install '.[{extra}]')"


def require(need: str, for_what: str) -> None:
    """Raise SeqgenError with the line to type unless a package, or all packages of an extra, are installed.

    Nothing is imported, so that asking costs milliseconds even for torch; a package that is there and broken is
    noticed by `load` alone.

    Args:
        need: as of `packages`.
        for_what: what is asked for, as the beginning of a sentence, such as "writing .png".
    """
    absent = missing(need)
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        raise SeqgenError(
            f"{for_what} needs {' and '.join(absent)}, which {verb} not installed; {install_line(absent[0])}"
        )


def load(package: str, for_what: str) -> ModuleType:
    """Import the module of a package and return it, or raise SeqgenError that says what to install.

    A package that is installed and cannot be imported, for want of a library of the system or because only a part
    of it is there, is named as broken, with its own message.

    Args:
        package: one of `EXTRAS`, such as "pillow".
        for_what: as of `require`.
    """
    require(package, for_what)
    try:
        return importlib.import_module(_module(package))
    except (ImportError, OSError, AttributeError) as error:
        raise SeqgenError(
            f"{for_what} needs {package}, which is installed but cannot be imported "
            f"({type(error).__name__}: {error}); install it anew: {install_line(package)}"
        ) from error


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
