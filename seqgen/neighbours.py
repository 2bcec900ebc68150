"""Checks that the import names `triton_kernels` and `pipelines`, which others use too, find our packages."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

NAMES = ("triton_kernels", "pipelines")
_ROOT = Path(__file__).resolve().parent.parent


def found_instead(name: str) -> str | None:
    """Where `import name` would go if that is not our package, else None. Nothing is imported."""
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
    """What was found and what to do."""
    return (
        f"seqgen needs its own package {name!r} from {_ROOT / name}, but `import {name}` finds {instead}. "
        f"Rename or move that one, run from another directory, or install seqgen into an environment of its own."
    )


def warn_about_strangers() -> None:
    """Warn once for each neighbour that another package stands in for."""
    for name in NAMES:
        instead = found_instead(name)
        if instead is not None:
            warnings.warn(message(name, instead), ImportWarning, stacklevel=3)


def require(name: str) -> None:
    """Raise ImportError with what to do if `import name` would not find our package."""
    instead = found_instead(name)
    if instead is not None:
        raise ImportError(message(name, instead))
