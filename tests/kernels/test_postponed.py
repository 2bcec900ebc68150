"""Kernels that only make a request faster: when they are compiled, and when they are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seqgen.kernels.compile import kernel
from seqgen.kernels.postponed import Postponed, nothing_postponed


@pytest.fixture
def half(monkeypatch, tmp_path):
    """A kernel that was never compiled."""
    monkeypatch.setenv("SEQGEN_CACHE_DIR", str(tmp_path))

    @kernel
    def half(x):
        return 0.5 * x

    return half


def at_once(call: Callable[[], None]) -> bool:
    call()
    return True


def never(call: Callable[[], None]) -> bool:
    raise AssertionError("nothing is to be compiled")


def test_it_is_compiled_after_a_while_and_used_from_then_on(half):
    postponed, begun = Postponed(half, 10), []

    def begin(call: Callable[[], None]) -> bool:
        begun.append(call)
        return len(begun) > 1

    for work in (0, 4, 5):
        postponed.did(work)
        assert not postponed.ready(never, 3.0)
    postponed.did(1)
    # the first begin is refused; afterwards it is compiled once
    for _ in range(4):
        assert not postponed.ready(begin, 3.0)
    assert len(begun) == 2
    assert not half.overloads
    begun[1]()
    assert postponed.ready(never, 3.0)
    assert len(half.overloads) == 1


def test_what_is_kept_is_used_after_the_first_work(half):
    half(1.0)
    half.overloads.clear()
    postponed = Postponed(half, 10)
    assert not postponed.ready(never, 3.0)
    postponed.did(1)
    assert postponed.ready(never, 3.0)
    other = Postponed(half, 10)
    other.did(1)
    assert not other.ready(never, 3)


def test_who_compiles_ahead_does_not_wait(half):
    postponed = Postponed(half, 10)
    with nothing_postponed():
        assert not postponed.ready(never, 3.0)
        postponed.did(1)
        assert postponed.ready(never, 3.0)
        assert half.overloads
    half.overloads.clear()
    half._cache.flush()
    other = Postponed(half, 1)
    other.did(1)
    assert not other.ready(at_once, 3.0)
    assert other.ready(never, 3.0)
