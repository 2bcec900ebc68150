"""A process that is forked while another thread compiles can compile and use kernels."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORKED = """
import os, signal, threading, time
from numba.core.compiler_lock import global_compiler_lock
import seqgen.kernels.compile

entered = threading.Event()

def compile():
    with global_compiler_lock:
        entered.set()
        time.sleep(0.5)

thread = threading.Thread(target=compile)
thread.start()
entered.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    with global_compiler_lock:
        os._exit(0)
status = os.waitpid(child, 0)[1]
thread.join()
with global_compiler_lock:
    print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_fork_waits_until_a_kernel_is_compiled() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "0", done.stderr
