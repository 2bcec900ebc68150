"""`seqgen warm`: compile the kernels of models ahead of their use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipelines.escaping import shown_on

if TYPE_CHECKING:
    from seqgen.warming import Warmed


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Number of processes that compile.  [default: the cores that may be used]")  # fmt: skip
def command(models: tuple[str, ...], jobs: int | None) -> None:
    """Compile all kernels of each MODEL (a built-in name or a .safetensors file) now; by default of all built-in ones.

    Kernels are otherwise compiled when a request first needs them. After this command, nothing is compiled for one
    stream or several, on one core or two, with controls, prompts, forced symbols and log-probabilities, nor for
    likelihoods that kernels compute, in the precision in which the model is stored; another --precision, and smoothing
    by HMMs, are compiled when they are used. Kernels are kept in $SEQGEN_CACHE_DIR, by default ~/.cache/seqgen. What is
    there already is not compiled again.

    In an image of a container, or for the nodes of a cluster, run it as the user who will use the models, because the
    kernels of other users are not loaded. Kernels are for one kind of CPU: on another kind, they are compiled again.
    For machines of several kinds, set the same two variables here and wherever the models are used, to a CPU whose
    instructions all of them have, for example NUMBA_CPU_NAME=x86-64-v3 (AVX2) and NUMBA_CPU_FEATURES= (empty, but set).
    The samples are the same.

    Ctrl-C keeps what is compiled. The exit code is 1 if a model cannot be prepared or kernels cannot be kept.

    \b
    Examples:
      seqgen warm
      seqgen warm shakespeare mine.safetensors --jobs 4
      SEQGEN_CACHE_DIR=/opt/kernels NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES= seqgen warm
    """
    from seqgen.warming import warm

    def progress(done: Warmed) -> None:
        click.echo(shown_on(sys.stderr, _line(done)), err=True)

    report = warm(models or None, jobs=jobs, progress=progress)
    click.echo(
        shown_on(
            sys.stderr,
            f"{_kernels(report.compiled)} compiled; {report.directory} has {report.size / 1e6:.1f} MB of kernels. "
            f"These are for the CPU kind {report.cpu}; seqgen warm --help says how to prepare for others",
        ),
        err=True,
    )
    if any(each.failed for each in report.models):
        sys.exit(1)


def _line(done: Warmed) -> str:
    if done.skipped:
        return f"{done.name}: skipped: {done.skipped}"
    if done.failed:
        return f"{done.name}: error: {done.failed}"
    if not done.compiled:
        return f"{done.name}: nothing to compile, {done.seconds:.1f} s"
    ready = f", {done.ready} already there" if done.ready else ""
    return f"{done.name}: {_kernels(len(done.compiled))} compiled{ready}, {done.seconds:.1f} s"


def _kernels(count: int) -> str:
    return f"{count} kernel{'' if count == 1 else 's'}"
