"""Arguments and checkpoints of a WaveNet, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqgen
from seqgen import WaveNet
from seqgen.errors import SeqgenError
from tests.models.wavenet.examples import (
    CONDITIONS,
    HOP,
    KINDS,
    MELS,
    features,
    small,
    sound,
)


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
    with pytest.raises(ValueError, match="must have width 4, got a source of width 3"):
        model.log_prob(sound(model, 3), condition=Narrow())


def test_a_model_makes_its_features_of_a_recording():
    model = WaveNet(2, 2, 4, 4, 4, mels=20, hop=100, sample_rate=8000)
    found = model.features(np.sin(np.arange(1050) * 0.2))
    assert found.shape == (11, 20)
    np.testing.assert_array_equal(found, model.features(np.sin(np.arange(1050) * 0.2), 8000))
    with pytest.raises(
        SeqgenError, match=r"16000 samples per second, the model 8000; seqgen.data.audio.resample"
    ):
        model.features(np.zeros(100), 16000)
    with pytest.raises(SeqgenError, match="not conditioned on features"):
        small().features(np.zeros(100))


def test_samples_end_with_their_features_and_else_never():
    assert small(**CONDITIONS["nearest"]).ends
    assert not small().ends
