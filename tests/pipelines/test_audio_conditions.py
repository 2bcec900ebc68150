"""Recordings and features that condition a vocoder on the command line, from files, pipes and standard input."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import soundfile

from seqgen.data.mel import described, mel_features
from tests.pipelines.audio_models import RATE, as_input, pcm


def test_copy_synthesis_from_recordings_and_features(
    seqgen_bytes, vocoder_checkpoint, vocoder, tmp_path, recordings
):
    features = [mel_features(sound, RATE, hop=200, mels=20) for sound in recordings]
    done = seqgen_bytes(
        "stream", vocoder_checkpoint, "--like", "r0.wav", "--like", "r1.wav", "--batch", 2, "-o", "a.wav",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for index, part in enumerate(features):
        length = len(recordings[index])
        whole = vocoder.sample(1, start=index, condition=lambda index, part=part: part)[0]
        condition = {"features": part, "samples": length}
        sound = vocoder.sample(1, start=index, condition=lambda index, condition=condition: condition)[0]
        np.testing.assert_array_equal(sound, whole[:length])
        written = soundfile.read(tmp_path / f"a-{index:05d}.wav", dtype="int16")[0]
        np.testing.assert_array_equal(written, pcm(sound))
        assert len(written) == length
    np.save(tmp_path / "f.npy", features[0].astype(np.float64))
    done = seqgen_bytes("stream", vocoder_checkpoint, "--features", "f.npy", "-o", "b.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, part = (soundfile.read(tmp_path / name, dtype="int16")[0] for name in ("b.wav", "a-00000.wav"))
    assert len(whole) == 2000
    np.testing.assert_array_equal(whole[: len(part)], part)


def test_other_rates_and_stereo_are_converted_and_said(seqgen_bytes, vocoder_checkpoint, tmp_path):
    stereo = 0.1 * np.random.default_rng(0).standard_normal((4000, 2))
    soundfile.write(tmp_path / "s.wav", stereo, 8000)
    done = seqgen_bytes("stream", vocoder_checkpoint, "--like", "s.wav", "-o", "a.flac", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"s.wav: mixed 2 channels into one, resampled from 8000 to 16000 Hz" in done.stderr
    assert soundfile.info(tmp_path / "a.flac").frames == 8000


def test_a_speaker_and_features_together(seqgen_bytes, speakers, tmp_path, recordings):
    model, checkpoint = speakers
    features = mel_features(recordings[0], RATE, hop=200, mels=20)
    for text, number in (("ben", 1), ("0", 0)):
        done = seqgen_bytes(
            "stream", checkpoint, "--condition", text, "--like", "r0.wav", "-o", "a.wav", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        condition = {"class": number, "features": features, "samples": len(recordings[0])}
        wanted = model.sample(1, condition=condition)[0]
        np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], pcm(wanted))
    done = seqgen_bytes(
        "stream", checkpoint, "-n", 2, "--condition", "each", "--like", "r0.wav", "-o", "b.wav", cwd=tmp_path
    )
    both = {"class": 1, "features": features, "samples": len(recordings[0])}
    wanted = model.sample(1, start=1, condition=both)[0]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "b-00001.wav", dtype="int16")[0], pcm(wanted))


@pytest.mark.parametrize("option", ["--like", "--features"])
def test_a_condition_from_standard_input_or_a_pipe(
    option, seqgen_bytes, vocoder_checkpoint, tmp_path, recordings, monkeypatch
):
    path = tmp_path / "r0.wav"
    if option == "--features":
        path = tmp_path / "f.npy"
        np.save(path, mel_features(recordings[0], RATE, hop=200, mels=20))
    done = seqgen_bytes("stream", vocoder_checkpoint, option, path, "-o", "a.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    as_input(monkeypatch, path.read_bytes())
    done = seqgen_bytes("stream", vocoder_checkpoint, option, "-", "-o", "b.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()
    # it is read once
    as_input(monkeypatch, path.read_bytes())
    done = seqgen_bytes("stream", vocoder_checkpoint, option, "-", option, "-", "-o", "b.wav", cwd=tmp_path)
    assert (done.returncode, b"standard input is empty; it can be read only once" in done.stderr) == (1, True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(path.read_bytes(),))
        writer.start()
        done = seqgen_bytes(
            "stream", vocoder_checkpoint, option, tmp_path / "pipe", "-o", "c.wav", cwd=tmp_path
        )
        writer.join()
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "c.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_messages_name_standard_input(seqgen_bytes, vocoder_checkpoint, tmp_path, monkeypatch):
    for option, words in (
        ("--like", b"standard input is not a readable audio file"),
        ("--features", b"standard input is not a complete .npy file"),
    ):
        as_input(monkeypatch, b"neither")
        done = seqgen_bytes("stream", vocoder_checkpoint, option, "-", "-o", "a.wav", cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr


def test_features_in_other_units_are_warned_of_unless_quiet(seqgen_bytes, vocoder, tmp_path, recordings):
    vocoder.save(tmp_path / "v.safetensors", card={"features": described(RATE, 200, 20)})
    mels = mel_features(recordings[0], RATE, hop=200, mels=20)
    np.save(tmp_path / "log.npy", mels)
    np.save(tmp_path / "db.npy", 20 * (3 * mels - 2))
    for arguments, warned in ((["log.npy"], False), (["db.npy"], True), (["db.npy", "-q"], False)):
        done = seqgen_bytes("stream", "v.safetensors", "--features", *arguments, "-o", "a.wav", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (b"seqgen: the features are from -" in done.stderr) == warned
        assert bool(done.stderr) == ("-q" not in arguments)


def test_a_recording_that_was_cut_off_is_noted(seqgen_bytes, vocoder_checkpoint, tmp_path, recordings):
    whole = (tmp_path / "r0.wav").read_bytes()
    (tmp_path / "r0.wav").write_bytes(whole[:-1000])
    done = seqgen_bytes("stream", vocoder_checkpoint, "--like", "r0.wav", "-o", "a.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"seqgen: r0.wav: truncated: read up to where the file ends" in done.stderr
    assert soundfile.info(tmp_path / "a.wav").frames == len(recordings[0]) - 500
