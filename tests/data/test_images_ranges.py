"""Which number of an array is full intensity: levels, intensities, or a declared range; otherwise it is asked."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seqgen
from seqgen.data.images import read_images, read_splits, to_levels
from seqgen.data.ranges import Expected, range_of
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.evaluation.held_out import held_out
from seqgen.registry import recipe

SETTINGS: dict[str, Any] = {"channels": 4, "layers": 1, "steps": 2, "batch": 4, "warmup": 1}


def up_to(high: int, *shape: int, dtype: Any = np.uint8) -> np.ndarray:
    """Random numbers, of which some are 0 and some `high`."""
    array = np.random.default_rng(high).integers(0, high + 1, shape)
    array.flat[:2] = 0, high
    return array.astype(dtype)


def write_idx(path: Path, array: np.ndarray) -> Path:
    path.write_bytes(
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )
    return path


def save(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".idx":
        write_idx(path, array)
    elif path.suffix == ".npz":
        np.savez(path, images=array)
    else:
        np.save(path, array)


def pixel_cnn(levels: int, shape: tuple[int, int, int] = (1, 6, 5), **options: Any) -> Any:
    model = seqgen.PixelCNN(shape, levels, 6 if shape[0] == 3 else 4, 1, seed=1, **options)
    for parameter in model.parameters():
        parameter.data.mul_(2.0)
    return model


@pytest.mark.parametrize("levels", [2, 3, 4, 16, 17, 200, 256])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_numbers_that_reach_the_highest_level_are_levels(tmp_path, levels, dtype):
    array = up_to(levels - 1, 20, 6, 5, dtype=dtype)
    np.save(tmp_path / "a.npy", array)
    for expected in (Expected(levels), Expected(levels, (1, 6, 5), samples=True)):
        images = read_images(tmp_path / "a.npy", expected=expected)
        np.testing.assert_array_equal(to_levels(images.images[:, 0], levels), array)


@pytest.mark.parametrize("suffix", ["npy", "npz", "idx"])
def test_intensities_remain_intensities_for_any_levels(tmp_path, suffix):
    path, array = tmp_path / f"a.{suffix}", up_to(240, 20, 6, 5)
    save(path, array)
    for levels in (2, 16, 256):
        found = read_images(path, expected=Expected(levels))
        np.testing.assert_array_equal(found.images[:, 0], array)
        assert found.reading["range"] == "0 to 255"


@pytest.mark.parametrize("suffix", ["npy", "npz", "idx"])
@pytest.mark.parametrize(
    ("high", "levels"), [(16, 2), (3, 2), (100, 2), (3, 16), (1, 16), (14, 16), (16, 16), (1, 256), (3, 256), (16, 256)]
)  # fmt: skip
def test_a_range_that_does_not_fit_is_asked_about_before_training(tmp_path, suffix, high, levels):
    path, array = tmp_path / f"a.{suffix}", up_to(high, 20, 6, 5)
    save(path, array)
    with pytest.raises(
        SeqgenError, match=rf"largest number is {high}, .*--set maximum={high}; .*--maximum {high}"
    ):
        read_splits(path, expected=Expected(levels))
    images = read_images(path, maximum=high, expected=Expected(levels))
    np.testing.assert_array_equal(images.images[:, 0], np.rint(array * (255 / high)))
    assert images.reading["range"] == f"0 to {high}, as declared"


def test_a_range_is_asked_about_where_no_model_is_known(tmp_path):
    np.save(tmp_path / "a.npy", up_to(1, 9, 6, 5))
    with pytest.raises(SeqgenError, match=r"largest number is 1, .*maximum=1 .*, or 255 instead"):
        read_images(tmp_path / "a.npy")
    write_idx(tmp_path / "a", up_to(1, 9, 6, 5))
    with pytest.raises(SeqgenError, match="largest number is 1"):
        read_images(tmp_path / "a")
    np.save(tmp_path / "b.npy", up_to(65535, 9, 6, 5, dtype=np.uint16))
    with pytest.raises(SeqgenError, match="largest number is 65535"):
        read_images(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", np.full((2, 3, 3), -1))
    with pytest.raises(SeqgenError, match="from 0 up, got -1"):
        read_images(tmp_path / "c.npy")


def test_booleans_are_black_and_white(tmp_path):
    array = up_to(1, 9, 6, 5).astype(bool)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_images(tmp_path / "a.npy").images[:, 0], array * 255)


def test_train_and_test_parts_of_a_folder_have_one_range(tmp_path):
    for part, high in (("train", 255), ("t10k", 1)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", up_to(high, 20, 6, 5))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.zeros(20, np.uint8))
    splits = read_splits(tmp_path, expected=Expected(2))
    assert splits.test.images.max() == 1


def test_dark_samples_are_levels_with_a_warning():
    dark = Expected(16, samples=True)
    with pytest.warns(SeqgenWarning, match="read as the levels 0 to 15 of the model; .*--maximum 3"):
        assert range_of(np.array([0, 3], np.uint8), expected=dark).maximum == 15
    assert range_of(np.array([0, 12], np.uint8), expected=dark).maximum == 15
    assert range_of(np.array([0, 0], np.uint8), expected=dark).maximum == 255


@pytest.mark.parametrize(("high", "trained", "maximum"), [(16, 16, 16), (14, 16, 16), (3, 3, 3), (1, 16, 1)])
def test_the_range_of_training_decides_where_the_levels_do_not(high, trained, maximum):
    assert (
        range_of(np.array([0, high]), expected=Expected(2, maximum=trained, samples=True)).maximum == maximum
    )


def test_low_numbers_are_not_those_of_the_range_of_training():
    with pytest.raises(ValueError, match="--maximum 3"):
        range_of(np.array([0, 3]), expected=Expected(2, maximum=16, samples=True))


def test_floats_of_the_range_of_training_are_read():
    known = Expected(2, maximum=1, samples=True)
    assert range_of(np.array([0.0, 0.4]), expected=known).maximum == 1
    for array, suggested in (([0.0, 1.5], 2), ([0.0, 255.0], 255)):
        with pytest.raises(TypeError, match=f"--maximum {suggested}\\)"):
            range_of(np.array(array), expected=known)


@pytest.mark.parametrize("levels", [2, 4, 16])
@pytest.mark.parametrize("shape", [(1, 6, 5), (1, 6, 3), (3, 6, 3), (3, 6, 1)])
def test_samples_are_scored_as_what_they_are(tmp_path, levels, shape):
    model = pixel_cnn(levels, shape)
    model.save(tmp_path / "m.safetensors", card={"seed": 3})
    samples = model.sample(40, seed=5, engine="torch")
    np.save(tmp_path / "a.npy", samples)
    np.savez(tmp_path / "b.npz", data=samples, levels=levels, length=np.full(40, 6), index=np.arange(40))
    np.savez(tmp_path / "c.npz", images=samples)
    exact = -float(model.log_prob(samples).sum())
    for name in ("a.npy", "b.npz", "c.npz"):
        found = held_out(tmp_path / "m.safetensors", tmp_path / name, part="all")
        assert found["nats"] == pytest.approx(exact)
        assert found["range"].startswith(f"0 to {levels - 1}, the levels")


@pytest.mark.parametrize(("high", "settings"), [(16, {"levels": 17}), (3, {"levels": 4}), (1, {"levels": 2})])
def test_training_on_levels_is_training_on_them(tmp_path, high, settings):
    """Images of levels, and the same images as intensities, give the same model."""
    array = up_to(high, 40, 6, 5)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", np.rint(array * (255 / high)).astype(np.uint8))
    trained = [
        recipe("pixel-cnn").train(
            tmp_path / f"{name}.npy", tmp_path / f"{name}.safetensors", settings=SETTINGS | settings
        )
        for name in "ab"
    ]
    assert trained[0].card["score"] == trained[1].card["score"]
    assert [one.card["range"] for one in trained] == [f"0 to {high}, the levels", "0 to 255"]
    assert trained[0].card["levels"] == f"the {high + 1} levels of the data"
    assert trained[1].card["levels"] == (
        "binarized by seed 0" if high == 1 else f"the nearest of {high + 1} levels"
    )


def test_a_declared_range_is_remembered(tmp_path):
    np.save(tmp_path / "a.npy", up_to(16, 40, 6, 5))
    output = tmp_path / "m.safetensors"
    card = recipe("pixel-cnn").train(tmp_path / "a.npy", output, settings=SETTINGS | {"maximum": "16"}).card
    assert card["range"] == "0 to 16, as declared"
    found = held_out(output, tmp_path / "a.npy")
    assert found["range"] == "0 to 16, as in training"
    assert found["score"] == pytest.approx(card["score"], abs=1e-3)


def test_pictures_of_levels_are_warned_of(tmp_path):
    for number in range(5):
        Image.fromarray(up_to(1, 6, 5)).save(tmp_path / f"{number}.png")
    with pytest.warns(SeqgenWarning, match="largest intensity of .* is 1 of 255, .*save these as .npy"):
        read_images(tmp_path, expected=Expected(2))
    assert read_images(tmp_path).images.max() == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1.0, r"intensities must be from 0 up, got numbers from -1 to 1; shift and scale them to 0 to 1"),
        (np.nan, r"intensities must be finite, got nan at \[0, 0, 1, 2\]"),
        (np.inf, r"intensities must be finite, got inf"),
    ],
)
def test_floats_that_no_maximum_would_fit_are_not_sent_to_one(value, words):
    array = np.ones((2, 1, 3, 4))
    array[0, 0, 1, 2] = value
    with pytest.raises(ValueError, match=words):
        range_of(array)
