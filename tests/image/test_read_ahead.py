"""Images drawn ahead: the samples, chunks and states of a stream that draws one image after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgen import Controls
from seqgen.image import read_ahead
from seqgen.models.eonade.model import EoNADE
from seqgen.models.fvsbn.model import FVSBN
from seqgen.models.nade.model import NADE
from tests.conformance.parameters import sharpened

MODELS: dict[str, Callable[[], Any]] = {
    "fvsbn": lambda: FVSBN(40, shape=(1, 8, 5)),
    "nade": lambda: NADE(40, 70, shape=(1, 8, 5)),
    "nade-levels": lambda: NADE(24, 9, levels=3, shape=(3, 4, 2)),
    "eonade": lambda: EoNADE(24, 9, 2, shape=(1, 4, 6)),
}
KINDS = ("plain", "prompt", "controls")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return sharpened(MODELS[request.param](), 1)


def arguments(model: Any, kind: str) -> dict[str, Any]:
    if kind == "prompt":
        prompt = np.full(model.codec.shape, -1)
        prompt[:, :2] = 1
        prompt[:, 2, 0] = 0
        return {"prompt": prompt}
    return {"controls": Controls(temperature=0.7)} if kind == "controls" else {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_chunks_and_states_are_those_without_reading_ahead(
    model: Any, kind: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"seed": 3, "start": 5, "chunk": chunk, "engine": "numba", **arguments(model, kind)}
    with monkeypatch.context() as without:
        without.setattr(read_ahead, "MOST", 1)
        plain = model.stream(24, **more)
    ahead = model.stream(24, **more)
    for number, (one, other) in enumerate(zip(plain, ahead, strict=True)):
        assert one[:2] == other[:2]
        assert one[3:] == other[3:]
        assert np.array_equal(one.data, other.data)
        if number % 5 == 0:
            assert plain.state_dict() == ahead.state_dict()
    assert plain._engine._ahead is None
    assert ahead._engine._ahead is not None


@pytest.mark.parametrize("chunk", [3, 64])
def test_a_stream_resumes_within_images_drawn_ahead(model: Any, chunk: int) -> None:
    more = {"seed": 3, "chunk": chunk, "engine": "numba"}
    whole = [chunk.data for chunk in model.stream(20, **more)]
    first = model.stream(20, **more)
    for number in range(len(whole)):
        resumed = model.stream(20, **more)
        # what this stream has drawn ahead belongs to other samples than those of the state
        for _ in range(number % 7):
            next(resumed)
        resumed.load_state_dict(first.state_dict())
        for expected in whole[number : number + 9]:
            assert np.array_equal(next(resumed).data, expected)
        next(first)


def test_at_most_as_many_images_are_drawn_in_vain_as_were_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    model, drawn = MODELS["nade"](), []
    real = read_ahead.ReadAheadEngine._draw_ahead

    def counted(self: Any) -> None:
        drawn.append(self._planned)
        real(self)

    monkeypatch.setattr(read_ahead.ReadAheadEngine, "_draw_ahead", counted)
    for _ in model.stream(40, chunk=8, engine="numba"):
        pass
    assert drawn == [2, 4, 8, 16, 16]
    drawn.clear()
    for _ in model.stream(1, chunk=8, engine="numba"):
        pass
    for _ in model.stream(9, length=5, chunk=2, engine="numba"):
        pass
    for _ in model.stream(9, chunk=8, engine="numba", prompt=[[-1] * 40] * 9):
        pass
    for _ in model.stream(9, chunk=8, engine="numba", log_probs=True):
        pass
    assert not drawn, (
        "only samples that are asked for in order and whole, with the same start, are read ahead"
    )


def test_little_work_is_read_ahead() -> None:
    """The first image and the gap after it stay short: large models draw no other image with the one asked for."""
    model = NADE(3072, 1000, levels=4, shape=(3, 32, 32))
    stream = model.stream(engine="numba", chunk=1)
    assert stream._engine._most * 3072 * 1000 * 3 <= read_ahead.BUDGET
    assert MODELS["nade"]().stream(engine="numba")._engine._most == read_ahead.MOST


def test_little_work_is_not_shared_with_another_thread() -> None:
    for model, threads in ((FVSBN(784), 1), (NADE(784, 500), 2)):
        stream = model.stream(engine="numba", chunk=28, threads=2)
        for _ in range(2):
            next(stream)
        assert stream._engine._wide.workers.threads == threads


def test_delivered_images_are_the_callers(model: Any) -> None:
    """Writing to them changes neither the state nor what follows."""
    stream, other = (model.stream(12, chunk=64, seed=2, engine="numba") for _ in range(2))
    for chunk in stream:
        chunk.data[...] = 1
        next(other)
        assert stream.state_dict() == other.state_dict()


def test_threads_draw_the_same(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "ALONE", 0)
    one, two = (model.sample(40, seed=4, engine="numba", threads=threads, batch=1) for threads in (1, 2))
    assert np.array_equal(one, two)
