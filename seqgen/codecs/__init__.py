"""Codecs: conversion between data and symbols (usually small integers).

A codec encodes user data as symbol arrays and decodes the symbols of an engine to chunks of data. Decoding may need
state (half a UTF-8 character, whether a word is the first): each lane has a `Decoder`, whose state is a JSON value, so
that a stream can be resumed at any chunk.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from seqgen.codecs.audio import PCM16, Audio, MuLaw, Waveform
from seqgen.codecs.base import CODECS, Codec, Decoder
from seqgen.codecs.numbers import Integers, Strokes, Vectors
from seqgen.codecs.pixels import Pixels
from seqgen.codecs.symbols import Symbols, Tokens, Words
from seqgen.codecs.text import Bytes, Characters
from seqgen.errors import SeqgenError

__all__ = [
    "PCM16",
    "Audio",
    "Bytes",
    "Characters",
    "Codec",
    "Decoder",
    "Integers",
    "MuLaw",
    "Pixels",
    "Strokes",
    "Symbols",
    "Tokens",
    "Vectors",
    "Waveform",
    "Words",
    "codec_class",
    "codec_from_config",
]

# importing the files of this folder registers their codecs
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def codec_from_config(config: dict[str, Any]) -> Codec:
    """Return the codec that `config` describes (the inverse of `Codec.config`)."""
    arguments = {key: value for key, value in config.items() if key != "name"}
    return codec_class(config.get("name"))(**arguments)


def codec_class(name: Any) -> type[Codec]:
    """Return the codec class of that name, or raise SeqgenError."""
    if not isinstance(name, str) or name not in CODECS:
        raise SeqgenError(f"unknown codec {name!r}; this version knows {', '.join(CODECS)}")
    return CODECS[name]
