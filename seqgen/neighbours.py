"""Checks that `triton_kernels` and `pipelines`, names that other projects use too, are the packages of this project."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

NAMES = ("triton_kernels", "pipelines")
_ROOT = Path(__file__).resolve().parent.parent


def found_instead(name: str) -> str | None:
    """Return what `import name` would find if that is another package, else None. Nothing is imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        return f"nothing usable ({error})"
    if spec is None:
        return "nothing"
    if spec.origin is None:
        return f"the folder {next(iter(spec.submodule_search_locations or ['?']))}"
    origin = Path(spec.origin).resolve()
    if origin.parent == _ROOT / name and "__seqgen__" in origin.read_text(encoding="utf-8", errors="replace"):
        return None
    return str(origin)


def message(name: str, instead: str) -> str:
    """Return a message with what was found and what to do."""
    return (
        f"seqgen needs its own package {name!r} from {_ROOT / name}, but `import {name}` finds {instead}. "
        f"Rename or move that one, run from another directory, or install seqgen in a separate environment."
    )


def warn_about_others() -> None:
    """Warn once for each of the two names that finds another package."""
    for name in NAMES:
        instead = found_instead(name)
        if instead is not None:
            warnings.warn(message(name, instead), ImportWarning, stacklevel=3)


def require(name: str) -> None:
    """Raise ImportError with instructions if `import name` would find another package."""
    instead = found_instead(name)
    if instead is not None:
        raise ImportError(message(name, instead))
