"""Runs test_kernels.py under Triton's interpreter in a separate process.

The flag must be set before Triton is imported, and with it nothing in the process can be compiled.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

HERE = Path(__file__).parent


def test_kernels_equal_their_references_in_the_interpreter() -> None:
    root = HERE.parents[1]
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": path}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--override-ini=addopts=",
        "--tb=short",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-W", "error", str(HERE / "test_kernels.py")]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", done.stdout)
    if done.returncode or passed is None or int(passed[1]) < 50:
        pytest.fail(
            f"in the interpreter, status {done.returncode}:\n{done.stdout}\n{done.stderr}", pytrace=False
        )
