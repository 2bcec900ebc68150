"""Benchmarks: every figure beside what a user would pick instead, measured in the same run.

    make bench       the quick part, under five minutes; writes benchmarks/REPORT.md
    make bench-all   all of them

Timings are recorded here and never asserted; what is asserted is that both sides do the same work.
"""
