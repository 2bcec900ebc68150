"""The doctor reports what works and what does not, also if torch or another package is missing or broken."""

from __future__ import annotations

import sys

import pytest

from seqgen import doctor, extras


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_engines_give_the_symbols_that_are_written_down(engine):
    assert doctor.trial(engine) == doctor.TRIAL
    assert len(set("".join(doctor.TRIAL))) == 4


def test_a_machine_on_which_all_is_well():
    report = doctor.examine()
    assert report["engines"]["numba"]["works"]
    assert report["engines"]["torch"]["works"]
    assert set(report["extras"]) == set(extras.EXTRAS)
    for name, entry in report["extras"].items():
        if name == "triton" and sys.platform != "linux":
            continue
        assert entry["works"] is True
        assert "not installed" not in entry["packages"].values()


def test_numba_works_where_torch_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    report = doctor.examine()
    assert report["engines"]["numba"]["works"]
    assert report["machine"]["gpu"] == "unknown without torch"
    for entry in (report["engines"]["torch"], report["extras"]["torch"], report["engines"]["triton"]):
        assert not entry["works"]
        assert entry["why"] == (
            "not installed: torch; pip install 'seqgen-streams[torch]' (from a checkout: pip install '.[torch]')"
        )


def test_wrong_symbols_are_noticed(monkeypatch):
    monkeypatch.setattr(doctor, "TRIAL", ("h" * 24, "o" * 24))
    entry = doctor.examine()["engines"]["numba"]
    assert not entry["works"]
    assert "please report this machine" in entry["why"]


def test_an_engine_that_fails_is_said_to(monkeypatch):
    def fail(engine: str) -> None:
        raise RuntimeError(f"no {engine} today")

    monkeypatch.setattr(doctor, "trial", fail)
    entry = doctor.examine()["engines"]["numba"]
    assert entry == {"works": False, "why": "RuntimeError: no numba today"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "raise RuntimeError('built for another numpy')",
            "cannot be imported: RuntimeError: built for another",
        ),
        ("raise OSError('no libavcodec')", "cannot be imported (OSError: no libavcodec)"),
    ],
)
def test_a_broken_package_is_said_to_be_broken(tmp_path, monkeypatch, source, message):
    (tmp_path / "broken_media.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(extras.EXTRAS["media"], "av", "broken_media")
    entry = doctor.examine()["extras"]["media"]
    assert not entry["works"]
    assert message in entry["why"]
    assert "pip install 'seqgen-streams[media]'" in entry["why"]
