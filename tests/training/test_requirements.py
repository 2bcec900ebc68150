"""Requirements of a training are checked before its data are read, and a failing picture does not lose the model."""

from __future__ import annotations

import sys
import warnings

import pytest

from seqgen.errors import MissingPackageError, SeqgenError, SeqgenWarning
from seqgen.registry import recipe

SETTINGS = {"steps": 2, "batch": 2, "window": 8, "hidden_size": 4}


@pytest.fixture
def without(monkeypatch):
    """Makes packages look as if they were not installed."""

    def forget(*modules: str) -> None:
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)

    return forget


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("hello world\n" * 50)
    return path


def test_without_matplotlib_a_model_is_trained_and_no_curve_is_drawn(without, text, tmp_path):
    without("matplotlib")
    output = tmp_path / "mine.safetensors"
    with pytest.warns(SeqgenWarning) as warned:
        recipe("char-rnn").train(text, output, preset="tiny", settings=SETTINGS)
    assert [str(warning.message) for warning in warned] == [
        "matplotlib is not installed, so the loss curve will not be drawn; pip install 'seqgen-streams[plot]' "
        "(from a checkout: pip install '.[plot]')"
    ]
    assert output.exists()
    assert not output.with_suffix(".png").exists()


def test_a_curve_that_cannot_be_drawn_is_an_error_after_the_model_is_written(text, tmp_path):
    output = tmp_path / "mine.safetensors"
    output.with_suffix(".png").mkdir()
    with pytest.raises(IsADirectoryError):
        recipe("char-rnn").train(text, output, preset="tiny", settings=SETTINGS)
    assert output.exists()
    assert not output.with_suffix(".training.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("char-rnn", "torch", "training char-rnn needs torch, which is not installed"),
        ("digit-strokes", "skimage", "training digit-strokes needs scikit-image, which is not installed"),
    ],
)
def test_packages_are_asked_for_before_data_are_looked_for(name, module, message, without, tmp_path):
    without(module)
    with pytest.raises(MissingPackageError, match=message):
        recipe(name).train(tmp_path / "nothing-here", tmp_path / "mine.safetensors")


@pytest.mark.parametrize(
    ("name", "file", "settings", "module", "message"),
    [
        ("wavenet", "a.wav", {}, "soundfile", "reading sound needs soundfile"),
        ("wavenet", "a.m4a", {}, "av", "reading sound needs av"),
        ("wavenet", "a.m4a", {"preview_seconds": 1.0}, "soundfile", "writing previews needs soundfile"),
        (
            "wavenet",
            "a.wav",
            {"mels": 8, "hop": 4},
            "torchaudio",
            "training on mel features needs torchaudio",
        ),
        ("fvsbn", "a.png", {}, "PIL", "reading a.png needs pillow"),
        ("fvsbn", "a.npy", {"size": 4}, "PIL", "resizing images needs pillow"),
    ],
)
def test_what_the_data_need_is_asked_for_before_they_are_read(
    name, file, settings, module, message, without, tmp_path
):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / file).write_bytes(b"never read")
    without(module)
    data = folder / file if file == "a.npy" else folder
    with pytest.raises(MissingPackageError, match=message):
        recipe(name).train(data, tmp_path / "mine.safetensors", preset="tiny", settings=settings)


def test_what_trains_in_one_go_needs_neither_torch_nor_matplotlib(without, text, tmp_path):
    without("torch", "matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe("markov").train(text, tmp_path / "mine.safetensors")


@pytest.mark.parametrize("size", [99_999_999_999, 2**63 - 1])
def test_a_model_that_does_not_fit_into_the_memory_is_refused(text, tmp_path, size):
    settings = {"hidden_size": size, "steps": 2}
    with pytest.raises(
        SeqgenError, match=f"hidden_size={size}.* does not fit into the memory; choose smaller sizes"
    ):
        recipe("char-rnn").train(text, tmp_path / "mine.safetensors", preset="tiny", settings=settings)
