"""Log-probabilities: exact, normalised, and the same in a stream's chunks as in `log_prob`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import seqgen
from tests.conformance.running import log_prob, samples


def test_the_probabilities_of_everything_add_up_to_one(case):
    if case.total is None:
        pytest.skip("what this model can produce cannot be enumerated")
    assert case.total(case.exact(case.make(0))) == pytest.approx(1.0, abs=1e-9)


def test_the_log_probabilities_of_the_symbols_add_up_to_that_of_the_sample(case, engine):
    stream = case.stream(engine, 5, case.length, batch=2, chunk=6, log_probs=True, controls=case.scored)
    for sample in samples(stream).values():
        expected = case.score(case.model(engine), sample, **case.required)
        assert np.sum(sample["log_prob"]) == pytest.approx(expected, abs=case.tolerance * case.length)


def test_log_prob_takes_one_sample_or_a_list(case):
    model = case.model()
    data = model.sample(3, case.length, controls=case.scored, **case.required)
    together = log_prob(model, data, **case.required)
    assert together.shape == (3,)
    for row, sample in enumerate(data):
        alone = log_prob(model, [sample], **case.required)
        np.testing.assert_allclose(alone, together[row : row + 1], rtol=1e-6)


def test_saved_equals_loaded(case, engine, tmp_path):
    model = case.model(engine)
    path = tmp_path / "model.safetensors"
    model.save(path, card={"data": "none", "score": 1.25})
    loaded = seqgen.load(path)
    assert type(loaded) is type(model)
    assert loaded.weights().hash == model.weights().hash
    assert json.loads(json.dumps(loaded.config())) == json.loads(json.dumps(model.config()))
    request = {"n": 4, "length": case.length, "seed": 3, "batch": 2, **case.required | case.everything()}
    expected = samples(case.stream(engine, **request))
    assert samples(loaded.stream(engine=engine, **request)) == expected
    assert samples(seqgen.stream(path, engine=engine, **request)) == expected
    data = model.sample(2, case.length, controls=case.scored, **case.required)
    scores = [log_prob(one, data, **case.required) for one in (loaded, model)]
    np.testing.assert_array_equal(*scores)
    assert type(model).load(path).weights().hash == model.weights().hash


def test_a_state_resumes_from_the_saved_model(case, engine, tmp_path):
    request = {"n": 3, "length": case.length, "chunk": 4, "batch": 2, **case.everything()}
    stream = case.stream(engine, **request)
    next(stream)
    path = tmp_path / "model.safetensors"
    case.model(engine).save(path)
    resumed = seqgen.stream(path, engine=engine, **case.required | request)
    resumed.load_state_dict(stream.state_dict())
    assert [chunk.index for chunk in resumed] == [chunk.index for chunk in stream]
