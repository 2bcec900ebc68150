"""The schema of a Markov chain: n-gram counts as a prefix tree, or a table.

Legend: B lanes, N symbols, V vocabulary, S states of the automaton, F forced positions, M n-grams. In the tree, V is
the end of a sequence and V + 1 the padding before its first symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.engines.lane_controls import control_fields
from seqgen.models.markov.smoothing import SMOOTHINGS
from seqgen.schema import (
    SMALL,
    TIMES_ITS_FILE,
    Boolean,
    Choice,
    Configuration,
    Field,
    Fields,
    Integer,
    Schema,
    described,
    log_probs,
    optional,
)


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    if not codec.vocabulary:
        raise ValueError(f"the codec must have a vocabulary of at least one symbol, {codec.name!r} has none")


CONFIGURATION = Configuration(
    "markov",
    None,
    {
        "order": Integer(most=512),
        "smoothing": Choice(SMOOTHINGS, optional=True),
        "boundaries": Boolean(),
    },
    _rule,
)

_NODES = ("uint8", "uint16", "uint32")
_MOST_COUNTED = float(1 << 62)


def schema(config: Any) -> Schema:
    """Return the schema of a `MarkovChain`."""
    codec, given = CONFIGURATION.read(config)
    symbols, order, ends = codec.size, given["order"], given["boundaries"]
    begin, by = symbols + 1, described({"symbols": symbols}, "symbols")

    def table() -> Fields:
        yield "transition", Field((symbols, symbols), ("float64",), low=0.0, rows="probabilities", by=by)
        yield "start", Field((symbols,), ("float64",), low=0.0, rows="probabilities", by=by)

    def tree() -> Fields:
        for depth in range(order + 1):
            most = begin if depth < order else symbols if ends else symbols - 1
            yield f"symbols.{depth}", Field((f"nodes at depth {depth}",), _NODES, high=most)
            if depth < order:
                yield f"children.{depth}", Field((f"nodes at depth {depth}",), _NODES, low=1)
        yield "counts", Field((f"nodes at depth {order}",), (*_NODES, "uint64"), low=1)

    def relations(arrays: Mapping[str, np.ndarray]) -> None:
        if "counts" in arrays:
            require_tree(arrays, order, symbols, ends)
        elif order != 1 or ends:
            raise ValueError(
                f"a table is of order 1 and without boundaries, the configuration says {order} and {ends}"
            )

    def state(engine: str, log_probs: bool) -> Fields:
        yield "index", Field(("B",), ("uint64",))
        yield "position", Field(("B",), ("uint64",))
        yield "state", Field(("B",), ("int32",), low=0, below="S")
        yield "forced", Field(("B", "F"), ("int32",), low=-1, high=symbols if ends else symbols - 1)
        yield from optional(control_fields(symbols + ends))

    output = {"symbols": Field(("N",), ("int32",), low=0, below=symbols), **log_probs("N")}
    return Schema("markov", codec, (table, tree), state, output, relations, ends=ends)


def require_tree(arrays: Mapping[str, np.ndarray], order: int, symbols: int, ends: bool) -> None:
    """Raise ValueError unless the arrays, which are valid individually, are a possible prefix tree of n-grams.

    Numbers of children must add up to the nodes of the next depth; symbols ascend among siblings; padding occurs only
    before the first symbol, and the end only last. Every symbol must have been counted, because a symbol without a
    count would make the search for a successor endless.
    """
    begin, end = symbols + 1, symbols
    if float(arrays["counts"].sum(dtype=np.float64)) > _MOST_COUNTED:
        raise ValueError("counts add up to more than an integer can hold")
    nodes = len(arrays["counts"])
    needed, stored = 2 * (order + 1) ** 2 * nodes, sum(array.nbytes for array in arrays.values())
    if needed > max(SMALL, TIMES_ITS_FILE * stored):
        raise ValueError(
            f"{nodes} n-grams of order {order} take {needed >> 20} MiB, far more than their stored size"
        )
    for depth in range(order):
        above, children, below = (arrays[f"{kind}.{at}"] for kind, at in (
            ("symbols", depth), ("children", depth), ("symbols", depth + 1),
        ))  # fmt: skip
        if float(children.sum(dtype=np.float64)) != len(below):
            raise ValueError(
                f"children.{depth} adds up to {children.sum()}, symbols.{depth + 1} has {len(below)} nodes"
            )
        if (above[above >= end] != begin).any():
            raise ValueError(f"symbols.{depth} has the end of a sequence, which can only be the last symbol")
        first = np.cumsum(children, dtype=np.int64) - children.astype(np.int64)
        rising = below[1:] > below[:-1]
        rising[first[1:] - 1] = True
        if not rising.all():
            raise ValueError(f"symbols.{depth + 1} must ascend among the children of a node")
        if depth + 1 < order:
            begun = np.repeat(above == begin, children)
            if (begun < (below == begin)).any():
                raise ValueError(f"symbols.{depth + 1} has the padding of a sequence after a symbol")
    roots = arrays["symbols.0"]
    if not (roots[1:] > roots[:-1]).all():
        raise ValueError("symbols.0 must ascend")
    last = np.bincount(arrays[f"symbols.{order}"], minlength=symbols + ends)
    if not last.all():
        raise ValueError(f"symbol {int(np.argmin(last))} is never counted, so its probability is undefined")
    # n-grams with repeated padding come from short sequences; at least one must be of full length
    within = arrays["symbols.1" if ends and order > 1 else "symbols.0"] != begin
    if not within.any() and not (ends and order == 1):
        raise ValueError(f"no sequence is long enough for the order {order}")
    if ends and not (arrays[f"symbols.{order - 1}"] == begin).any():
        raise ValueError("no sequence has padding, although there are boundaries")
