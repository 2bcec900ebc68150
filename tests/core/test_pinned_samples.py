"""Every built-in model produces, on any CPU and in any version, the samples that were recorded in November 2026."""

from __future__ import annotations

import json

import seqgen
from tests.core.pinned_samples import FILE, made


def test_samples_are_the_same_bits_as_ever():
    written = json.loads(FILE.read_text())
    assert set(written) == {card["name"] for card in seqgen.pretrained_models()}
    assert made() == written
