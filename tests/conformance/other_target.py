"""The other process of `test_targets`: streams every case on its fused engine, compiled for another kind of CPU."""

from __future__ import annotations

import hashlib
import json
import sys

from seqgen.kernels.target import target
from seqgen.registry import family
from tests.conformance.cases import CASES
from tests.conformance.running import samples

# lanes that reach every size of tile, and both ways of storing weights
REQUESTS = ((1, "float32"), (7, "bfloat16"))


def streamed() -> dict[str, str]:
    """Return a hash of all samples of every case, with their log-probabilities, for each of the requests."""
    found = {}
    for case in CASES:
        for lanes, precision in REQUESTS:
            # Markov chains and HMMs have one precision, which is theirs
            supported = family(case.model().family).precisions
            stored = precision if precision in supported else "auto"
            stream = case.stream(
                case.engines[0],
                lanes,
                min(case.length, 12),
                seed=3,
                batch=lanes,
                threads=1,
                precision=stored,
                **case.everything(),
            )
            whole = json.dumps(samples(stream), sort_keys=True)
            found[f"{case.id}, {lanes} lanes, {precision}"] = hashlib.sha256(whole.encode()).hexdigest()
    return found


if __name__ == "__main__":
    json.dump({"target": str(target()), "streamed": streamed()}, sys.stdout)
