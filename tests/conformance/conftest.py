"""Runs every test that takes `case` over all cases, and every test that also takes `engine` over their engines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CASES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = set(metafunc.fixturenames)
    if {"case", "engine"} <= names:
        pairs = [(case, engine) for case in CASES for engine in case.engines]
        metafunc.parametrize(("case", "engine"), pairs, ids=[f"{case.id}-{engine}" for case, engine in pairs])
    elif "case" in names:
        metafunc.parametrize("case", CASES, ids=[case.id for case in CASES])


@pytest.fixture(scope="session")
def other_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """For every case and engine: all chunks from another process, and those that follow a state of this one.

    All cases go through one process, so that its start is paid once.
    """
    from tests.conformance.test_resuming import REQUEST, begun

    folder = tmp_path_factory.mktemp("other_process")
    states = {}
    for case in CASES:
        for engine in case.engines:
            states[f"{case.id}-{engine}"] = begun(case, engine, steps=4, **case.everything()).state_dict()
    (folder / "states.json").write_text(json.dumps(states))
    (folder / "request.json").write_text(json.dumps(REQUEST))
    subprocess.run(
        [sys.executable, "-m", "tests.conformance.other_process", str(folder)],
        cwd=Path(__file__).parents[2], check=True, timeout=900,
    )  # fmt: skip
    return json.loads((folder / "chunks.json").read_text())
