"""Recipes of the models without gradients: Markov chains, HMMs, mixtures, and their built-in instances."""

from __future__ import annotations

import datetime


def today() -> str:
    """The date as it stands in cards."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
