"""The table of sinks: its entries match the sinks, and what is derived from it is right."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

from pipelines import open_sink
from pipelines.blocks import STYLES
from pipelines.sinks import base, formats
from pipelines.sinks.audio_pipe import PIPES
from pipelines.sinks.formats import FORMATS, Format, find_format
from pipelines.sinks.recording import ENCODINGS, KINDS
from seqgen import codecs, extras
from seqgen.errors import SeqgenError
from seqgen.registry import resolve
from seqgen.streaming import Chunk

CODECS = {
    "text": codecs.Characters("ab"),
    "symbols": codecs.Symbols([1, 2]),
    "numbers": codecs.Vectors(2),
    "strokes": codecs.Strokes(),
    "image": codecs.Pixels((1, 4, 4)),
    "audio": codecs.Waveform(16000),
}
CHUNKS = {
    "text": "abba",
    "symbols": [1, 2],
    "numbers": np.zeros((3, 2)),
    "strokes": np.ones((3, 2), np.float32),
    "image": np.zeros((1, 4, 4), np.uint8),
    "audio": np.zeros(50, np.float32),
}
every_format = pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: f"{entry.sink.split(':')[1]}")


def held(entry: Format) -> tuple[str, ...]:
    """Return the media for which an entry is found."""
    return tuple(
        medium
        for medium, codec in CODECS.items()
        if entry.holds(medium) and find_format(entry.suffixes[0], codec, _place(entry)) is entry
    )


def _place(entry: Format, name: str = "a") -> str:
    return f"{name}{entry.suffixes[0]}" if "file" in entry.places else "-"


@every_format
def test_an_entry_is_true_of_its_sink(entry):
    sink = resolve(entry.sink)
    assert issubclass(sink, base.Sink)
    assert sink.binary == entry.binary or entry.sink.endswith("RecordingSink")
    parameters = inspect.signature(sink.__init__).parameters
    assert {option.name for option in entry.options} <= set(parameters)
    assert set(entry.media) <= set(CODECS)
    assert entry.needs is None or extras.packages(entry.needs)
    assert entry.places
    assert entry.help
    assert not entry.help.endswith(".")


@every_format
def test_an_entry_writes_every_medium_that_it_says(entry, tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    assert held(entry)
    for medium in held(entry):
        for suffix in entry.suffixes if medium != "image" or ".pnm" not in entry.suffixes else (".pnm",):
            path = f"a{suffix}" if "file" in entry.places else "-"
            sink = open_sink(path, CODECS[medium], kind=suffix)
            assert isinstance(sink, resolve(entry.sink))
            with sink:
                sink.write(Chunk(0, 0, CHUNKS[medium], True, {"reason": "length"}))
            written = (tmp_path / path).read_bytes() if path != "-" else capfdbinary.readouterr().out
            assert written


def test_the_table_says_what_the_sinks_take():
    recording = find_format(".wav", CODECS["audio"], "a.wav")
    assert set(recording.suffixes) == set(KINDS)
    assert find_format(".wav", CODECS["audio"], "-").suffixes == PIPES
    assert formats.OPTIONS["encoding"].kind == ENCODINGS
    assert formats.OPTIONS["style"].kind == STYLES
    for frames in formats.OPTIONS["frames"].kind:
        open_sink("a.y4m", CODECS["image"], options={"frames": frames})


def test_an_option_is_the_same_wherever_it_is_known():
    for entry in FORMATS:
        for option in entry.options:
            assert option == formats.OPTIONS[option.name]


def test_nothing_is_imported_to_know_the_table(tmp_path):
    code = (
        "import sys, pipelines.sinks.formats\n"
        "heavy = {'numpy', 'PIL', 'soundfile', 'torch', 'numba'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} was imported' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_is_made_for_a_medium_goes_before_what_takes_everything():
    assert find_format(".txt", CODECS["image"], "a.txt").sink.endswith("BlocksSink")
    assert find_format(".txt", CODECS["audio"], "a.txt").sink.endswith("TextSink")
    assert find_format(".wav", CODECS["audio"], "-").sink.endswith("AudioPipeSink")
    assert find_format(".wav", CODECS["audio"], "a.wav").sink.endswith("RecordingSink")


@pytest.mark.parametrize(
    ("suffix", "medium", "path", "error", "message"),
    [
        (
            ".docx",
            "text",
            "a.docx",
            SeqgenError,
            r"the suffix '\.docx' of 'a\.docx' is unknown; there are \.txt, \.",
        ),
        (
            ".wav",
            "text",
            "a.wav",
            SeqgenError,
            r"a \.wav file cannot hold characters; write \.txt or \.jsonl$",
        ),
        (".wav", "strokes", "-", SeqgenError, r"cannot hold segments; write \.txt, \.jsonl or \.png$"),
        (".y4m", "audio", "a.y4m", SeqgenError, r"cannot hold samples; write \.txt, .*\.flac, .* or \.png$"),
        (
            ".flac",
            "audio",
            "-",
            ValueError,
            r"\.flac cannot be written to a pipe, unlike \.wav, \.s16le and \.f32le; give ",
        ),
    ],
)
def test_what_a_format_cannot_do_lists_what_can(suffix, medium, path, error, message):
    with pytest.raises(error, match=message):
        find_format(suffix, CODECS[medium], path)


def test_a_medium_that_nobody_knows_is_text_and_json_lines(tmp_path):
    class Scent(codecs.Vectors):
        """A codec whose medium is unknown to all sinks."""

        medium = "scent"

    codec = Scent()
    assert formats.suffixes_for(codec.medium) == (".txt", ".jsonl")
    with open_sink(tmp_path / "a.txt", codec) as sink:
        sink.write(Chunk(0, 0, np.array([0.5, 2.0]), True, {"reason": "length"}))
    assert (tmp_path / "a.txt").read_text() == "0.5\n2\n\n"


def test_options_that_no_sink_knows_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"no sink has the option 'scael'; there are style, .*scale, fps, frames"
    ):
        open_sink(tmp_path / "a.png", CODECS["image"], options={"scael": 2})
    # an option of another sink has no effect, and neither has one that is not given
    open_sink(tmp_path / "a.npz", CODECS["image"], options={"scale": 2, "fps": None})


@pytest.mark.parametrize(
    ("module", "suffix", "medium", "line"),
    [
        ("PIL", ".png", "image", "writing .png needs pillow, which is not installed; pip install "),
        ("PIL", ".png", "audio", "writing .png needs pillow, which is not installed; pip install "),
        (
            "matplotlib",
            ".png",
            "strokes",
            "writing .png needs matplotlib, which is not installed; pip install ",
        ),
        (
            "soundfile",
            ".flac",
            "audio",
            "writing .flac needs soundfile, which is not installed; pip install ",
        ),
    ],
)
def test_a_missing_package_is_said_when_a_sink_is_opened(tmp_path, monkeypatch, module, suffix, medium, line):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SeqgenError) as error:
        open_sink(tmp_path / f"a{suffix}", CODECS[medium])
    assert str(error.value).startswith(line)
