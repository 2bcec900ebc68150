"""Sampling from HMMs: exact distributions, the two engines, chunks and resuming, prompts and conditions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import seqgen
from seqgen.errors import SeqgenError
from tests.models.hmm.examples import KINDS, hmm, left_to_right


def drawn(model, **arguments) -> dict[int, dict[str, np.ndarray]]:
    """Return samples by index, each with its data and the arrays of its extra."""
    with model.stream(**arguments) as stream:
        samples = stream.collect()
    whole = {}
    for index, chunks in samples.items():
        names = [name for name in chunks[0].extra if name != "reason"]
        whole[index] = {n: np.concatenate([c.extra[n] for c in chunks]) for n in names}
        whole[index]["data"] = np.concatenate([c.data for c in chunks])
    return whole


def assert_equal(a, b, *, close: bool = False) -> None:
    assert a.keys() == b.keys()
    for index, sample in a.items():
        assert sample.keys() == b[index].keys()
        for name, array in sample.items():
            if close and array.dtype.kind == "f":
                assert array == pytest.approx(b[index][name], abs=1e-9), name
            else:
                assert np.array_equal(array, b[index][name]), name


CONTROLS = (
    None, {"temperature": 0.7, "top_k": 3}, {"repetition_penalty": 1.6, "top_p": 0.9}, {"allowed": [0, 3, 4]},
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begin", ["start", "prompt", "condition"])
def test_numba_is_torch(kind, begin):
    model = hmm(kind)
    arguments = {"n": 3, "length": 23, "seed": 2**63 + 5, "start": 2**40, "log_probs": True}
    if begin == "prompt":
        arguments["prompt"] = model.sample(1, 9, seed=1)[0]
    if begin == "condition":
        arguments["condition"] = {"state": 2}
    fused = drawn(model, engine="numba", chunk=10, batch=2, **arguments)
    reference = drawn(model, engine="torch", batch=3, **arguments)
    assert_equal(fused, reference, close=True)
    names = {"states", "data", "log_prob", "log_prob_drawn"} | (
        {"components"} if "mixture" in kind else set()
    )
    assert set(fused[2**40]) == names


@pytest.mark.parametrize("controls", CONTROLS[1:])
def test_controls_are_the_same_in_both_engines(controls):
    arguments = {"n": 4, "length": 40, "controls": controls, "log_probs": True, "prompt": np.array([1, 2])}
    fused = drawn(hmm("categorical"), engine="numba", chunk=7, batch=3, **arguments)
    assert_equal(fused, drawn(hmm("categorical"), engine="torch", **arguments), close=True)
    assert not np.allclose(fused[0]["log_prob"], fused[0]["log_prob_drawn"])


def test_controls_by_index_side_by_side():
    model = hmm("categorical")
    together = drawn(model, n=4, length=30, batch=4, controls=list(CONTROLS), log_probs=True)
    for index, controls in enumerate(CONTROLS):
        alone = drawn(model, n=1, start=index, length=30, controls=controls, log_probs=True)
        assert_equal({index: together[index]}, alone)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_batched_and_resumed_give_the_same(kind):
    model = hmm(kind)
    arguments = {"n": 5, "length": 50, "seed": 9, "prompt": model.sample(1, 6, seed=3)[0], "log_probs": True}
    whole = drawn(model, chunk=50, batch=1, **arguments)
    for chunk, batch, threads in ((1, 2, 1), (7, 5, 2), (49, 3, 2)):
        assert_equal(whole, drawn(model, chunk=chunk, batch=batch, threads=threads, **arguments))
    stream = model.stream(chunk=8, batch=2, **arguments)
    chunks = [next(stream) for _ in range(9)]
    resumed = model.stream(chunk=8, batch=2, **arguments)
    resumed.load_state_dict(json.loads(json.dumps(stream.state_dict())))
    chunks += list(resumed)
    for index, sample in whole.items():
        for name in chunks[0].extra.keys() | {"data"}:
            parts = [c.data if name == "data" else c.extra[name] for c in chunks if c.index == index]
            assert np.array_equal(np.concatenate(parts), sample[name])


@pytest.mark.parametrize("controls", CONTROLS)
def test_resumed_with_controls(controls):
    model = hmm("categorical")
    arguments = {"length": 64, "n": 1, "chunk": 16, "seed": 4, "controls": controls}
    whole = model.sample(1, 64, seed=4, controls=controls)[0]
    stream = model.stream(**arguments)
    first = [next(stream).data for _ in range(2)]
    resumed = model.stream(**arguments)
    resumed.load_state_dict(json.loads(json.dumps(stream.state_dict())))
    assert np.array_equal(np.concatenate([*first, *(c.data for c in resumed)]), whole)


# ---- distributions ------------------------------------------------------------------------------------


def counted(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the p-value of a chi-square test that columns given rows have the distribution of the table's rows."""
    observed = np.zeros(table.shape)
    np.add.at(observed, (rows, columns), 1)
    expected = table * observed.sum(1, keepdims=True)
    some = expected > 5
    assert not observed[table == 0].any(), "a symbol of probability 0 was drawn"
    statistic = np.sum((observed - expected)[some] ** 2 / expected[some])
    return float(stats.chi2(some.sum() - len(table)).sf(statistic))


def test_states_and_symbols_have_their_probabilities():
    model = hmm("categorical", states=4)
    x, states = model.sample(1, 200_000, seed=1, with_states=True)
    assert x.shape == states.shape == (1, 200_000)
    assert counted(model.transition, states[0, :-1], states[0, 1:]) > 1e-4
    assert counted(model.emission.probabilities, states[0], x[0]) > 1e-4
    x, states = model.sample(20_000, 1, seed=2, with_states=True)
    assert stats.chisquare(np.bincount(states[:, 0]), 20_000 * model.start).pvalue > 1e-4


def test_what_has_probability_zero_is_never_drawn():
    probabilities = np.array([[0, 0.5, 0, 0.5, 0], [1, 0, 0, 0, 0], [0, 0, 0, 1e-12, 1 - 1e-12]])
    transition = np.array([[0.2, 0.8, 0], [0, 0.5, 0.5], [1, 0, 0]])
    model = seqgen.HMM([0, 1, 0], transition, seqgen.Categorical(probabilities))
    x, states = model.sample(4, 50_000, with_states=True)
    assert set(states[:, 0].tolist()) == {1}
    assert (transition[states[:, :-1], states[:, 1:]] > 0).all()
    assert (probabilities[states, x] > 0).all()


@pytest.mark.parametrize("rate", [0.0, 0.3, 7.0, 900.0, 1e6])
def test_poisson_counts_are_the_quantiles(rate):
    """With one state, the counts must be those of scipy's quantile function at our uniforms."""
    from seqgen import rng

    model = seqgen.HMM([1.0], [[1.0]], seqgen.Poisson([rate]))
    x = model.sample(1, 4000, seed=3)[0]
    words = rng.words(3, 0, np.arange(1000), rng.Purpose.EMISSION).ravel()
    assert np.array_equal(x, stats.poisson(rate).ppf(rng.to_uniform(words)))


def test_poisson_rates_beyond_what_can_be_drawn():
    model = seqgen.HMM([1.0], [[1.0]], seqgen.Poisson([2e6]))
    assert np.isfinite(model.log_prob(np.array([2_000_000])))
    with pytest.raises(SeqgenError, match=r"Poisson rate of 2e\+06 cannot be drawn, the largest is 1e\+06"):
        model.sample(1, 3)


@pytest.mark.parametrize("kind", ["gaussian-diag", "gaussian-full", "gaussian-spherical", "mixture-full"])
def test_vectors_are_normal_given_the_state(kind):
    model = hmm(kind)
    with model.stream(1, 60_000, chunk=60_000, seed=1) as stream:
        chunk = next(stream)
    for k in range(3):
        own = chunk.extra["states"] == k
        mean, covariance = model.emission.means[k], model.emission.covariances[k]
        if kind == "mixture-full":
            own &= chunk.extra["components"] == 1
            mean, covariance = mean[1], covariance[1]
        full = covariance if kind.endswith("full") else covariance * np.eye(2)
        z = np.linalg.solve(np.linalg.cholesky(full), (chunk.data[own] - mean).T)
        for part in z:
            assert stats.kstest(part, "norm").pvalue > 1e-4
        assert abs(np.corrcoef(z)[0, 1]) < 4 / np.sqrt(own.sum())


def test_log_probs_sum_to_the_joint():
    model = hmm("gaussian-full")
    sample = drawn(model, n=1, length=20, log_probs=True, condition={"state": 1})[0]
    states, x = sample["states"], sample["data"]
    walked = model.transition[np.r_[1, states[:-1]], states]
    density = model.emission.log_likelihood(x)[np.arange(20), states]
    assert sample["log_prob"] == pytest.approx(np.log(walked) + density)


# ---- continuing ---------------------------------------------------------------------------------------


def test_a_prompt_gives_the_predicted_distribution():
    """hmmlearn repeats the boundary state; here the first state is one step after the filtered one."""
    model = hmm("categorical")
    prompt = np.array([1, 4, 0])
    x, states = model.sample(20_000, 1, seed=5, prompt=prompt, with_states=True)
    ahead = model.predict(prompt, 1)
    assert stats.chisquare(np.bincount(states[:, 0]), 20_000 * ahead.states[0]).pvalue > 1e-4
    assert stats.chisquare(np.bincount(x[:, 0]), 20_000 * ahead.means[0]).pvalue > 1e-4


def test_a_condition_is_the_state_before():
    transition = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    model = seqgen.HMM([1, 0, 0], transition, seqgen.Poisson([0.0, 10.0, 20.0]))
    _, states = model.sample(3, 4, condition=[{"state": 0}, {"state": 1}, None], with_states=True)
    assert states.tolist() == [[1, 2, 0, 1], [2, 0, 1, 2], [0, 1, 2, 0]]


def test_left_to_right_samples_never_go_back():
    _, states = left_to_right(5).sample(200, 40, with_states=True)
    assert set(np.diff(states, axis=1).ravel().tolist()) == {0, 1}
    assert not states[:, 0].any()


def test_text_symbols_and_stop():
    model = seqgen.HMM([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], seqgen.Categorical([[0.7, 0.2, 0.1]] * 2),
                       codec=seqgen.Characters("ab."))  # fmt: skip
    texts, states = model.sample(5, controls={"stop": "."}, seed=1, with_states=True)
    assert all(text.endswith(".") and text.count(".") == 1 for text in texts)
    assert [len(s) for s in states] == [len(text) for text in texts]
    assert model.log_prob(texts).shape == (5,)
    assert model.decode(texts[0]).shape == states[0].shape
    assert len(model.sample(1, 8, prompt="ab")[0]) == 8


def test_saved_is_loaded(tmp_path):
    for kind in KINDS:
        model = hmm(kind)
        model.save(tmp_path / "m.safetensors", card={"data": "none"})
        again = seqgen.HMM.load(tmp_path / "m.safetensors")
        assert again.weights().hash == model.weights().hash
        assert np.array_equal(again.sample(2, 9, seed=1), model.sample(2, 9, seed=1))
    model.save(tmp_path / "rough.safetensors", precision="bfloat16")
    rough = seqgen.HMM.load(tmp_path / "rough.safetensors")
    assert rough.transition.sum(1) == pytest.approx([1, 1, 1], abs=1e-12)
    assert seqgen.stream(tmp_path / "rough.safetensors", n=1, length=3).collect()
