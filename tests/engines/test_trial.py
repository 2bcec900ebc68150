"""Choosing the faster of two ways by their times."""

from __future__ import annotations

from collections import Counter

from seqgen.engines.numba.trial import Trial


def chosen(trial: Trial, costs: dict[bool, float], times: int) -> Counter[bool]:
    found: Counter[bool] = Counter()
    for _ in range(times):
        way = trial.choose()
        trial.took(way, costs[way])
        found[way] += 1
    return found


def test_the_faster_way_is_taken_and_the_other_tried_again():
    for faster in (True, False):
        trial = Trial(again=10)
        chosen(trial, {faster: 1.0, not faster: 2.0}, 10)
        assert chosen(trial, {faster: 1.0, not faster: 2.0}, 100) == {faster: 90, not faster: 10}


def test_the_first_time_of_all_is_forgotten():
    trial = Trial()
    first = trial.choose()
    trial.took(first, 1000.0)
    assert chosen(trial, {first: 1.0, not first: 2.0}, 10)[first] == 9


def test_a_way_that_becomes_faster_is_found():
    trial = Trial(again=4)
    chosen(trial, {True: 1.0, False: 2.0}, 20)
    chosen(trial, {True: 9.0, False: 2.0}, 40)
    assert chosen(trial, {True: 9.0, False: 2.0}, 40)[False] == 30
