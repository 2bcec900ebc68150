"""Image files and folders of them, as Pillow writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqgen.data.images import fit_size, read_image_file, read_images, read_splits
from seqgen.errors import SeqgenError, SeqgenWarning


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)  # type: ignore[arg-type]
    return path


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm"])
def test_lossless_formats_give_the_pixels_back(tmp_path, suffix):
    array = noise(4, 6, 3)
    path = save(tmp_path / f"a{suffix}", array, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(read_image_file(path), array.transpose(2, 0, 1))


def test_grey_and_colour(tmp_path):
    grey = save(tmp_path / "grey.png", noise(4, 6))
    assert read_image_file(grey).shape == (1, 4, 6)
    np.testing.assert_array_equal(read_image_file(grey, colours=3), np.repeat(noise(4, 6)[None], 3, 0))
    colour = save(tmp_path / "colour.jpg", noise(4, 6, 3))
    assert read_image_file(colour).shape == (3, 4, 6)
    assert read_image_file(colour, colours=1).shape == (1, 4, 6)
    with pytest.raises(ValueError, match="colours must be 1"):
        read_image_file(colour, colours=2)


def test_transparent_parts_are_black_and_phones_pictures_upright(tmp_path):
    array = np.full((2, 2, 4), 200, np.uint8)
    array[:, :, 3] = 255
    array[0, 0, 3] = 0
    path = save(tmp_path / "a.png", array)
    assert read_image_file(path)[:, 0].tolist() == [[0, 200]] * 3
    exif = Image.Exif()
    exif[274] = 6  # rotated by 90 degrees
    turned = save(tmp_path / "b.png", np.zeros((2, 5), np.uint8), exif=exif)
    assert read_image_file(turned).shape == (1, 5, 2)


def test_sub_folders_are_classes(tmp_path):
    for number, name in enumerate(("cat", "cat", "dog", "ant")):
        save(tmp_path / name / f"{number}.png", np.full((3, 3), number, np.uint8))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    with pytest.warns(SeqgenWarning, match=r"4 files read; 1 left out, of other kinds: cat/notes\.txt"):
        images = read_images(tmp_path)
    assert images.classes == ("ant", "cat", "dog")
    assert images.images[:, 0, 0, 0].tolist() == [3, 0, 1, 2]
    assert images.labels.tolist() == [0, 1, 1, 2]
    assert images.take(np.array([3])).classes == images.classes


def test_a_folder_of_images_is_read_by_the_rule_for_folders(tmp_path):
    """Hidden and system folders are no classes, a linked folder is one, and a link in a circle ends."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    save(data / "cat" / "a.png", noise(2, 2))
    save(elsewhere / "b.png", noise(2, 2, seed=1))
    for name in (".trash/c.png", "__MACOSX/d.png", "cat/.thumbnails/e.png", "cat/@eaDir/f.png"):
        save(data / name, noise(9, 9))
    (data / "cat" / "._a.png").write_bytes(b"resource fork")
    (data / "dog").symlink_to(elsewhere)
    (data / "cat" / "again").symlink_to(data)
    with pytest.warns(
        SeqgenWarning,
        match=r"data: 2 files read; 3 left out, hidden: \.trash/, cat/\._a\.png, cat/\.thumbnails/; "
        r"2 left out, made by the system: __MACOSX/, cat/@eaDir/; "
        r"1 left out, links to folders that contain them: cat/again/",
    ):
        images = read_images(data)
    assert images.classes == ("cat", "dog")
    assert images.images.shape == (2, 1, 2, 2)


def test_numbered_classes_are_ordered_as_numbers(tmp_path):
    for name in ("10", "9", "2"):
        save(tmp_path / name / "a.png", np.full((2, 2), int(name), np.uint8))
    assert read_images(tmp_path).classes == ("2", "9", "10")


def test_train_and_test_folders_are_parts_and_not_classes(tmp_path):
    for part, count in (("train", 10), ("test", 3)):
        for number in range(count):
            save(tmp_path / part / "abc"[number % 3] / f"{number}.png", noise(2, 2, seed=number))
    splits = read_splits(tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 1, 3)
    assert splits.train.classes == ("a", "b", "c")
    assert len(read_images(tmp_path)) == 13


def test_what_differs_is_named(tmp_path):
    save(tmp_path / "a.png", noise(4, 6))
    odd = save(tmp_path / "b.png", noise(4, 7))
    with pytest.raises(SeqgenError, match=rf"{odd} is 7 wide and 4 high, but .*a\.png is 6 wide.*give size="):
        read_images(tmp_path)
    assert read_images(tmp_path, size=(3, 3)).images.shape == (2, 1, 3, 3)
    save(odd, noise(4, 6, 3))
    with pytest.raises(SeqgenError, match=rf"{odd} has 3 colours, but .*colours=1 or colours=3"):
        read_images(tmp_path)
    assert read_images(tmp_path, colours=3).images.shape == (2, 3, 4, 6)


def test_bad_files_and_folders_are_named(tmp_path):
    with pytest.raises(SeqgenError, match="has no images"):
        read_images(tmp_path)
    with pytest.raises(SeqgenError, match="does not exist"):
        read_images(tmp_path / "nowhere.png")
    path = save(tmp_path / "a.png", noise(40, 40))
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:10], b"", b"hello", whole[:60] + b"\0" * 40 + whole[100:]):
        path.write_bytes(data)
        with pytest.raises(SeqgenError, match=r"a\.png is not a complete image file"):
            read_images(tmp_path)
    save(path, np.full((3, 3), 40000, np.uint16))
    with pytest.raises(SeqgenError, match="more than 8 bits"):
        read_images(path)
    save(path, noise(3, 3))
    save(tmp_path / "cat" / "b.png", noise(3, 3))
    with pytest.raises(SeqgenError, match=r"of its own and in sub-folders \(cat\)"):
        read_images(tmp_path)


def test_fitting_cuts_the_middle_and_resizes():
    image = np.zeros((1, 4, 8), np.uint8)
    image[:, :, 2:6] = 255
    assert (fit_size(image, (4, 4)) == 255).all()
    assert (fit_size(image, 2) == 255).all()
    padded = fit_size(np.full((2, 1, 2, 4), 9, np.uint8), 4, how="pad")
    assert padded[0, 0].tolist() == [[0] * 4, [9] * 4, [9] * 4, [0] * 4]
    assert fit_size(image, (4, 8)) is image
    with pytest.raises(ValueError, match="rows must be at least 1"):
        fit_size(image, 0)
    with pytest.raises(TypeError, match="must be uint8"):
        fit_size(image.astype(float), 2)


def test_a_set_of_three_is_the_smallest_that_can_be_split(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", noise(2, 2, seed=number))
    splits = read_splits(tmp_path)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1, 1, 1]
    (tmp_path / "0.png").unlink()
    with pytest.raises(SeqgenError, match="at least 3 images"):
        read_splits(tmp_path)
