"""WaveNet against plain convolutions in float64, its receptive field by gradients, probabilities that sum to one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import seqgen
from seqgen import WaveNet
from seqgen.errors import SeqgenError
from seqgen.models import wavenet_likelihood
from seqgen.models.audio_conditions import FrameSource
from seqgen.models.wavenet_outputs import log_density, log_mass, log_probs
from tests.models.wavenet_oracle import raw_outputs

MELS, HOP = 4, 6


def small(double: bool = True, **arguments: Any) -> WaveNet:
    """A network whose parameters are all drawn anew, so that none of them is zero."""
    model = WaveNet(
        **{"layers": 5, "cycle": 3, "residual_channels": 6, "gate_channels": 8, "skip_channels": 7}
        | arguments
    )
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)
    return model.double() if double else model


def sound(model: WaveNet, length: int, seed: int = 0) -> np.ndarray:
    """Symbols that the model knows, (T,)."""
    draw = np.random.default_rng(seed)
    if model.output_kind == "categorical":
        return draw.integers(0, model.codec.size, length)
    quiet = draw.normal(size=length).clip(-3, 3) * 0.2
    return model.codec.encode(quiet.astype(np.float32))


def features(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, MELS)).astype(np.float32)


KINDS: dict[str, dict[str, Any]] = {
    "categorical": {"levels": 5},
    "logistics": {"output": "logistics", "mixtures": 3},
    "gaussian": {"output": "gaussian", "mixtures": 2},
}
LOCAL: dict[str, Any] = {"levels": 5, "mels": MELS, "hop": HOP, "local_channels": 3}
CONDITIONS: dict[str, dict[str, Any]] = {
    "nearest": LOCAL,
    "learned": {**LOCAL, "upsampling": "learned"},
    "class and vector": {"levels": 5, "classes": 3, "condition_size": 2},
    "all": {**LOCAL, "upsampling": "learned", "classes": 3, "condition_size": 2, "kernel_size": 3},
}


def condition_of(model: WaveNet, frames: int, seed: int = 0) -> dict[str, Any]:
    given = {"class": 1 + seed % 2, "vector": [0.5, -1.0 + seed], "features": features(frames, seed)}
    return {kind: given[kind] for kind in model.conditions.kinds}


# ---- the parallel pass --------------------------------------------------------------------------------


@pytest.mark.parametrize("cycle", [1, 3, 5])
@pytest.mark.parametrize("taps", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_parallel_pass_is_the_convolutions(kind, taps, cycle):
    model = small(**KINDS[kind], kernel_size=taps, cycle=cycle)
    x = np.stack([sound(model, 70, seed) for seed in (0, 1)])
    expected = np.stack([raw_outputs(model, row) for row in x])
    found = model(torch.as_tensor(x))
    assert found.shape == (2, 70, 5 if kind == "categorical" else 3 * model.mixtures)
    np.testing.assert_allclose(found.detach(), expected, atol=1e-11)
    np.testing.assert_allclose(model.float()(torch.as_tensor(x)).detach(), expected, atol=1e-5)


@pytest.mark.parametrize("frames", [3, 4, 7], ids=["as many as needed", "one more", "many more"])
@pytest.mark.parametrize("kind", CONDITIONS)
def test_conditions_are_added_to_the_gates(kind, frames):
    model = small(**CONDITIONS[kind])
    x = sound(model, 3 * HOP - 2)
    fixed, source = model.conditions.parse(condition_of(model, frames))
    given = {"globals": torch.as_tensor(fixed)[None].double()} if len(fixed) else {}
    array = None if source is None else source.read(0, frames)
    if array is not None:
        given["features"] = torch.as_tensor(array)[None].double()
    expected = raw_outputs(model, x, fixed if len(fixed) else None, array)
    np.testing.assert_allclose(model(torch.as_tensor(x)[None], given)[0].detach(), expected, atol=1e-11)
    without = raw_outputs(model, x)
    assert np.abs(expected - without).min() > 0.0


@pytest.mark.parametrize("kind", ["learned", "nearest"])
def test_what_learned_upsampling_begins_with(kind):
    """Frame i at its own beginning, and a straight line to frame i + 1."""
    arguments: dict[str, Any] = {**CONDITIONS[kind], "layers": 1}
    model = WaveNet(**arguments).double()
    if kind == "learned":
        weight = model.upsample.weight.detach().numpy()
        np.testing.assert_allclose(weight, [1 - np.arange(HOP) / HOP, np.arange(HOP) / HOP], atol=1e-7)
    assert ("upsample.weight" in model.arrays()) == (kind == "learned")


# ---- what a prediction depends on ---------------------------------------------------------------------


def reach_of(model: WaveNet, length: int, at: int) -> np.ndarray:
    """How much the output at step `at` changes with every input (T,), by gradients."""
    x = torch.full((1, length), 0.1, dtype=torch.float64, requires_grad=True)
    (model(x)[0, at] ** 2).sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().numpy()


@pytest.mark.parametrize("cycle", [1, 2, 5])
@pytest.mark.parametrize("taps", [1, 2, 3])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_the_receptive_field_is_exact(layers, taps, cycle):
    model = small(output="gaussian", layers=layers, kernel_size=taps, cycle=cycle)
    field = model.receptive_field
    assert field == taps + (taps - 1) * sum(2 ** (layer % cycle) for layer in range(layers))
    length = field + 10
    for at in (length - 1, length - 4):
        reached = np.flatnonzero(reach_of(model, length, at))
        assert (reached.min(), reached.max()) == (at - field, at - 1)


def test_nothing_depends_on_what_comes_later():
    model = small(output="gaussian")
    for at in range(40):
        assert not reach_of(model, 40, at)[at:].any()


def test_published_receptive_fields():
    assert WaveNet(10, 10, 2, 2, 2).receptive_field == 1025
    assert WaveNet(20, 10, 2, 2, 2).receptive_field == 2048
    assert WaveNet(24, 6, 2, 2, 2, kernel_size=3).receptive_field == 3 + 2 * 4 * 63


def test_a_crop_begins_as_a_sample_does():
    """Nothing but zeros stands before the start: shifting a recording in time shifts its outputs."""
    model = small(output="gaussian")
    x = torch.as_tensor(sound(model, 60), dtype=torch.float64)[None]
    late = torch.cat([torch.zeros(1, 50, dtype=torch.float64), x], 1)
    begun = model(late)[:, 50:].detach()
    crop = model(x).detach()
    # h is zero before the start, which sound that is zero is not: they differ until its influence is over
    assert (begun[:, 0] - crop[:, 0]).abs().max() > 1e-4
    torch.testing.assert_close(
        begun[:, model.receptive_field :], crop[:, model.receptive_field :], atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("kind", [*KINDS, *CONDITIONS])
def test_pieces_follow_on_from_each_other(kind):
    model = small(**(KINDS | CONDITIONS)[kind])
    x = torch.as_tensor(sound(model, 8 * HOP))[None]
    fixed, source = model.conditions.parse(condition_of(model, 8) or None)
    given = torch.as_tensor(fixed)[None].double() if len(fixed) else None
    frames = None
    if source is not None:
        padded = np.pad(source.read(0, 8), ((1, 1), (0, 0)))
        frames = model.frame_channels(torch.as_tensor(padded)[None].double())
    whole, _ = model.advance(x, None, given, frames)
    past, parts = None, []
    for begin, end in ((0, 1), (1, 4), (4, 8)):
        some = None if frames is None else frames[:, begin:]
        raw, past = model.advance(x[:, begin * HOP : end * HOP], past, given, some)
        parts.append(raw)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=0)


# ---- probabilities ------------------------------------------------------------------------------------


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
    fixed, source = model.conditions.parse(condition)
    raw = raw_outputs(model, x, fixed if len(fixed) else None, None if source is None else source.read(0, 9))
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


# ---- the model ----------------------------------------------------------------------------------------


def test_dropout_acts_only_with_a_generator_and_is_a_function_of_it():
    model = small(False, levels=5, dropout=0.5)
    x = torch.as_tensor(sound(model, 30))[None]
    plain = model(x)
    torch.testing.assert_close(model.from_start(x), plain)
    one, two, three = (
        model.from_start(x, dropout_generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(one, two, atol=0, rtol=0)
    assert not torch.allclose(one, three)
    assert not torch.allclose(one, plain)


def test_initial_weights_are_a_function_of_the_seed_alone_and_of_a_good_size():
    torch.manual_seed(5)
    one = WaveNet(seed=3)
    torch.manual_seed(6)
    assert WaveNet(seed=3).weights().hash == one.weights().hash
    assert WaveNet(seed=4).weights().hash != one.weights().hash
    logits = one(torch.randint(0, 256, (1, 2000), generator=torch.Generator().manual_seed(0)))
    assert 0.05 < float(logits.detach().std()) < 1.0


@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("kind", [*KINDS, *CONDITIONS])
def test_a_saved_model_loads_as_it_was(kind, double, tmp_path):
    model = small(double, sample_rate=8000, dropout=0.25, **(KINDS | CONDITIONS)[kind])
    model.save(tmp_path / "model.safetensors")
    loaded = seqgen.load(tmp_path / "model.safetensors")
    assert isinstance(loaded, WaveNet)
    assert loaded.config() == model.config()
    assert loaded.codec.sample_rate == 8000
    assert not loaded.training
    for name, array in model.arrays().items():
        assert loaded.arrays()[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays()[name], array)


def test_parameters_have_the_names_and_shapes_that_engines_read():
    model = WaveNet(
        2, 2, 6, 8, 7, kernel_size=3, levels=16, classes=2, condition_size=3, mels=MELS, hop=HOP, local_channels=5,
        upsampling="learned",
    )  # fmt: skip
    assert {name: array.shape for name, array in model.arrays().items()} == {
        "input.weight": (3, 16, 6), "input.bias": (6,),
        "layers.0.dilated.weight": (8, 18), "layers.0.dilated.bias": (8,),
        "layers.0.residual.weight": (6, 4), "layers.0.residual.bias": (6,),
        "layers.1.dilated.weight": (8, 18), "layers.1.dilated.bias": (8,),
        "skip.weight": (7, 8), "skip.bias": (7,), "hidden.weight": (7, 7), "hidden.bias": (7,),
        "output.weight": (16, 7), "output.bias": (16,), "globals.weight": (16, 5),
        "frames.weight": (5, MELS, 3), "frames.bias": (5,), "local.weight": (16, 5), "upsample.weight": (2, HOP),
    }  # fmt: skip
    assert WaveNet(2, 2, 6, 8, 7, output="gaussian", mixtures=4).arrays()["output.bias"].shape == (12,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layers": 0}, "layers must be at least 1, got 0"), ({"cycle": 0}, "cycle must be between 1 and 24, got 0"),
        ({"residual_channels": 0}, "residual_channels must"), ({"skip_channels": 0}, "skip_channels must"),
        ({"gate_channels": 7}, "gate_channels must be even.*got 7"), ({"kernel_size": 0}, "kernel_size must"),
        ({"levels": 1}, "levels must be between 2 and 65536"), ({"sample_rate": 0}, "sample_rate must"),
        ({"output": "softmax"}, "output must be one of 'categorical', 'logistics', 'gaussian', got 'softmax'"),
        ({"mixtures": 2}, "mixtures is for the outputs 'logistics' and 'gaussian', got 2 for 'categorical'"),
        ({"output": "gaussian", "mixtures": 0}, "mixtures must be at least 1"),
        ({"classes": 0}, "classes must be at least 1"), ({"condition_size": 0}, "condition_size must"),
        ({"mels": 80}, "mels and hop must be given together, got mels=80 and hop=None"),
        ({"hop": 200}, "mels and hop must be given together"), ({"mels": 80, "hop": 0}, "hop must be at least 1"),
        ({"local_channels": 0}, "local_channels must"), ({"upsampling": "linear"}, "upsampling must be one of"),
        ({"dropout": 1.0}, "dropout must be >=0.0 and <1.0, got 1.0"), ({"seed": -1}, "seed must be"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_arguments_out_of_range_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        small(**arguments)


NAN = np.full((3, MELS), np.nan)


@pytest.mark.parametrize(
    ("kind", "condition", "error", "words"),
    [
        ("categorical", 1, SeqgenError, "this model takes no condition, got 1"),
        ("nearest", None, SeqgenError, r"conditioned on features of the shape \(frames, 4\); give condition"),
        ("nearest", np.zeros((3, 5)), ValueError, r"must have the shape \(frames, 4\), got \(3, 5\)"),
        ("nearest", np.zeros((MELS, 9)), ValueError, r"got \(4, 9\); the first axis is time: transpose them"),
        ("nearest", NAN, ValueError, r"must be finite, got nan at \[0, 0\]"),
        ("nearest", np.array([["a"] * MELS]), TypeError, "features must be numbers, got <U1"),
        ("nearest", {"mel": features(3)}, ValueError, r"mapping with the key 'features', got \['mel'\]"),
        ("nearest", features(2), SeqgenError, "end early: 2 frames of 6 samples, the recording needs 3"),
        ("nearest", [features(3)] * 2, ValueError, "one item for each of the 1 sequences, got 2"),
        ("class and vector", 1, ValueError, "a mapping with the keys 'class', 'vector'"),
        ("class and vector", {"class": 3, "vector": [0, 0]}, ValueError, "class must be between 0 and 2, got 3"),
        ("class and vector", {"class": 0, "vector": [0]}, ValueError, "vector must be 2 numbers"),
        ("all", features(3), ValueError, "a mapping with the keys 'class', 'vector', 'features', got ndarray"),
        ("all", {"features": features(3)}, ValueError, r"got \['features'\]"),
    ],
)  # fmt: skip
def test_conditions_that_do_not_fit_are_refused(kind, condition, error, words):
    model = small(**(KINDS | CONDITIONS)[kind])
    with pytest.raises(error, match=words):
        model.log_prob(sound(model, 2 * HOP + 1), condition=condition)


def test_a_live_source_of_another_width_is_refused():
    class Narrow:
        width = 3

        def read(self, begin: int, count: int) -> np.ndarray:
            return np.zeros((count, 3))

    model = small(**CONDITIONS["nearest"])
    with pytest.raises(ValueError, match="must be 4 wide, got a source of 3"):
        model.log_prob(sound(model, 3), condition=Narrow())


def test_a_model_makes_its_features_of_a_recording():
    model = WaveNet(2, 2, 4, 4, 4, mels=20, hop=100, sample_rate=8000)
    found = model.features(np.sin(np.arange(1050) * 0.2))
    assert found.shape == (11, 20)
    np.testing.assert_array_equal(found, model.features(np.sin(np.arange(1050) * 0.2), 8000))
    with pytest.raises(
        SeqgenError, match=r"16000 samples a second, the model 8000; seqgen.data.audio.resample"
    ):
        model.features(np.zeros(100), 16000)
    with pytest.raises(SeqgenError, match="not conditioned on features"):
        small().features(np.zeros(100))


def test_samples_end_with_their_features_and_else_never():
    assert small(**CONDITIONS["nearest"]).ends
    assert not small().ends
