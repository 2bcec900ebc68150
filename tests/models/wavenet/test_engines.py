"""The WaveNet engines: step by step equal to the parallel pass, for all sizes, prompts and features."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from seqgen import Controls, LiveFeatures, WaveNet
from seqgen.audio.frames import FrameWindow
from seqgen.conditions.audio import ArrayFrames, AudioConditions
from seqgen.errors import SeqgenError

LEVELS = 7


def wavenet(
    layers: int = 6, cycle: int = 4, residual: int = 10, gate: int = 12, skip: int = 9, **arguments: Any
) -> WaveNet:
    """Return a network whose parameters are wide enough that every input matters."""
    model = WaveNet(layers, cycle, residual, gate, skip, **({"levels": LEVELS} | arguments))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = (
            0.3 * min(1.0, (10 / residual) ** 0.5) * torch.randn(parameter.shape, generator=generator)
        )
    return model


def streamed(
    model: WaveNet, n: int, length: int | None, **request: Any
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return symbols and their log-probabilities of each sample."""
    chunks = model.stream(n, length, log_probs=True, **request).collect().values()
    sounds = [model.codec.encode(np.concatenate([chunk.data for chunk in some])) for some in chunks]
    return sounds, [np.concatenate([chunk.extra["log_prob"] for chunk in some]) for some in chunks]


@torch.no_grad()
def parallel(
    model: WaveNet, symbols: np.ndarray, condition: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """Return log-probabilities (T, levels) of every symbol after those before it, by one pass."""
    given = {name: torch.as_tensor(value)[None] for name, value in (condition or {}).items()}
    return torch.log_softmax(model(torch.as_tensor(symbols)[None], given)[0].double(), -1).numpy()


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("cycle", [1, 3, 6])
@pytest.mark.parametrize("sizes", [(1, 2, 1), (10, 12, 9), (64, 130, 70)], ids=str)
def test_every_step_is_what_the_parallel_pass_says(taps, cycle, sizes):
    model = wavenet(6, cycle, *sizes, kernel_size=taps)
    for batch, chunk in ((1, 100), (2, 7), (6, 33)):
        for symbols, scores in zip(
            *streamed(model, batch, 100, batch=batch, chunk=chunk, seed=batch), strict=True
        ):
            expected = parallel(model, symbols)[np.arange(100), symbols]
            np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 100])
def test_the_distribution_after_a_prompt(length):
    """Each symbol in turn is the only one allowed, so that its log-probability under the model is returned."""
    model = wavenet(kernel_size=3)
    prompt = np.random.default_rng(length).integers(0, LEVELS, length)
    one_each = [Controls(allowed=np.array([symbol])) for symbol in range(LEVELS)]
    symbols, scores = streamed(model, LEVELS, 1, batch=LEVELS, prompt=prompt, controls=one_each)
    assert np.concatenate(symbols).tolist() == list(range(LEVELS))
    expected = parallel(model, np.append(prompt, 0))[-1]
    np.testing.assert_allclose(np.concatenate(scores), expected, atol=1e-5)


def test_fast_and_reference_draw_the_same_sound():
    model = wavenet(10, 10, 16, 32, 16, levels=256)
    fast = model.sample(1, 1500, seed=3)
    assert (fast == model.sample(1, 1500, seed=3, engine="torch")).all()
    assert len(np.unique(fast)) > 100


@pytest.mark.parametrize("upsampling", ["nearest", "learned"])
@pytest.mark.parametrize("hop", [1, 3, 40])
def test_features_go_along_with_the_sound(upsampling, hop):
    model = wavenet(mels=4, hop=hop, upsampling=upsampling)
    if upsampling == "learned":
        model.upsample.weight.data = torch.randn(2, hop, generator=torch.Generator().manual_seed(2))
    features = [np.random.default_rng(k).normal(size=(2 + k, 4)).astype(np.float32) for k in range(4)]
    for batch, chunk in ((1, 11), (3, 50)):
        symbols, scores = streamed(model, 4, None, batch=batch, chunk=chunk, condition=features)
        for own, score, frames in zip(symbols, scores, features, strict=True):
            assert len(own) == len(frames) * hop
            expected = parallel(model, own, {"features": frames})[np.arange(len(own)), own]
            np.testing.assert_allclose(score, expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize(
    "arguments", [{}, {"mels": 4, "hop": 5, "upsampling": "learned"}], ids=["", "features"]
)
def test_a_chunk_of_several_blocks_is_that_of_several_chunks(engine, arguments, monkeypatch):
    """Within a chunk, features are projected and lanes are moved on a block at a time."""
    model = wavenet(**arguments)
    features = [np.random.default_rng(k).normal(size=(k + 8, 4)).astype(np.float32) for k in range(3)]
    request = {"engine": engine, "seed": 2, **({"condition": features} if arguments else {})}
    expected = streamed(model, 3, 70, batch=1, chunk=9, **request)
    monkeypatch.setattr("seqgen.audio.engine._BLOCK", 13)
    for batch in (1, 3):
        found = streamed(model, 3, 70, batch=batch, chunk=70, **request)
        for ours, theirs in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_sample_ends_where_its_features_do():
    model = wavenet(mels=4, hop=5)
    features = np.ones((6, 4), np.float32)
    reasons = {
        length: [
            chunk.extra["reason"]
            for chunk in model.stream(1, length, chunk=8, condition=features)
            if chunk.last
        ]
        for length in (12, 29, 31, None)
    }
    assert reasons == {12: ["length"], 29: ["length"], 31: ["end"], None: ["end"]}
    assert len(model.sample(1, 31, condition=features)[0]) == 30
    assert [chunk.last for chunk in model.stream(1, condition=features[:0])] == [True]


def test_live_features_are_those_of_an_array():
    model = wavenet(mels=4, hop=6, upsampling="learned")
    features = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    expected = model.sample(1, condition=features, seed=2)[0]
    live = LiveFeatures(4, most=3)

    def send() -> None:
        for begin in range(0, 40, 7):
            live.push(features[begin : begin + 7])
        live.close()

    sender = threading.Thread(target=send)
    sender.start()
    parts = [chunk.data for chunk in model.stream(1, chunk=10, condition=live, seed=2)]
    sender.join(10)
    assert (np.concatenate(parts) == expected).all()
    with pytest.raises(SeqgenError, match="of one sample only"):
        model.sample(1, condition=live)
    with pytest.raises(SeqgenError, match="closed"):
        live.push(features)


def test_a_restored_stream_asks_for_the_features_from_where_it_stood():
    asked = []

    class Frames(ArrayFrames):
        def read(self, begin: int, count: int) -> np.ndarray:
            asked.append(begin)
            return super().read(begin, count)

    model = wavenet(mels=4, hop=6)
    source = Frames(np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    whole = model.sample(1, condition=source)[0]
    first = model.stream(1, chunk=60, condition=source)
    next(first), next(first)
    rest = model.stream(1, chunk=60, condition=source)
    rest.load_state_dict(first.state_dict())
    asked.clear()
    assert (np.concatenate([chunk.data for chunk in rest]) == whole[120:]).all()
    assert min(asked) == 19


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 2)), np.full((3, 4), np.nan), np.zeros((3, 4), "U1"), np.zeros(4)]
)
def test_live_features_of_the_wrong_kind_are_refused(frames):
    with pytest.raises(ValueError, match="frames must be"):
        LiveFeatures(4).push(frames)


def test_a_window_forgets_what_lies_behind():
    conditions = AudioConditions(None, None, 2)
    array = np.arange(1, 201, dtype=np.float32).reshape(100, 2)
    window = FrameWindow(ArrayFrames(array), conditions)
    padded = np.concatenate([np.zeros((1, 2)), array, np.zeros((5, 2))])
    for begin in range(-1, 99, 4):
        assert (window.read(begin, begin + 6) == padded[begin + 1 : begin + 7]).all()
        assert len(window._kept) <= 6
    assert window.end == 100


def test_ragged_samples_take_each_others_lanes():
    """Lanes that end are refilled while others continue; each sample is the same as alone."""
    model = wavenet(mels=3, hop=4, classes=2)
    lengths = (3, 9, 1, 6, 2, 8)
    conditions = [
        {"class": k % 2, "features": np.random.default_rng(k).normal(size=(length, 3)).astype(np.float32)}
        for k, length in enumerate(lengths)
    ]
    together = model.sample(6, condition=conditions, batch=3, chunk=5, seed=4)
    for k, (sound, condition) in enumerate(zip(together, conditions, strict=True)):
        assert (sound == model.sample(1, condition=condition, start=k, seed=4)[0]).all()


def test_bfloat16_weights_are_used_as_they_are():
    model = wavenet(levels=32)
    rounded = WaveNet.from_weights(model.weights())
    for parameter in rounded.parameters():
        parameter.data = parameter.data.bfloat16().float()
    assert (model.sample(2, 300, precision="bfloat16") == rounded.sample(2, 300, precision="float32")).all()
    assert (rounded.sample(2, 300) == rounded.sample(2, 300, precision="float32")).all()
    assert (model.sample(2, 300) != rounded.sample(2, 300)).any()


def test_a_model_that_diverged_says_so():
    model = wavenet(output="gaussian")
    model.hidden.bias.data.fill_(1.0)
    model.output.weight.data.fill_(3e38)
    for engine in ("numba", "torch"):
        with pytest.raises(SeqgenError, match="not finite"):
            model.sample(1, 5, engine=engine)


@pytest.mark.parametrize("output", ["logistics", "gaussian"])
def test_values_are_drawn_as_the_mixture_says(output):
    """With a network that ignores its inputs, a sample's empirical distribution is the mixture."""
    model = WaveNet(2, 2, 4, 4, 4, output=output, mixtures=2)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.output.bias.data[:] = torch.tensor([0.0, 1.0, -0.3, 0.2, -3.0, -4.0])
    drawn = np.sort(model.sample(1, 20000, seed=1)[0].astype(np.float64))
    weights = np.array([1.0, np.e]) / (1.0 + np.e)
    means, scales = np.array([-0.3, 0.2]), np.exp([-3.0, -4.0])
    z = (drawn[:, None] - means) / scales
    if output == "logistics":
        each = 1.0 / (1.0 + np.exp(-z))
    else:
        each = np.array(
            [[0.5 * (1.0 + torch.erf(torch.tensor(v / 2**0.5)).item()) for v in row] for row in z]
        )
    below = each @ weights
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is exceeded with probability 1 %
    assert np.abs(below - (np.arange(20000) + 0.5) / 20000).max() < 1.63 / 20000**0.5


def test_what_is_too_loud_becomes_the_loudest_16_bit_number():
    model = WaveNet(2, 2, 4, 4, 4, output="logistics", mixtures=2)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.output.bias.data[:] = torch.tensor([0.0, 0.0, -1.0, 1.0, -8.0, -8.0])
    (ours, scores), (theirs, expected) = (streamed(model, 1, 50, engine=name) for name in ("numba", "torch"))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (np.min(ours), np.max(ours)) == (-32768, 32767)
