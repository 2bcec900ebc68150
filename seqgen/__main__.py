"""Entry point of the command `seqgen` and of `python -m seqgen`."""

from __future__ import annotations

import sys

from seqgen.neighbours import require


def main() -> None:
    """Run the command line of `pipelines.cli`."""
    try:
        require("pipelines")
    except ImportError as error:
        sys.exit(f"seqgen: error: {error}")
    from pipelines.cli import start

    start()


if __name__ == "__main__":
    main()
