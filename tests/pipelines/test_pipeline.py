"""Pipelines deliver what their stages specify, and resume exactly wherever they are cut."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, IterableDataset

from pipelines import Pipeline, from_model
from seqgen.errors import SeqgenError
from seqgen.models.char_rnn.model import CharRNN


def _plain(chunk):
    return chunk.index, chunk.offset, chunk.data, chunk.last


# a new operator registers here: a function from a source to a pipeline
OPERATORS: dict[str, Callable[[Pipeline], Pipeline]] = {
    "source": lambda source: source.map(_plain),
    "map": lambda source: source.map(_plain).map(str),
    "take": lambda source: source.map(_plain).take(9),
    "batch": lambda source: source.map(_plain).batch(4),
    "batch-whole": lambda source: source.map(_plain).batch(4, partial=False),
    "paced": lambda source: source.paced(1e6).map(_plain),
    "all": lambda source: source.map(_plain).batch(2).take(5).batch(3),
}


@pytest.fixture(params=list(OPERATORS))
def build(request, model) -> Callable[[], Pipeline]:
    return lambda: OPERATORS[request.param](from_model(model, n=5, length=21, chunk=8, batch=3, seed=4))


def test_a_pickled_pipeline_goes_on_where_it_stood(build):
    whole, first = list(build()), build()
    assert next(first) == whole[0]
    copy = pickle.loads(pickle.dumps(first))
    assert list(copy) == whole[1:]
    assert list(first) == whole[1:]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_go_on_from_the_stream_they_are_given(method):
    stream = from_model("weather", n=6, length=5, batch=2, chunk=2, seed=3).map(_plain).map(str)
    whole = list(from_model("weather", n=6, length=5, batch=2, chunk=2, seed=3).map(_plain).map(str))
    first = [next(stream) for _ in range(3)]
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert first + pool.apply(list, (stream,)) == whole
    loader = DataLoader(Items(stream), batch_size=None, num_workers=1, multiprocessing_context=method)
    assert first + list(loader) == whole


class Items(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


def test_resumes_at_every_item(build):
    whole = list(build())
    for cut in range(len(whole) + 1):
        first = build()
        before = [next(first) for _ in range(cut)]
        state = json.loads(json.dumps(first.state_dict()))
        second = build()
        second.load_state_dict(state)
        assert before + list(second) == whole, cut


def test_closes_twice(build):
    pipeline = build()
    next(pipeline)
    pipeline.close()
    pipeline.close()
    with pytest.raises(SeqgenError, match="closed"):
        list(pipeline)


def test_batches_count_items(model):
    sizes = [len(group) for group in from_model(model, n=5, length=4, seed=1).batch(2)]
    assert sizes == [2, 2, 1]
    sizes = [len(group) for group in from_model(model, n=5, length=4, seed=1).batch(2, partial=False)]
    assert sizes == [2, 2]


def test_take_does_not_pull_more_than_it_gives(model):
    pulled = []
    taken = from_model(model, n=5, length=4).map(lambda chunk: pulled.append(chunk) or chunk).take(2)
    assert len(list(taken)) == 2
    assert len(pulled) == 2


def test_streams_a_path_like_the_model(model: CharRNN, checkpoint: Path):
    assert list(from_model(checkpoint, n=2, length=30, seed=5)) == list(
        from_model(model, n=2, length=30, seed=5)
    )


def test_refuses_the_state_of_other_stages(model):
    state = from_model(model, n=2, length=4).batch(2).state_dict()
    with pytest.raises(SeqgenError, match="Batch"):
        from_model(model, n=2, length=4).take(2).load_state_dict(state)
    with pytest.raises(SeqgenError, match="state of a pipeline"):
        from_model(model, n=2, length=4).load_state_dict({})


@pytest.mark.parametrize("bad", [0, -1])
def test_bad_sizes_are_named(model, bad):
    with pytest.raises(ValueError, match="size must be at least 1"):
        from_model(model).batch(bad)
    with pytest.raises(ValueError, match="count must be at least 0"):
        from_model(model).take(-1)
    with pytest.raises(TypeError, match="function must be callable"):
        from_model(model).map(3)
