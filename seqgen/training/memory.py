"""What to do when a training does not fit into the memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from seqgen.errors import SeqgenError

_OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|out of memory|[Ss]torage size calculation overflow|would overflow|Overflow when"
)


@contextmanager
def explained_memory(name: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Turn the errors of numpy and PyTorch for want of memory into a SeqgenError with the settings.

    Args:
        name: of the recipe. settings: those that differ from the defaults.
    """
    try:
        yield
    except (MemoryError, RuntimeError, TypeError, OverflowError) as error:
        if not isinstance(error, (MemoryError, OverflowError)) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        given = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise SeqgenError(
            f"training {name}{given and f' with {given}'} does not fit into the memory; choose smaller sizes, or a "
            "smaller batch"
        ) from error
