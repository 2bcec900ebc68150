"""Streams of an unchanged model share its packed weights; after any change they are those of a fresh model."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import seqgen
from seqgen.errors import SeqgenError
from seqgen.generator import Generator
from seqgen.kept import kept_weights
from seqgen.kernels.packing import Packer
from seqgen.registry import family
from tests.conformance.case import Case
from tests.conformance.running import Plain, chunks
from tests.conformance.streams import drained

SHORT: dict[str, Any] = {
    "n": 2,
    "length": 5,
    "batch": 2,
    "chunk": 3,
    "seed": 11,
    "threads": 1,
    "log_probs": True,
}


def fresh(case: Case, engine: str) -> Generator:
    """Return a model that no test has streamed."""
    return case.exact(case.make(0)) if engine == case.reference else case.make(0)


def stream(case: Case, engine: str, model: Generator, **request: Any) -> list[Plain]:
    with model.stream(engine=engine, **case.required | SHORT | request) as opened:
        return chunks(opened)


def as_loaded(case: Case, engine: str, model: Generator, folder: Path) -> list[Plain]:
    """Return the chunks of the model after it was saved and loaded."""
    path = folder / "model.safetensors"
    model.save(path)
    return stream(case, engine, seqgen.load(path))


def first_parameter(model: Any) -> torch.nn.Parameter:
    return next(p for p in model.parameters() if p.numel() > 1)


def in_place(model: Any) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.75)


def through_data(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data.mul_(0.75)


def one_number_through_numpy(model: Any) -> None:
    numbers = first_parameter(model).detach().numpy()
    numbers.flat[numbers.size // 2] += 3.0


def loaded(model: Any) -> None:
    model.load_state_dict({name: 0.75 * value for name, value in model.state_dict().items()})


def replaced(model: Any) -> None:
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(0.75 * parameter.detach()))


def given_other_storage(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data = 0.75 * parameter.data


def a_step(model: Any) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sum((p.float() ** 2).sum() for p in model.parameters()).backward()
    optimizer.step()


def to_another_dtype(model: Any) -> None:
    model.to(torch.float32 if first_parameter(model).dtype == torch.float64 else torch.float64)


WAYS = [
    a_step,
    in_place,
    through_data,
    one_number_through_numpy,
    loaded,
    replaced,
    given_other_storage,
    to_another_dtype,
]


@pytest.mark.needs("retrain")
@pytest.mark.once_per("engine.__init__")
def test_every_way_to_change_a_parameter_is_noticed(case, engine, tmp_path):
    if not isinstance(case.model(), torch.nn.Module):
        pytest.skip("the parameters are not tensors")
    for change in WAYS:
        model = fresh(case, engine)
        before, known = stream(case, engine, model), kept_weights(model)
        change(model)
        assert kept_weights(model) is not known, change.__name__
        after = stream(case, engine, model)
        assert after == as_loaded(case, engine, model, tmp_path), change.__name__
        assert (
            kept_weights(model).hash
            == seqgen.load(tmp_path / "model.safetensors").weights().hash
            != known.hash
        )
        if change not in (one_number_through_numpy, to_another_dtype):
            assert after != before, change.__name__


@pytest.mark.needs("retrain")
def test_after_training_a_further_stream_is_that_of_a_fresh_model(case, engine, tmp_path):
    model = fresh(case, engine)
    before = stream(case, engine, model)
    assert stream(case, engine, model) == before
    case.retrain(model)
    after = stream(case, engine, model)
    assert after != before
    assert after == as_loaded(case, engine, model, tmp_path)


@pytest.mark.needs("retrain")
def test_a_state_names_the_weights_that_its_stream_was_opened_with(case, engine):
    model = fresh(case, engine)
    request = case.required | SHORT
    opened, known = model.stream(engine=engine, **request), kept_weights(model).hash
    case.retrain(model)
    state = opened.state_dict()
    assert state["weights"] == known != model.weights().hash
    with pytest.raises(SeqgenError, match="the state belongs to weights"):
        model.stream(engine=engine, **request).load_state_dict(state)


def test_an_unchanged_model_is_packed_once_for_each_precision(case, monkeypatch):
    model, engine = fresh(case, case.engines[0]), case.engines[0]
    precisions = family(model.family).precisions
    expected = {precision: stream(case, engine, model, precision=precision) for precision in precisions}
    shared = kept_weights(model)

    def fail(*_: Any) -> None:
        pytest.fail("the weights are packed again")

    monkeypatch.setattr(Packer, "__init__", fail)
    for precision in (*precisions, *precisions):
        assert stream(case, engine, model, precision=precision) == expected[precision]
        assert kept_weights(model) is shared


def test_the_weights_of_the_last_two_precisions_are_kept(case):
    model, engine = fresh(case, case.engines[0]), case.engines[0]
    expected = stream(case, engine, model)
    for precision in (*family(model.family).precisions, "auto", *family(model.family).precisions, "auto"):
        found = stream(case, engine, model, precision=precision)
        assert len(vars(kept_weights(model)).get("by_precision", {})) <= 2
    assert found == expected


def test_no_kernel_writes_to_shared_weights(case):
    model, engine = fresh(case, case.engines[0]), case.engines[0]
    stream(case, engine, model)

    def kept() -> bytes:
        weights = kept_weights(model)
        return pickle.dumps((weights, vars(weights).get("by_precision"), vars(weights)["made"]))

    before = kept()
    request = {"n": 7, "length": case.length, "batch": 3, "threads": 2, "engine": engine} | case.required
    first = chunks(model.stream(**request | case.everything()))
    # the codec and the schema do not change, but may be pickled in another order of references
    assert kept() == before
    assert chunks(model.stream(**request | case.everything())) == first


def test_streams_may_be_opened_in_threads_at_once_before_anything_is_kept(case, engine):
    model = fresh(case, engine)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: stream(case, engine, model), range(4)))
    assert found == [drained(case, engine, **SHORT)] * 4


@pytest.mark.needs("retrain")
def test_a_copy_of_a_model_has_its_own_weights(case, engine):
    model = fresh(case, engine)
    before = stream(case, engine, model)
    assert b"seqgen.kept" not in pickle.dumps(model)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), copy.copy(model)):
        assert stream(case, engine, copied) == before
        assert kept_weights(copied) is not kept_weights(model)
    copied = copy.deepcopy(model)
    case.retrain(copied)
    assert stream(case, engine, copied) != before
    assert stream(case, engine, model) == before


def test_what_is_kept_is_freed_with_the_model(case):
    model, engine = fresh(case, case.engines[0]), case.engines[0]
    opened = model.stream(engine=engine, **case.required | SHORT)
    next(opened)
    kept, freed = weakref.ref(kept_weights(model)), weakref.ref(model)
    opened.close()
    del model, opened
    gc.collect()
    assert freed() is None
    assert kept() is None


@pytest.mark.needs("retrain")
@pytest.mark.once_per("engine.__init__")
def test_a_parameter_that_is_no_longer_finite_is_refused(case, engine):
    model: Any = fresh(case, engine)
    if not isinstance(model, torch.nn.Module):
        pytest.skip("the parameters are not tensors")
    before = stream(case, engine, model)
    first = list(model.parameters())[-1].data.view(-1)
    number = first[0].item()
    first[0] = float("nan")
    for _ in range(2):
        with pytest.raises(SeqgenError, match="is not finite"):
            stream(case, engine, model)
    first[0] = number
    assert stream(case, engine, model) == before
