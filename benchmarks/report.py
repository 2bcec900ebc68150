"""Creation of a Markdown page from pytest-benchmark's JSON.

python -m benchmarks.report .benchmarks/bench.json

Every kind of CPU has a page of its own, so that the figures of a kind remain, with date and commit, until they are
measured again: REPORT-avx512.md, REPORT-avx2.md, REPORT-neon.md. With NUMBA_CPU_NAME or NUMBA_CPU_FEATURES, where
Numba compiles for another CPU, the page is called REPORT-avx2-emulated.md or similarly.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import VECTORS
from benchmarks.side_by_side import short

HERE = Path(__file__).parent

TITLES = {
    "hmm": "Hidden Markov models",
    "markov": "Markov chains",
    "char-rnn": "Character RNNs",
    "wavenet": "WaveNet",
    "sound": "Sound",
    "pixel-cnn": "PixelCNN",
    "pixel-rnn": "PixelRNN",
    "pixel-cnn-pp": "PixelCNN++",
    "rng": "Random numbers",
    "gaps": "Gaps between chunks",
    "memory": "Memory",
    "start": "Starting",
    "chunks": "Chunks",
}


def report(run: dict[str, Any], command: str) -> str:
    """Return the page of one run.

    Args:
        run: the output of --benchmark-json; rows without our `extra_info` are omitted.
        command: the command that creates the page again.
    """
    rows = [b["extra_info"] for b in run["benchmarks"] if "work" in b.get("extra_info", {})]
    lines = [f"# Benchmarks: {_kind_in_words(run['machine_info'])}", "", *_preamble(run, rows, command), ""]
    for family in _families(rows):
        lines += [
            f"## {TITLES.get(family, family)}",
            "",
            *_table(r for r in rows if r["family"] == family),
            "",
        ]
    return "\n".join(lines)


def page(machine: dict[str, Any]) -> str:
    """Return the name of the page for a kind of CPU."""
    return f"REPORT-{machine['vectors']}{'-emulated' if machine['emulated'] else ''}.md"


def _kind_in_words(machine: dict[str, Any]) -> str:
    kind = VECTORS[machine["vectors"]]
    return f"code for {kind}, on another CPU" if machine["emulated"] else kind


def _preamble(run: dict[str, Any], rows: Sequence[dict[str, Any]], command: str) -> list[str]:
    machine, commit = run["machine_info"], run["commit_info"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    caches = ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
    sha = (commit.get("id") or "unknown")[:12] + (" with changes" if commit.get("dirty") else "")
    settings = " ".join(f"{name}={value}" for name, value in machine["environment"].items())
    missed = [row["work"] for row in rows if row["met"] is False]
    targets = sum(row["met"] is not None for row in rows)
    verdict = f"{targets - len(missed)} of {targets} targets met"
    return [
        f"Made by `{command}` on {datetime.fromisoformat(run['datetime']):%d %B %Y}, commit {sha}.",
        "",
        "Both sides of a row do the same work, which is checked, in alternating rounds of one run; figures are "
        "medians of the rounds. Machines are noisy, so ratios are more reliable. `2 : 1` threads are ours and the "
        "peer's, which may use the number with which it is fastest.",
        "",
        f"- Machine: {machine['cpu']}; {VECTORS[machine['vectors']]}; {machine['cores']} cores; {caches}; "
        f"{machine['system']}",
        "- Limits, in C and independent of our code, against which rows are stated:",
        *(f"  - {line}" for line in machine["limits"]),
        f"- Python {machine['python']}, {versions}",
        *([f"- Settings: {settings}"] if settings else []),
        *([f"- Load before the run: {machine['load']:.1f}"] if machine.get("load") is not None else []),
        f"- {verdict}" + (f"; missed: {'; '.join(missed)}" if missed else ""),
    ]


def _families(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return known families in their order, followed by the others."""
    present = list(dict.fromkeys(row["family"] for row in rows))
    return [f for f in TITLES if f in present] + [f for f in present if f not in TITLES]


def _table(rows: Iterable[dict[str, Any]]) -> list[str]:
    header = ["work", "ours", "peer", "ratio", "target", "met", "threads", "limit and notes"]
    lines = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        remarks = "; ".join(part for part in (row.get("limit"), row.get("note")) if part)
        cells = [
            row["work"],
            _figure(row, "rate"),
            _peer(row),
            _ratio(row),
            row["target"],
            met,
            _threads(row),
        ]
        lines.append(_line([*cells, remarks]))
    return lines


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _figure(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if row["kind"] == "seconds" and value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    if row["kind"] == "seconds":
        return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.{0 if value >= 0.01 else 2}f} ms"
    if row["kind"] == "amount":
        return f"{0.0 if abs(value) < 5e-3 else value:.3g} {row['unit']}"
    return f"{short(value)} {row['unit']}/s"


def _peer(row: dict[str, Any]) -> str:
    if row["peer_rate"] is None:
        return row["peer"] or "–"
    return f"{row['peer']}: {_figure(row, 'peer_rate')}"


def _ratio(row: dict[str, Any]) -> str:
    ratio = row["ratio"]
    if ratio is None:
        return "–"
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.3g}×"


def _threads(row: dict[str, Any]) -> str:
    own, peer = row.get("threads"), row.get("peer_threads")
    if own is None:
        return ""
    return str(own) if row["peer_rate"] is None or own == peer else f"{own} : {peer}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Create a Markdown page from pytest-benchmark's JSON.")
    parser.add_argument("json", type=Path, help="the output of pytest's --benchmark-json")
    parser.add_argument("-o", "--output", type=Path, help="default: the page of this kind of CPU")
    parser.add_argument("--command", default="make bench", help="command of the run, named in the page")
    arguments = parser.parse_args()
    run = json.loads(arguments.json.read_text(encoding="utf-8"))
    output = arguments.output or HERE / page(run["machine_info"])
    output.write_text(report(run, arguments.command), encoding="utf-8")
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
