"""The choice of the faster of two implementations by their times."""

from __future__ import annotations

import pytest

from seqgen.kernels.trial import Trial


def chosen(trial: Trial, costs: dict[bool, float], times: int) -> list[bool]:
    found = []
    for _ in range(times):
        way = trial.choose()
        trial.took(way, costs[way])
        found.append(way)
    return found


@pytest.mark.parametrize("faster", [True, False])
def test_the_slower_way_is_tried_again_and_ever_more_rarely(faster):
    trial = Trial(again=4)
    chosen(trial, {faster: 1.0, not faster: 2.0}, 3)
    tried = [k for k, way in enumerate(chosen(trial, {faster: 1.0, not faster: 2.0}, 70)) if way != faster]
    assert tried == [3, 11, 27, 59]


def test_the_first_time_of_all_is_forgotten():
    trial = Trial()
    first = trial.choose()
    trial.took(first, 1000.0)
    assert chosen(trial, {first: 1.0, not first: 2.0}, 10).count(first) == 9


def test_a_way_that_becomes_slower_is_left():
    trial = Trial(again=4)
    chosen(trial, {True: 1.0, False: 2.0}, 20)
    ways = chosen(trial, {True: 9.0, False: 2.0}, 20)
    assert ways.index(False) <= 2
    assert ways.count(False) > 15


def test_a_way_that_becomes_faster_is_found():
    trial = Trial(again=4)
    chosen(trial, {True: 1.0, False: 2.0}, 20)
    assert chosen(trial, {True: 1.0, False: 0.1}, 200)[-50:].count(False) >= 49
