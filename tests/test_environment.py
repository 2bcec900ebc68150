"""The choice of the interpreter for an environment."""

from __future__ import annotations

import os

import pytest

from tests.base.environment import ci

HERE = {
    "python3": (3, 12),
    "python": (2, 7),
    "/opt/py310": (3, 10),
    "/opt/py313": (3, 13),
    "/opt/py315": (3, 15),
}


@pytest.fixture
def environment(monkeypatch):
    module = ci()
    monkeypatch.setattr(module, "candidates", lambda: [*HERE, "not-there"])
    monkeypatch.setattr(module, "version_of", HERE.get)
    return module


def test_the_first_usable_one_or_the_newest_usable_one(environment):
    assert environment.find_python() == "python3"
    assert environment.newest_python() == "/opt/py313"


def test_if_none_is_usable_what_was_found_is_said(environment, monkeypatch):
    monkeypatch.setattr(environment, "candidates", lambda: ["python", "/opt/py310"])
    for find in (environment.find_python, environment.newest_python):
        with pytest.raises(
            SystemExit, match=r"needs Python 3.11 to 3.14.*\(python is 2.7; /opt/py310 is 3.10\)"
        ):
            find()


def test_pyenv_is_looked_into_for_whole_versions(tmp_path, monkeypatch):
    for name in ("3.13.0", "3.13.0rc1", "3.14.2t", "3.12.1", "2.7.18"):
        (tmp_path / "versions" / name / "bin").mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHON", "/my/python")
    found = ci().candidates()
    assert found[0] == "/my/python"
    assert [name for name in found if name.startswith(str(tmp_path))] == [
        f"{tmp_path}/versions/3.13.0/bin/python", f"{tmp_path}/versions/3.12.1/bin/python",
    ]  # fmt: skip


def test_a_group_of_tests_runs_in_one_process(request):
    """pytest-xdist keeps tests together by a suffix of their ids."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("runs in one process anyway")
    assert request.node.nodeid.endswith("@tests/test_environment.py")
