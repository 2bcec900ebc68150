"""Runs a command and fails if it took more CPU seconds, of all its processes together, than it may.

    python .ci/within.py SECONDS COMMAND ARGUMENT ...

CPU seconds, because they depend on the load of the machine far less than the clock does; the clock is only reported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main(budget: float, command: list[str]) -> int:
    """The command's exit code, or 1 if it succeeded beyond the budget."""
    began = time.monotonic()
    code = subprocess.run(command, check=False).returncode
    used = os.times()
    spent = used.children_user + used.children_system  # of all that were waited for, at any depth
    clock = time.monotonic() - began
    said = f"{' '.join(command)} took {spent:.0f} of {budget:.0f} CPU seconds, {clock:.0f} s by the clock"
    if code == 0 and spent > budget:
        print(f"{said}: too many; make it cheaper, mark what is slow, or raise BUDGET in .ci/run and say why")
        return 1
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
