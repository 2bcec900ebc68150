"""The models that the conformance suite runs over: `CASES` in `tests/models/<folder>/cases.py`.

The folders are those of the registered families, so that a new one is found without a line here. Its `cases.py` creates
small models from a number (two numbers must give two different models) and declares what may be requested from them:

    CASES = [
        Case(
            "wavenet",
            make_wavenet,
            prompts=(first, second, third),
            controls=(Controls(temperature=0.7), Controls(top_k=3)),
            stopping=Controls(stop=...),
        ),
    ]

All tests in `tests/conformance` then run over it with each of its engines; tests of what the case does not declare are
skipped. The model should be tiny, so that a sample takes milliseconds, and its distribution far from flat, so that a
wrong number changes a symbol.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from seqgen.registry import FAMILIES, Family
from tests.conformance.case import Case


def folder(family: Family) -> str:
    """Return the name of a family's folder below `seqgen/models` and `tests/models`; several families may share one."""
    return family.folder.rsplit(".", 1)[1]


def cases_in(name: str) -> list[Case]:
    """Return the cases in a family's folder; none if it has no file of them."""
    module = f"tests.models.{name}.cases"
    # a test reports missing files, so that the others still run
    if find_spec(f"tests.models.{name}") is None or find_spec(module) is None:
        return []
    found: list[Case] = importlib.import_module(module).CASES
    return found


CASES: list[Case] = [
    case for name in dict.fromkeys(map(folder, FAMILIES.values())) for case in cases_in(name)
]
