"""Options that name a file may name standard input or a pipe, also where a reader needs a file on the disk."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seqgen.data.inputs import is_stream, read_bytes, shown

_ARRAYS = {b"\x93NUMPY": ".npy", b"PK\x03\x04": ".npz"}
"""The suffixes of arrays, by the first bytes of the files."""


@contextlib.contextmanager
def on_disk(path: str) -> Iterator[str]:
    """Yield the path of a file; what comes from a stream is in a temporary one of the stream's name."""
    if not is_stream(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="seqgen-") as folder:
        data = read_bytes(path)
        suffix = next((suffix for start, suffix in _ARRAYS.items() if data.startswith(start)), "")
        copy = Path(folder, Path(shown(path)).name + suffix)
        copy.write_bytes(data)
        yield str(copy)
