"""The recipe of image models: requirements on data and settings, with no partial output if they are not met."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen.data.images import read_splits
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.evaluation.held_out import held_out
from seqgen.registry import recipe

SETTINGS: dict[str, Any] = {"channels": 4, "layers": 1, "steps": 2, "batch": 4, "warmup": 1}
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 6)).astype(np.uint8)


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, images=IMAGES, **arrays)
    return path


def mnist(folder: Path) -> Path:
    """Create a folder with MNIST's layout."""
    for part in ("train", "t10k"):
        header = b"\0\0\x08\x03" + struct.pack(">3I", *IMAGES[:, 0].shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + IMAGES.tobytes())
        labels = b"\0\0\x08\x01" + struct.pack(">I", 40) + bytes(k % 2 for k in range(40))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


@pytest.mark.parametrize(
    ("settings", "labels", "error", "words"),
    [
        ({"levels": 1}, None, ValueError, "levels must be between 2 and 256, got 1"),
        ({"levels": 257}, None, ValueError, "levels must be between 2 and 256, got 257"),
        ({"conditional": True}, None, SeqgenError, "needs labels; give a data set that has them"),
        ({"conditional": True}, np.arange(40) * 10**9, SeqgenError, "labels go up to 39000000000, .* only 32 images"),
        ({"augment": 1.5}, None, ValueError, "augment must be >=0.0 and <=1.0, got 1.5"),
        ({"augment": "nan"}, None, ValueError, "augment must be"),
        ({"fraction": 0.0}, None, ValueError, "fraction must be above 0 and at most 1, got 0.0"),
        ({"size": -3}, None, ValueError, "size's rows must be at least 1, got -3"),
        ({"colours": 2}, None, ValueError, "colours must be 1"),
        ({"colours": 3}, None, ValueError, "channels must be a multiple of the 3 colours, got 4"),
        ({"learning_rate": 1e12, "steps": 3}, None, SeqgenError, "lower learning_rate"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(tmp_path, settings, labels, error, words):
    data = write(tmp_path / "d.npz", **({} if labels is None else {"labels": labels}))
    with pytest.raises(error, match=words):
        recipe("pixel-cnn").train(data, tmp_path / "m.safetensors", settings=SETTINGS | settings)
    assert [path.name for path in tmp_path.iterdir()] == ["d.npz"]


@pytest.mark.parametrize("family", ["fvsbn", "nade", "eonade", "pixel-rnn"])
def test_models_without_classes_refuse_them(tmp_path, family):
    data = write(tmp_path / "d.npz", labels=np.arange(40) % 2)
    with pytest.raises(SeqgenError, match=f"the family {family} takes no class; leave out conditional"):
        recipe(family).train(data, tmp_path / "m.safetensors", settings={"steps": 2, "conditional": True})


def test_a_class_that_only_the_test_images_have_is_counted(tmp_path):
    """For some index of the only image of class 2, the split leaves it out of the training images."""
    output = tmp_path / "m.safetensors"
    for place in range(40):
        labels = np.arange(40) % 2
        labels[place] = 2
        data = write(tmp_path / "d.npz", labels=labels)
        if read_splits(data, 0).train.labels.max() < 2:
            break
    with pytest.warns(
        SeqgenWarning, match=r"no image to train on of class 2 of 3, .*other parts of the split"
    ):
        recipe("pixel-cnn").train(data, output, settings=SETTINGS | {"conditional": True})
    assert seqgen.PixelCNN.load(output).conditions.classes == 3


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(40) % 4 + 1, "of class 0 of 5, .* the labels begin with 1; subtract 1 from them"),
        (np.arange(40) % 2 + 3, "of the classes 0, 1, 2 of 5, .* the labels begin with 3; subtract 3"),
        (np.arange(40) % 4 * 2, "of the classes 1, 3, 5 of 7, .* without gaps, .* return_inverse=True"),
    ],
)
def test_classes_that_no_image_has_are_warned_of(tmp_path, labels, words):
    data = write(tmp_path / "d.npz", labels=labels)
    with pytest.warns(SeqgenWarning, match=words):
        recipe("pixel-cnn").train(data, tmp_path / "m.safetensors", settings=SETTINGS | {"conditional": True})


@pytest.mark.parametrize(("size", "shape"), [("4", (4, 4)), ("4x3", (4, 3)), ((5, 6), (5, 6)), (0, (8, 6))])
def test_sizes_are_a_number_or_rows_and_columns(tmp_path, size, shape):
    output = tmp_path / "m.safetensors"
    recipe("pixel-cnn").train(write(tmp_path / "d.npz"), output, settings=SETTINGS | {"size": size})
    model = seqgen.PixelCNN.load(output)
    assert model.codec.shape == (1, *shape)
    # the card remembers the size, so that other data are read as those of the training
    assert held_out(output, tmp_path / "d.npz")["dimensions"] == shape[0] * shape[1]


@pytest.mark.parametrize("size", ["4x", "axb", "1x2x3", "-"])
def test_sizes_that_are_none_are_refused(tmp_path, size):
    with pytest.raises(ValueError, match="size must be a number, or rows and columns such as 28x32"):
        recipe("pixel-cnn").train(
            write(tmp_path / "d.npz"), tmp_path / "m.safetensors", settings=SETTINGS | {"size": size}
        )


def test_colours_and_size_of_the_training_are_those_of_later_data(tmp_path):
    """The colours of an array of an ambiguous shape are found, and converted."""
    array = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    output = tmp_path / "m.safetensors"
    with pytest.raises(SeqgenError, match=r"not clear where the colours are: .* or another shape"):
        recipe("pixel-cnn").train(tmp_path / "a.npy", output, settings=SETTINGS)
    array = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", array)
    for colours, shape in ((1, (1, 8, 3)), (3, (3, 1, 8))):
        settings = SETTINGS | {"colours": colours, "channels": 6}
        card = recipe("pixel-cnn").train(tmp_path / "a.npy", output, settings=settings).card
        assert seqgen.PixelCNN.load(output).codec.shape == shape
        assert card["reading"] == {"colours": colours}
        assert held_out(output, tmp_path / "a.npy")["score"] == pytest.approx(card["score"], abs=1e-3)
    rgb = np.random.default_rng(0).integers(0, 256, (40, 8, 6, 3)).astype(np.uint8)
    np.save(tmp_path / "b.npy", rgb)
    card = (
        recipe("pixel-cnn")
        .train(tmp_path / "b.npy", output, settings=SETTINGS | {"colours": "1", "size": "4"})
        .card
    )
    assert seqgen.PixelCNN.load(output).codec.shape == (1, 4, 4)
    assert held_out(output, tmp_path / "b.npy")["score"] == pytest.approx(card["score"], abs=1e-3)


def test_the_score_has_the_unit_of_the_card(tmp_path):
    output = tmp_path / "m.safetensors"
    card = (
        recipe("pixel-cnn-autoencoder")
        .train(write(tmp_path / "d.npz"), output, settings=SETTINGS | {"encoder_channels": 4})
        .card
    )
    found = held_out(output, tmp_path / "d.npz")
    assert found["score_unit"] == card["score_unit"] == "nats/image given the code"
    assert found["score"] == pytest.approx(card["score"], abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "shape"), [({"size": 4}, (1, 4, 4)), ({"colours": 3, "channels": 6}, (3, 8, 6))]
)
def test_size_and_colours_hold_for_mnist_folders_too(tmp_path, settings, shape):
    (tmp_path / "mnist").mkdir()
    output = tmp_path / "m.safetensors"
    recipe("pixel-cnn").train(mnist(tmp_path / "mnist"), output, settings=SETTINGS | settings)
    assert seqgen.PixelCNN.load(output).codec.shape == shape
