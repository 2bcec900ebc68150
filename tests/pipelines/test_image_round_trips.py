"""What `seqgen stream` writes is read back as the images that were streamed: as prompts, to score and to train on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seqgen
from pipelines import open_sink
from seqgen.codecs import Pixels
from seqgen.data.enlarged import Page, shrunk
from seqgen.data.images import read_images, read_prompt
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.streaming import Chunk

SHAPE = (1, 6, 5)


@pytest.fixture(scope="module")
def model() -> PixelCNN:
    model = PixelCNN(SHAPE, 4, channels=4, layers=2, seed=1)
    for parameter in model.parameters():
        parameter.data.mul_(2.0)
    return model


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    model.save(path, card={"seed": 3})
    return path


@pytest.fixture(scope="module")
def by_class(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "c.safetensors"
    PixelCNN(SHAPE, 4, channels=4, layers=2, classes=3, seed=1).save(path, card={"seed": 3})
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def write(path: Path, codec: Pixels, images: np.ndarray, rows: int | None = None, **options: object) -> Path:
    with open_sink(path, codec, options=options) as sink:
        for index, image in enumerate(images):
            drawn = image if rows is None else image[:, :rows]
            sink.write(Chunk(index, 0, drawn, rows is None, {}))
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("half.png", ()), ("half.png", ("--scale", 1)), ("half.png", ("--scale", 3)), ("half-{index}.png", ()),
        ("half-{index}.png", ("--scale", 3)), ("half.pgm", ()), ("half.npz", ()),
    ],
)  # fmt: skip
def test_a_streamed_image_is_a_prompt_of_the_model(
    seqgen_command, checkpoint, model, tmp_path, name, options
):
    done = seqgen_command("stream", checkpoint, "--seed", 7, "-o", name, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file = name.format(index=0)
    done = seqgen_command(
        "stream", checkpoint, "-n", 3, "--prompt", file, "--keep-rows", 4, "-o", "x.npz", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    prompt = model.sample(1, seed=7)[0].astype(int)
    prompt[:, 4:] = -1
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["data"], model.sample(3, prompt=prompt))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("scale", [None, 1, 2])
def test_a_page_is_a_data_set_of_its_images(tmp_path, colours, levels, scale):
    codec = Pixels((colours, 3, 4), levels)
    images = np.random.default_rng(1).integers(0, levels, (7, colours, 3, 4)).astype(np.uint8)
    path = write(tmp_path / "page.png", codec, images, scale=scale)
    np.testing.assert_array_equal(read_images(path, colours=colours).images, codec.to_grey(images))
    assert read_images(path, size=2).images.shape[2:] == (2, 2)
    with pytest.raises(SeqgenError, match="is a page of 7 images; write one file each"):
        read_prompt(path, codec, keep_rows=1)


@pytest.mark.parametrize("colours", [1, 3])
def test_images_one_after_another_are_a_data_set(tmp_path, colours):
    codec = Pixels((colours, 3, 4), 256)
    images = np.random.default_rng(1).integers(0, 256, (7, colours, 3, 4)).astype(np.uint8)
    path = write(tmp_path / "a.pnm", codec, images)
    np.testing.assert_array_equal(read_images(path).images, images)
    with pytest.raises(SeqgenError, match="holds 7 images; write one file each"):
        read_prompt(path, codec, keep_rows=1)
    path.write_bytes(
        path.read_bytes() + b"P5 2 1 255\n12" * (colours == 1) + b"P6 2 1 255\n123456" * (colours == 3)
    )
    with pytest.raises(SeqgenError, match="images of different shapes"):
        read_images(path)


def test_a_page_is_scored_as_the_samples(seqgen_command, checkpoint, model, tmp_path):
    seqgen_command("stream", checkpoint, "-n", 20, "--seed", 1, "-o", "page.png", cwd=tmp_path)
    done = seqgen_command("eval", checkpoint, "page.png", "--part", "all", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["nats"] == pytest.approx(
        -float(model.log_prob(model.sample(20, seed=1)).sum())
    )


@pytest.mark.parametrize("name", ["half.png", "half.npz"])
def test_what_an_interrupted_stream_has_drawn_is_a_prompt(seqgen_command, checkpoint, model, tmp_path, name):
    image = model.sample(1, seed=3)
    write(tmp_path / name, model.codec, image, rows=4)
    with pytest.raises(SeqgenError, match="not finished"):
        read_images(tmp_path / name)
    done = seqgen_command("stream", checkpoint, "--prompt", name, "--seed", 3, "-o", "x.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # the random numbers are those of the pixels, so the same image is completed
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["data"], image)


def test_an_enlarged_picture_without_a_note_is_recognised(tmp_path):
    image = np.random.default_rng(2).integers(0, 4, (6, 5)).astype(np.uint8)
    large = (image * 85).repeat(7, 0).repeat(7, 1)
    Image.fromarray(large).save(tmp_path / "a.png")
    codec = Pixels(SHAPE, 4)
    np.testing.assert_array_equal(read_prompt(tmp_path / "a.png", codec, keep_rows=6)[0], image)
    large[0, 0] ^= 255
    Image.fromarray(large).save(tmp_path / "a.png")
    with pytest.raises(SeqgenError, match=r"35 wide and 42 high, .* --fit"):
        read_prompt(tmp_path / "a.png", codec, keep_rows=6)
    assert read_prompt(tmp_path / "a.png", codec, keep_rows=6, fit=True).shape == SHAPE
    assert shrunk(np.zeros((1, 12, 15)), (6, 5)) is None
    assert shrunk(np.zeros((1, 3, 2)), (6, 5)) is None


def test_a_mask_may_be_enlarged_too(tmp_path):
    codec = Pixels(SHAPE, 4)
    Image.fromarray(np.full((6, 5), 255, np.uint8)).save(tmp_path / "a.png")
    mask = np.zeros((6, 5), np.uint8)
    mask[:2] = 255
    Image.fromarray(mask.repeat(3, 0).repeat(3, 1)).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", mask > 0)
    expected = np.where(mask > 0, 3, -1)[None]
    for name in ("mask.png", "mask.npy"):
        np.testing.assert_array_equal(read_prompt(tmp_path / "a.png", codec, mask=tmp_path / name), expected)
    Image.fromarray(mask // 255).save(tmp_path / "mask.png")
    with pytest.raises(SeqgenError, match="no bright pixel, the brightest is 1 of 255"):
        read_prompt(tmp_path / "a.png", codec, mask=tmp_path / "mask.png")


@pytest.mark.parametrize(
    "note",
    [
        "[" * 100_000, "{}", "[]", "1", "x", '{"height": 6}', Page(6, 5, 1, 1, 2, []).note(),
        Page(6, 5, 1, 9, 2, [6]).note(), Page(6, 5, 1, 1, 2, [7]).note(), Page(6, 5, 0, 1, 2, [6]).note(),
        Page(-6, 5, 1, 1, 2, [6]).note(),
    ],
)  # fmt: skip
def test_other_notes_are_ignored(note):
    assert Page.of_note(note, (6, 5)) is None


@pytest.mark.parametrize("shape", [(1, 6, 5), (6, 5), (1, 1, 6, 5), (6, 5, 1), (30,), (1, 30)])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_are_prompts(seqgen_command, checkpoint, model, tmp_path, shape, suffix):
    image = model.sample(1, seed=7)[0].astype(np.int64)
    path = tmp_path / f"x.{suffix}"
    save = np.save if suffix == "npy" else lambda file, array: np.savez(file, images=array)
    partial = image.copy()
    partial[:, 3:] = -1
    for given, options in ((image, ("--keep-rows", 3)), (partial, ())):
        save(path, given.reshape(shape))
        done = seqgen_command("stream", checkpoint, "--prompt", path, *options, "-o", "y.npz", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["data"], model.sample(1, prompt=partial))
    save(path, image.reshape(shape))
    done = seqgen_command("stream", checkpoint, "--prompt", path, cwd=tmp_path)
    assert done.returncode == 2
    assert "--keep-rows or --mask" in done.stderr


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 1, 6, 5), np.uint8), "x.npy holds 2 images; save the one that is to be completed"),
        (np.zeros((1, 5, 5), np.uint8), "x.npy has an image (1, 5, 5) (colours, rows, columns), those of the model"),
        (np.full((1, 6, 5), 9), "the largest number is 9, "),
        (np.full((1, 6, 5), 0.5), "got float64; if they have another range, declare it"),
        (np.array(["a"] * 30).reshape(1, 6, 5), "must be numbers"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_prompts(seqgen_command, checkpoint, tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    done = seqgen_command("stream", checkpoint, "--prompt", "x.npy", "--keep-rows", 3, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_levels_beside_unknown_pixels_are_levels_even_if_all_are_low(tmp_path):
    prompt = np.full(SHAPE, -1)
    prompt[0, 0] = [0, 1, 2, 3, 0]
    np.save(tmp_path / "x.npy", prompt)
    np.testing.assert_array_equal(read_prompt(tmp_path / "x.npy", Pixels(SHAPE, 16)), prompt)


def test_the_range_of_a_prompt_can_be_declared(tmp_path):
    codec = Pixels(SHAPE, 4)
    np.save(tmp_path / "x.npy", np.full((6, 5), 0.7))
    assert (read_prompt(tmp_path / "x.npy", codec, keep_rows=6, maximum=1) == 2).all()
    np.save(tmp_path / "x.npy", np.full((6, 5), 255, np.uint8))
    assert (read_prompt(tmp_path / "x.npy", codec, keep_rows=6) == 3).all()


def test_a_page_of_all_classes_has_a_column_for_each(seqgen_command, by_class, tmp_path):
    seqgen_command(
        "stream", by_class, "-n", 12, "--condition", "each", "-o", "page.png", "--scale", 1, cwd=tmp_path
    )
    assert size_of(tmp_path / "page.png") == (3 * 5 + 2 * 2, 4 * 6 + 3 * 2)
    seqgen_command(
        "stream", by_class, "-n", 12, "--condition", 1, "-o", "page.png", "--scale", 1, cwd=tmp_path
    )
    assert size_of(tmp_path / "page.png") == (4 * 5 + 3 * 2, 3 * 6 + 2 * 2)
    done = seqgen_command(
        "stream", by_class, "-n", 2, "--condition", "each", "-o", "b{index}.png", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--style", "ascii", "--style is not for .pnm but for .txt; give --format txt"),
        ("--fps", 3, "--fps is not for .pnm but for .y4m; give --format y4m"),
        ("--scale", 3, "--scale is not for .pnm but for .png and .y4m; give --format png or y4m"),
    ],
)
def test_an_option_of_another_format_names_it_in_a_pipe(seqgen_command, checkpoint, option, value, words):
    done = seqgen_command("stream", checkpoint, option, value)
    assert done.returncode == 2
    assert words in done.stderr


def test_log_probabilities_are_not_dropped(seqgen_command, checkpoint, tmp_path):
    for output in ((), ("-o", "x.png")):
        done = seqgen_command("stream", checkpoint, "--log-probs", *output, cwd=tmp_path)
        assert done.returncode == 2
        assert "but for .jsonl and .npz; give --format jsonl or npz" in done.stderr
    assert seqgen_command("stream", checkpoint, "--log-probs", "-o", "x.npz", cwd=tmp_path).returncode == 0
    assert "log_prob" in np.load(tmp_path / "x.npz").files


def test_the_ground_of_a_transparent_drawing_is_chosen(seqgen_command, checkpoint, tmp_path):
    ink = np.zeros((6, 5, 4), np.uint8)
    ink[:3, :, 3] = 255
    Image.fromarray(ink).save(tmp_path / "a.png")
    codec = Pixels(SHAPE, 4)
    with pytest.warns(
        SeqgenWarning, match=r"1 image of .*a\.png has transparent pixels, .* black; .*--ground white"
    ):
        assert (read_prompt(tmp_path / "a.png", codec, keep_rows=6) == 0).all()
    white = np.array([[[0] * 5] * 3 + [[3] * 5] * 3])
    np.testing.assert_array_equal(read_prompt(tmp_path / "a.png", codec, keep_rows=6, ground="white"), white)
    np.testing.assert_array_equal(
        read_images(tmp_path / "a.png", ground="white", colours=1).images[0], white * 85
    )
    done = seqgen_command(
        "stream", checkpoint, "--prompt", "a.png", "--keep-rows", 2, "-o", "x.npz", cwd=tmp_path
    )
    assert done.returncode == 0
    assert "seqgen: 1 image of a.png has transparent pixels" in done.stderr
    done = seqgen_command(
        "stream",
        checkpoint,
        "--prompt",
        "a.png",
        "--keep-rows",
        2,
        "--ground",
        "white",
        "-o",
        "x.npz",
        cwd=tmp_path,
    )
    assert "transparent" not in done.stderr
    for option in (("--ground", "white"), ("--maximum", 0), ("--fit",)):
        assert seqgen_command("stream", checkpoint, *option, cwd=tmp_path).returncode == 2


def test_the_ground_is_said_in_the_card_and_remembered(tmp_path):
    data, output = tmp_path / "data", tmp_path / "m.safetensors"
    data.mkdir()
    for number in range(12):
        ink = np.zeros((6, 5, 4), np.uint8)
        ink[number % 6, :, 3] = 255
        Image.fromarray(ink).save(data / f"{number:02}.png")
    from seqgen.evaluation.held_out import held_out
    from seqgen.registry import recipe

    settings = {"channels": 6, "layers": 1, "steps": 2, "batch": 4, "warmup": 1}
    with pytest.warns(
        SeqgenWarning, match="12 images of .* have transparent pixels, which are read as black"
    ):
        card = recipe("pixel-cnn").train(data, output, settings=settings).card
    assert card["ground"] == "black, below the transparent pixels of 12 images"
    card = recipe("pixel-cnn").train(data, output, settings=settings | {"ground": "white"}).card
    assert card["ground"] == "white, below the transparent pixels of 12 images"
    assert card["reading"] == {"ground": "white"}
    found = held_out(output, data)
    assert found["ground"] == card["ground"]
    assert found["score"] == pytest.approx(card["score"], abs=1e-3)


def test_a_prompt_is_fitted_as_the_images_of_the_training_were(seqgen_command, tmp_path):
    model = PixelCNN(SHAPE, 4, channels=4, layers=2, seed=1)
    picture = np.full((20, 20), 200, np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    for card, code in (({}, 1), ({"reading": {"size": [6, 5]}}, 0)):
        model.save(tmp_path / "m.safetensors", card={"seed": 3, **card})
        done = seqgen_command(
            "stream", "m.safetensors", "--prompt", "a.png", "--keep-rows", 6, "-o", "x.npz", cwd=tmp_path
        )
        assert done.returncode == code, done.stderr
    assert (np.load(tmp_path / "x.npz")["data"] == 2).all()


def test_eval_fits_images_on_request(seqgen_command, checkpoint, tmp_path):
    for number in range(4):
        Image.fromarray(np.full((20, 20 + number, 3), 200, np.uint8)).save(tmp_path / f"{number}.png")
    done = seqgen_command("eval", checkpoint, ".", "--part", "all", cwd=tmp_path)
    assert done.returncode == 1
    assert "eval: --fit" in done.stderr
    done = seqgen_command("eval", checkpoint, ".", "--part", "all", "--fit", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 4


@pytest.mark.parametrize("options", [("--maximum", 1), ("--maximum", 0), ("--fit",), ("--ground", "white")])
def test_reading_options_are_for_images(seqgen_command, tmp_path, options):
    np.save(tmp_path / "a.npy", np.zeros((9, 3)))
    seqgen.RNADE(3, 4, 2).save(tmp_path / "m.safetensors", card={})
    done = seqgen_command("eval", "m.safetensors", "a.npy", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{options[0][2:]} is for images" in done.stderr
