"""Compilation of the kernels of whole models ahead of their use, in parallel processes: `seqgen.warm`.

For images of containers, for clusters, and for whoever does not want to wait at the first request.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from seqgen.errors import MissingPackageError, SeqgenError, integer
from seqgen.pretrained import find, names
from seqgen.registry import family
from seqgen.threads import usable_threads


@dataclass(frozen=True)
class Warmed:
    """What was done for one model.

    Attributes:
        name: as given. seconds: by the clock.
        compiled: the kernels that were compiled, as "module.function". ready: number of those that were in the cache.
        skipped: why the model was left out: the optional package that it needs. failed: the error, if there was one.
    """

    name: str
    seconds: float = 0.0
    compiled: tuple[str, ...] = ()
    ready: int = 0
    skipped: str | None = None
    failed: str | None = None


@dataclass(frozen=True)
class WarmReport:
    """What `warm` has done.

    Attributes:
        models: in the order in which they were completed.
        directory: the cache. size: of all compiled kernels in it, in bytes.
        cpu: the CPU name for which kernels are compiled. features: its features, which together with the name decide
            whether a compiled kernel is used.
    """

    models: tuple[Warmed, ...]
    directory: Path
    size: int
    cpu: str
    features: str

    @property
    def compiled(self) -> int:
        """The number of kernels that were compiled."""
        return sum(len(each.compiled) for each in self.models)


def warm(
    names_or_paths: Sequence[str | os.PathLike[str]] | None = None,
    *,
    jobs: int | None = None,
    progress: Callable[[Warmed], None] | None = None,
) -> WarmReport:
    """Compile the kernels of models into the kernel cache, so that nothing is compiled when they are used.

    Compiled is what streaming in a model's own precision needs: one stream and several, a second core, controls,
    prompts, forced symbols and log-probabilities, and the likelihood where kernels compute it. Processes are
    started as by `multiprocessing` with "spawn": a script calls this below `if __name__ == "__main__":`.

    Args:
        names_or_paths: built-in models and checkpoints; None is all built-in models.
        jobs: number of processes; None is the number of cores that may be used, or $SEQGEN_THREADS.
        progress: called after each model.

    Raises:
        SeqgenError: if there is no such model, or the cache cannot be written or would not be used.
    """
    if isinstance(names_or_paths, (str, os.PathLike)):
        raise TypeError(f"names_or_paths must be a list of models, got {names_or_paths!r}")
    given = names() if names_or_paths is None else names_or_paths
    wanted = tuple(dict.fromkeys(os.fspath(each) for each in given))
    jobs = usable_threads() if jobs is None else integer("jobs", jobs, low=1)
    groups = _groups(wanted)
    directory = usable_cache()
    done = []
    for each in _in_processes(groups, min(jobs, max(1, len(groups)))):
        done.append(each)
        if progress is not None:
            progress(each)
    size = sum(path.stat().st_size for path in directory.glob("kernels-*/*.nbc"))
    return WarmReport(tuple(done), directory, size, *_target())


def usable_cache() -> Path:
    """Return the directory of the kernel cache; create it if it does not exist.

    Raises:
        SeqgenError: if nothing can be kept in it, or nothing would be loaded from it.
    """
    from seqgen.kernels.compile import cache_directory
    from seqgen.kernels.trust import untrusted

    directory = cache_directory(__file__).parent
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        reason = untrusted(directory)
        if reason is None:
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        raise SeqgenError(
            f"compiled kernels cannot be kept in {directory} ({error.strerror}); set SEQGEN_CACHE_DIR to a directory "
            "that can be written, now and when the models are used"
        ) from None
    if reason is not None:
        raise SeqgenError(
            f"kernels would not be loaded from {directory}: {reason}. Since a cache is executed, only you and root may "
            "be able to write to it and its parents: change its mode, or set SEQGEN_CACHE_DIR to another directory"
        )
    return directory


def _groups(wanted: Sequence[str]) -> list[list[str]]:
    """Return the models by engine, because those of one engine share kernels; first what takes longest to compile."""
    from seqgen.kernels.compile import sources

    groups: dict[str, list[str]] = {}
    for name in wanted:
        engines = family(find(name).family).engines
        groups.setdefault(next(iter(engines.values())).split(":")[0], []).append(name)

    def code(module: str) -> int:
        """The amount of source code that is compiled, to which the time is roughly proportional."""
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        return sum(map(len, sources(spec.origin).values()))

    return [groups[module] for module in sorted(groups, key=code, reverse=True)]


def _in_processes(groups: list[list[str]], jobs: int) -> Iterator[Warmed]:
    """Yield what was done for each model; models of a group one after another."""
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_end_with_parent)
    waiting = [list(group) for group in groups]
    running: dict[Future[Warmed], list[str]] = {}
    try:
        with _interrupts_held():
            for group in waiting:
                running[pool.submit(_warmed, group.pop(0))] = group
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                group = running.pop(future)
                if group:
                    running[pool.submit(_warmed, group.pop(0))] = group
                yield future.result()
    except BrokenProcessPool:
        raise SeqgenError(
            "a process that compiled kernels was killed, perhaps for want of memory; fewer processes need less: jobs=1"
        ) from None
    finally:
        # after an interrupt, what is being compiled is given up
        if running:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even if that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back Ctrl-C, here until the end and for good in processes started meanwhile, which the caller ends."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _warmed(name: str) -> Warmed:
    """Compile what a model needs, in a process of its own."""
    from seqgen.compiled import KernelCounts
    from seqgen.usual_requests import request_all

    began, kernels = time.perf_counter(), KernelCounts()
    skipped = failed = None
    # the caller reports instead of the messages about compiling
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            request_all(find(name))
        except MissingPackageError as error:
            skipped = str(error)
        except Exception as error:
            failed = str(error) or type(error).__name__
    if failed is None and (lost := kernels.lost()):
        failed = f"compiled, but could not be kept: {', '.join(lost)}; is the disk full?"
    return Warmed(
        name, time.perf_counter() - began, kernels.compiled(), kernels.ready(), skipped=skipped, failed=failed
    )


def _target() -> tuple[str, str]:
    """Return the name and the features of the CPU for which Numba compiles, which are in the key of every kernel."""
    from numba.core.registry import cpu_target

    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    return str(name), str(features)
