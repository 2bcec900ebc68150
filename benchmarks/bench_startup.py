"""Time to the first character of new processes, with compiled kernels already on disk, and of further streams."""

from __future__ import annotations

import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks.side_by_side import fill

STREAM = ["-m", "seqgen", "stream", "shakespeare", "--length", "100000", "--seed", "7"]


def seconds_to_end(arguments: Sequence[str]) -> float:
    """Return the seconds until `python ...` has ended."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def seconds_to_first_byte(arguments: Sequence[str]) -> float:
    """Return the seconds until the first byte of `python ...` comes out of a pipe; the rest is not awaited."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        seconds = time.perf_counter() - began
        process.stdout.close()
        process.kill()
    assert first, "the process ended without writing anything"
    return seconds


def measure(
    benchmark: Any, work: str, ours: Any, peer: Any, peer_name: str, target: float, rounds: int, note: str,
    *, included: bool = False,
) -> None:  # fmt: skip
    """Measure one row: both sides return seconds and run in turns, after one round of warm-up.

    `included` means that the peer's time is part of ours, so that a ratio has no meaning.
    """
    own: list[float] = []
    others: list[float] = []
    benchmark.pedantic(
        lambda: own.append(ours()), setup=lambda: others.append(peer()), rounds=rounds, warmup_rounds=1
    )
    seconds, peer_seconds = statistics.median(own[-rounds:]), statistics.median(others[-rounds:])
    fill(
        benchmark, family="start", work=work, unit="s", rate=seconds, kind="seconds", peer=peer_name,
        peer_rate=peer_seconds, ratio=None if included else peer_seconds / seconds, target=f"≤ {target:g} s",
        met=seconds <= target, note=note, best_rate=min(own[-rounds:]), rates=own[-rounds:],
        peer_rates=others[-rounds:],
    )  # fmt: skip


def bench_import(benchmark: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import seqgen, sys; print({'torch', 'numba'} & set(sys.modules))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()", f"import seqgen loads {done.stdout.strip()}"
    measure(
        benchmark, "`import seqgen`", lambda: seconds_to_end(["-c", "import seqgen"]),
        lambda: seconds_to_end(["-c", "pass"]), "`python -c pass`", 0.3, 7,
        "the bare interpreter included", included=True,
    )  # fmt: skip


def bench_help(benchmark: Any) -> None:
    measure(
        benchmark, "`seqgen --help`", lambda: seconds_to_end(["-m", "seqgen", "--help"]),
        lambda: seconds_to_end(["-c", "pass"]), "`python -c pass`", 0.3, 7,
        "the bare interpreter included", included=True,
    )  # fmt: skip


def bench_first_character(benchmark: Any) -> None:
    imports = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seqgen", "stream", "shakespeare", "--length", "20"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert imports.stdout, "nothing was streamed"
    modules = {line.rpartition("|")[2].strip() for line in imports.stderr.splitlines()}
    assert "torch" not in modules, "streaming a built-in model imports torch"
    measure(
        benchmark, "`seqgen stream shakespeare` to the first character",
        lambda: seconds_to_first_byte(STREAM), lambda: seconds_to_end(["-c", "import torch"]),
        "`python -c 'import torch'`", 1.2, 3, "compiled kernels on disk; torch is not imported",
    )  # fmt: skip


def lstm() -> Any:
    import seqgen

    return seqgen.CharRNN("".join(map(chr, range(32, 128))), cell="lstm", hidden_size=512, layers=2, seed=1)


def built_in(name: str) -> Callable[[], Any]:
    def load() -> Any:
        import seqgen

        return seqgen.load(name)

    return load


FURTHER: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "LSTM 2×512, float32": (lstm, {"length": 2, "precision": "float32"}),
    "LSTM 2×512, bfloat16": (lstm, {"length": 2, "precision": "bfloat16"}),
    "built-in shakespeare": (built_in("shakespeare"), {"length": 2}),
    "built-in digits-pixelcnn": (built_in("digits-pixelcnn"), {}),
    "built-in digits-nade": (built_in("digits-nade"), {}),
    "built-in speech": (built_in("speech"), {"length": 2}),
    "built-in shakespeare-markov": (built_in("shakespeare-markov"), {"length": 2}),
    "built-in digit-strokes (HMM)": (built_in("digit-strokes"), {"length": 2}),
}


@pytest.mark.parametrize("name", FURTHER)
def bench_further_stream(benchmark: Any, name: str) -> None:
    """The second symbol takes the kernel's time, which is subtracted from that of the first."""
    make, request = FURTHER[name]
    model = make()
    beyond: list[float] = []
    anew: list[float] = []

    def seconds() -> float:
        began = time.perf_counter()
        with model.stream(1, chunk=1, **request) as stream:
            next(stream)
            first = time.perf_counter()
            next(stream)
            second = time.perf_counter()
        return (first - began) - (second - first)

    def seconds_of_a_changed_model() -> float:
        # another codec object counts as a change, and leaves the samples as they are
        model.codec = copy.copy(model.codec)
        return seconds()

    def round_of_both() -> None:
        anew.append(seconds_of_a_changed_model())
        beyond.append(statistics.median(seconds() for _ in range(5)))

    parameters = sum(array.nbytes for array in model.weights().arrays.values())
    benchmark.pedantic(round_of_both, rounds=21, warmup_rounds=2)
    own, others = beyond[2:], anew[2:]
    took = statistics.median(own)
    fill(
        benchmark, family="start", work=f"a further stream to its first symbol, {name}", unit="s", rate=took,
        kind="seconds", peer="the same after a change of the model", peer_rate=statistics.median(others),
        ratio=statistics.median(others) / took, target="≤ 0.001 s", met=took <= 0.001,
        note=f"without the kernel's time for a symbol; {parameters / 1e6:.1f} MB of parameters are read once",
        best_rate=min(own), rates=own, peer_rates=others,
    )  # fmt: skip
