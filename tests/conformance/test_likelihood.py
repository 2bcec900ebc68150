"""Log-probabilities: exact, normalised, and the same in a stream's chunks as in `log_prob`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import seqgen
from tests.conformance.running import chunks, log_prob, samples
from tests.conformance.streams import RESUMED, SEED, N, alone, few, whole_way


@pytest.mark.needs("total")
def test_the_probabilities_of_everything_add_up_to_one(case):
    assert case.total(case.exact(case.make(0))) == pytest.approx(1.0, abs=1e-9)


def test_the_log_probabilities_of_the_symbols_add_up_to_that_of_the_sample(case, engine):
    drawn = few(case, engine)
    if case.scored is not None:
        request = {"log_probs": True, "controls": case.scored, **case.required}
        drawn = samples(case.stream(engine, 3, case.length, batch=2, chunk=6, **request))
    for sample in drawn.values():
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
    # of the fused engines all samples, of the others two
    n = N if case.fused(engine) else 2
    request = {"n": n, "length": case.length, "seed": SEED, "batch": 2, **case.required | case.everything()}
    expected = {index: sample for index, sample in alone(case, engine, "varied").items() if index < n}
    assert samples(loaded.stream(engine=engine, **request)) == expected
    assert samples(seqgen.stream(path, engine=engine, **request)) == expected
    data = case.model().sample(2, case.length, controls=case.scored, **case.required)
    scores = [log_prob(one, data, **case.required) for one in (loaded, model)]
    np.testing.assert_array_equal(*scores)
    assert type(model).load(path).weights().hash == model.weights().hash


def test_a_state_resumes_from_the_saved_model(case, engine, tmp_path):
    states, delivered = whole_way(case, engine)
    path = tmp_path / "model.safetensors"
    case.model(engine).save(path)
    resumed = seqgen.stream(path, engine=engine, **case.required | RESUMED | case.everything())
    middle = len(delivered) // 2
    resumed.load_state_dict(states[middle])
    assert chunks(resumed) == delivered[middle:]


def test_symbols_are_given_where_the_data_do_not_tell_them(case, engine):
    codec = case.model().codec
    for index in range(3):
        whole = case.stream(engine, 1, case.length, start=index, chunk=case.length, log_probs=True)
        symbols = [(whole._rounds.output.symbols[0, : len(c.extra["log_prob"])], c) for c in whole]
        drawn = np.concatenate([each for each, _ in symbols])
        chunks = case.stream(engine, 1, case.length, start=index, chunk=3, log_probs=True).collect()[index]
        if codec.exact:
            encoded = codec.encode(codec.join([chunk.data for chunk in chunks]))
            np.testing.assert_array_equal(encoded[: len(drawn)], drawn)
            assert not any("symbols" in chunk.extra for chunk in chunks)
        else:
            np.testing.assert_array_equal(np.concatenate([c.extra["symbols"] for c in chunks]), drawn)
            assert "symbols" not in next(iter(case.stream(engine, 1, case.length))).extra
