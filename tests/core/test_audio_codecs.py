"""Codecs of sound: torchaudio's mu-law, 16-bit integers, plain numbers, and refused values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchaudio.functional import mu_law_decoding, mu_law_encoding

from seqgen import PCM16, Controls, MuLaw, Waveform
from seqgen.codecs import codec_from_config
from seqgen.errors import SeqgenError

ALL = (MuLaw(), MuLaw(6, 8000), PCM16(44100), Waveform())
IDS = ("mu-law", "few levels", "pcm16", "waveform")


def sound(count: int = 4001) -> np.ndarray:
    """Return numbers from -1 to 1, dense around 0: (T,) float32."""
    return (np.linspace(-1, 1, count) ** 3).astype(np.float32)


@pytest.mark.parametrize("levels", [2, 3, 16, 256, 1024])
def test_mu_law_is_torchaudios(levels):
    codec = MuLaw(levels)
    expected = mu_law_encoding(torch.from_numpy(sound()), levels).numpy()
    found = codec.encode(sound())
    # the last bit of the logarithm differs between the libraries, which matters at the boundary between two codes
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) < 2e-3
    codes = np.arange(levels)
    decoded = mu_law_decoding(torch.from_numpy(codes), levels).numpy()
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=2e-6)


@pytest.mark.parametrize("levels", [2, 3, 256, 4096])
def test_codes_are_what_they_stand_for(levels):
    codec = MuLaw(levels)
    codes = np.arange(levels)
    decoded = codec.decode(codes)
    assert decoded.dtype == np.float32
    assert (decoded[0], decoded[-1]) == (-1.0, 1.0)
    assert (np.diff(decoded) > 0).all()
    np.testing.assert_array_equal(codec.encode(decoded), codes)


def test_mu_law_is_finest_where_it_is_quiet():
    codec = MuLaw()
    error = np.abs(codec.decode(codec.encode(sound())) - sound())
    assert error[np.abs(sound()) < 0.01].max() < 3e-4
    assert 0.01 < error.max() < 0.03


def test_sixteen_bit_numbers_go_through_unchanged():
    whole = np.arange(-32768, 32768, dtype=np.int16)
    np.testing.assert_array_equal(PCM16().encode(whole), whole)
    np.testing.assert_array_equal(PCM16().encode(PCM16().decode(whole)), whole)
    np.testing.assert_array_equal(
        PCM16().encode(np.array([-1.0, 1.0 / 65537, 0.99999, 1.0])), [-32768, 0, 32767, 32767]
    )
    np.testing.assert_array_equal(MuLaw().encode(whole), MuLaw().encode(whole / np.float32(32768)))
    np.testing.assert_array_equal(Waveform().encode(whole), (whole / 32768).astype(np.float32))


def test_integers_are_codes_where_there_are_codes():
    np.testing.assert_array_equal(MuLaw(6).encode(np.array([0, 5])), [0, 5])
    with pytest.raises(ValueError, match="between 0 and 5, got 6"):
        MuLaw(6).encode(np.array([0, 6]))
    with pytest.raises(ValueError, match="between -32768 and 32767, got 40000"):
        PCM16().encode(np.array([0, 40000]))
    with pytest.raises(TypeError, match="floats from -1 to 1 or int16 samples, got int64"):
        Waveform().encode(np.array([0, 1]))


def test_what_is_too_loud_is_cut_off_only_when_decoded():
    codec = Waveform()
    np.testing.assert_array_equal(codec.decode(np.float32([-3, -1, 0.5, 2])), np.float32([-1, -1, 0.5, 1]))


@pytest.mark.parametrize("codec", ALL, ids=IDS)
def test_every_codec_is_described_and_silent_in_its_middle(codec):
    again = codec_from_config(codec.config())
    assert type(again) is type(codec)
    assert again.config() == codec.config()
    assert (codec.unit, again.sample_rate) == ("samples", codec.sample_rate)
    assert codec.encode(np.zeros(0, np.float32)).shape == (0,)
    decoded = codec.decode(codec.encode(np.zeros(3)))
    assert decoded.dtype == np.float32
    assert codec.join([decoded, decoded]).shape == (6,)
    assert codec.join([]).dtype == np.float32
    assert np.abs(decoded).max() <= (0.3 if codec.size == 6 else 1e-4)


@pytest.mark.parametrize("codec", ALL, ids=IDS)
@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (np.zeros((100, 2)), ValueError, r"shape \(T,\), got \(100, 2\); mix stereo with x.mean\(1\)"),
        (np.zeros((2, 100)), ValueError, r"mix stereo with x.mean\(0\)"),
        (np.zeros((2, 3, 4)), ValueError, r"must have the shape \(T,\), got \(2, 3, 4\)"),
        (np.array([0.0, np.nan]), ValueError, "must be finite, got nan at sample 1"),
        (np.array([0.0, -np.inf]), ValueError, "must be finite, got -inf at sample 1"),
        (np.array([0.5, 1.25]), ValueError, "between -1 and 1, got 1.25 at sample 1; divide 16-bit samples by 32768"),
        (np.array([True]), TypeError, "array of numbers, got bool"),
        ("a.wav", TypeError, "array of numbers, got <U5"),
    ],
    ids=["stereo", "stereo, channels first", "three axes", "NaN", "infinity", "too loud", "bool", "name"],
)  # fmt: skip
def test_what_is_no_sound_is_refused(codec, data, error, words):
    with pytest.raises(error, match=words):
        codec.encode(data)


@pytest.mark.parametrize("codec", ALL, ids=IDS)
def test_batches(codec):
    one = np.zeros(5, np.float32)
    assert [len(x) for x in codec.encode_batch(one)] == [5]
    assert [len(x) for x in codec.encode_batch([0.0, 0.5, 1.0])] == [3]
    assert [len(x) for x in codec.encode_batch([one, one[:2]])] == [5, 2]
    assert [len(x) for x in codec.encode_batch(np.zeros((3, 4)))] == [4, 4, 4]
    assert [len(x) for x in codec.encode_batch(torch.zeros(3, 4))] == [4, 4, 4]
    assert codec.encode_batch([]) == []
    with pytest.raises(ValueError, match="mix stereo"):
        codec.encode_batch(np.zeros((100, 2), np.float32))


@pytest.mark.parametrize("codec", ALL[2:], ids=IDS[2:])
def test_sound_that_is_no_category_takes_no_controls(codec):
    with pytest.raises(SeqgenError, match="temperature cannot act on this model"):
        Controls(temperature=0.5).bind(codec)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: MuLaw(1), ValueError, "levels must be between 2 and 65536, got 1"),
        (lambda: MuLaw(256, 0), ValueError, "sample_rate must be at least 1, got 0"),
        (lambda: PCM16(16000.5), TypeError, "sample_rate must be an integer, got 16000.5"),
    ],
)
def test_arguments_are_checked(make, error, words):
    with pytest.raises(error, match=words):
        make()
