"""The choice of the fastest way of running a peer, on rates that are given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks import ways
from benchmarks.ways import fastest_way

RATES = {
    ("plain", 1): 100.0,
    ("plain", 2): 80.0,
    ("lean", 1): 250.0,
    ("lean", 2): 300.0,
    ("compiled", 2): 290.0,
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Replace the clock by the table; return the list of calls, to which loops append their name."""
    made: list[tuple[str, int]] = []
    number = [0]

    class Limited:
        def __init__(self, threads: int) -> None:
            self.threads = threads

        def __enter__(self) -> None:
            number[0] = self.threads

        def __exit__(self, *_: object) -> None:
            pass

    def rate_of(work: Callable[[], int]) -> float:
        work()
        made[-1] = (made[-1][0], number[0])
        return RATES[made[-1]]

    monkeypatch.setattr(ways, "limited_threads", Limited)
    monkeypatch.setattr(ways, "rate_of", rate_of)
    return made


def loop(name: str, calls: list[tuple[str, int]]) -> Callable[[], int]:
    def work() -> int:
        calls.append((name, 0))
        return 1

    return work


def test_the_fastest_loop_and_number_of_threads_are_chosen_and_all_are_reported(
    calls: list[tuple[str, int]],
) -> None:
    way = fastest_way({name: loop(name, calls) for name in ("plain", "lean")}, [1, 2])
    assert (way.name, way.threads) == ("lean", 2)
    assert way.note == "peers tried, by threads: plain 100/s on 1, 80/s on 2; lean 250/s on 1, 300/s on 2"
    assert len(calls) == 4 * ways.TRIES


def test_a_compiled_loop_is_tried_on_the_best_number_of_threads_after_a_call_that_is_not_timed(
    calls: list[tuple[str, int]],
) -> None:
    loops = {"lean": loop("lean", calls)}
    way = fastest_way(loops, [1, 2], {"compiled": lambda: loop("compiled", calls)})
    assert (way.name, way.threads) == ("lean", 2)
    assert way.note.endswith("compiled 290/s on 2")
    assert [call for call in calls if call[0] == "compiled"] == [("compiled", 0)] + [
        ("compiled", 2)
    ] * ways.TRIES


def test_one_way_needs_no_name_in_the_note(calls: list[tuple[str, int]]) -> None:
    assert (
        fastest_way({"plain": loop("plain", calls)}, [1, 2]).note
        == "peer tried: 100/s on 1, 80/s on 2 threads"
    )
    assert not fastest_way({"plain": loop("plain", calls)}, [1]).note
