"""Benchmarks: every figure next to that of the usual alternative, measured in the same run.

    make bench       the quick part, under five minutes; writes benchmarks/REPORT.md
    make bench-all   all of them

Timings are recorded here and never asserted; it is asserted that both sides do the same work.
"""
