"""Image models on the command line: formats, prompts, conditions, training, scores, and one-line errors."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.grids import image_grid
from seqgen.data.images import read_images
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.pretrained import find

CLASSES = ["cat", "dog", "ant"]


@pytest.fixture(scope="module")
def model() -> PixelCNN:
    model = _sharp(PixelCNN((1, 6, 5), 4, channels=4, layers=2, classes=3, seed=1))
    # kernels compiled here are not compiled by each of the processes below
    model.sample(2, condition=0, controls={"temperature": 0.9})
    return model


@pytest.fixture(scope="module")
def checkpoint(model: PixelCNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "classes.safetensors"
    model.save(path, card={"data": "none", "licence": "none", "seed": 3, "classes": CLASSES})
    return path


@pytest.fixture(scope="module")
def binary() -> PixelCNN:
    model = _sharp(PixelCNN((1, 6, 5), 2, channels=4, layers=2, seed=2))
    model.sample(2)
    return model


@pytest.fixture(scope="module")
def binary_checkpoint(binary: PixelCNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "binary.safetensors"
    binary.save(path, card={"data": "none", "licence": "none", "seed": 3})
    return path


def _sharp(model: PixelCNN) -> PixelCNN:
    for parameter in model.parameters():
        parameter.data.mul_(2.0)
    return model


def pgm(images: np.ndarray, levels: int) -> bytes:
    grey = np.rint(images * (255 / (levels - 1))).astype(np.uint8)
    return b"".join(b"P5\n5 6\n255\n" + image.tobytes() for image in grey)


def test_a_pipe_gets_one_whole_image_and_stderr_the_rates(seqgen_process, binary_checkpoint, binary):
    done = seqgen_process("stream", binary_checkpoint, "--seed", 5, text=False)
    assert done.stdout == pgm(binary.sample(1, seed=5), 2)
    assert b"1 image, 30 pixels, " in done.stderr
    assert b"images/s" in done.stderr
    assert b"pixels/s" in done.stderr


def test_classes_by_number_and_name_and_each(seqgen_bytes, checkpoint, model):
    second = model.sample(2, seed=5, condition=1)
    for text in ("1", "dog", "DOG"):
        assert seqgen_bytes("stream", checkpoint, "-n", 2, "--seed", 5, "--condition", text).stdout == pgm(
            second, 4
        )
    done = seqgen_bytes("stream", checkpoint, "-n", 4, "--start", 2, "--batch", 2, "--condition", "each")
    assert done.stdout == pgm(model.sample(4, start=2, condition=lambda index: index % 3), 4)


def test_controls_and_levels_that_are_allowed(seqgen_bytes, checkpoint, model):
    done = seqgen_bytes(
        "stream",
        checkpoint,
        "-n",
        3,
        "--condition",
        0,
        "--temperature",
        0.7,
        "--allowed",
        "0,3",
        "--format",
        "pnm",
    )
    images = model.sample(3, condition=0, controls={"temperature": 0.7, "allowed": [0, 3]})
    assert set(np.unique(images)) == {0, 3}
    assert done.stdout == pgm(images, 4)


def test_a_page_and_single_files(binary_checkpoint, binary, tmp_path, seqgen_command):
    images = binary.sample(5, seed=1)
    done = seqgen_command(
        "stream",
        binary_checkpoint,
        "-n",
        5,
        "--seed",
        1,
        "--batch",
        3,
        "-o",
        "a.png",
        "--scale",
        2,
        cwd=tmp_path,
    )
    assert done.stdout == ""
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "a.png")), image_grid(images, binary.codec, scale=2)
    )
    seqgen_command("stream", binary_checkpoint, "-n", 5, "--seed", 1, "-o", "b{index}.png", cwd=tmp_path)
    (tmp_path / "a.png").unlink()
    np.testing.assert_array_equal(read_images(tmp_path).images, images * 255)


def test_completion_from_files(binary_checkpoint, binary, tmp_path, seqgen_command):
    image = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
    Image.fromarray(image).save(tmp_path / "half.png")
    done = seqgen_command(
        "stream",
        binary_checkpoint,
        "-n",
        3,
        "--prompt",
        "half.png",
        "--keep-rows",
        3,
        "-o",
        "a.npz",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    prompt = (image >= 128).astype(np.int64)
    prompt[3:] = -1
    made = np.load(tmp_path / "a.npz")["data"]
    np.testing.assert_array_equal(made, binary.sample(3, prompt=prompt))
    np.testing.assert_array_equal(made[:, 0, :3], np.repeat(prompt[None, :3], 3, 0))
    mask = np.zeros((6, 5), np.uint8)
    mask[:2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = ("stream", binary_checkpoint, "--prompt", "half.png", "--mask", "mask.png", "-o", "b.npz")
    assert seqgen_command(*arguments, cwd=tmp_path).returncode == 0
    prompt[2] = -1
    np.testing.assert_array_equal(np.load(tmp_path / "b.npz")["data"], binary.sample(1, prompt=prompt))
    mask[3:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    done = seqgen_command(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "raster order" in done.stderr


def test_a_prompt_or_mask_from_standard_input(binary_checkpoint, tmp_path, seqgen_command, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
    Image.fromarray(image).save(tmp_path / "half.png")
    mask = np.zeros((6, 5), np.uint8)
    mask[:3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    outputs = []
    for prompt, known in (("half.png", "mask.png"), ("-", "mask.png"), ("half.png", "-")):
        given = (tmp_path / ("half.png" if prompt == "-" else "mask.png")).read_bytes()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        done = seqgen_command(
            "stream", binary_checkpoint, "--prompt", prompt, "--mask", known, "-o", "a.npz", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        outputs.append((tmp_path / "a.npz").read_bytes())
    assert outputs[1:] == outputs[:1] * 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 1, "give --condition: 0 (cat), 1 (dog), 2 (ant), or each"),
        (["--condition", "bird"], 2, "no class 'bird'; there are 0 (cat)"),
        (["--condition", "3"], 2, "no class '3'"),
        (["--condition", "0", "--prompt", "no.png", "--keep-rows", "2"], 1, "cannot read no.png"),
        (["--condition", "0", "--prompt", "no.png"], 2, "--keep-rows or --mask"),
        (["--condition", "0", "--keep-rows", "2"], 2, "need --prompt"),
        (["--condition", "0", "--allowed", "black"], 2, "0,3,15"),
        (["--condition", "0", "--allowed", "9"], 2, "between 0 and 3"),
        (["--condition", "0", "--stop", "a"], 1, "control stop cannot act"),
        (["--condition", "0", "-o", "x.wav"], 1, ".y4m"),
        (["--condition", "0", "-o", "x.png", "--fps", "3"], 2, "--fps is not for .png but for .y4m"),
        (["--condition", "0", "--scale", "3"], 2, "--scale is not for .pnm"),
        (["--condition", "0", "-o", "x{number}.png"], 2, "is not a valid pattern"),
        (["--condition", "0", "-o", "no/x{index}.png"], 1, "create it first"),
    ],
)
def test_bad_usage_is_one_line(seqgen_command, checkpoint, tmp_path, arguments, code, words):
    done = seqgen_command("stream", checkpoint, *arguments, cwd=tmp_path)
    assert words in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_image_options_are_for_image_models(seqgen_command):
    for option, words in (
        (("--keep-rows", 3), "image models"), (("--scale", 2), "image models"), (("--condition", 1), "condition"),
    ):  # fmt: skip
        done = seqgen_command("stream", "weather", *option)
        assert done.returncode == 1
        assert words in done.stderr


def test_streaming_images_imports_neither_torch_nor_pillow(binary_checkpoint):
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        f"main(['stream', {str(binary_checkpoint)!r}, '-q'], standalone_mode=False)\n"
        "heavy = {'torch', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} was imported' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_head_ends_an_endless_video_quietly(binary_checkpoint):
    command = f"{sys.executable} -m seqgen stream {binary_checkpoint} --format y4m -q | head -c 5000"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stdout) == 5000
    assert done.stdout.startswith(b"YUV4MPEG2 W225 H270 F25:1")
    assert done.stderr == b""


def test_interrupt_leaves_a_whole_page(binary_checkpoint, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "stream", str(binary_checkpoint), "-n", "9999999", "-o", "d{index}.png"],
        stderr=subprocess.PIPE, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "d2.png").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert b"Traceback" not in errors
    count = len(list(tmp_path.glob("*.png")))
    assert {path.name for path in tmp_path.iterdir()} == {f"d{k}.png" for k in range(count)}
    assert read_images(tmp_path).images.shape == (count, 1, 6, 5)


def test_a_terminal_shows_blocks(binary_checkpoint, binary):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "stream", str(binary_checkpoint), "-q"],
        stdout=theirs,
        env=environment,
    )
    os.close(theirs)
    assert process.wait(timeout=60) == 0
    text = os.read(ours, 10000).decode()
    os.close(ours)
    image = binary.sample(1)[0, 0]
    lines = [
        "".join(
            " ▀▄█"[upper + 2 * lower] for upper, lower in zip(image[row], image[row + 1], strict=True)
        ).rstrip()
        for row in (0, 2, 4)
    ]
    assert [line.split("\r")[-1] for line in text.replace("\r\n", "\n").split("\n")] == [*lines, ""]


@pytest.fixture
def pictures(tmp_path) -> Path:
    generator = np.random.default_rng(4)
    for number in range(60):
        folder = tmp_path / "pictures" / CLASSES[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        image = generator.integers(0, 128, (6, 5), np.uint8) + np.uint8(40 * (number % 3))
        Image.fromarray(image).save(folder / f"{number}.png")
    return tmp_path / "pictures"


SMALL = [
    "--preset",
    "tiny",
    *(w for s in ("channels=4", "layers=2", "steps=6", "batch=4") for w in ("--set", s)),
]


def test_train_then_stream_then_eval(seqgen_command, seqgen_bytes, pictures, tmp_path):
    done = seqgen_command(
        "train", "pixel-cnn", "pictures", "-o", "m.safetensors", *SMALL, "--set", "levels=4",
        "--set", "conditional=yes", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "bits/dim" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.png", "m.safetensors", "pictures"]
    # in float32, whose kernels are compiled already
    streamed = seqgen_bytes("stream", tmp_path / "m.safetensors", "--condition", 2, "--precision", "float32")
    assert len(streamed.stdout) == 11 + 30
    scored = seqgen_command("eval", "m.safetensors", "pictures", "--json", cwd=tmp_path)
    result = json.loads(scored.stdout)
    assert (result["images"], result["dimensions"], result["part"], result["conditional"]) == (
        6,
        30,
        "test",
        True,
    )
    assert result["score_unit"] == "bits/dim"
    assert f"held out {result['score']:.4g} bits/dim" in done.stderr
    everything = json.loads(
        seqgen_command("eval", "m.safetensors", "pictures", "--json", "--part", "all", cwd=tmp_path).stdout
    )
    assert everything["images"] == 60
    assert "conditional     yes" in seqgen_command("eval", "m.safetensors", "pictures", cwd=tmp_path).stdout


def test_scores_are_those_of_the_model(seqgen_command, binary_checkpoint, binary, tmp_path):
    images = (np.arange(7 * 30).reshape(7, 6, 5) % 2 * 255).astype(np.uint8)
    np.save(tmp_path / "a.npy", images)
    scored = seqgen_command("eval", binary_checkpoint, "a.npy", "--part", "all", "--json", cwd=tmp_path)
    result = json.loads(scored.stdout)
    nats = -float(binary.log_prob(images // 255).mean())
    assert result["score_unit"] == "nats/image"
    np.testing.assert_allclose(result["score"], nats)
    np.testing.assert_allclose(result["bits_per_dim"], nats / 30 / np.log(2))


@pytest.mark.parametrize(
    ("shape", "words"),
    [((9, 5, 5), "those of the model (1, 6, 5)"), ((9, 6, 5), "no labels"), ((2, 6, 5), "at least 3 images")],
)
def test_data_that_do_not_fit_are_refused(seqgen_command, checkpoint, tmp_path, shape, words):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    done = seqgen_command("eval", checkpoint, "a.npy", cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_training_resumes(seqgen_command, pictures, tmp_path):
    whole = seqgen_command("train", "pixel-cnn", "pictures", "-o", "a.safetensors", *SMALL, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    code = (
        "import signal\nfrom pathlib import Path\nimport seqgen.training.loop as loop\n"
        "saved = loop._save\n"
        "def save(*arguments):\n    saved(*arguments)\n    raise KeyboardInterrupt\n"
        "loop._save = save\nfrom pipelines.cli import run\n"
        f"run(['train', 'pixel-cnn', 'pictures', '-o', 'b.safetensors', *{SMALL!r}, '--set', 'save_every=3'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 130
    assert "--resume continues" in done.stderr
    assert not (tmp_path / "b.safetensors").exists()
    done = seqgen_command(
        "train", "pixel-cnn", "pictures", "-o", "b.safetensors", *SMALL, "--set", "save_every=3", "--resume",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (find(tmp_path / f"{name}.safetensors") for name in "ab")
    assert first.hash == second.hash


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "has no images"),
        (lambda folder: (folder / "a.png").write_bytes(b"\x89PNG"), "not a complete image file"),
        (lambda folder: [_png(folder / f"{k}.png", (3, 3 + k)) for k in range(3)], "1.png is 4 wide"),
        (lambda folder: [_png(folder / f"{k}.png", (3, 3)) for k in range(5)], "batch=4"),
    ],
    ids=["empty", "broken", "sizes", "few"],
)
def test_bad_training_images_are_refused(seqgen_command, tmp_path, make, words):
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    done = seqgen_command("train", "pixel-cnn", "data", "-o", "m.safetensors", *SMALL, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def _png(path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(np.zeros(shape, np.uint8)).save(path)
