"""Images as text: exact lines for small images, and the output of a terminal when lines are overwritten."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pipelines.blocks import Painter, terminal_style
from pipelines.sinks.blocks import BlocksSink
from seqgen.codecs import Pixels
from tests.pipelines.image_chunks import BINARY, as_chunks, random_images, write_until

SMALL = Pixels((1, 3, 4), 2)
IMAGE = np.array([[[[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]]], np.uint8)


class Terminal(io.StringIO):
    """A terminal that supports text, line feeds and carriage returns."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown)
        return "\n".join(lines)


def drawn(monkeypatch, images, codec, *, file, batch=1, chunk=1, until=None, **options):
    monkeypatch.setattr("sys.stdout", file)
    with BlocksSink("-", codec, **options) as sink:
        for count, one in enumerate(as_chunks(images, batch=batch, chunk=chunk)):
            if count == until:
                break
            sink.write(one)
    return file.getvalue()


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_a_file_gets_whole_lines(tmp_path, chunk):
    with BlocksSink(tmp_path / "a.txt", SMALL) as sink:
        for one in as_chunks(np.concatenate([IMAGE, 1 - IMAGE]), chunk=chunk, batch=2):
            sink.write(one)
    assert (tmp_path / "a.txt").read_text() == "█▀▄\n ▀ ▀\n\n ▄▀█\n▀ ▀\n"


def test_a_terminal_sees_each_row_at_once(monkeypatch):
    states = [
        drawn(monkeypatch, IMAGE, SMALL, file=Terminal(), style="plain", until=rows) for rows in (1, 2, 3)
    ]
    # leaving the sink finishes the line, so the texts end in a line feed
    assert states == ["▀▀\n", "▀▀\r█▀▄\n", "▀▀\r█▀▄\n ▀ ▀\n"]


def test_only_the_current_line_is_drawn_over(monkeypatch):
    images = random_images(BINARY, 3)
    file = Terminal()
    text = drawn(monkeypatch, images, BINARY, file=file, style="plain")
    assert "\033" not in text
    # at most once for each line of two rows, and always back to its beginning
    assert 0 < text.count("\r") <= 3 * 2
    plain = drawn(monkeypatch, images, BINARY, file=io.StringIO(), style="plain")
    assert file.screen() == plain


def _side_by_side(images, columns):
    painter = Painter("plain")
    text = ""
    for first in range(0, len(images), columns):
        group = images[first : first + columns, :, :] * 255
        text += "\n" if first else ""
        for row in range(0, 5, 2):
            lower = [image[:, row + 1] if row + 1 < 5 else None for image in group]
            lines = [painter.line(image[:, row], below) for image, below in zip(group, lower, strict=True)]
            text += "  ".join(lines).rstrip() + "\n"
    return text


@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize(("batch", "columns", "fits"), [(3, 100, 3), (3, 10, 2), (3, 5, 1), (1, 100, 1)])
def test_images_stand_side_by_side_where_they_fit(monkeypatch, chunk, batch, columns, fits):
    images = random_images(BINARY, 5)
    file = Terminal()
    drawn(
        monkeypatch, images, BINARY, file=file, batch=batch, chunk=chunk, style="plain", side_by_side=batch,
        count=5, columns=columns,
    )  # fmt: skip
    lines = [line.rstrip() for line in file.screen().split("\n")]
    assert "\n".join(lines) == _side_by_side(images, fits)


def test_an_interrupt_shows_what_was_drawn(monkeypatch):
    images = random_images(BINARY, 4)
    file = Terminal()
    monkeypatch.setattr("sys.stdout", file)
    sink = BlocksSink("-", BINARY, style="plain", side_by_side=2, count=4, columns=100)
    with pytest.raises(KeyboardInterrupt):
        write_until(sink, as_chunks(images, batch=2, chunk=1), KeyboardInterrupt())
    whole = _side_by_side(images, 2).splitlines()
    seen = [line.rstrip() for line in file.screen().split("\n")]
    assert seen[:5] == whole[:5]
    assert len(seen) == 7
    assert seen[6] == ""


def test_colours_are_the_pixels_own():
    rgb = np.array([[[10, 0]], [[20, 0]], [[30, 0]]], np.uint8)
    line = Painter("colour").line(rgb[:, 0], rgb[:, 0, ::-1])
    assert line == "\033[0;38;2;10;20;30;48;2;0;0;0m▀\033[0;38;2;0;0;0;48;2;10;20;30m▀\033[0m"
    grey = np.array([[255, 255]], np.uint8)
    assert Painter("colour").line(grey) == "\033[0;38;2;255;255;255m▀▀\033[0m"
    assert Painter("256").line(grey, grey) == "\033[0;38;5;231;48;5;231m▀▀\033[0m"
    known = np.array([[False, True], [True, False]])
    assert Painter("256").line(grey, grey, known) == "\033[0;38;5;231m▄▀\033[0m"


def test_256_colours_are_near():
    levels = [0, 95, 135, 175, 215, 255]
    cube = [(r, g, b) for r in levels for g in levels for b in levels]
    palette = [(0, 0, 0)] * 16 + cube + [(8 + 10 * k,) * 3 for k in range(24)]
    generator = np.random.default_rng(0)
    for pixel in [*generator.integers(0, 256, (200, 3)), *[[g] * 3 for g in range(256)]]:
        text = Painter("256").line(np.array(pixel, np.uint8)[:, None])
        chosen = palette[int(text.split(";")[3].split("m")[0])]
        assert np.abs(np.array(chosen) - pixel).max() <= 48
        if len(set(map(int, pixel))) == 1:
            assert np.abs(np.array(chosen) - pixel).max() <= 9


def test_shades_and_letters():
    row = np.array([[0, 60, 110, 160, 255]], np.uint8)
    assert Painter("shades").line(row) == "  ░░▒▒▓▓██"
    assert Painter("ascii").line(row) == "  ::==**@@"
    assert Painter("ascii").line(row).isascii()


@pytest.mark.parametrize(
    ("levels", "encoding", "environment", "style"),
    [
        (2, "utf-8", {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "colour"),
        (2, "utf-8", {"TERM": "xterm-256color"}, "256"),
        (2, "UTF8", {"TERM": "xterm-direct"}, "colour"),
        (2, "utf-8", {"TERM": "xterm-256color", "NO_COLOR": "1"}, "plain"),
        (16, "utf-8", {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "shades"),
        (2, "utf-8", {"TERM": "dumb", "COLORTERM": "truecolor"}, "plain"),
        (16, "utf-8", {}, "shades"),
        (2, "ascii", {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "ascii"),
        (2, "latin-1", {"TERM": "xterm"}, "ascii"),
    ],
)
def test_the_terminal_decides(levels, encoding, environment, style):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert terminal_style(levels, file, environment) == style
