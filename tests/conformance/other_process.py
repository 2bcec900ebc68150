"""The other process of `test_resuming`: creates the models again, streams them, and resumes from the given states."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.conformance.cases import CASES
from tests.conformance.running import chunks
from tests.conformance.streams import RESUMED


def main(folder: Path) -> None:
    """Read states.json in `folder`, write chunks.json."""
    states = json.loads((folder / "states.json").read_text())
    found = {}
    for case in CASES:
        for engine in case.engines:
            name = f"{case.id}-{engine}"
            whole = chunks(case.stream(engine, **RESUMED | case.everything()))
            resumed = case.stream(engine, **RESUMED | case.everything())
            resumed.load_state_dict(states[name])
            found[name] = [whole, chunks(resumed)]
    (folder / "chunks.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
