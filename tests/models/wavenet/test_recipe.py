"""The recipe of `seqgen train wavenet`: recordings in, files out; crops; resuming; and clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import seqgen
from seqgen import WaveNet
from seqgen.checkpoint import is_bfloat16, open_weights
from seqgen.data.audio import read_recordings, split_recordings
from seqgen.data.mel import mel_features
from seqgen.errors import SeqgenError
from seqgen.evaluation.held_out import held_out
from seqgen.models.wavenet.objective import AudioData, AudioObjective
from seqgen.registry import recipe

RATE = 4000
SETTINGS = {
    "layers": 3, "cycle": 3, "residual_channels": 4, "gate_channels": 8, "skip_channels": 6, "levels": 16,
    "sample_rate": RATE, "steps": 6, "batch": 2, "window": 120, "warmup": 1, "validate_every": 3, "save_every": 2,
}  # fmt: skip
MEL = {"mels": 8, "hop": 40, "local_channels": 3, "upsampling": "learned"}


def write(path: Path, count: int, seed: int = 0) -> Path:
    """Create a folder of chirps of different lengths with a little noise."""
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        t = np.arange(500 + 170 * number) / RATE
        noise = 0.01 * np.random.default_rng(seed + number).normal(size=len(t))
        chirp = 0.4 * np.sin(2 * np.pi * (150 + 60 * number + 200 * t) * t)
        soundfile.write(path / f"{number}.wav", (chirp + noise).astype(np.float32), RATE)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "chirps", 6)


@pytest.mark.parametrize("extra", [{}, MEL], ids=["alone", "from features"])
def test_training_writes_a_checkpoint_and_a_picture_and_nothing_else(extra, data, tmp_path):
    output = tmp_path / "a.safetensors"
    reported = []
    model, card, progress = recipe("wavenet").train(
        data, output, settings=SETTINGS | extra, card={"licence": "MIT"}, report=lambda *f: reported.append(f)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.safetensors", "chirps"]
    assert [step for step, steps, _, _ in reported if steps == 6] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in progress.scores] == [3, 6]
    loaded = seqgen.load(output)
    assert isinstance(loaded, WaveNet)
    assert loaded.weights().hash == model.weights().hash
    assert all(is_bfloat16(array) for array in loaded.arrays().values())
    assert loaded.codec.sample_rate == RATE
    assert dict(open_weights(output).card) == card
    assert card["licence"] == "MIT"
    assert ("features" in card) == bool(extra)


def test_the_card_says_how_to_make_and_score_the_model_again(data, tmp_path):
    output = tmp_path / "a.safetensors"
    _, card, _ = recipe("wavenet").train(data, output, settings=SETTINGS | MEL | {"seed": 2})
    assert (
        card["split"]
        == "4 recordings to train on, 1 for validation and 1 held out, by seed 2; "
        + (card["split"].split("; ")[1])
    )
    assert card["command"].startswith(
        "seqgen train wavenet chirps -o a.safetensors --set layers=3 --set cycle=3"
    )
    assert (card["data"], card["seed"], card["sample_rate"], card["score_unit"]) == (
        "chirps",
        2,
        RATE,
        "bits/sample",
    )
    assert str(tmp_path) not in str(card)
    found = held_out(output, data)
    assert found["score"] == pytest.approx(card["score"], abs=1e-3)
    assert (found["score_unit"], found["recordings"], found["conditional"]) == ("bits/sample", 1, True)
    # the score is that of the whole held-out recording from its features
    recordings = read_recordings(data, RATE, **card["reading"])
    (item,) = split_recordings(recordings, 2).test.items
    model = seqgen.load(output)
    nats = -float(model.log_prob(item.samples, condition=mel_features(item.samples, RATE, hop=40, mels=8)))
    assert found["nats"] == pytest.approx(nats)
    assert card["score"] == pytest.approx(nats / len(item.samples) / np.log(2), abs=1e-3)
    whole = held_out(output, data, part="all")
    assert whole["recordings"] == 6
    assert whole["samples"] == recordings.samples


@pytest.mark.parametrize("extra", [{}, MEL, {"dropout": 0.2}], ids=["alone", "from features", "with dropout"])
@pytest.mark.parametrize("stop", [1, 4])
def test_an_interrupted_run_ends_in_the_same_model(stop, extra, data, tmp_path):
    settings = SETTINGS | extra
    whole, card, _ = recipe("wavenet").train(data, tmp_path / "whole.safetensors", settings=settings)
    output = tmp_path / "parts.safetensors"
    recipe("wavenet").train(data, output, settings=settings, stop_after=stop)
    assert not output.exists()
    resumed, again, _ = recipe("wavenet").train(data, output, settings=settings, resume=True)
    assert resumed.weights().hash == whole.weights().hash
    assert again["score"] == card["score"]
    assert not output.with_suffix(".training.safetensors").exists()


def test_changed_data_is_refused_on_resume(data, tmp_path):
    output = tmp_path / "a.safetensors"
    recipe("wavenet").train(data, output, settings=SETTINGS, stop_after=2)
    write(data, 6, seed=1)
    with pytest.raises(SeqgenError, match="was made with data="):
        recipe("wavenet").train(data, output, settings=SETTINGS, resume=True)


def test_training_learns(data, tmp_path):
    settings = {
        "sample_rate": RATE,
        "levels": 64,
        "steps": 60,
        "batch": 4,
        "window": 400,
        "validate_every": 60,
    }
    card = recipe("wavenet").train(data, tmp_path / "a.safetensors", preset="tiny", settings=settings).card
    assert card["score"] < 5.0  # of 6 bits
    assert "--preset tiny" in card["command"]


def test_previews_are_written_while_training(data, tmp_path):
    for extra, longest in (({}, RATE // 10), (MEL, RATE // 10)):
        output = tmp_path / f"{len(extra)}.safetensors"
        recipe("wavenet").train(data, output, settings=SETTINGS | extra | {"preview_seconds": 0.1})
        for step in (3, 6):
            sound, rate = soundfile.read(output.with_suffix(f".step-{step}.wav"))
            assert (rate, len(sound)) == (RATE, longest)


def test_sub_folders_may_be_the_condition(tmp_path):
    for name in ("ann", "zoe"):
        write(tmp_path / "voices" / name, 3)
    output = tmp_path / "a.safetensors"
    model, card, _ = recipe("wavenet").train(
        tmp_path / "voices", output, settings=SETTINGS | {"conditional": "true"}
    )
    assert card["classes"] == ["ann", "zoe"]
    assert model.conditions.classes == 2
    assert held_out(output, tmp_path / "voices")["score"] == pytest.approx(card["score"], abs=1e-3)
    with pytest.raises(SeqgenError, match=r"the model has 2 classes, but .* has 0 sub-folders"):
        held_out(output, write(tmp_path / "other", 3))


def test_what_was_converted_is_said_once(data, tmp_path):
    soundfile.write(data / "stereo.wav", np.full((900, 2), 0.1), 2 * RATE)
    (data / "empty.wav").write_bytes(b"")
    with pytest.warns(
        UserWarning, match="1 of 8 files mixed 2 channels into one; 1 of 8 files resampled from 8000"
    ) as said:
        _, card, _ = recipe("wavenet").train(data, tmp_path / "a.safetensors", settings=SETTINGS)
    assert len(said) == 1
    assert card["conversions"][:2] == ["7 files read", "1 of 8 files left out, as they are empty: empty.wav"]
    with pytest.warns(UserWarning, match="chirps: 7 files read; 1 of 8 files left out"):
        held_out(tmp_path / "a.safetensors", data)


@pytest.mark.parametrize("output_kind", ["logistics", "gaussian"])
def test_other_outputs(output_kind, data, tmp_path):
    settings = SETTINGS | {"output": output_kind, "mixtures": 2}
    model, card, _ = recipe("wavenet").train(data, tmp_path / "a.safetensors", settings=settings)
    assert model.output_kind == output_kind
    assert np.isfinite(card["score"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": "out.bin"}, "must end in .safetensors"),
        ({"data": "none"}, "there is no such file or folder"),
        ({"preset": "huge"}, "preset must be one of default, tiny, speech, vocoder"),
        ({"settings": {"depth": 3}}, "unknown setting 'depth'"),
        ({"settings": {"mels": 8}}, "mels and hop must be given together"),
        ({"settings": {**MEL, "window": 130}}, "window must be a multiple of hop=40, .* got 130"),
        ({"settings": {"conditional": True}}, "needs a folder with a sub-folder for each class"),
        ({"settings": {"preview_seconds": -1.0}}, "preview_seconds must be >=0.0"),
        ({"settings": {"trim_db": -1.0}}, "trim_db must be >=0.0"),
        ({"settings": {"window": 0}}, "window must be at least 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused_and_leave_nothing(changes, words, data, tmp_path):
    arguments = {"data": "chirps", "output": "out.safetensors", "settings": {}} | changes
    arguments["settings"] = SETTINGS | arguments["settings"]
    paths = {name: tmp_path / arguments.pop(name) for name in ("data", "output")}
    with pytest.raises((SeqgenError, ValueError), match=words):
        recipe("wavenet").train(paths["data"], paths["output"], **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["chirps"]


def test_evaluation_takes_recordings_only_by_parts(data, tmp_path):
    output = tmp_path / "a.safetensors"
    recipe("wavenet").train(data, output, settings=SETTINGS)
    with pytest.raises(SeqgenError, match="--last is for texts; use --part to select which recordings"):
        held_out(output, data, last=0.5)
    with pytest.raises(ValueError, match="part must be one of 'test'"):
        held_out(output, data, part="some")


# ---- crops --------------------------------------------------------------------------------------------


@pytest.fixture
def conditioned() -> WaveNet:
    return WaveNet(2, 2, 4, 4, 4, levels=16, sample_rate=RATE, mels=8, hop=40)


def test_crops_are_pieces_of_recordings_with_their_frames(conditioned, data):
    recordings = read_recordings(data, RATE)
    source = AudioData(conditioned, recordings)
    crops = source.crops([0, 3, 5], [0, 120, 1280], 160)
    assert crops.features is not None
    assert crops.x.shape == crops.scored.shape == (3, 160)
    assert crops.features.shape == (3, 7, 8)
    for row, (file, first) in enumerate([(0, 0), (3, 120), (5, 1280)]):
        samples = recordings.items[file].samples
        expected = conditioned.codec.encode(samples[first : first + 160])
        count = len(expected)
        np.testing.assert_array_equal(crops.x[row, :count], expected)
        assert crops.scored[row].tolist() == [True] * count + [False] * (160 - count)
        frames = np.pad(conditioned.features(samples), ((1, 4), (0, 0)))  # frame -1 comes first
        np.testing.assert_array_equal(crops.features[row], frames[first // 40 :][:7])


def test_crops_are_conditioned_as_the_whole_recording_is(conditioned, data):
    """The frames of a crop have their true neighbours, so that away from the start it scores as the recording does."""
    recordings = read_recordings(data, RATE)
    crops = AudioData(conditioned, recordings).crops([5], [400], 160)
    assert crops.features is not None
    whole = conditioned.features(recordings.items[5].samples)
    expected = conditioned.frame_channels(torch.as_tensor(np.pad(whole, ((1, 1), (0, 0))))[None])
    torch.testing.assert_close(conditioned.frame_channels(crops.features), expected[:, 10:15])


def test_every_sample_is_about_equally_often_in_a_crop(data):
    model = WaveNet(2, 2, 4, 4, 4, levels=16, sample_rate=RATE)
    recordings = read_recordings(data, RATE)
    source = AudioData(model, recordings)
    files, firsts = source.places(np.random.default_rng(0).uniform(size=(20000, 2)), 200)
    counts = [np.zeros(len(item.samples)) for item in recordings.items]
    for file, first in zip(files, firsts, strict=True):
        counts[file][first : first + 200] += 1
    expected = 20000 * 200 / recordings.samples
    for count in counts:
        assert first_and_last(count) == pytest.approx((expected, expected), rel=0.7)
        np.testing.assert_allclose(count[200:-200], expected, rtol=0.35)


def first_and_last(count: np.ndarray) -> tuple[float, float]:
    return float(count[0]), float(count[-1])


def test_batches_are_a_function_of_the_seed_and_the_step(data):
    recordings = split_recordings(read_recordings(data, RATE))
    model = WaveNet(2, 2, 4, 4, 4, levels=16, sample_rate=RATE)

    def losses(seed: int, steps: tuple[int, ...]) -> list[float]:
        objective = AudioObjective(
            model, recordings.train, recordings.validation, batch=2, window=100, seed=seed
        )
        return [float(objective.loss(model, step, {})[0].detach()) for step in steps]

    one = losses(0, (0, 1, 2))
    assert losses(0, (2, 0)) == [one[2], one[0]]
    assert losses(1, (0, 1, 2)) != one
    assert len(set(one)) == 3


def test_validation_reads_what_is_before_a_crop(data):
    recordings = split_recordings(read_recordings(data, RATE))
    model = WaveNet(4, 4, 4, 4, 4, levels=16, sample_rate=RATE)
    objective = AudioObjective(model, recordings.train, recordings.validation, batch=2, window=100, seed=0)
    first, again = objective.validate(model), objective.validate(model)
    assert first == again
    # the recording is shorter than a crop: it is scored as a whole, as by `log_prob`
    (item,) = recordings.validation.items
    exact = -float(model.log_prob(item.samples)) / len(item.samples) / np.log(2)
    assert first == pytest.approx(exact, abs=1e-4)
