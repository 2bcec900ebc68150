"""Grids, pages and PNG files, read back pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipelines import open_sink
from pipelines.grids import image_grid, near_square
from pipelines.image_page import image_page
from seqgen.codecs import Characters, Pixels
from seqgen.data.images import read_image_file
from seqgen.errors import SeqgenError
from tests.pipelines.image_chunks import BINARY, COLOUR, GREY, as_chunks, random_images, write_until


def write(path, codec, chunks, **options):
    with open_sink(path, codec, options=options) as sink:
        for chunk in chunks:
            sink.write(chunk)


def test_every_image_has_its_place():
    images = random_images(GREY, 5)
    grid = image_grid(images, GREY, columns=3, scale=2, gap=1)
    assert grid.shape == (2 * 10 + 1, 3 * 8 + 2)
    for number, image in enumerate(images):
        top, left = number // 3 * 11, number % 3 * 9
        cell = grid[top : top + 10, left : left + 8]
        np.testing.assert_array_equal(cell, np.kron(image[0] * 85, np.ones((2, 2), np.uint8)))
    assert set(np.unique(grid[10])) == {80}
    assert set(np.unique(grid[11:, 18:])) == {80}


def test_colours_and_unknown_pixels():
    images = random_images(COLOUR, 2)
    grid = image_grid(images, COLOUR, columns=2, scale=1, gap=0)
    np.testing.assert_array_equal(grid, np.concatenate(list(images.transpose(0, 2, 3, 1)), 1))
    known = random_images(BINARY, 1)[0].astype(np.int16)
    known[:, 3:] = -1
    grid = image_grid([known], BINARY, scale=1)
    assert grid.shape == (5, 4, 3)
    np.testing.assert_array_equal(grid[:3], np.repeat(known[0, :3, :, None] * 255, 3, 2))
    assert len(np.unique(grid[3:].reshape(-1, 3), axis=0)) == 1
    assert grid[3, 0].tolist() not in ([0, 0, 0], [255, 255, 255])


def test_sizes_are_chosen_to_look_at():
    assert [near_square(count) for count in (1, 2, 4, 5, 9, 10, 64)] == [1, 2, 2, 3, 3, 4, 8]
    digits = Pixels((1, 28, 28), 2)
    assert image_grid(np.zeros((1, 1, 28, 28), np.uint8), digits).shape == (224, 224)
    assert image_grid(np.zeros((64, 1, 28, 28), np.uint8), digits).shape == (8 * 84 + 14, 8 * 84 + 14)


def test_bad_grids_are_named():
    with pytest.raises(ValueError, match="at least one image"):
        image_grid([], GREY)
    with pytest.raises(ValueError, match=r"must have the shape \(1, 5, 4\), got \(1, 4, 5\)"):
        image_grid(np.zeros((2, 1, 4, 5), np.uint8), GREY)
    with pytest.raises(ValueError, match="levels from 0 to 3"):
        image_grid(np.full((1, 1, 5, 4), 4), GREY)
    with pytest.raises(ValueError, match="scale must be at least 1"):
        image_grid(random_images(GREY, 1), GREY, scale=0)
    with pytest.raises(SeqgenError, match=r"2 colours cannot be written as pictures.*\.npz or \.jsonl"):
        image_grid(np.zeros((1, 2, 5, 4), np.uint8), Pixels((2, 5, 4)))
    with pytest.raises(SeqgenError, match="this model makes characters"):
        image_grid(random_images(GREY, 1), Characters("ab"))  # type: ignore[arg-type]


def test_a_page_holds_its_pictures():
    first, second = image_grid(random_images(GREY, 3), GREY), image_grid(random_images(COLOUR, 2), COLOUR)
    page = image_page([("grey", first), ("colour", second)])
    assert page.shape[1] >= max(first.shape[1], second.shape[1])
    text = 12 + 15
    corner = page[text : text + first.shape[0], 12 : 12 + first.shape[1]]
    np.testing.assert_array_equal(corner[:, :, 0], first)
    below = page[-12 - second.shape[0] : -12, 12 : 12 + second.shape[1]]
    np.testing.assert_array_equal(below, second)
    assert (page[12:text] > 200).any()


@pytest.mark.parametrize("batch", [1, 3])
def test_a_png_is_the_grid(tmp_path, batch):
    images = random_images(GREY, 7)
    write(tmp_path / "a.png", GREY, as_chunks(images, batch=batch, start=4), scale=3)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "a.png")), image_grid(images, GREY, scale=3)
    )


@pytest.mark.parametrize("codec", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_pattern_gives_a_file_for_each(tmp_path, codec):
    images = random_images(codec, 3)
    write(tmp_path / "d-{index:03d}.png", codec, as_chunks(images, batch=2, start=9))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d-009.png", "d-010.png", "d-011.png"]
    for number in range(3):
        read = read_image_file(tmp_path / f"d-{9 + number:03d}.png")
        np.testing.assert_array_equal(read, codec.to_grey(images[number]))


@pytest.mark.parametrize(
    "name",
    [
        "{}.png",
        "{name}.png",
        "{index:05z}.png",
        "{index.png",
        "a{index!r:.0}.png",
        "{index:9999999999}.png",
        "{index:{index}}.png",
        "{index.real}.png",
        "{index:100}.png",
    ],
)
def test_bad_patterns_are_named(tmp_path, name):
    with pytest.raises(ValueError, match=r"the name .* (is not a valid pattern|must contain)"):
        open_sink(tmp_path / name, GREY)


@pytest.mark.parametrize("name", ["a{index}.png", "a{index:05d}.png", "a{index:>9}.png", "a{index:x}.png"])
def test_good_patterns_are_taken(tmp_path, name):
    open_sink(tmp_path / name, GREY)


@pytest.mark.parametrize("name", ["a.png", "a{index}.png", "a.y4m"])
def test_an_enlargement_that_no_picture_could_hold_is_refused_at_once(tmp_path, name):
    with pytest.raises(ValueError, match=r"scale must be at most \d+, got 100000000"):
        open_sink(tmp_path / name, GREY, options={"scale": 100_000_000})


def test_an_interrupt_leaves_a_page_with_what_was_drawn(tmp_path):
    images = random_images(GREY, 4)
    page_sink = open_sink(tmp_path / "a.png", GREY, options={"scale": 1})
    with pytest.raises(KeyboardInterrupt):
        write_until(page_sink, as_chunks(images, batch=2), KeyboardInterrupt())
    drawn = images.astype(np.int16)
    drawn[2, :, 4:] = -1
    drawn[3, :, 2:] = -1
    page = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(page, image_grid(drawn, GREY, scale=1))
    with pytest.raises(RuntimeError, match="broken"):
        write_until(open_sink(tmp_path / "b.png", GREY), as_chunks(images, batch=2), RuntimeError("broken"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_an_interrupt_leaves_only_whole_single_files(tmp_path):
    sink = open_sink(tmp_path / "{index}.png", GREY)
    with pytest.raises(KeyboardInterrupt):
        write_until(sink, as_chunks(random_images(GREY, 4), batch=2), KeyboardInterrupt())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png"]


def test_names_and_colours_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(SeqgenError, match="2 colours cannot be written as pictures"):
        open_sink(tmp_path / "a.png", Pixels((2, 5, 4)))
    with (
        pytest.raises(FileNotFoundError, match="create it first"),
        open_sink(tmp_path / "no" / "{index}.png", GREY),
    ):
        pass
    with pytest.raises(SeqgenError, match="there is no image to write"):
        write(tmp_path / "a.png", GREY, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a{index}.png"])
def test_an_interrupt_before_the_first_image_is_no_failure(tmp_path, name):
    """Thus the exit code is that of the interrupt."""
    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / name, GREY):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
