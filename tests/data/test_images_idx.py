"""IDX files and the digits in JSON, written byte by byte and read back; every kind of damage is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from seqgen.data.images import read_idx, read_images, read_splits
from seqgen.errors import SeqgenError, SeqgenWarning


def idx_bytes(array: np.ndarray, kind: int = 8) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def write_mnist(folder: Path, part: str, count: int, seed: int = 0, suffix: str = "") -> np.ndarray:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 5, 4), np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 3
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        data = idx_bytes(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(data) if suffix else data)
    return images


@pytest.mark.parametrize("compress", [False, True])
def test_reads_what_was_written(tmp_path, compress):
    array = np.arange(60, dtype=np.uint8).reshape(3, 5, 4)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx_bytes(array)) if compress else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path), array)
    assert read_images(path).images.shape == (3, 1, 5, 4)


def test_a_plain_file_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(np.zeros((3, 5, 4), np.uint8)))
    array = read_idx(path)
    assert isinstance(array.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_keeps_its_own_test_set(tmp_path, suffix):
    train = write_mnist(tmp_path, "train", 50, seed=1, suffix=suffix)
    test = write_mnist(tmp_path, "t10k", 6, seed=2, suffix=suffix)
    splits = read_splits(tmp_path, seed=3)
    np.testing.assert_array_equal(splits.test.images[:, 0], test)
    assert (len(splits.train), len(splits.validation)) == (45, 5)
    both = np.concatenate([splits.train.images, splits.validation.images])[:, 0]
    assert sorted(map(bytes, both)) == sorted(map(bytes, train))
    whole = read_images(tmp_path)
    np.testing.assert_array_equal(whole.images[:, 0], np.concatenate([train, test]))
    assert whole.labels.tolist() == [k % 3 for k in range(50)] + [k % 3 for k in range(6)]


def test_labels_come_from_the_file_beside(tmp_path):
    write_mnist(tmp_path, "t10k", 7, suffix=".gz")
    images = read_images(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int.gz"),
        ("Images", "labels-int"),
    ],
)
@pytest.mark.parametrize("kind", [8, 9, 11, 12])
def test_labels_of_any_kind_of_integers_are_read(tmp_path, images, labels, kind):
    numbers = np.array([3, 1, 4, 1, 5])
    table = np.zeros((5, 8), int)
    table[:, 0] = numbers
    wide = "idx2" in labels
    if wide:
        kind = 12
    dtype = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4"}[kind]
    for name, data in (
        (images, idx_bytes(np.full((5, 2, 2), 200, np.uint8))),
        (labels, idx_bytes((table if wide else numbers).astype(dtype), kind)),
    ):
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = read_images(tmp_path / images)
    assert found.labels is not None
    assert found.labels.tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("array", "kind", "words"),
    [
        (np.zeros((5, 2), ">i4"), 12, r"int32 \(5, 2\)"), (np.zeros(5, ">f4"), 13, r"float32 \(5,\)"),
        (np.full(5, -1, "i1"), 9, r"int8 \(5,\)"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_read_are_named(tmp_path, array, kind, words):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(idx_bytes(np.full((5, 2, 2), 200, np.uint8)))
    (tmp_path / "a-labels-idx1").write_bytes(idx_bytes(array, kind))
    with pytest.warns(SeqgenWarning, match=rf"labels of .*a-labels-idx1 are not read: .* {words}"):
        assert read_images(tmp_path / "a-images-idx3-ubyte").labels is None


def test_a_file_of_labels_that_is_no_idx_file_is_named(tmp_path):
    (tmp_path / "train-images").write_bytes(idx_bytes(np.full((5, 2, 2), 200, np.uint8)))
    (tmp_path / "train-labels.csv").write_text("0\n1\n")
    with pytest.warns(SeqgenWarning, match=r"train-labels\.csv is not read, because it is no IDX file"):
        assert read_images(tmp_path / "train-images").labels is None


def test_numbers_of_other_types_are_in_the_byte_order_of_the_machine(tmp_path):
    array = np.arange(6).reshape(2, 3) * 1000
    for compress in (False, True):
        data = idx_bytes(array.astype(">i2"), 11)
        (tmp_path / "a").write_bytes(gzip.compress(data) if compress else data)
        np.testing.assert_array_equal(read_idx(tmp_path / "a"), array.astype(np.int16))
        assert read_idx(tmp_path / "a").dtype == np.int16


WHOLE = idx_bytes(np.zeros((2, 3, 4), np.uint8))
PACKED = gzip.compress(WHOLE, mtime=0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (WHOLE[:-1], "truncated: its header says (2, 3, 4), 24 bytes, but 23 follow"),
        (WHOLE + b"x", "more follow"),
        (WHOLE[:7], "within its header"),
        (b"\0\0\x0d\x01\0\0\0\1\0\0\0\0", "holds float32"),
        (PACKED[:-9], "not a complete .gz file"),
        (gzip.compress(WHOLE[:-1], mtime=0), "truncated"),
        (gzip.compress(b"hello", mtime=0), "begins with 68 65 6c 6c"),
        (PACKED[:-8] + b"1234" + PACKED[-4:], "CRC check failed"),
        (idx_bytes(np.zeros((0, 3, 4), np.uint8)), "must hold images"),
        (idx_bytes(np.zeros(3, np.uint8)), "must hold images"),
        (b"hello world", "no readable images"),
        (b"", "no readable images"),
    ],
    ids=[
        "short", "long", "header", "floats", "gz-short", "gz-of-short", "gz-of-text", "gz-checksum", "no-images",
        "labels", "text", "empty",
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, data, words):
    path = tmp_path / "images"
    path.write_bytes(data)
    with pytest.raises(SeqgenError) as caught:
        read_images(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_labels_that_do_not_match_are_refused(tmp_path):
    write_mnist(tmp_path, "train", 7)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(6, np.uint8)))
    with pytest.raises(SeqgenError, match=r"labels \(6,\), which do not belong together"):
        read_images(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(SeqgenError, match=r"no file train-labels"):
        read_images(tmp_path)


def test_digits_in_json(tmp_path):
    for digit in range(10):
        pixels = np.full(784 * (digit + 1), digit / 10.0)
        (tmp_path / f"{digit}.json").write_text(json.dumps({"data": pixels.round(4).tolist()}))
    images = read_images(tmp_path)
    assert images.images.shape == (55, 1, 28, 28)
    assert np.bincount(images.labels).tolist() == list(range(1, 11))
    assert [int(images.images[images.labels == k].max()) for k in range(3)] == [0, 26, 51]
    (tmp_path / "7.json").unlink()
    with pytest.raises(SeqgenError, match=r"7\.json"):
        read_images(tmp_path)


@pytest.mark.parametrize("compress", [False, True])
def test_a_header_that_says_more_than_there_is_memory_for(tmp_path, compress):
    path = tmp_path / "images"
    data = bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"ab"
    path.write_bytes(gzip.compress(data) if compress else data)
    with pytest.raises(SeqgenError, match=r"is truncated: .* but 2 follow"):
        read_idx(path)


def test_a_folder_with_its_own_test_set_is_resized_and_coloured_as_any_other(tmp_path):
    write_mnist(tmp_path, "train", 20)
    write_mnist(tmp_path, "t10k", 6)
    splits = read_splits(tmp_path, size=(3, 2), colours=3)
    for part in (splits.train, splits.validation, splits.test):
        assert part.images.shape[1:] == (3, 3, 2)
    assert read_images(tmp_path, size=3).images.shape == (26, 1, 3, 3)
    with pytest.raises(SeqgenError, match=r"from 0 to 1 as declared, got"):
        read_splits(tmp_path, maximum=1)
