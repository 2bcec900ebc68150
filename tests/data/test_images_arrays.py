"""Images in .npy and .npz, levels and binarization: shapes, and declared ranges that are checked."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen import rng
from seqgen.data.images import binarize, intensities, read_images, split, to_levels
from seqgen.errors import SeqgenError, SeqgenWarning


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 4, 6), (5, 1, 4, 6)), ((5, 3, 4, 6), (5, 3, 4, 6)), ((5, 4, 6, 3), (5, 3, 4, 6)),
        ((5, 4, 6, 1), (5, 1, 4, 6)),
    ],
)  # fmt: skip
def test_shapes(tmp_path, shape, expected):
    array = noise(*shape)
    np.save(tmp_path / "a.npy", array)
    images = read_images(tmp_path / "a.npy").images
    assert images.shape == expected
    wanted = array.transpose(0, 3, 1, 2) if shape[-1] in (1, 3) else array.reshape(expected)
    np.testing.assert_array_equal(images, wanted)


def test_archives_have_labels(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=noise(5, 4, 6), y=np.arange(5))
    assert read_images(path).labels.tolist() == [0, 1, 2, 3, 4]
    np.savez(path, x=noise(5, 4, 6), y=np.arange(4))
    with pytest.raises(SeqgenError, match="one label"):
        read_images(path)
    np.savez(path, x=noise(5, 4, 6), targets=np.arange(5))
    with pytest.warns(SeqgenWarning, match=r"holds targets \(5,\), .*; labels must be called labels or y"):
        assert read_images(path).labels is None
    np.savez(path, pictures=noise(5, 4, 6))
    with pytest.raises(SeqgenError, match="holds pictures; images must be called images or x or data"):
        read_images(path)


def test_floats_are_taken_only_where_their_range_is_declared(tmp_path):
    path = tmp_path / "a.npy"
    array = np.array([[[0.0, 0.5, 1.0]]])
    np.save(path, array)
    with pytest.raises(
        SeqgenError, match=r"a\.npy: intensities must be uint8 from 0 to 255, got float64.*maximum="
    ):
        read_images(path)
    assert read_images(path, maximum=1).images.tolist() == [[[[0, 128, 255]]]]
    np.save(path, array * 2)
    with pytest.raises(SeqgenError, match=r"from 0 to 1 as declared, got 2.0 at \[0, 0, 0, 2\]"):
        read_images(path, maximum=1)
    np.save(path, array * np.nan)
    with pytest.raises(SeqgenError, match="got nan"):
        read_images(path, maximum=1)
    np.save(path, np.array([[[0, 7, 15]]], np.int64))
    assert read_images(path, maximum=15).images.tolist() == [[[[0, 119, 255]]]]
    np.save(path, np.array([[["a"]]]))
    with pytest.raises(SeqgenError, match="got <U1"):
        read_images(path, maximum=1)


@pytest.mark.parametrize("shape", [(4, 6), (5, 4, 6, 2), (5, 3, 4, 3), (0, 4, 6), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", noise(*shape))
    with pytest.raises(SeqgenError, match=r"a\.npy"):
        read_images(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_files_are_named(tmp_path, name):
    path = tmp_path / name
    (np.save if name == "a.npy" else np.savez)(path, noise(5, 4, 6))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SeqgenError, match=f"{name} is not a complete"):
        read_images(path)
    path.write_bytes(b"hello")
    with pytest.raises(SeqgenError, match=f"{name} is not a complete"):
        read_images(path)


def test_a_range_is_for_arrays_alone(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"maximum is for \.npy and \.npz"):
        read_images(tmp_path / "x.png", maximum=1)


def test_levels_are_the_nearest():
    every = np.arange(256, dtype=np.uint8)
    for levels in (2, 3, 16, 256):
        made = to_levels(every, levels)
        distance = np.abs(every[:, None] - np.arange(levels) * 255 / (levels - 1))
        np.testing.assert_allclose(distance[every, made], distance.min(1))
    assert to_levels(np.array([0.0, 0.34, 1.0]), 4, maximum=1).tolist() == [0, 1, 3]
    with pytest.raises(TypeError, match="maximum=1"):
        to_levels(np.array([0.5]), 4)
    with pytest.raises(ValueError, match=r"got -0\.5"):
        to_levels(np.array([-0.5]), 4, maximum=1)
    with pytest.raises(ValueError, match="levels must be between 2 and 256"):
        to_levels(every, 1)


def test_binarization_is_by_seed_image_and_pixel():
    images = noise(3000, 1, 5, 4)  # more than one block, which has 52,429 images; the order must not matter
    made = binarize(images, seed=5)
    uniform = rng.uniforms(5, np.arange(3000)[:, None], np.arange(20), rng.Purpose.NOISE)
    np.testing.assert_array_equal(made.reshape(3000, 20), uniform < images.reshape(3000, 20) / 255)
    np.testing.assert_array_equal(binarize(images[:7], seed=5), made[:7])
    assert (binarize(images, seed=6) != made).any()
    np.testing.assert_array_equal(binarize(images / 255.0, seed=5, maximum=1), made)
    assert binarize(np.array([[0, 255]], np.uint8)).tolist() == [[0, 1]]
    # the mean of 60,000 draws is within 4 standard deviations of the mean intensity
    assert abs(made.mean() - images.mean() / 255) < 4 * 0.5 / np.sqrt(made.size)


def test_binarization_in_blocks_is_the_same(monkeypatch):
    images = noise(50, 1, 5, 4)
    whole = binarize(images, seed=5)
    monkeypatch.setattr("seqgen.data.levels._BLOCK", 60)
    np.testing.assert_array_equal(binarize(images, seed=5), whole)


def test_ranges_are_checked():
    assert intensities(np.array([True, False]), 1).tolist() == [255, 0]
    with pytest.raises(ValueError, match="maximum must be >0"):
        intensities(np.array([1.0]), 0)
    with pytest.raises(TypeError, match="got complex"):
        intensities(np.array([1j]), 1)


def test_a_split_is_a_partition():
    parts = split(20, (10, 6, 4), seed=3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(20))
    assert [part.tolist() for part in parts] == [part.tolist() for part in split(20, (10, 6, 4), seed=3)]
    assert parts[0].tolist() != split(20, (10, 6, 4), seed=4)[0].tolist()
    with pytest.raises(SeqgenError, match="needs 21 images, there are 20"):
        split(20, (20, 1))
