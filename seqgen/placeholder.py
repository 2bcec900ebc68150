"""Classes that stand for those whose packages are not installed, so that the rest of a package can be explored.

Without torch, `help(seqgen)`, `from seqgen import *`, `hasattr` and `inspect.getmembers` reach the names of all models.
Such a name is a class without contents; using it raises the error that its import raised.
"""

from __future__ import annotations

from typing import Any

from seqgen.errors import MissingPackageError


class _Placeholder(type):
    """The type of placeholders: calling one, or asking for a public attribute, raises MissingPackageError."""

    _message: str

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        raise MissingPackageError(cls._message)

    def __getattr__(cls, name: str) -> Any:
        # tools look for private names in anything
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingPackageError(cls._message)


def placeholder(module: str, name: str, error: MissingPackageError) -> Any:
    """Return a class of this name that raises `error` again when it is used."""
    namespace = {"__module__": module, "__doc__": f"Not available: {error}.", "_message": str(error)}
    return _Placeholder(name, (), namespace)
