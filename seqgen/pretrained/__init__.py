"""Built-in models: small trained checkpoints in this folder, and the lookup of a model by name or path."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from seqgen.checkpoint import Weights, open_weights
from seqgen.errors import SeqgenError
from seqgen.registry import validated

_HERE = Path(__file__).parent


@cache
def names() -> tuple[str, ...]:
    """Return the names of the built-in models in alphabetical order."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.safetensors")))


def find(name_or_path: str | os.PathLike[str], *, verify: bool = True) -> Weights:
    """Open a built-in model by name, or a checkpoint by path, and check it against the schema of its family.

    Args:
        name_or_path: the model.
        verify: False skips the hash of the arrays and the schema, for reading only the card.

    Raises:
        SeqgenError: if there is no such model or file, the file is not a complete checkpoint, or its contents do not
            match the schema.
    """
    weights = _opened(name_or_path, verify)
    if verify:
        try:
            validated(weights)
        except SeqgenError as error:
            raise SeqgenError(f"{os.fspath(name_or_path)}: {error}") from None
    return weights


def _opened(name_or_path: str | os.PathLike[str], verify: bool) -> Weights:
    name = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and name in names():
        return open_weights(_HERE / f"{name}.safetensors", verify=verify)
    try:
        return open_weights(name, verify=verify)
    except FileNotFoundError:
        raise SeqgenError(
            f"there is no built-in model and no file {name!r}; built in are {', '.join(names()) or 'none'}"
        ) from None
    except OSError as error:
        raise SeqgenError(f"cannot read {name!r}: {error.strerror}") from None


def find_family(name_or_path: str | os.PathLike[str], family: str) -> Weights:
    """Open a model as `find` does, and require it to be of the given family.

    Raises:
        SeqgenError: if it is of another family, or as in `find`.
    """
    weights = find(name_or_path)
    if weights.family != family:
        raise SeqgenError(
            f"{os.fspath(name_or_path)} holds a model of the family {weights.family!r}, not {family!r}; "
            "seqgen.load opens any generator"
        )
    return weights
