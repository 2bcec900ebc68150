"""Runs every test that takes `case` over all cases, and every test that also takes `engine` over their engines.

Markers say where not all of that is needed:

    @pytest.mark.sweep("chunk", [3, 1, 7])     every value is tested, but all except the first are `slow` for engines
                                               that are not fused
    @pytest.mark.common                        what is common to all engines: `slow` for those that are not fused
    @pytest.mark.once_per("engine.restore")    one case and engine for every implementation of these methods, or
                                               one in all
    @pytest.mark.needs("prompts")              only cases that have these attributes

The tests of a case run in one process, which keeps its models, kernels and streams.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from seqgen.registry import family
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.streams import whole_way


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    takes = [name for name in ("case", "engine") if name in metafunc.fixturenames]
    if "case" not in takes:
        return
    pairs = every_engine() if "engine" in takes else [(case, case.engines[0]) for case in CASES]
    for needed in metafunc.definition.iter_markers("needs"):
        pairs = [(case, engine) for case, engine in pairs if all(getattr(case, name) for name in needed.args)]
    implementations = metafunc.definition.get_closest_marker("once_per")
    if implementations is not None:
        pairs = once_per(pairs, *implementations.args)
    common = metafunc.definition.get_closest_marker("common") is not None
    names, sweeps = list(takes), []
    for mark in reversed(list(metafunc.definition.iter_markers("sweep"))):
        names += [name.strip() for name in mark.args[0].split(",")]
        sweeps.append([value if isinstance(value, tuple) else (value,) for value in mark.args[1]])
    parameters = []
    for case, engine in pairs:
        for numbers in itertools.product(*(range(len(sweep)) for sweep in sweeps)):
            swept = [value for number, sweep in zip(numbers, sweeps, strict=True) for value in sweep[number]]
            words = [case.id, engine][: len(takes)] + [str(value) for value in swept]
            marks = [pytest.mark.slow] if (common or any(numbers)) and not case.fused(engine) else []
            values = [case, engine][: len(takes)] + swept
            parameters.append(pytest.param(*values, marks=marks, id="-".join(words)))
    metafunc.parametrize(names, parameters)


def every_engine() -> list[tuple[Case, str]]:
    """Return all cases with each of their engines."""
    return [(case, engine) for case in CASES for engine in case.engines]


def once_per(pairs: list[tuple[Case, str]], *methods: str) -> list[tuple[Case, str]]:
    """Return the first case and engine for every implementation of these methods of "engine", "model" or "codec"."""
    found: dict[tuple[Any, ...], tuple[Case, str]] = {}
    for case, engine in pairs:
        owners = owners_of(case, engine)
        names = [method.split(".") for method in methods]
        found.setdefault(tuple(getattr(owners[owner], name) for owner, name in names), (case, engine))
    return list(found.values())


@cache
def owners_of(case: Case, engine: str) -> dict[str, type]:
    """Return the classes of a case and an engine."""
    model = case.model()
    engine_class = family(model.family).engine_class(engine)
    return {"engine": engine_class, "model": type(model), "codec": type(model.codec)}


@pytest.fixture(scope="session")
def other_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return, for every case and engine, all chunks from another process, and those that follow a state of this one.

    All cases are run by one process, so that it starts only once.
    """
    folder = tmp_path_factory.mktemp("other_process")
    states = {f"{case.id}-{engine}": whole_way(case, engine)[0][4] for case, engine in every_engine()}
    (folder / "states.json").write_text(json.dumps(states))
    subprocess.run(
        [sys.executable, "-m", "tests.conformance.other_process", str(folder)],
        cwd=Path(__file__).parents[2], check=True, timeout=900,
    )  # fmt: skip
    return json.loads((folder / "chunks.json").read_text())
