"""The command line of the fuzzer."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from tests.conftest import settings  # noqa: F401  # configures the libraries as in the tests
from tests.kernel_cache import ROOT


@click.command()
@click.option("--cases", default=2000, show_default=True, help="Trials of each family.")
@click.option("--minutes", type=float, help="Stop after so many minutes; the families take turns.")
@click.option("--family", "families", multiple=True, help="Only this family; may be given several times.")
@click.option("--subject", "names", multiple=True, help="Only this model.")
@click.option("--first", default=0, show_default=True, help="Number of the first trial, to repeat one.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes other trials.")
@click.option(
    "--built-in/--no-built-in", default=True, show_default=True, help="Also change the built-in models."
)
@click.option("--bounds", is_flag=True, help="Compile kernels that check every index; some minutes more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--keep", type=click.Path(path_type=Path), default=ROOT / ".fuzz", help="Folder for the files of faults."
)
def main(
    cases: int, minutes: float | None, families: tuple[str, ...], names: tuple[str, ...], first: int, seed: int,
    built_in: bool, bounds: bool, as_json: bool, keep: Path,
) -> None:  # fmt: skip
    """Change checkpoints and states of every family at random, and use them in child processes.

    Allowed is a refusal by SeqgenError or ValueError within two CPU seconds and 500 MB, or a stream of the declared
    shapes that does not depend on the contents of unused memory. Everything else is printed, its file is kept, and the
    exit status is 1.
    """
    if bounds:
        os.environ["NUMBA_BOUNDSCHECK"] = "1"
        os.environ["SEQGEN_CACHE_DIR"] += "-bounds"
    import torch

    from seqgen import pretrained
    from tests.fuzzing.server import Server
    from tests.fuzzing.subjects import by_family, subjects

    torch.set_num_threads(1)
    chosen = [
        subject
        for subject in subjects()
        if (not families or subject.family in families)
        and (not names or subject.id in names)
        and (built_in or subject.id not in pretrained.names())
    ]
    say = (lambda text: None) if as_json else click.echo
    say(f"recording {len(chosen)} models …")
    counts: dict[str, Counter[str]] = {}
    faults: list[dict[str, object]] = []
    end = None if minutes is None else time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        server = Server(chosen, Path(folder))
        for number in range(first, first + cases):
            if end is not None and time.monotonic() > end:
                break
            for name, own in by_family(chosen):
                if not own:
                    continue
                subject = own[number % len(own)].id
                outcome, trial = server.trial(subject, number, seed)
                counts.setdefault(name, Counter()).update([outcome.kind, f"{outcome.kind} {outcome.change}"])
                if outcome.kind != "fault":
                    continue
                repeat = f"--subject {subject} --first {number} --cases 1 --seed {seed}"
                faults.append(
                    {
                        "family": name,
                        "subject": subject,
                        "change": trial.change,
                        "said": outcome.said,
                        "repeat": repeat,
                    }
                )
                say(f"\n{subject}, {trial.change}: {outcome.said}\n  python -m tests.fuzzing {repeat}")
                if trial.change != "state" and trial.path.exists():
                    keep.mkdir(exist_ok=True)
                    shutil.copy(trial.path, keep / f"{subject}-{seed}-{number}.safetensors")
            if (number + 1 - first) % 100 == 0:
                say(f"{number + 1 - first} trials of each family, {len(faults)} faults")
    if as_json:
        click.echo(json.dumps({"counts": counts, "faults": faults}))
    else:
        for name, kinds in counts.items():
            say(
                f"{name:24}"
                + "  ".join(f"{kind} {kinds[kind]}" for kind in ("refused", "streamed", "loaded", "fault"))
            )
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
