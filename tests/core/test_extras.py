"""Packages that only some requests need: what is missing or broken is said with the line that installs it."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from seqgen import extras
from seqgen.errors import SeqgenError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def without(monkeypatch):
    """Makes packages look as if they were not installed."""

    def forget(*modules: str) -> None:
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)

    return forget


def test_what_is_installed_passes_and_is_not_imported():
    extras.require("torch", for_what="training")
    extras.require("image", for_what="writing .png")
    assert extras.missing("torch") == ()


def test_a_missing_package_is_named_with_the_line_that_installs_it(without):
    without("PIL")
    with pytest.raises(SeqgenError) as error:
        extras.require("pillow", for_what="writing .png")
    assert str(error.value) == (
        "writing .png needs pillow, which is not installed; pip install 'seqgen-streams[image]' "
        "(from a checkout: pip install '.[image]')"
    )
    with pytest.raises(SeqgenError, match=r"^writing \.png needs pillow, which is not installed"):
        extras.load("pillow", "writing .png")


def test_an_extra_is_all_of_its_packages(without):
    without("skimage", "scipy")
    assert extras.missing("strokes") == ("scikit-image", "scipy")
    with pytest.raises(
        SeqgenError, match=r"needs scikit-image and scipy, which are not installed; .*\[strokes\]"
    ):
        extras.require("strokes", for_what="tracing strokes")


def test_a_name_of_both_is_the_package_alone(without):
    without("torchaudio")
    assert extras.missing("torch") == ()
    assert extras.missing("torchaudio") == ("torchaudio",)


def test_a_folder_that_an_uninstalled_package_left_is_not_the_package(tmp_path, monkeypatch):
    (tmp_path / "leftover" / "__pycache__").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(extras.EXTRAS["media"], "av", "leftover")
    with pytest.raises(SeqgenError, match="needs av, which is not installed"):
        extras.require("av", for_what="reading .m4a")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise OSError('sndfile library not found')", "OSError: sndfile library not found"),
        ("from broken_audio import _core", "ImportError: cannot import name '_core'"),
    ],
)
def test_a_broken_package_is_named_as_broken(tmp_path, monkeypatch, source, message):
    (tmp_path / "broken_audio.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(extras.EXTRAS["audio"], "soundfile", "broken_audio")
    extras.require("soundfile", for_what="writing .flac")
    with pytest.raises(SeqgenError, match="installed but cannot be imported") as error:
        extras.load("soundfile", "writing .flac")
    assert message in str(error.value)
    assert "reinstall it: pip install 'seqgen-streams[audio]'" in str(error.value)
    monkeypatch.delitem(sys.modules, "broken_audio", raising=False)


def test_loading_gives_the_module():
    assert extras.load("pillow", "writing .png").__name__ == "PIL.Image"


def test_an_unknown_need_is_refused():
    with pytest.raises(ValueError, match=r"need must be one of torch, triton, image, .* got 'gpu'"):
        extras.require("gpu", for_what="speed")


def test_packages_are_known_to_the_installer():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    listed = {re.split(r"[<>=; ]", line)[0] for lines in lists for line in lines}
    assert {package for packages in extras.EXTRAS.values() for package in packages} <= listed
