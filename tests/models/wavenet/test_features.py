"""Features of a sample: its length in samples, and the range that the model was trained on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import seqgen
from seqgen import LiveFeatures
from seqgen.conditions.feature_range import FeatureRange, feature_range
from seqgen.data.mel import described, mel_features
from seqgen.errors import SeqgenWarning
from tests.models.wavenet.examples import CONDITIONS, HOP, MELS, condition_of, features, small

CARD = {"feature_range": [-3.0, 3.0], "features": "as in the examples"}

# ---- the length ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("kind", ["nearest", "learned", "all"])
def test_a_sample_is_as_long_as_the_recording_that_its_features_describe(kind, engine):
    model = small(False, **CONDITIONS[kind])
    condition = condition_of(model, 4)
    whole = model.sample(1, condition=condition, engine=engine)[0]
    assert len(whole) == 4 * HOP
    for samples in (4 * HOP - 1, 3 * HOP + 1, HOP, 1):
        given = {**condition, "samples": samples}
        np.testing.assert_array_equal(model.sample(1, condition=given, engine=engine)[0], whole[:samples])
        chunks = list(model.stream(1, condition=given, engine=engine, chunk=5))
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks]), whole[:samples])
    # not longer than the features, nor than what is asked for
    assert len(model.sample(1, condition={**condition, "samples": 1000}, engine=engine)[0]) == 4 * HOP
    assert len(model.sample(1, 3, condition={**condition, "samples": 10}, engine=engine)[0]) == 3


def test_each_sample_of_a_batch_has_its_own_length_also_after_resuming():
    model = small(False, **CONDITIONS["nearest"])
    lengths = [5, 4 * HOP - 2, HOP + 1, 2 * HOP]
    given = [{"features": features(4, seed), "samples": length} for seed, length in enumerate(lengths)]
    request = {"n": 4, "condition": given, "batch": 3, "chunk": 4}
    sounds: dict[int, list[np.ndarray]] = {}
    stream = model.stream(**request)
    for number in range(1000):
        chunk = next(stream, None)
        if chunk is None:
            break
        sounds.setdefault(chunk.index, []).append(chunk.data)
        if number == 4:
            state = stream.state_dict()
            stream = model.stream(**request)
            stream.load_state_dict(state)
    assert [sum(map(len, sounds[index])) for index in range(4)] == lengths


def test_live_features_may_be_of_a_recording_whose_length_is_known():
    model = small(False, **CONDITIONS["nearest"])
    array = features(3)
    live = LiveFeatures(MELS)
    live.push(array)
    live.close()
    found = model.sample(1, condition={"features": live, "samples": 2 * HOP + 3})[0]
    np.testing.assert_array_equal(found, model.sample(1, condition=array)[0][: 2 * HOP + 3])


@pytest.mark.parametrize(("samples", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_lengths_that_are_none(samples, error):
    model = small(False, **CONDITIONS["nearest"])
    with pytest.raises(error, match="condition's samples must be"):
        model.sample(1, condition={"features": features(3), "samples": samples})


def test_a_likelihood_takes_the_same_condition():
    model = small(False, **CONDITIONS["nearest"])
    condition = {"features": features(3), "samples": 2 * HOP + 3}
    sound = model.sample(1, condition=condition)[0]
    assert model.log_prob(sound, condition=condition) == model.log_prob(sound, condition=features(3))


# ---- the range ----------------------------------------------------------------------------------------


def test_a_card_tells_the_range():
    assert feature_range({}) is None
    assert feature_range({"features": "something else"}) is None
    assert feature_range(CARD) == FeatureRange(-3.0, 3.0, "as in the examples")
    assert feature_range({"features": described(16000, 200, 80)})[:2] == (-1.0, 1.05)
    for damaged in ("x", [1], [2, 1], [float("nan"), 1], [True, 3], ["a", "b"], None, {"a": 1, "b": 2}):
        assert feature_range({"feature_range": damaged}) is None


@pytest.mark.parametrize("sound", [np.ones, np.zeros, lambda n: np.sign(np.sin(np.arange(n) / 7))])
@pytest.mark.parametrize(("rate", "hop", "mels"), [(16000, 200, 80), (8000, 64, 20), (44100, 256, 80)])
def test_mel_features_of_any_sound_are_in_their_range(sound, rate, hop, mels):
    known = feature_range({"features": described(rate, hop, mels)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not known.warn_outside(mel_features(sound(4000).astype(np.float32), rate, hop=hop, mels=mels))


@pytest.mark.parametrize(
    "convert",
    [lambda m: 20 * np.log10(m), np.log, lambda m: m * 500, lambda m: 80 + 20 * np.log10(m)],
    ids=["decibels", "natural logarithm", "magnitudes", "positive decibels"],
)
def test_features_in_other_units_are_warned_of(convert):
    """As with `mel_features`, from magnitudes m between silence and a loud sound."""
    magnitudes = np.geomspace(1e-5, 3.0, 400).reshape(5, 80)
    known = feature_range({"features": described(16000, 200, 80)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known.warn_outside((np.log10(magnitudes) + 2) / 3)
    with pytest.warns(SeqgenWarning, match=r"trained on features from -1 to 1\.05, \(log10.*other units\?"):
        known.warn_outside(convert(magnitudes))


def _model(tmp_path):
    small(False, **CONDITIONS["nearest"]).save(tmp_path / "a.safetensors", card=CARD)
    return seqgen.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("live", [False, True], ids=["array", "live"])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_every_way_to_give_features_warns_once(live, engine, tmp_path):
    model = _model(tmp_path)
    assert feature_range(model.weights().card) == feature_range(CARD)

    def given(scale: float):
        if not live:
            return scale * np.clip(features(30), -3, 3)
        source = LiveFeatures(MELS)
        source.push(scale * np.clip(features(30), -3, 3))
        source.close()
        return source

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.sample(1, condition=given(1.0), engine=engine)
    for start in (model.stream, lambda **how: seqgen.stream(tmp_path / "a.safetensors", **how)):
        with pytest.warns(
            SeqgenWarning, match="trained on features from -3 to 3, as in the examples"
        ) as said:
            list(start(n=1, condition=given(20.0), engine=engine, chunk=50))
        assert len(said) == 1


def test_a_likelihood_warns_too(tmp_path):
    model = _model(tmp_path)
    with pytest.warns(SeqgenWarning, match="are they in other units"):
        model.log_prob(np.zeros(10, np.float32), condition=20 * features(30))
