"""The engines of RNADE against the equations with the same random numbers, and prompts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls, SeqgenError, rng
from seqgen.models.rnade.model import RNADE, mixture_log_density
from tests.conformance.parameters import in_float64


def make() -> RNADE:
    return RNADE(6, 8, 3, seed=4).standardise(np.random.default_rng(0).normal(3.0, 2.0, (30, 6)))


def sample(model: RNADE, seed: int, index: int, given: np.ndarray | None = None) -> np.ndarray:
    """Draw one vector by the equations, with the library's random numbers."""
    p = {name: array.astype(np.float64) for name, array in model.arrays().items()}
    x, sums = np.zeros(6), p["input_bias"].copy()
    for d in range(6):
        hidden = np.maximum(p["rescaling"][d] * sums, 0.0)
        logits, means, deviations = p["output"][d] @ hidden + p["output_bias"][d]
        word = rng.numbered_words(seed, index, d, rng.Purpose.COMPONENT)
        k = rng.categorical(np.exp(logits - logits.max()), rng.to_uniform(word))
        z = means[k] + np.exp(deviations[k]) * rng.normals(seed, index, d, rng.Purpose.EMISSION)[0]
        x[d] = p["location"][d] + p["scale"][d] * z
        if given is not None and not np.isnan(given[d]):
            x[d] = given[d]
        sums += (x[d] - p["location"][d]) / p["scale"][d] * p["input"][d]
    return x


@pytest.mark.parametrize("known", [0, 2, 6])
def test_engines_draw_what_the_equations_draw(known: int) -> None:
    model = make()
    given = np.where(np.arange(6) < known, 1.5, np.nan)
    expected = [sample(in_float64(model), 3, 5 + k, given) for k in range(4)]
    for engine, one, tolerance in (("torch", in_float64(model), 1e-12), ("numba", model, 1e-4)):
        samples = one.sample(4, seed=3, start=5, prompt=given, engine=engine)
        np.testing.assert_allclose(samples, expected, atol=tolerance)
        assert np.array_equal(samples[:, :known], np.full((4, known), 1.5))


def test_log_probs_add_up_to_the_density() -> None:
    model = make()
    with model.stream(3, chunk=4, batch=2, log_probs=True, engine="numba") as stream:
        samples = stream.collect()
    for chunks in samples.values():
        assert [len(chunk.data) for chunk in chunks] == [4, 2]
        assert chunks[-1].extra["reason"] == "end"
        x = np.concatenate([chunk.data for chunk in chunks])
        total = sum(float(chunk.extra["log_prob"].sum()) for chunk in chunks)
        assert total == pytest.approx(float(model.log_prob(x)[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        ({"prompt": (1.0, 2.0)}, ValueError, "vector of 6 numbers, NaN where"),
        ({"prompt": [1.0] * 6}, ValueError, "a list is taken as one prompt for each sample"),
        (
            {"prompt": (math.nan, 1.0, *[math.nan] * 4)},
            SeqgenError,
            "number 1 of the prompt is known, but 0 is not",
        ),
        ({"prompt": (math.inf, *[math.nan] * 5)}, ValueError, "prompt must be finite"),
        ({"condition": 1}, SeqgenError, "condition cannot act on this model"),
        ({"controls": Controls(temperature=0.5)}, SeqgenError, "temperature cannot act on this model"),
    ],
)
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_bad_requests(engine: str, request_: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make().sample(1, engine=engine, **request_)


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_numbers_that_run_away_are_an_error(engine: str) -> None:
    model = make()
    model.output_bias.data[3, 2] = 1000.0
    with pytest.raises(SeqgenError, match="drew a number that is not finite"):
        model.sample(1, engine=engine)


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("log_deviation", [-1000.0, -40.0, -11.0])
def test_small_deviations_have_finite_densities(engine: str, log_deviation: float) -> None:
    """A deviation that rounds to 0 would have an infinite density at its mean, and NaN elsewhere."""
    model = RNADE(5, 4, 2)
    with torch.no_grad():
        model.output_bias[:, 2] = log_deviation
    stream = model.stream(40, batch=7, seed=3, log_probs=True, engine=engine)
    sums = [sum(c.extra["log_prob"].sum() for c in chunks) for chunks in stream.collect().values()]
    np.testing.assert_allclose(sums, model.log_prob(np.array(model.sample(40, seed=3))).numpy(), atol=0.5)
    parameters = torch.zeros(4, 3, 2)
    parameters[:, 2] = log_deviation
    parameters.requires_grad_()
    mixture_log_density(torch.zeros(4), parameters).sum().backward()
    assert torch.isfinite(parameters.grad).all()


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("weight", [-1.0, -30.0, 0.0])
def test_log_probabilities_of_large_numbers_are_finite(engine: str, weight: float) -> None:
    model = in_float64(make()) if engine == "torch" else make()
    model.output.data.fill_(weight)
    stream = model.stream(3, batch=2, seed=1, chunk=4, log_probs=True, engine=engine)
    for chunk in stream:
        assert np.isfinite(chunk.extra["log_prob"]).all()
        again = model.stream(3, batch=2, seed=1, chunk=4, log_probs=True, engine=engine)
        again.load_state_dict(stream.state_dict())


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("array", ["output", "output_bias", "input", "input_bias", "rescaling"])
def test_weights_that_overflow_are_an_error(engine: str, array: str) -> None:
    model = in_float64(make()) if engine == "torch" else make()
    getattr(model, array).data.fill_(1e38)
    with pytest.raises(SeqgenError, match="its deviations grow without bound"):
        model.stream(3, batch=2, seed=1, chunk=4, log_probs=True, engine=engine).collect()
