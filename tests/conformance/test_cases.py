"""Every registered family is in the suite, with all of its engines."""

from __future__ import annotations

from collections.abc import Iterable

from seqgen.registry import FAMILIES, validated
from tests.conformance.case import Case
from tests.conformance.cases import CASES, folder


def without_a_case(cases: Iterable[Case]) -> dict[str, str]:
    """Return the families that can be streamed and have no case, and where a case should be."""
    there = {case.model().family for case in cases}
    return {
        name: f"tests/models/{folder(family)}/cases.py"
        for name, family in FAMILIES.items()
        if family.engines and name not in there
    }


def test_every_registered_family_has_a_case():
    assert without_a_case(CASES) == {}


def test_a_family_without_a_case_is_found():
    some = [case for case in CASES if case.id != "fvsbn"]
    assert without_a_case(some) == {"fvsbn": "tests/models/fvsbn/cases.py"}


def test_a_case_runs_on_every_engine_of_its_family():
    for case in CASES:
        assert set(case.engines) == set(FAMILIES[case.model().family].engines), case.id


def test_a_schema_says_as_the_model_does_whether_samples_end():
    for case in CASES:
        model = case.model()
        assert validated(model.weights()).ends == model.ends, case.id


def test_every_case_has_a_name_of_its_own():
    assert len({case.id for case in CASES}) == len(CASES)
