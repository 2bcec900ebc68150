"""The command line `seqgen`.

Data go to standard output, all messages to standard error. Signals and exit codes are those of `pipelines.cli.process`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import click

from pipelines.escaping import shown_on

COMMANDS = {
    "stream": ("pipelines.cli.stream", "Stream samples to the terminal, a pipe or a file."),
    "models": ("pipelines.cli.models", "List the built-in models."),
    "train": ("pipelines.cli.train", "Train a model on your own files."),
    "eval": ("pipelines.cli.evaluate", "Score a model on held-out data."),
    "warm": ("pipelines.cli.warm", "Compile the kernels of models ahead of their use."),
    "doctor": (
        "pipelines.cli.doctor",
        "Report this machine's hardware and libraries, and which engines work.",
    ),
}


class _ReaderGone(Exception):
    """The reader of standard output has closed the pipe, as in `seqgen … | head`."""


class LazyGroup(click.Group):
    """A group that imports a command only when it runs, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would exit with 1, but a closed pipe is not a failure
            raise _ReaderGone from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from seqgen.checkpoint import versions

        click.echo(f"seqgen {versions()['seqgen']}")
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def main() -> None:
    """Stream text, audio and pixels from generative sequence models.

    \b
    Try:
      seqgen stream shakespeare
      seqgen stream shakespeare --prompt "ROMEO:" --temperature 0.8 --length 500 --seed 7
      seqgen stream weather -n 3 --length 10
      seqgen models
    """


def start() -> None:
    """Set up the process and run the command line."""
    from pipelines.cli.process import prepare

    prepare()
    run()


def run(arguments: list[str] | None = None) -> None:
    """Run `main` and convert every error into one line and an exit code."""
    from pipelines.cli.process import exit_code
    from seqgen.errors import SeqgenError
    from seqgen.extras import explained

    try:
        with _one_line_warnings():
            code = main.main(arguments, prog_name="seqgen", standalone_mode=False)
    except click.exceptions.Abort as abort:
        _leave(exit_code(abort.__cause__ or abort))
    except click.ClickException as error:
        error.show()
        _leave(error.exit_code)
    except click.exceptions.Exit as error:
        _leave(error.exit_code)
    except KeyboardInterrupt as interrupt:
        _leave(exit_code(interrupt))
    except _ReaderGone:
        _leave(0)
    except (ValueError, TypeError) as error:
        _fail(error, 2)
    except (SeqgenError, OSError, MemoryError) as error:
        _fail(error, 1)
    except ImportError as error:
        _fail(explained(error, "this request"), 1)
    else:
        _leave(code if isinstance(code, int) else 0)


@contextlib.contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Print every SeqgenWarning as one line, and other warnings as Python does."""
    from seqgen.errors import SeqgenWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", SeqgenWarning)
        usual: Any = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SeqgenWarning):
                _say(shown_on(sys.stderr, f"seqgen: {message}"))
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _fail(error: BaseException, code: int) -> None:
    if os.environ.get("SEQGEN_DEBUG"):
        raise error
    _say(shown_on(sys.stderr, f"seqgen: error: {_message(error)}"))
    _leave(code)


def _message(error: BaseException) -> Any:
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return error if str(error) else type(error).__name__


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _leave(code: int) -> None:
    """Exit, suppressing the error of the interpreter's final flush if the pipe is closed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError) and not code:
            _say(f"seqgen: error: {_message(error)}: standard output")
            code = 1
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    sys.exit(code)
