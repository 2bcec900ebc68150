"""Latency of sound: the time to the first 20 ms, the gaps between chunks, and the memory over an hour."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgen
from benchmarks.bench_memory import resident_bytes
from benchmarks.side_by_side import fill, limited_threads
from benchmarks.wavenet_peers import comparable
from seqgen import pretrained

RATE = 16000
PIECE = RATE // 50  # 20 ms
HOUR = 3600 * RATE


@cache
def model() -> tuple[str, str]:
    """Return a path or name to stream, and its name in the report: the built-in model, or one of its shape."""
    if "speech" in pretrained.names():
        return "speech", "built-in speech"
    path = Path(tempfile.mkdtemp(prefix="seqgen-bench-")) / "wavenet.safetensors"
    comparable().save(path)
    return str(path), "WaveNet, 20 layers, 64/256 channels"


def bench_command_to_first_sound(benchmark: Any) -> None:
    """Measure a new process, with compiled kernels on disk."""
    path, name = model()
    arguments = ["-m", "seqgen", "stream", path, "--seconds", "60", "-o", "-", "--format", "s16le", "-q"]

    def first() -> float:
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as process:
            assert process.stdout is not None
            read = b""
            while len(read) < 2 * PIECE:
                part = process.stdout.read(2 * PIECE - len(read))
                assert part, "the process ended before there was sound"
                read += part
            seconds = time.perf_counter() - began
            process.stdout.close()
            process.kill()
        return seconds

    _seconds(benchmark, f"`seqgen stream` to the first 20 ms of sound, {name}", first, 1.5, 5)


def bench_stream_to_first_sound(benchmark: Any) -> None:
    """Measure a process that has streamed before."""
    path, name = model()

    def first() -> float:
        began = time.perf_counter()
        with seqgen.stream(path, 1, chunk=PIECE) as stream:
            assert len(next(stream).data) == PIECE
            return time.perf_counter() - began

    _seconds(benchmark, f"`seqgen.stream()` to the first 20 ms of sound, {name}", first, 0.05, 9)


def bench_gaps(benchmark: Any) -> None:
    """Measure the 99th percentile of the time between chunks of 20 ms, over half a minute of sound."""
    path, name = model()
    gaps: list[float] = []

    def run() -> None:
        with limited_threads(1), seqgen.stream(path, 1, chunk=PIECE, threads=1) as stream:
            next(stream)
            before = time.perf_counter()
            for _ in range(1500):
                next(stream)
                now = time.perf_counter()
                gaps.append(now - before)
                before = now

    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    late = float(np.percentile(gaps, 99))
    middle = statistics.median(gaps)
    fill(
        benchmark, family="sound", work=f"99 % of the gaps between chunks of 20 ms, {name}", unit="s", rate=late,
        kind="seconds", target="≤ 0.02 s", met=late <= 0.02, threads=1,
        note=f"median {middle * 1000:.1f} ms, longest {max(gaps) * 1000:.1f} ms; {0.02 / middle:.2f}× real time",
        gaps=gaps,
    )  # fmt: skip


@pytest.mark.slow
def bench_first_compilation(benchmark: Any) -> None:
    """Measure the first chunk of the first stream on a machine, with nothing compiled, minus that of the second."""
    path, name = model()
    script = (
        "import sys, time, seqgen\n"
        "began = time.perf_counter()\n"
        f"next(seqgen.stream(sys.argv[1], 1, chunk={PIECE}))\n"
        "print(time.perf_counter() - began)\n"
    )
    seconds: list[float] = []

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"SEQGEN_CACHE_DIR": folder}
            command = [sys.executable, "-c", script, path]
            runs = [
                subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                for _ in range(2)
            ]
        assert "compiling the WaveNet kernels" in runs[0].stderr, "compilation must be reported on stderr"
        assert not runs[1].stderr, "the second run must load the kernels from disk"
        seconds.append(float(runs[0].stdout) - float(runs[1].stdout))

    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    fill(
        benchmark, family="sound", work=f"compiling the kernels, once for a machine, {name}", unit="s",
        rate=seconds[-1], kind="seconds", target="≤ 20 s", met=seconds[-1] <= 20.0,
        note="cached on disk, with a message on stderr",
    )  # fmt: skip


@pytest.mark.slow
def bench_an_hour_in_flat_memory(benchmark: Any) -> None:
    """Stream an hour from a small WaveNet: the memory in use does not depend on the size of the network."""
    small = seqgen.WaveNet(8, 8, 8, 16, 8, seed=1)
    readings: list[int] = []

    def run() -> None:
        with small.stream(1, HOUR, chunk=RATE) as stream:
            for number, _ in enumerate(stream):
                if number % 60 == 0:
                    readings.append(resident_bytes())

    gc.collect()
    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    growth = readings[-1] - readings[5]
    fill(
        benchmark, family="sound", work="memory over an hour of sound, WaveNet of 8 layers", unit="KiB more",
        rate=growth / 1024, kind="amount", target="flat: < 512", met=growth < 512 * 1024,
        limit=f"{readings[-1] / 2**20:.0f} MiB in all", note="from the fifth minute to the last",
        readings=readings,
    )  # fmt: skip


def _seconds(benchmark: Any, work: str, once: Any, target: float, rounds: int) -> None:
    """Measure one row: `once` returns the seconds it took; the first is a warm-up."""
    taken: list[float] = []
    benchmark.pedantic(lambda: taken.append(once()), rounds=rounds, warmup_rounds=1, iterations=1)
    seconds = statistics.median(taken[1:])
    fill(
        benchmark, family="sound", work=work, unit="s", rate=seconds, kind="seconds", target=f"≤ {target:g} s",
        met=seconds <= target, best_rate=min(taken[1:]), rates=taken[1:],
        note="compiled kernels on disk" if "stream`" in work else "",
    )  # fmt: skip
