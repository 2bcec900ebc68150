"""Readers of text: line ends, folders, the held-out part, and sequences."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from seqgen.data.text import read_text, split_sequences, split_text
from seqgen.errors import SeqgenError, SeqgenWarning
from seqgen.evaluation.sequences import read_held_out
from seqgen.registry import recipe

VERSE = "".join(f"the {k} line of a verse\n" + "\n" * (k % 3 == 2) for k in range(60))

# ---- reading ------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name, text in (("b.txt", "second"), ("a.txt", "first")):
        (tmp_path / name).write_text(text)
    assert read_text(tmp_path) == "first\n\nsecond"
    assert split_sequences(read_text(tmp_path), "paragraphs") == ["first", "second"]


def test_a_folder_is_read_by_the_rule_for_folders(tmp_path):
    data = tmp_path / "data"
    for name in ("a.txt", "b.TXT", ".trash/c.txt", "__MACOSX/._a.txt", "._b.txt", "d.md"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(f"{name}\n")
    (data / "e.txt").write_text(" \n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "f.txt").write_text("f.txt\n")
    (data / "more").symlink_to(tmp_path / "more")
    with pytest.warns(
        SeqgenWarning,
        match=r"data: 3 files read; 2 left out, hidden: \._b\.txt, \.trash/; "
        r"1 left out, made by the system: __MACOSX/; 1 left out, of other kinds: d\.md; 1 left out, empty: e\.txt$",
    ):
        assert read_text(data) == "a.txt\n\nb.TXT\n\nf.txt\n"


def test_a_byte_order_mark_is_not_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(tmp_path / "a.txt") == "abc"


def test_line_ends_of_all_systems_become_those_of_unix(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n\r\nfour\x0c\xc2\x85\xe2\x80\xa8")
    assert read_text(tmp_path / "a.txt") == "one\ntwo\nthree\n\nfour\x0c\x85\u2028"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b" \n\t", "is empty"), (b"abc\xff\xfe", r"not UTF-8 text: byte 0xff at position 3")],
    ids=["empty", "blank", "binary"],
)
def test_what_is_no_text_is_refused(content, message, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(SeqgenError, match=message):
        read_text(tmp_path / "a.txt")


def test_missing_files_and_empty_folders_are_named(tmp_path):
    with pytest.raises(SeqgenError, match=r"cannot read .*none\.txt"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(SeqgenError, match=r"no \.txt files"):
        read_text(tmp_path)
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(SeqgenError, match=r"all 1 \.txt files of .* are empty"):
        read_text(tmp_path)


def test_standard_input_is_read(monkeypatch):
    given = io.BytesIO("naïve\r\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given))
    assert read_text("-") == "naïve\n"
    with pytest.raises(SeqgenError, match="standard input is empty; it can be read only once"):
        read_text("-")


def test_a_name_that_is_not_utf_8(tmp_path):
    path = Path(tmp_path, os.fsdecode(b"caf\xe9.txt"))
    path.write_text("text")
    assert read_text(path) == "text"
    path.write_text("")
    with pytest.raises(SeqgenError, match=r"caf\udce9\.txt is empty"):
        read_text(path)


# ---- sequences ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize(
    "blank", ["", " ", "\t ", "\u00a0", "\x0c"], ids=["empty", "space", "tab", "nbsp", "page"]
)
def test_paragraphs_are_separated_by_blank_lines(end, blank):
    text = end.join([blank, "a", " b", blank, blank, "c ", "d", blank])
    assert split_sequences(text, "paragraphs") == ["a\n b", "c \nd"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_lines_end_only_at_line_ends(end):
    lines = ["a\u2028b", "c\x85d", "e\x0cf\x0bg", "h\x1ci\x1dj\x1ek", "l\u2029m"]
    assert split_sequences(end.join([*lines, "", " ", ""]), "lines") == lines


def test_a_whole_text_is_one_sequence():
    assert split_sequences(VERSE, "whole") == [VERSE]
    with pytest.raises(
        ValueError, match="sequences must be one of 'whole', 'lines', 'paragraphs', got 'words'"
    ):
        split_sequences(VERSE, "words")


# ---- the held-out part --------------------------------------------------------------------------------


def test_a_text_without_white_space_is_cut_at_the_character():
    assert split_text("0123456789", 0.2) == ("01234567", "89")
    assert split_text("ab", 0.1) == ("a", "b")


@pytest.mark.parametrize("held_out", [0.03, 0.1, 0.17, 0.5, 0.9])
@pytest.mark.parametrize("how", ["whole", "lines", "paragraphs"])
def test_no_line_or_paragraph_is_in_both_parts(how, held_out):
    before, after = split_text(VERSE, held_out, how)
    assert before + after == VERSE
    for kind in ("lines", "paragraphs") if how == "paragraphs" else ("lines",):
        parts = [split_sequences(part, kind) for part in (before, after)]
        assert parts[0] + parts[1] == split_sequences(VERSE, kind)
        assert all(parts)
    longest = max(map(len, split_sequences(VERSE, "paragraphs")))
    assert abs(len(after) - held_out * len(VERSE)) <= longest + 2  # the line ends around it


def test_all_of_a_text_can_be_held_out():
    for how in ("whole", "lines", "paragraphs"):
        assert split_text(f" \n{VERSE}", 1.0, how) == ("", f" \n{VERSE}")


def test_a_text_of_long_lines_is_cut_between_words():
    text = " ".join(f"word{k}" for k in range(1000))
    for how in ("whole", "lines", "paragraphs"):
        before, after = split_text(text, 0.1, how)
        assert (before + after, before[-1], after[:4]) == (text, " ", "word")
        assert len(after) == pytest.approx(len(text) / 10, abs=10)
    # a whole text may be cut in a long line, sequences are not
    two = f"{text}\n{text}\n"
    assert len(split_text(two, 0.1)[1]) == pytest.approx(len(two) / 10, abs=10)
    assert split_text(two, 0.1, "lines") == (f"{text}\n", f"{text}\n")


def test_a_short_last_line_is_not_all_that_is_held_out():
    text = "\n".join(["0123456789" * 9] * 20 + ["x"])
    assert len(split_text(text, 0.1, "lines")[1]) == 91 + 1


def test_both_parts_have_text():
    for text in ("a\n\n\n\n\n\n\n\n\n\nb", "\n\n\n\n\n\n\na b", "a b\n\n\n\n\n\n\n\n"):
        for how in ("whole", "lines", "paragraphs"):
            before, after = split_text(text, 0.1, how)
            assert before + after == text
            assert before.strip() or how != "whole"


def test_a_chain_of_words_learns_no_parts_of_words(tmp_path):
    words = ["alpha", "bravo", "charlie", "delta", "echo"]
    path = tmp_path / "a.txt"
    path.write_bytes("\r\n".join(" ".join(words[k % 3 :]) for k in range(101)).encode())
    for how in ("whole", "lines"):
        chain, card, _ = recipe("markov").train(
            path, tmp_path / "a.safetensors", settings={"unit": "words", "sequences": how, "order": 1}
        )
        assert set(chain.codec.vocabulary) == set(words)
        assert card["unknown"] == 0
        # evaluation scores exactly what training held out
        held_out = read_held_out(chain.codec, card, path, 0.1, None)
        assert held_out == split_sequences(split_text(read_text(path), 0.1, how)[1], how)
        assert sum(map(len, held_out)) < len(read_text(path)) / 5
