"""The recipe of image models: requirements on data and settings, with no partial output if they are not met."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgen
from seqgen.data.images import read_splits
from seqgen.errors import SeqgenError
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
    recipe("pixel-cnn").train(data, output, settings=SETTINGS | {"conditional": True})
    assert seqgen.PixelCNN.load(output).conditions.classes == 3


@pytest.mark.parametrize(
    ("settings", "shape"), [({"size": 4}, (1, 4, 4)), ({"colours": 3, "channels": 6}, (3, 8, 6))]
)
def test_size_and_colours_hold_for_mnist_folders_too(tmp_path, settings, shape):
    (tmp_path / "mnist").mkdir()
    output = tmp_path / "m.safetensors"
    recipe("pixel-cnn").train(mnist(tmp_path / "mnist"), output, settings=SETTINGS | settings)
    assert seqgen.PixelCNN.load(output).codec.shape == shape
