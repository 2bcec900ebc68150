"""Files and folders whose names are not UTF-8 are read, from training to evaluation, and named in what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqgen.checkpoint import open_weights
from seqgen.files import readable


def odd(folder: Path, name: bytes) -> Path:
    return Path(folder, os.fsdecode(name))


@pytest.fixture
def texts(tmp_path) -> Path:
    path = odd(tmp_path, b"t\xe9xt.txt")
    path.write_text("one two three\n\nfour five six\n" * 20)
    return path


def test_a_text_and_a_chain(texts, tmp_path, seqgen_command):
    model = odd(tmp_path, b"m\xe9.safetensors")
    done = seqgen_command("train", "markov", texts, "-o", model, "--set", "unit=words")
    assert done.returncode == 0, done.stderr
    card = open_weights(model).card
    assert card["data"] == "t\\xe9xt.txt"
    assert "t\\xe9xt.txt -o m\\xe9.safetensors" in card["command"]
    done = seqgen_command("eval", model, texts)
    assert done.returncode == 0, done.stderr
    assert "t\\xe9xt.txt" in done.stdout
    output = odd(tmp_path, b"j\xe9.jsonl")
    done = seqgen_command("stream", model, "-n", 1, "--length", 3, "-o", output)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text())["model"] == readable(model)
    texts.write_text("")
    done = seqgen_command("eval", model, texts)
    assert (done.returncode, "xt.txt is empty" in done.stderr) == (1, True)


def test_recordings_in_classes_previews_and_fine_tuning(tmp_path, seqgen_command):
    data = odd(tmp_path, b"d\xe9p\xf4t")
    for name in (b"z\xf6e", b"ann"):
        odd(data, name).mkdir(parents=True)
        for number in range(3):
            sound = 0.3 * np.sin(np.arange(3000 + 100 * number) / (7 + number))
            with odd(data, name + b"/caf\xe9%d.wav" % number).open("wb") as file:
                soundfile.write(file, sound, 4000, format="WAV")
    odd(data, b"._caf\xe9.wav").write_bytes(b"resource fork")
    model, tuned = odd(tmp_path, b"v\xe9.safetensors"), odd(tmp_path, b"w\xe9.safetensors")
    settings = (
        "conditional=true", "sample_rate=4000", "steps=2", "validate_every=1", "window=200", "layers=3", "cycle=3"
    )  # fmt: skip
    common = ["--preset", "tiny", *(word for setting in settings for word in ("--set", setting))]
    done = seqgen_command("train", "wavenet", data, "-o", model, *common, "--set", "preview_seconds=0.05")
    assert done.returncode == 0, done.stderr
    assert "6 files read; 1 left out, hidden: ._caf" in done.stderr
    assert odd(tmp_path, b"v\xe9.step-2.wav").exists()
    card = open_weights(model).card
    assert card["classes"] == ["ann", "z\\xf6e"]
    assert card["conversions"] == ["6 files read", "1 left out, hidden: ._caf\\xe9.wav"]
    done = seqgen_command("train", "wavenet", data, "-o", tuned, *common, "--set", f"start={model}")
    assert done.returncode == 0, done.stderr
    assert open_weights(tuned).card["started_from"]["model"] == "v\\xe9.safetensors"
    done = seqgen_command("eval", tuned, data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == readable(data)
