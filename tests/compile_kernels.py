"""`make kernels`: compilation of the tests' kernels before they start, so that no two processes compile the same.

Compiled kernels are stored in the tests' cache. A stamp there records their sources, so that nothing is done if nothing
changed. Kernels that are missed here are compiled by the tests.
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

from tests.conftest import pytest_xdist_auto_num_workers  # also configures the libraries as in the tests
from tests.kernel_cache import ROOT, trusted_place
from tests.spending import cpu_seconds

DAYS = 14
SOURCES = (
    "seqgen/kernels/*.py", "seqgen/**/numba_*.py", "seqgen/rng.py", "seqgen/controls.py", "triton_kernels/*.py",
    "tests/models/*/cases.py", "tests/conformance/*case.py", "tests/compile_kernels.py",
)  # fmt: skip


def stamp() -> str:
    """Return a hash of the sources and cases, and of their modification times, which Numba checks as well."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(f"{path} {path.stat().st_mtime_ns}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def compile_cases(name: str) -> None:
    """Request from each case in a family's folder what compiles the kernels of its engines and of its likelihood."""
    from tests.conformance.cases import cases_in
    from tests.conformance.running import chunks, log_prob

    for case in cases_in(name):
        model, engine = case.model(), case.engines[0]
        for kind in ("varied", "plain", "conditions") if case.conditions else ("varied", "plain"):
            chunks(case.stream(engine, 4, case.length, batch=2, chunk=4, threads=1, **case.request(kind)))
        # a single stream may have kernels of its own, also for a second core
        chunks(case.stream(engine, 1, case.length, threads=2, **case.everything()))
        model.sample(2, case.length, **case.required)
        data = model.sample(2, case.length, controls=case.scored, **case.required)
        log_prob(model, data, **case.required)
        if case.retrain is not None:
            case.retrain(case.make(0))


def compile_built_in() -> None:
    """Stream from the built-in models."""
    from seqgen.kernels.postponed import nothing_postponed
    from tests.core.pinned_samples import made

    with nothing_postponed():
        made()


def compile_training() -> None:
    """Run a step of every recipe."""
    from seqgen.registry import BUILT_IN_RECIPES, FAMILIES
    from tests.training.tiny_runs import run

    with TemporaryDirectory() as folder:
        run(Path(folder), [*FAMILIES, *BUILT_IN_RECIPES], 1)


def compile_base() -> None:
    """Compile what the tests of the base install need, with the Python of its environment."""
    from tests.base.tasks import main

    main()


def compile_triton() -> None:
    """Compile all kernels for GPUs, for all targets."""
    from triton_kernels import compile_all

    with contextlib.suppress(ImportError):  # Triton is not available for this machine
        compile_all()


def tasks() -> Iterator[tuple[str, Callable[[], None]]]:
    """Return names and calls that can run concurrently; calls that need kernels of others come after these."""
    from seqgen.registry import FAMILIES
    from tests.conformance.cases import folder

    yield "triton", compile_triton
    yield "base install", compile_base
    for name in dict.fromkeys(map(folder, FAMILIES.values())):
        yield name, partial(compile_cases, name)
    yield "built-in models", compile_built_in
    yield "recipes", compile_training


def forget_what_is_old(cache: Path) -> None:
    """Remove the kernels of old sources, for all CPUs: directories in which no file has changed for some time."""
    limit = time.time() - DAYS * 24 * 3600
    for kept in {*cache.glob("kernels-*"), *trusted_place().glob("*/kernels-*")}:
        if all(path.stat().st_mtime < limit for path in kept.rglob("*")):
            shutil.rmtree(kept, ignore_errors=True)


def main() -> None:
    """Compile what is missing, in as many processes as the tests use, and print what it took."""
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
