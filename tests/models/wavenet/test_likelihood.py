"""Likelihoods of a WaveNet: probabilities that sum to one, in blocks, after prompts, of recordings of any length."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from seqgen import WaveNet
from seqgen.conditions.audio import FrameSource
from seqgen.models.wavenet import likelihood as wavenet_likelihood
from seqgen.models.wavenet.outputs import log_density, log_mass, log_probs
from tests.models.wavenet.examples import (
    CONDITIONS,
    HOP,
    KINDS,
    MELS,
    condition_of,
    features,
    small,
    sound,
)
from tests.models.wavenet.oracle import raw_outputs


@pytest.mark.parametrize("taps", [2, 3])
@pytest.mark.parametrize("prompt", [None, [2, 0, 1, 1, 2]], ids=["", "prompt"])
def test_all_sequences_together_are_certain(prompt, taps):
    model = small(levels=3, kernel_size=taps)
    every = np.array(list(itertools.product(range(3), repeat=4)))
    given = None if prompt is None else np.array(prompt)
    total = model.log_prob(every, prompt=given).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("location", [0.0, 0.9, -1.5, 30.0])
@pytest.mark.parametrize("log_scale", [-9.0, -5.0, 0.0, 20.0])
def test_the_65536_probabilities_of_logistics_sum_to_one(location, log_scale):
    symbols = torch.arange(-32768, 32768)
    mass = log_mass(symbols, *torch.tensor([location, log_scale], dtype=torch.float64))
    assert torch.isfinite(mass).all()
    assert float(torch.logsumexp(mass, 0)) == pytest.approx(0.0, abs=1e-9)
    edges = torch.cat(
        [torch.tensor([-torch.inf]), (symbols[1:].double() - 0.5) / 32768, torch.tensor([torch.inf])]
    ).double()
    cumulative = torch.sigmoid((edges - location) / np.exp(log_scale))
    torch.testing.assert_close(mass.exp(), cumulative.diff(), atol=1e-12, rtol=1e-6)


def test_a_mixture_of_logistics_sums_to_one():
    model = small(output="logistics", mixtures=3)
    raw = model(torch.as_tensor(sound(model, 20))[None])[0, -1].detach()
    every = torch.arange(-32768, 32768)
    total = torch.logsumexp(log_probs("logistics", raw.expand(65536, -1), every), 0)
    assert float(total) == pytest.approx(0.0, abs=1e-9)


def test_a_mixture_of_gaussians_integrates_to_one():
    raw = torch.tensor([0.3, -0.4, 0.1, -0.2, -1.0, -2.0], dtype=torch.float64)
    values = torch.linspace(-8, 8, 100001, dtype=torch.float64)
    density = log_probs("gaussian", raw.expand(len(values), -1), values).exp()
    assert float(torch.trapezoid(density, values)) == pytest.approx(1.0, abs=1e-9)
    normal = torch.distributions.Normal(*torch.tensor([0.1, np.exp(-1.0)], dtype=torch.float64))
    one = log_density(values, *torch.tensor([0.1, -1.0], dtype=torch.float64))
    torch.testing.assert_close(one, normal.log_prob(values), atol=1e-10, rtol=1e-10)


def test_scales_are_kept_within_bounds():
    extreme = torch.tensor([[0.0, 0.0, -1000.0], [0.0, 0.0, 1000.0]]).double().requires_grad_()
    for output, low in (("logistics", -9.0), ("gaussian", -7.0)):
        within = torch.tensor([[0.0, 0.0, low], [0.0, 0.0, 20.0]]).double()
        symbols = torch.zeros(2, dtype=torch.int64)
        found = log_probs(output, extreme, symbols)
        torch.testing.assert_close(found, log_probs(output, within, symbols))
        (gradient,) = torch.autograd.grad(found.sum(), extreme)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("kind", [*KINDS, *CONDITIONS])
def test_log_prob_is_the_sum_over_the_oracles_outputs(kind):
    model = small(**(KINDS | CONDITIONS)[kind])
    x = sound(model, 4 * HOP - 1)
    condition = condition_of(model, 4) or None
    global_condition, source = model.conditions.parse(condition)
    raw = raw_outputs(
        model,
        x,
        global_condition if len(global_condition) else None,
        None if source is None else source.read(0, 9),
    )
    expected = log_probs(model.output_kind, torch.as_tensor(raw), torch.as_tensor(x)).sum()
    given = x.astype(np.int16) if kind == "logistics" else x
    assert float(model.log_prob(given, condition=condition)) == pytest.approx(float(expected), abs=1e-9)
    assert float(model.float().log_prob(given, condition=condition)) == pytest.approx(
        float(expected), rel=1e-5
    )


@pytest.mark.parametrize("kind", [*KINDS, *CONDITIONS])
def test_log_prob_in_blocks_is_log_prob_at_once(kind, monkeypatch):
    model = small(**(KINDS | CONDITIONS)[kind])
    x, prompt = sound(model, 2400), sound(model, 1500, 1)
    condition = condition_of(model, 400) or None
    whole = model.log_prob(x, prompt=prompt, condition=condition)
    monkeypatch.setattr(wavenet_likelihood, "_MOST_NUMBERS", 1)
    torch.testing.assert_close(
        model.log_prob(x, prompt=prompt, condition=condition), whole, atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_stands_before_a_recording(kind):
    model = small(**KINDS[kind])
    x, prompt = sound(model, 30), sound(model, 50, 1)
    joint = model.log_prob(np.concatenate([prompt, x]))
    torch.testing.assert_close(
        model.log_prob(x, prompt=prompt) + model.log_prob(prompt), joint, atol=1e-9, rtol=0
    )


def test_a_prompt_has_no_features_and_the_first_frame_is_the_first_samples():
    model = small(**CONDITIONS["nearest"])
    x, prompt, frames = sound(model, 2 * HOP), sound(model, 20, 1), features(2)
    past = model.advance(torch.as_tensor(prompt)[None])[1]
    seen = model.frame_channels(torch.as_tensor(np.pad(frames, ((1, 1), (0, 0))))[None].double())
    raw = model.advance(torch.as_tensor(x)[None], past, None, seen)[0]
    expected = log_probs("categorical", raw.detach(), torch.as_tensor(x)[None]).sum()
    assert float(model.log_prob(x, prompt=prompt, condition=frames)) == pytest.approx(
        float(expected), abs=1e-9
    )


@pytest.mark.parametrize("kind", ["nearest", "all"])
def test_recordings_of_any_length_each_with_its_condition(kind):
    model = small(**CONDITIONS[kind])
    rows = [sound(model, length, length) for length in (3, 17, 0, 17)]
    conditions = [condition_of(model, 3 + k, k) for k in range(4)]
    found = model.log_prob(rows, condition=conditions)
    assert found.dtype == torch.float64
    each = torch.cat([model.log_prob(row, condition=c) for row, c in zip(rows, conditions, strict=True)])
    torch.testing.assert_close(found, each, atol=1e-10, rtol=0)
    assert found[2] == 0.0


def test_arrays_of_conditions_have_one_for_each_recording():
    model = small(**CONDITIONS["nearest"])
    rows, frames = np.stack([sound(model, 10, k) for k in (0, 1)]), np.stack([features(2, k) for k in (0, 1)])
    each = torch.cat([model.log_prob(rows[k], condition=frames[k]) for k in (0, 1)])
    torch.testing.assert_close(model.log_prob(rows, condition=frames), each, atol=1e-10, rtol=0)
    torch.testing.assert_close(model.log_prob(rows, condition=list(frames)), each, atol=1e-10, rtol=0)
    model = small(levels=5, classes=3)
    each = torch.cat([model.log_prob(rows[k], condition=k) for k in (0, 1)])
    torch.testing.assert_close(model.log_prob(rows, condition=np.array([0, 1])), each, atol=1e-10, rtol=0)


def test_features_may_come_from_a_live_source():
    class Live:
        width = MELS

        def read(self, begin: int, count: int) -> np.ndarray:
            return features(5)[begin : begin + count]

    model = small(**CONDITIONS["learned"])
    assert isinstance(Live(), FrameSource)
    for length in (2 * HOP, 5 * HOP):
        x = sound(model, length)
        torch.testing.assert_close(
            model.log_prob(x, condition=Live()), model.log_prob(x, condition=features(5))
        )


def test_log_prob_is_differentiable():
    model = small(**CONDITIONS["all"])
    x = sound(model, 20)
    assert not model.log_prob(x, condition=condition_of(model, 4)).requires_grad
    model.log_prob(x, condition=condition_of(model, 4), grad=True).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_sound_is_taken_as_floats_integers_and_tensors():
    model = small(False, levels=16)
    quiet = np.sin(np.arange(30) * 0.3).astype(np.float32) * 0.5
    score = float(model.log_prob(quiet))
    for same in (torch.from_numpy(quiet), model.codec.encode(quiet), [quiet], quiet.tolist()):
        assert float(model.log_prob(same)) == pytest.approx(score)
    whole = (quiet * 32768).astype(np.int16)
    assert float(model.log_prob(whole)) == pytest.approx(float(model.log_prob(whole / np.float32(32768))))


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_drawn_numbers_beyond_the_data_are_scored_by_their_symbols(engine):
    """The data are clipped to [-1, 1]; the numbers that were drawn, and condition the next ones, are not."""
    model = WaveNet(4, 2, 6, 8, 7, output="gaussian", mixtures=3)
    model.output.bias.data[3:6] = torch.tensor([-1.2, 0.3, 1.4])  # means
    model.output.bias.data[6:] = -1.0
    if engine == "torch":
        model = WaveNet.from_weights(model.weights()).double()
    for chunks in model.stream(3, 60, chunk=7, seed=2, log_probs=True, engine=engine).collect().values():
        symbols = np.concatenate([chunk.extra["symbols"] for chunk in chunks])
        sound = np.concatenate([chunk.data for chunk in chunks])
        assert np.abs(symbols).max() > 1.2
        np.testing.assert_array_equal(sound, np.clip(symbols, -1, 1).astype(np.float32))
        drawn = sum(chunk.extra["log_prob"].sum() for chunk in chunks)
        assert float(model.log_prob(symbols, symbols=True)) == pytest.approx(drawn, abs=1e-3)
        assert abs(float(model.log_prob(sound)) - drawn) > 0.1
    both = model.log_prob([symbols, symbols[:9]], symbols=True)
    assert both.shape == (2,)
    with pytest.raises(ValueError, match="symbols must be rows of finite numbers"):
        model.log_prob([np.array([0.1, np.nan])], symbols=True)
