"""Lazy imports of a package's names, so that streaming imports neither torch nor model classes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from seqgen.extras import explained


def lazy_names(
    package: str, locations: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Args:
        package: the package's `__name__`.
        locations: name -> module ("seqgen.codecs"), or module and name in it ("seqgen.engine:Engine").

    A name whose module needs a package that is not installed raises MissingPackageError, which is an ImportError.

    Example:
        >>> get, names = lazy_names("seqgen.models", {"HMM": "seqgen.models.hmm.model"})
        >>> "HMM" in names(), get("HMM").family
        (True, 'hmm')
    """

    def get(name: str) -> Any:
        if name not in locations:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, inner = locations[name].partition(":")
        try:
            value = getattr(importlib.import_module(module), inner or name)
        except ModuleNotFoundError as error:
            raise explained(error, f"{package}.{name}") from error
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        # not what the package imports for itself
        own = {
            name
            for name, value in vars(sys.modules[package]).items()
            if name.startswith("__") or getattr(value, "__name__", "").startswith(f"{package}.")
        }
        return sorted(own | set(locations))

    return get, names
