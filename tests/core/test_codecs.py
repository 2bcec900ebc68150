"""Codecs: round trips, and decoding that does not depend on where a sample is cut."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import codecs
from seqgen.codecs import (
    Bytes,
    Characters,
    Codec,
    Integers,
    MuLaw,
    Pixels,
    Strokes,
    Symbols,
    Tokens,
    Vectors,
    Words,
    codec_from_config,
)
from seqgen.codecs.base import CODECS
from seqgen.errors import SeqgenError

TEXT = "né→\U0001f642\u0000 e\u0301\U0001f469\u200d\U0001f680\n"

CASES: list[tuple[Codec, object]] = [
    (Characters("".join(dict.fromkeys(TEXT))), TEXT),
    (Bytes(), TEXT),
    (Symbols(["sun", 7, 2.5, True]), [7, "sun", 2.5, True, "sun"]),
    (Words(["to", "be", "or"]), "to be or be"),
    (Vectors(), np.array([1.5, -2.0, 0.0])),
    (Vectors(2, "float32"), np.arange(6, dtype=np.float32).reshape(3, 2)),
]
every_codec = pytest.mark.parametrize(("codec", "data"), CASES, ids=[codec.name for codec, _ in CASES])


def pieces(codec: Codec, symbols: np.ndarray, cuts: list[int], *, through_json: bool = False) -> list:
    """Decode a sample cut at `cuts`; with `through_json` every chunk comes from a fresh, restored decoder."""
    edges = [0, *cuts, len(symbols)]
    decoder, parts = codec.decoder(), []
    for begin, end in itertools.pairwise(edges):
        parts.append(decoder(symbols[begin:end], end == len(symbols)))
        if through_json:
            state = json.loads(json.dumps(decoder.state()))
            decoder = codec.decoder()
            decoder.restore(state)
    return parts


def plain(data: object) -> object:
    return data.tolist() if isinstance(data, np.ndarray) else data


@every_codec
def test_data_survive_a_round_trip(codec, data):
    symbols = codec.encode(data)
    assert plain(codec.decode(symbols)) == plain(data)
    if codec.size:
        assert symbols.dtype == np.int64
        assert symbols.max() < codec.size


@every_codec
def test_configuration_makes_an_equal_codec(codec, data):
    twin = codec_from_config(json.loads(json.dumps(codec.config())))
    assert type(twin) is type(codec)
    assert twin.config() == codec.config()
    np.testing.assert_array_equal(twin.encode(data), codec.encode(data))


@pytest.mark.parametrize("through_json", [False, True], ids=["one decoder", "resumed decoders"])
@every_codec
def test_chunks_join_to_the_whole_wherever_a_sample_is_cut(codec, data, through_json):
    symbols = codec.encode(data)
    for first in range(len(symbols)):
        for second in range(first, len(symbols)):
            parts = pieces(codec, symbols, [first, second], through_json=through_json)
            assert plain(codec.join(parts)) == plain(data)


def test_a_character_split_between_two_chunks_comes_with_the_second():
    codec = Bytes()
    symbols = codec.encode("a\U0001f642b")
    for cut in (2, 3, 4):
        assert pieces(codec, symbols, [cut]) == ["a", "\U0001f642b"]


@given(raw=st.binary(max_size=24), cuts=st.lists(st.integers(0, 24), max_size=5), through_json=st.booleans())
def test_bytes_that_are_no_utf8_decode_the_same_however_they_are_cut(raw, cuts, through_json):
    codec = Bytes()
    symbols = codec.encode(raw)
    inside = sorted(min(cut, len(raw)) for cut in cuts)
    assert "".join(pieces(codec, symbols, inside, through_json=through_json)) == raw.decode(
        "utf-8", "replace"
    )


def test_a_sample_that_ends_inside_a_character_shows_it():
    codec = Bytes()
    assert pieces(codec, codec.encode("aé")[:-1], [1]) == ["a", "\ufffd"]


@given(text=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_any_text_survives_characters_and_bytes(text):
    for codec in (Characters(sorted(set(text))), Bytes()):
        assert codec.decode(codec.encode(text)) == text


def test_words_are_joined_by_single_spaces():
    codec = Words(["to", "be", "or", "not"])
    symbols = codec.encode("  to be\n or   not to ")
    assert codec.decode(symbols) == "to be or not to"
    assert pieces(codec, symbols, [1, 3]) == ["to", " be or", " not to"]
    assert pieces(codec, symbols, [5]) == ["to be or not to", ""]


def test_symbols_may_be_tuples():
    codec = Symbols([(0, 1), (2, 3)])
    assert codec.decode(codec.encode([(2, 3), (0, 1)])) == [(2, 3), (0, 1)]
    with pytest.raises(SeqgenError, match=r"cannot save the symbol \(0, 1\)"):
        codec.config()


@pytest.mark.parametrize("data", ["xyz!", np.array([9]), np.array([-1])], ids=["character", "high", "low"])
def test_unknown_symbols_raise_and_say_what_is_known(data):
    with pytest.raises(ValueError, match=r"'!'.*knows 'xyz'|between 0 and 2"):
        Characters("xyz").encode(data)


@pytest.mark.parametrize("data", [np.array([0.5]), np.zeros((2, 2), int), 3, None], ids=str)
def test_what_is_no_sequence_of_symbols_raises(data):
    with pytest.raises(TypeError, match="1-d integer array"):
        Characters("xyz").encode(data)


def test_unknown_words_raise_and_list_some():
    with pytest.raises(ValueError, match=r"does not know the symbol 'maybe'.*'to'"):
        Words(["to", "be"]).encode("to maybe")


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [("", "at least one"), ("aba", "'a' twice"), (["a", "bc"], "'bc'"), (["a", 3], "3")],
    ids=["empty", "repeated", "long", "number"],
)
def test_vocabularies_of_characters_are_checked(vocabulary, message):
    with pytest.raises(ValueError, match=message):
        Characters(vocabulary)


def test_text_that_has_no_utf8_raises_valueerror():
    with pytest.raises(ValueError, match="surrogate"):
        Bytes().encode("a\ud800")


@pytest.mark.parametrize(("codec", "shape"), [(Vectors(), (2, 1)), (Vectors(3), (4, 2)), (Vectors(3), (3,))])
def test_vectors_of_the_wrong_shape_raise(codec, shape):
    with pytest.raises(ValueError, match="must have the shape"):
        codec.encode(np.zeros(shape))


@pytest.mark.parametrize(
    ("codec", "data", "count"),
    [
        (Characters("abc"), "abc", 1),
        (Characters("abc"), ["abc", "a"], 2),
        (Characters("abc"), np.zeros((4, 3), int), 4),
        (Bytes(), [b"ab", "c"], 2),
        (Vectors(), np.zeros(5), 1),
        (Vectors(), np.zeros((2, 5)), 2),
        (Vectors(2), np.zeros((5, 2)), 1),
        (Vectors(2), np.zeros((3, 5, 2)), 3),
        (Vectors(2), [np.zeros((5, 2)), np.zeros((4, 2))], 2),
        (Words(["a", "b"]), ["a b", "b"], 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_batch_is_one_item_or_a_list(codec, data, count):
    assert len(codec.encode_batch(data)) == count


def test_an_unknown_codec_in_a_configuration_is_named():
    with pytest.raises(SeqgenError, match="unknown codec 'morse'"):
        codec_from_config({"name": "morse"})


# ---- properties of a codec ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "medium", "suffix"),
    [
        (Characters("ab"), "text", ".txt"),
        (Bytes(), "text", ".txt"),
        (Words(["a"]), "text", ".txt"),
        (Tokens(["a"]), "text", ".txt"),
        (Symbols([1, "a"]), "symbols", ".txt"),
        (Integers(3), "numbers", ".txt"),
        (Vectors(2), "numbers", ".txt"),
        (Strokes(), "strokes", ".txt"),
        (Pixels((1, 2, 2)), "image", ".pnm"),
        (MuLaw(), "audio", ".wav"),
    ],
    ids=lambda value: value.name if isinstance(value, Codec) else "",
)
def test_a_codec_says_what_it_is_for(codec, medium, suffix):
    assert (codec.medium, codec.default_suffix) == (medium, suffix)
    assert (codec.sample_rate is not None) == (medium == "audio")
    assert len(codec.vocabulary) in (0, codec.size)
    assert codec.separator == (" " if codec.name == "words" else "")


@pytest.mark.parametrize(
    ("codec", "symbol", "number"),
    [(Characters("ab"), "b", 1), (Words(["to", "be"]), "be", 1), (Symbols([None, (0, 1)]), (0, 1), 1)],
    ids=["character", "word", "tuple"],
)
def test_one_symbol_is_named_as_in_data(codec, symbol, number):
    assert codec.encode_symbol(symbol).tolist() == [number]
    assert codec.decode(codec.encode_symbol(symbol)) in (symbol, [symbol])


def test_none_is_a_symbol_only_where_the_vocabulary_has_it():
    assert Symbols(["a", None]).encode_symbol(None).tolist() == [1]
    for codec in (Symbols(["a"]), Words(["a"]), Characters("a")):
        with pytest.raises((ValueError, TypeError)):
            codec.encode_symbol(None)


def test_a_codec_is_known_by_its_definition_alone():
    class Shouted(Characters):
        """Text in capitals."""

        name = "shouted"

        def decode(self, symbols):
            return super().decode(symbols).upper()

    try:
        codec = codec_from_config(Shouted("helo").config())
        assert codec.decode(codec.encode("hello")) == "HELLO"
    finally:
        del CODECS["shouted"]
    assert codec_from_config(Characters("ab").config()).decode(np.array([0])) == "a"


def test_every_file_of_codecs_is_read():
    files = {path.stem for path in Path(codecs.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {name for name in files if f"seqgen.codecs.{name}" in sys.modules}
    assert {codec.__module__.rpartition(".")[2] for codec in CODECS.values()} == files - {"base"}


def test_a_name_belongs_to_one_codec():
    with pytest.raises(TypeError, match=r"the codec name 'bytes' is taken by seqgen\.codecs\.text\.Bytes"):
        type("Other", (Codec,), {"name": "bytes"})
    assert CODECS["bytes"] is Bytes


@pytest.mark.parametrize(
    "name", ["(1,,2)i4", "O", "float", ">f8", "f8", "datetime64[s]", "complex64", None, 8]
)
def test_a_dtype_of_vectors_is_the_name_of_one(name):
    """The name may come from a file, and numpy evaluates what it does not know."""
    with pytest.raises(TypeError, match="dtype must be the name of a numeric dtype, float64, "):
        Vectors(2, name)
