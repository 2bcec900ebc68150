"""Compiles what the tests need before they start, so that no two processes compile the same: `make kernels`.

What was compiled is kept in the tests' cache. A stamp there says what it was made from, so that nothing is done where
nothing changed. What is missed here, the tests compile themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import pytest_xdist_auto_num_workers  # sets up what the tests run with, too
from tests.kernel_cache import ROOT
from tests.spending import cpu_seconds

DAYS = 14
SOURCES = (
    "seqgen/kernels/*.py", "seqgen/**/numba_*.py", "seqgen/rng.py", "seqgen/controls.py", "triton_kernels/*.py",
    "tests/models/*/cases.py", "tests/conformance/*case.py", "tests/compile_kernels.py",
)  # fmt: skip


def stamp() -> str:
    """A hash of what is compiled and of the cases, and of when that was changed, which Numba looks at too."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(f"{path} {path.stat().st_mtime_ns}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def compile_cases(name: str) -> None:
    """Ask each case in a family's folder for what makes the kernels of its engines and of its likelihood compile."""
    from tests.conformance.cases import cases_in
    from tests.conformance.running import chunks, log_prob

    for case in cases_in(name):
        model, engine = case.model(), case.engines[0]
        for kind in ("varied", "plain", "conditions") if case.conditions else ("varied", "plain"):
            chunks(case.stream(engine, 4, case.length, batch=2, chunk=4, threads=1, **case.request(kind)))
        # a stream that is alone may have kernels of its own, for a second core too
        chunks(case.stream(engine, 1, case.length, threads=2, **case.everything()))
        model.sample(2, case.length, **case.required)
        data = model.sample(2, case.length, controls=case.scored, **case.required)
        log_prob(model, data, **case.required)
        if case.retrain is not None:
            case.retrain(case.make(0))


def compile_built_in() -> None:
    """What the built-in models are asked for."""
    from tests.core.pinned_samples import made

    made()


def compile_training() -> None:
    """A step of every recipe."""
    from tests.training.tiny_runs import DATA, run

    with TemporaryDirectory() as folder:
        run(Path(folder), list(DATA), 1)


def compile_base() -> None:
    """What the tests of the base install need, with the Python of its environment."""
    from tests.base.tasks import main

    main()


def compile_triton() -> None:
    """All kernels for GPUs, for all targets."""
    from triton_kernels import compile_all

    with contextlib.suppress(ImportError):  # there is no Triton for this machine
        compile_all()


def tasks() -> Iterator[tuple[str, Callable[[], None]]]:
    """Names and calls that can run beside each other; what needs kernels that others compile comes after them."""
    from seqgen.registry import FAMILIES
    from tests.conformance.cases import folder

    yield "triton", compile_triton
    yield "base install", compile_base
    for name in dict.fromkeys(map(folder, FAMILIES.values())):
        yield name, partial(compile_cases, name)
    yield "built-in models", compile_built_in
    yield "recipes", compile_training


def forget_what_is_old(cache: Path) -> None:
    """Remove the kernels of sources that are no more: nothing was added to them for some time, nor to the index."""
    limit = time.time() - DAYS * 24 * 3600
    for kept in cache.glob("kernels-*"):
        if all(path.stat().st_mtime < limit for path in kept.rglob("*")):
            shutil.rmtree(kept, ignore_errors=True)


def main() -> None:
    """Compile what is missing, in as many processes as the tests run in, and say what it took."""
    cache = Path(os.environ["SEQGEN_CACHE_DIR"])
    mark, current = cache / "compiled", stamp()
    if mark.exists() and mark.read_text() == current:
        return
    print("compiling the kernels that the tests need …", flush=True)
    began = time.time()
    with ProcessPoolExecutor(pytest_xdist_auto_num_workers(), mp_context=get_context("spawn")) as pool:
        running = {name: pool.submit(call) for name, call in tasks()}
        for name, future in running.items():
            if (error := future.exception()) is not None:
                print(f"  {name}: {error!r}; the tests will say more", flush=True)
    new = sum(path.stat().st_mtime >= began for path in cache.rglob("*.nbc"))
    print(
        f"compiled {new} kernels in {cpu_seconds():.0f} CPU seconds, {time.time() - began:.0f} s by the clock; they "
        f"are kept in {cache}",
        flush=True,
    )
    forget_what_is_old(cache)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(current)


if __name__ == "__main__":
    main()
