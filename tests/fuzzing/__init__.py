"""A fuzzer of checkpoints and of stream states: `python -m tests.fuzzing --help`.

Each trial changes a valid file or state, makes its hashes right again, and uses it in a child process that is forked
from a server which has imported the library and loaded its kernels, and has never streamed. `trial` says what is
allowed.
"""
