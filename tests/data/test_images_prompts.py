"""Prompts for completion: the known pixels of an image, from arrays and from files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from seqgen.codecs import Pixels
from seqgen.data.images import keep_known, read_prompt
from seqgen.errors import SeqgenError

GREY = Pixels((1, 3, 2), levels=4)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 80], [90, 200], [255, 120]], np.uint8)).save(path)
    return path


def test_rows_and_masks():
    image = [[0, 1], [2, 3], [3, 2]]
    assert keep_known(image, GREY, keep_rows=1).tolist() == [[[0, 1], [-1, -1], [-1, -1]]]
    assert keep_known(image, GREY, keep_rows=0).max() == -1
    mask = np.array([[1, 0], [0, 0], [1, 1]])
    assert keep_known(image, GREY, mask=mask).tolist() == [[[0, -1], [-1, -1], [3, 2]]]
    assert keep_known(image, GREY, mask=mask, keep_rows=2).tolist() == [[[0, -1], [-1, -1], [-1, -1]]]


def test_files_become_the_nearest_levels(picture, tmp_path):
    prompt = read_prompt(picture, GREY, keep_rows=2)
    assert prompt.tolist() == [[[0, 1], [1, 2], [-1, -1]]]
    assert GREY.encode_prompt(prompt).tolist() == prompt.tolist()
    mask = tmp_path / "mask.png"
    Image.fromarray(np.array([[255, 0], [128, 127], [0, 255]], np.uint8)).save(mask)
    assert read_prompt(picture, GREY, mask=mask).tolist() == [[[0, -1], [1, -1], [-1, 1]]]
    assert read_prompt(picture, Pixels((3, 3, 2), 2), keep_rows=3)[:, 1].tolist() == [[0, 1]] * 3


def test_bad_prompts_are_named(picture):
    with pytest.raises(
        SeqgenError, match=r"a\.png is 2 wide and 3 high, the model's images are 5 wide and 4 high"
    ):
        read_prompt(picture, Pixels((1, 4, 5)), keep_rows=2)
    with pytest.raises(ValueError, match="keep_rows must be between 0 and 3"):
        read_prompt(picture, GREY, keep_rows=4)
    with pytest.raises(ValueError, match="keep_rows or mask must be given"):
        read_prompt(picture, GREY)
    with pytest.raises(ValueError, match=r"mask must have the shape \(3, 2\)"):
        keep_known([[0, 1], [2, 3], [3, 2]], GREY, mask=np.ones((2, 3)))
    with pytest.raises(SeqgenError, match="2 colours cannot be read"):
        read_prompt(picture, Pixels((2, 3, 2)), keep_rows=1)
