"""Every registered family is in the suite, with all of its engines."""

from __future__ import annotations

from collections.abc import Iterable

from seqgen.registry import FAMILIES
from tests.conformance.case import Case
from tests.conformance.cases import CASES, folder


def without_a_case(names: Iterable[str], cases: Iterable[Case]) -> list[str]:
    """The families that no case is of."""
    there = {case.model().family for case in cases}
    return [name for name in names if name not in there]


def test_every_registered_family_has_a_case():
    missing = {
        name: f"tests/models/{folder(FAMILIES[name])}/cases.py" for name in without_a_case(FAMILIES, CASES)
    }
    assert not missing, f"these families have no case in their files: {missing}"


def test_a_family_without_a_case_is_found():
    some = [case for case in CASES if case.id != "fvsbn"]
    assert without_a_case(FAMILIES, some) == ["fvsbn"]


def test_a_case_runs_on_every_engine_of_its_family():
    for case in CASES:
        assert set(case.engines) == set(FAMILIES[case.model().family].engines), case.id


def test_every_case_has_a_name_of_its_own():
    assert len({case.id for case in CASES}) == len(CASES)
