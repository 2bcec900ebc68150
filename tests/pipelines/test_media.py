"""The media of the command line: help, refusals and defaults are derived from what each medium and format declares."""

from __future__ import annotations

import re
import sys

import click
import pytest
from click.testing import CliRunner

import seqgen.streaming
from pipelines.cli import media, run
from pipelines.cli.media.base import Medium, MediumOption
from pipelines.cli.stream import command
from pipelines.sinks import formats
from seqgen import codecs
from seqgen.errors import SeqgenError

CODECS = {
    "text": codecs.Characters("ab"),
    "image": codecs.Pixels((1, 4, 4)),
    "audio": codecs.Waveform(16000),
}
NOTHING = {
    parameter.name: () if parameter.multiple else False if parameter.is_flag else None
    for parameter in command.params
    if isinstance(parameter, click.Option)
}


def shown() -> str:
    """Return the help of `seqgen stream`, each text on one line."""
    return " ".join(CliRunner().invoke(command, ["--help"]).output.split())


def test_help_says_every_option_format_and_default():
    text = shown()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in text
            assert parameter.help or parameter.name == "engine"
    for medium in media.MEDIA:
        for option in medium.options:
            words = option.help.split()
            assert " ".join(words[1:]) in text
        assert medium.default_n in text
        assert medium.default_chunk in text
        assert medium.default_format in text
    for entry in formats.FORMATS:
        assert f"{' '.join(entry.suffixes)} " in text
        assert entry.help in text
        for option in entry.options:
            assert option.help in text
    assert "--format [txt|jsonl|npz|png|" in text
    for title in (
        "Samples:",
        "Controls:",
        "Output:",
        "Image models:",
        "Audio models:",
        "Computing:",
        "Formats:",
    ):
        assert title in text


@pytest.mark.parametrize("kind", CODECS)
def test_options_are_refused_for_models_that_do_not_know_them(kind):
    own = media.medium_of(CODECS[kind])
    media.refuse_foreign(CODECS[kind], NOTHING)
    known = {option.name for option in own.options}
    foreign = {option.name for medium in media.MEDIA for option in medium.options} - known
    foreign |= {option.name for option in formats.offered() if kind not in formats.media_with(option.name)}
    assert foreign
    for name in foreign:
        with pytest.raises(
            SeqgenError, match=rf"^--{name.replace('_', '-')} is for (image|audio)( and \w+)? models"
        ):
            media.refuse_foreign(CODECS[kind], NOTHING | {name: ("x",)})
    for name in known:
        media.refuse_foreign(CODECS[kind], NOTHING | {name: "x"})


def test_an_option_of_another_format_is_refused():
    png = formats.find_format(".png", CODECS["image"], "a.png")
    assert media.format_options(png, ".png", NOTHING | {"scale": 3}) == {"scale": 3}
    with pytest.raises(ValueError, match=r"^--fps is not for \.png but for \.y4m$"):
        media.format_options(png, ".png", NOTHING | {"fps": 3})
    pnm = formats.find_format(".pnm", CODECS["image"], "-")
    with pytest.raises(ValueError, match=r"^--scale is not for \.pnm but for \.png and \.y4m$"):
        media.format_options(pnm, ".pnm", NOTHING | {"scale": 3})


class Scents(Medium):
    """The definition of another medium: a class with its options, and an entry."""

    media = ("scent",)
    label = "scent"
    options = (
        MediumOption("prompt", "a flower to go on from"),
        MediumOption("intensity", "How strong it is", {"type": int}, instead="open a window"),
    )


def test_another_medium_is_a_class_and_an_entry(monkeypatch):
    class Scent(codecs.Vectors):
        """A codec of this medium."""

        medium = "scent"

    monkeypatch.setattr(media, "MEDIA", (*media.MEDIA, Scents))
    assert media.medium_of(Scent()) is Scents

    @click.command()
    @media.media_options
    def smell(**given: object) -> None:
        """Return the given arguments."""
        click.echo(str(given["intensity"]))

    assert CliRunner().invoke(smell, ["--intensity", "3"]).output == "3\n"
    text = " ".join(CliRunner().invoke(smell, ["--help"]).output.split())
    assert "scent models: a flower to go on from." in text
    assert "--intensity INTEGER How strong it is." in text
    with pytest.raises(SeqgenError, match=r"^--intensity is for scent models; open a window$"):
        media.refuse_foreign(CODECS["text"], NOTHING | {"intensity": 3})


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("PIL", ["digits-pixelcnn", "-o", "d.png"], r"writing \.png needs pillow, "),
        ("PIL", ["digits-pixelcnn", "-n", "2", "-o", "d{index}.png"], r"writing \.png needs pillow, "),
        (
            "PIL",
            ["speech", "--seconds", "1", "-o", "a.wav", "--picture", "p.png"],
            r"writing \.png needs pillow, ",
        ),
        ("matplotlib", ["digit-strokes", "-o", "d.png"], r"writing \.png needs matplotlib, "),
        ("soundfile", ["speech", "--seconds", "1", "-o", "a.wav"], r"writing \.wav needs soundfile, "),
        ("soundfile", ["vocoder", "--like", "x.wav"], r".* needs soundfile, "),
        ("torchaudio", ["vocoder", "--like", "x.wav"], r".* needs torchaudio, "),
    ],
)
def test_what_is_missing_is_said_before_anything_is_computed(
    tmp_path, monkeypatch, capfd, module, arguments, words
):
    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("a stream was made")

    monkeypatch.chdir(tmp_path)
    for name in ("x.png", "x.wav"):
        (tmp_path / name).write_bytes(b"something")
    monkeypatch.setattr(seqgen.streaming.Stream, "__init__", never)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as left:
        run(["stream", *arguments])
    error = capfd.readouterr().err
    assert left.value.code == 1
    assert re.match(rf"seqgen: error: {words}which is not installed; pip install 'seqgen-streams\[", error)
    assert len(error.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png", "x.wav"]


def test_standard_output_needs_no_package(monkeypatch, capfd):
    for module in ("PIL", "soundfile", "matplotlib", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as left:
        run(["stream", "weather", "--length", "3", "--seed", "7", "-q"])
    assert left.value.code == 0
    assert capfd.readouterr().out == "cloud rain sun\n"
