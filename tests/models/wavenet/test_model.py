"""WaveNet against plain convolutions in float64, and the dependencies of a prediction, by gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqgen import WaveNet
from tests.models.wavenet.examples import (
    CONDITIONS,
    HOP,
    KINDS,
    condition_of,
    small,
    sound,
)
from tests.models.wavenet.oracle import raw_outputs


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
    global_condition, source = model.conditions.parse(condition_of(model, frames))
    given = (
        {"global_condition": torch.as_tensor(global_condition)[None].double()}
        if len(global_condition)
        else {}
    )
    array = None if source is None else source.read(0, frames)
    if array is not None:
        given["features"] = torch.as_tensor(array)[None].double()
    expected = raw_outputs(model, x, global_condition if len(global_condition) else None, array)
    np.testing.assert_allclose(model(torch.as_tensor(x)[None], given)[0].detach(), expected, atol=1e-11)
    without = raw_outputs(model, x)
    assert np.abs(expected - without).min() > 0.0


@pytest.mark.parametrize("kind", ["learned", "nearest"])
def test_what_learned_upsampling_begins_with(kind):
    """Frame i at its own beginning, and linear interpolation to frame i + 1."""
    arguments: dict[str, Any] = {**CONDITIONS[kind], "layers": 1}
    model = WaveNet(**arguments).double()
    if kind == "learned":
        weight = model.upsample.weight.detach().numpy()
        np.testing.assert_allclose(weight, [1 - np.arange(HOP) / HOP, np.arange(HOP) / HOP], atol=1e-7)
    assert ("upsample.weight" in model.arrays()) == (kind == "learned")


def reach_of(model: WaveNet, length: int, at: int) -> np.ndarray:
    """Return how much the output at step `at` changes with every input (T,), by gradients."""
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
    """The padding before the start is zero: shifting a recording in time shifts its outputs."""
    model = small(output="gaussian")
    x = torch.as_tensor(sound(model, 60), dtype=torch.float64)[None]
    late = torch.cat([torch.zeros(1, 50, dtype=torch.float64), x], 1)
    begun = model(late)[:, 50:].detach()
    crop = model(x).detach()
    # h is zero before the start, but not for silence: the outputs differ until the influence of this has ended
    assert (begun[:, 0] - crop[:, 0]).abs().max() > 1e-4
    torch.testing.assert_close(
        begun[:, model.receptive_field :], crop[:, model.receptive_field :], atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("kind", [*KINDS, *CONDITIONS])
def test_pieces_follow_on_from_each_other(kind):
    model = small(**(KINDS | CONDITIONS)[kind])
    x = torch.as_tensor(sound(model, 8 * HOP))[None]
    global_condition, source = model.conditions.parse(condition_of(model, 8) or None)
    given = torch.as_tensor(global_condition)[None].double() if len(global_condition) else None
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
