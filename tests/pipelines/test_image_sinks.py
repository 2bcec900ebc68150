"""Video, portable graymaps, archives and JSON of images: the output is what was streamed."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from pipelines import open_sink
from seqgen.codecs import Pixels
from seqgen.data.images import read_images
from seqgen.errors import SeqgenError
from tests.pipelines.image_chunks import BINARY, COLOUR, GREY, as_chunks, random_images, write_until


def write(path, codec, chunks, kind=None, **options):
    with open_sink(path, codec, kind=kind, options=options) as sink:
        for chunk in chunks:
            sink.write(chunk)


def frames_of(data: bytes, planes: int, rows: int, columns: int) -> tuple[str, np.ndarray]:
    header, _, rest = data.partition(b"\n")
    size = planes * rows * columns
    assert len(rest) % (6 + size) == 0
    frames = np.frombuffer(rest, np.uint8).reshape(-1, 6 + size)
    assert all(bytes(frame[:6]) == b"FRAME\n" for frame in frames)
    return header.decode(), frames[:, 6:].reshape(-1, planes, rows, columns)


@pytest.mark.parametrize(("batch", "chunk"), [(1, 1), (1, 5), (3, 2)])
def test_video_has_a_frame_for_every_row(tmp_path, batch, chunk):
    images = random_images(GREY, 4)
    write(tmp_path / "a.y4m", GREY, as_chunks(images, batch=batch, chunk=chunk), scale=2, fps=10)
    header, frames = frames_of((tmp_path / "a.y4m").read_bytes(), 1, 10, 8)
    assert header == "YUV4MPEG2 W8 H10 F10:1 Ip A1:1 Cmono XCOLORRANGE=FULL"
    assert len(frames) == 4 * 5
    for number, image in enumerate(images):
        for row in range(5):
            frame = frames[5 * number + row, 0, ::2, ::2]
            np.testing.assert_array_equal(frame[: row + 1], image[0, : row + 1] * 85)
            assert (frame[row + 1 :] == 48).all()


def test_video_of_images_in_colour(tmp_path):
    images = random_images(COLOUR, 3)
    write(tmp_path / "a.y4m", COLOUR, as_chunks(images, batch=2), frames="images", scale=1)
    header, frames = frames_of((tmp_path / "a.y4m").read_bytes(), 3, 5, 4)
    assert "C444" in header
    assert len(frames) == 3
    y, cb, cr = frames.astype(float).transpose(1, 0, 2, 3)
    back = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)], 1
    )
    assert np.abs(np.clip(back, 0, 255) - images).max() < 2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("codec", [BINARY, COLOUR], ids=["grey", "colour"])
def test_ffmpeg_reads_the_video(tmp_path, codec):
    images = random_images(codec, 3)
    write(tmp_path / "a.y4m", codec, as_chunks(images), frames="images", scale=4)
    pixels = "gray" if codec is BINARY else "rgb24"
    # neighbour scaling of whole squares preserves the levels
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "a.y4m", "-f", "rawvideo", "-pix_fmt", pixels, "-"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    shape = (3, 20, 16) if codec is BINARY else (3, 20, 16, 3)
    decoded = np.frombuffer(done.stdout, np.uint8).reshape(shape)[:, ::4, ::4].astype(int)
    wanted = codec.to_grey(images).astype(int)
    wanted = wanted[:, 0] if codec is BINARY else wanted.transpose(0, 2, 3, 1)
    assert np.abs(decoded - wanted).max() <= (0 if codec is BINARY else 3)


@pytest.mark.parametrize("batch", [1, 3])
def test_portable_maps_stand_one_after_another(tmp_path, batch):
    images = random_images(GREY, 4)
    write(tmp_path / "a.pgm", GREY, as_chunks(images, batch=batch))
    parts = [b"P5\n4 5\n255\n" + (image[0] * 85).tobytes() for image in images]
    assert (tmp_path / "a.pgm").read_bytes() == b"".join(parts)
    images = random_images(COLOUR, 1)
    write(tmp_path / "a.pnm", COLOUR, as_chunks(images))
    np.testing.assert_array_equal(read_images(tmp_path / "a.pnm").images, images)
    with pytest.raises(SeqgenError, match=r"a\.ppm cannot hold images of 1 colours; name it \.pgm"):
        open_sink(tmp_path / "a.ppm", GREY)


@pytest.mark.parametrize("batch", [1, 3])
def test_archives_are_read_back_as_images(tmp_path, batch):
    images = random_images(GREY, 4)
    write(tmp_path / "a.npz", GREY, as_chunks(images, batch=batch, start=7, log_probs=True))
    with np.load(tmp_path / "a.npz") as archive:
        np.testing.assert_array_equal(archive["data"], images)
        np.testing.assert_array_equal(archive["log_prob"], -0.5 * images)
        assert archive["index"].tolist() == [7, 8, 9, 10]
        assert archive["length"].tolist() == [5, 5, 5, 5]
    np.testing.assert_array_equal(read_images(tmp_path / "a.npz").images, images * 85)


def test_json_lines_hold_levels_and_log_probabilities(tmp_path):
    images = random_images(GREY, 3)
    chunks = [
        chunk._replace(
            extra={**chunk.extra, "log_prob": np.where(chunk.extra["log_prob"] < -1, -np.inf, 0.0)}
        )
        for chunk in as_chunks(images, batch=2, log_probs=True)
    ]
    write(tmp_path / "a.jsonl", GREY, chunks)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["data"] for line in lines] == images.tolist()
    assert [line["reason"] for line in lines] == ["end"] * 3
    wanted = [
        [[None if level > 2 else 0.0 for level in row] for row in image] for image in images[:, 0].tolist()
    ]
    assert [[row[0] for row in line["log_prob"]] for line in lines] == wanted


@pytest.mark.parametrize("suffix", [".y4m", ".npz", ".pgm", ".jsonl", ".txt"])
def test_an_interrupt_leaves_a_valid_file(tmp_path, suffix):
    path, images = tmp_path / f"a{suffix}", random_images(GREY, 4)
    sink = open_sink(path, GREY, options={"scale": 1})
    with pytest.raises(KeyboardInterrupt):
        write_until(sink, as_chunks(images, batch=2), KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == [path]
    if suffix == ".y4m":
        assert len(frames_of(path.read_bytes(), 1, 5, 4)[1]) == 5 + 5 + 4 + 2
    elif suffix == ".npz":
        with np.load(path) as archive:
            assert archive["length"].tolist() == [5, 5, 4, 2]
            np.testing.assert_array_equal(archive["data"][3, :, :2], images[3, :, :2])
        with pytest.raises(SeqgenError, match="not finished"):
            read_images(path)
    elif suffix == ".pgm":
        assert len(path.read_bytes()) == 2 * (11 + 20)
    elif suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["reason"] for line in lines] == ["end", "end", "interrupted", "interrupted"]
        assert lines[3]["data"] == images[3, :, :2].tolist()


@pytest.mark.parametrize("suffix", [".y4m", ".npz", ".pgm", ".png", ".txt"])
def test_an_error_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="broken"):
        write_until(open_sink(path, GREY), as_chunks(random_images(GREY, 4)), RuntimeError("broken"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_bad_options_are_named(tmp_path):
    for options, words in (({"fps": 0}, "fps"), ({"scale": -1}, "scale"), ({"frames": "all"}, "frames")):
        with pytest.raises(ValueError, match=words):
            open_sink(tmp_path / "a.y4m", GREY, options=options)
    with pytest.raises(SeqgenError, match="2 colours cannot be written as pictures"):
        open_sink(tmp_path / "a.y4m", Pixels((2, 5, 4)))
