"""A process of `test_targets`: streams the cases' models with kernels that Numba compiles for another CPU.

The models come from files, so that only what is computed while streaming depends on the CPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import seqgen
from seqgen.kernels.target import target
from seqgen.pretrained import find
from seqgen.registry import family
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.running import samples
from tests.conformance.streams import SEED

# every tile: a lane alone; two; four and the one left over; six, or four and two, and the one left over
BATCHES = (1, 2, 5, 7)


def main(folder: Path, name: str) -> None:
    """Stream from CASE.safetensors in `folder`, write NAME.json."""
    found = {case.id: drawn(case, folder / f"{case.id}.safetensors") for case in CASES}
    (folder / f"{name}.json").write_text(json.dumps({"target": str(target()), "samples": found}))


def drawn(case: Case, file: Path) -> dict[str, Any]:
    """Return all samples of a case, by what was requested."""
    found = {}
    engine = case.engines[0]
    precisions = family(find(file).family).precisions
    for kind in ("varied", "plain", "conditions") if case.conditions else ("varied", "plain"):
        for precision in precisions:
            for batch in BATCHES:
                request = case.required | case.request(kind) | {"engine": engine, "precision": precision}
                stream = seqgen.stream(
                    file, batch, case.length, batch=batch, chunk=8, threads=1, seed=SEED, **request
                )
                found[f"{kind}, {precision}, batch {batch}"] = samples(stream)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
