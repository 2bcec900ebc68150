"""Benchmarks: every figure next to that of the usual alternative, measured in the same run.

    make bench       the quick part, under five minutes; writes the benchmarks/REPORT-….md of this kind of CPU
    make bench-all   all of them

Timings are recorded here and never asserted; it is asserted that both sides do the same work.
"""
