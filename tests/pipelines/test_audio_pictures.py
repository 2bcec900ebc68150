"""Spectrograms: correct frequencies, for all block sizes, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipelines import open_sink, spectrogram
from pipelines.spectrograms import Spectrogram
from seqgen.errors import SeqgenError
from tests.pipelines.audio_chunks import CODEC, random_sound, sound_chunks


def decibels(audio, block=None, rate=16000):
    gathered = Spectrogram(rate)
    for begin in range(0, len(audio), block or max(1, len(audio))):
        gathered.add(audio[begin : begin + (block or len(audio))])
    return gathered.decibels()


def sine(frequency, seconds=1.0, rate=16000):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("frequency", [500, 1000, 4000])
def test_a_sine_of_full_scale_is_zero_decibels(frequency):
    found = decibels(sine(frequency))
    assert found.shape == (257, 16000 // 128 + 1)
    inner = found[:, 5:-5]
    assert (inner.argmax(0) == frequency * 512 // 16000).all()
    np.testing.assert_allclose(inner.max(0), 0.0, atol=1e-6)
    # Hann: the neighbours are 6 dB lower, the others nearly zero
    assert np.delete(inner, np.arange(-1, 2) + frequency * 512 // 16000, 0).max() < -60


def test_columns_are_in_time():
    audio = np.concatenate([np.zeros(8000), sine(1000, 0.5)])
    loud = decibels(audio)[32] > -20
    assert loud.argmax() * 128 == pytest.approx(8000, abs=256)


@pytest.mark.parametrize("length", [1, 127, 128, 129, 5000])
@pytest.mark.parametrize("block", [1, 100, 320])
def test_blocks_do_not_matter(length, block):
    audio = random_sound(1, length)[0]
    whole = decibels(audio)
    assert whole.shape[1] == length // 128 + 1
    np.testing.assert_allclose(decibels(audio, block), whole, rtol=0, atol=1e-9)


def test_long_sounds_are_averaged_in_pairs():
    audio = random_sound(1, 128 * 5000)[0]
    step, size, most = 128, 512, 2048
    padded = np.concatenate([np.zeros(size // 2), audio, np.zeros(size // 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    window = np.hanning(size + 1)[:-1]
    power = np.abs(np.fft.rfft(windows * window) * 2 / window.sum()) ** 2
    assert len(power) == 5001
    wanted = [power[k : k + 4].mean(0) for k in range(0, len(power), 4)]
    assert len(wanted) <= most
    np.testing.assert_allclose(decibels(audio, 1600).T, 10 * np.log10(np.array(wanted) + 1e-12), atol=1e-6)


def test_pictures_have_high_tones_above_low_ones():
    low, high = (spectrogram(sine(f), 16000)[:256, 44:] for f in (1000, 7000))
    assert low.shape == (256, 126, 3)
    rows = [int(picture.astype(int).sum((1, 2)).argmax()) for picture in (low, high)]
    np.testing.assert_allclose(rows, [255 * (1 - 1 / 8), 255 * (1 - 7 / 8)], atol=1.5)


@pytest.mark.parametrize("audio", [np.zeros(16000), 1e-5 * sine(1000)], ids=["silence", "whisper"])
def test_silence_is_dark(audio):
    assert spectrogram(audio, 16000)[:256, 44:].max() < 80


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_any_rate(rate):
    found = decibels(sine(1000, rate=rate), rate=rate)
    size = 2 * (len(found) - 1)
    assert found[:, 10].argmax() == pytest.approx(1000 * size / rate, abs=1)
    assert spectrogram(sine(1000, rate=rate), rate).shape[0] == 276


@pytest.mark.parametrize(("count", "height"), [(1, 276), (3, 921)])
def test_a_page_of_spectrograms(tmp_path, count, height):
    sounds = random_sound(count, 16000)
    with open_sink(tmp_path / "a.png", CODEC) as sink:
        for chunk in sound_chunks(sounds, batch=2):
            sink.write(chunk)
    page = np.asarray(Image.open(tmp_path / "a.png"))
    assert page.shape[0] == pytest.approx(height, abs=10)
    if count == 1:
        np.testing.assert_array_equal(page, spectrogram(sounds[0], 16000))


def test_a_page_without_sound_is_an_error(tmp_path):
    with pytest.raises(SeqgenError, match="no audio to draw"), open_sink(tmp_path / "a.png", CODEC):
        pass
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="sample_rate must be at least 1"):
        Spectrogram(0)
    with pytest.raises(ValueError, match="height must be at least 32"):
        Spectrogram(16000).picture(height=5)
