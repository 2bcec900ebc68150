"""The models that the conformance suite runs over: those that stand as `CASES` in `tests/models/<folder>/cases.py`.

The folders are those of the registered families, so that a new one is found without a line here. Its `cases.py` makes
small models from a number (two numbers must give two different models) and says what may be asked of them:

    CASES = [
        Case(
            "wavenet",
            make_wavenet,
            prompts=(first, second, third),
            controls=(Controls(temperature=0.7), Controls(top_k=3)),
            stopping=Controls(stop=...),
        ),
    ]

Everything in `tests/conformance` then runs over it with each of its engines; what the case does not say that the
model can do is skipped. The model should be tiny, so that a sample takes milliseconds, and its distribution far
from flat, so that a wrong number changes a symbol.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from seqgen.registry import FAMILIES, Family
from tests.conformance.case import Case


def folder(family: Family) -> str:
    """The name of a family's folder below `seqgen/models` and `tests/models`; several families may share one."""
    return family.folder.rsplit(".", 1)[1]


def cases_in(name: str) -> list[Case]:
    """The cases in a family's folder; none if it has no file of them."""
    module = f"tests.models.{name}.cases"
    # what is missing is said by a test, and does not keep all others from running
    if find_spec(f"tests.models.{name}") is None or find_spec(module) is None:
        return []
    found: list[Case] = importlib.import_module(module).CASES
    return found


CASES: list[Case] = [
    case for name in dict.fromkeys(map(folder, FAMILIES.values())) for case in cases_in(name)
]
