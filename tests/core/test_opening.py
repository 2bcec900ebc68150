"""Built-in models: listed with a description, found by name, and streamed like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import seqgen
from seqgen import pretrained
from seqgen.errors import SeqgenError

NAMES = {
    "shakespeare", "shakespeare-markov", "weather", "digit-strokes", "digits-fvsbn", "digits-nade", "digits-pixelcnn",
    "fashion-pixelcnn", "speech", "vocoder",
}  # fmt: skip


def test_the_list_says_what_each_model_is():
    listed = {model["name"]: model for model in seqgen.pretrained_models()}
    assert set(listed) == NAMES
    for model in listed.values():
        for name in ("name", "family", "parameters", "score", "score_unit", "data", "licence"):
            assert model[name] not in (None, ""), (model["name"], name)
        assert model["parameters"] > 0
    json.dumps(list(listed.values()))


@pytest.mark.parametrize("name", pretrained.names())
def test_a_built_in_model_is_whole_and_streams(name):
    weights = pretrained.find(name)
    request = {"n": 2, "length": 12, "seed": 5, "condition": 3 if weights.config.get("classes") else None}
    if weights.config.get("mels"):
        request["condition"] = np.full((1, weights.config["mels"]), -0.5, np.float32)
    streamed = [chunk.data for chunk in seqgen.stream(name, **request)]
    again = [chunk.data for chunk in seqgen.load(name).stream(**request)]
    assert repr(streamed) == repr(again)
    assert streamed
    assert weights.hash == seqgen.load(name).weights().hash


def test_built_in_models_are_small():
    files = list(Path(pretrained.__file__).parent.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) < 10e6


def test_a_path_object_is_a_path_even_where_a_built_in_model_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeqgenError, match="no built-in model and no file 'weather'"):
        seqgen.load(Path("weather"))


def test_a_stream_from_a_name_refuses_what_a_models_stream_refuses():
    with pytest.raises(ValueError, match="batch must be"):
        seqgen.stream("weather", batch=0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        seqgen.stream("weather", temperature=1)
