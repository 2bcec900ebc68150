"""The program that runs in the base environment: `python -I inside.py FOLDER` executes FOLDER/tasks.pickle.

One process executes all tasks, because importing Numba and loading kernels takes longer than most of the work. It
imports nothing from the checkout. The tests call the same functions in their own process, to compare.
"""

from __future__ import annotations

import io
import os
import pickle
import runpy
import sys
import tempfile
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def command(arguments: list[str], folder: str) -> SimpleNamespace:
    """Run the command line in this process, in `folder`.

    Returns:
        exit code; output (bytes) and errors (text); files, the new ones in the folder by name.
    """
    from pipelines.cli import run

    before, code = set(os.listdir(folder)), -1
    kept = sys.stdout, sys.stderr, os.getcwd()
    os.chdir(folder)
    with tempfile.TemporaryFile() as output:
        sys.stdout, sys.stderr = io.TextIOWrapper(output, encoding="utf-8"), io.StringIO()  # type: ignore[assignment]
        try:
            run(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        finally:
            sys.stdout.flush()
            errors = sys.stderr.getvalue()
            output.seek(0)
            printed = output.read()
            sys.stdout.detach()
            sys.stdout, sys.stderr = kept[:2]
            os.chdir(kept[2])
    written = sorted(set(os.listdir(folder)) - before)
    files = {name: Path(folder, name).read_bytes() for name in written}
    return SimpleNamespace(code=code, output=printed, errors=errors, files=files)


def stream(model: str, request: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the chunks of a stream from a checkpoint, as tuples of plain values and arrays."""
    import seqgen

    with seqgen.stream(model, **request) as chunks:
        return [(c.index, c.offset, c.data, c.last, dict(c.extra)) for c in chunks]


def pinned(program: str) -> dict[str, list[str]]:
    """Return the hashes of the samples of all built-in models; `program` is tests/core/pinned_samples.py."""
    made: dict[str, list[str]] = runpy.run_path(program)["made"]()
    return made


def python(source: str, folder: str) -> Any:
    """Execute a piece of Python, in which `folder` is defined, and return its variable `result`."""
    names: dict[str, Any] = {"folder": folder}
    exec(source, names)
    return names["result"]


def modules() -> list[str]:
    """Return the modules imported so far."""
    return sorted(sys.modules)


def main(folder: Path) -> None:
    """Execute the tasks, each (name, function, arguments), and write their results, or errors as text."""
    results: dict[str, Any] = {}
    for name, function, arguments in pickle.loads((folder / "tasks.pickle").read_bytes()):
        try:
            results[name] = globals()[function](*arguments)
        except Exception:
            results[name] = traceback.format_exc()
    (folder / "results.pickle").write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
