"""Packages that only some requests need: errors about missing or broken ones contain the command that installs them."""

from __future__ import annotations

import inspect
import pydoc
import re
import sys
import tomllib
from pathlib import Path

import pytest

import seqgen
import seqgen.models.rnade
from pipelines import cli
from seqgen import extras
from seqgen.errors import MissingPackageError, SeqgenError

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


def listed(lines: list[str]) -> set[str]:
    """Return the packages that lines of pyproject.toml name, with their extras."""
    return {re.split(r"[<>=; ]", line)[0] for line in lines}


def test_the_installer_has_the_same_table():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    offered = {name: listed(lines) for name, lines in project["optional-dependencies"].items()}
    for extra, packages in extras.EXTRAS.items():
        assert offered[extra] == set(packages)
    assert offered["all"] == {f"{extras.DISTRIBUTION}[{','.join(extras.EXTRAS)}]"}
    assert f"{extras.DISTRIBUTION}[all]" in offered["dev"]
    assert listed(project["dependencies"]) == {"numpy", "numba", "safetensors", "click", "rich"}


@pytest.mark.parametrize(
    ("module", "package"),
    [("torch", "torch"), ("PIL.Image", "pillow"), ("skimage.morphology", "scikit-image")],
)
def test_an_import_that_failed_is_explained(without, module, package):
    without(module.partition(".")[0])
    error = extras.explained(ModuleNotFoundError(f"No module named {module!r}", name=module), "this request")
    assert isinstance(error, MissingPackageError)
    assert str(error).startswith(f"this request needs {package}, which is not installed; pip install ")


def test_an_import_that_failed_for_another_reason_is_left_as_it_is(without):
    without("torch")
    for error in (
        ModuleNotFoundError("No module named 'other'", name="other"),
        ImportError("something else"),
    ):
        assert extras.explained(error, "this request") is error


def test_an_exported_name_says_what_it_needs(without, monkeypatch):
    without("torch")
    monkeypatch.delitem(vars(seqgen), "RNADE", raising=False)
    monkeypatch.delitem(vars(seqgen.models.rnade), "RNADE", raising=False)
    for module in [name for name in sys.modules if name.startswith("seqgen.models.rnade.")]:
        monkeypatch.delitem(sys.modules, module)
    for use in (lambda: seqgen.RNADE(3, 4), lambda: seqgen.RNADE.load("x.safetensors")):
        with pytest.raises(
            MissingPackageError, match=r"RNADE needs torch, which is not installed; .*\[torch\]"
        ):
            use()


def test_a_package_is_explored_whatever_is_missing(without, monkeypatch):
    """`help`, star-imports and inspection reach every name, so none of them may raise an error."""
    without("torch")
    for module in [name for name in sys.modules if name.startswith("seqgen.models.rnade.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(vars(seqgen), "RNADE", raising=False)
    monkeypatch.delitem(vars(seqgen.models.rnade), "RNADE", raising=False)
    scope: dict[str, object] = {}
    exec("from seqgen import *", scope)
    assert set(seqgen.__all__) <= set(scope)
    assert hasattr(seqgen, "RNADE")
    assert not isinstance(3, seqgen.RNADE)
    assert {"RNADE", "HMM"} <= {name for name, _ in inspect.getmembers(seqgen)}
    assert "needs torch, which is not installed" in pydoc.render_doc(seqgen)
    assert "RNADE" not in vars(seqgen)  # what is installed later is found
    assert not {"Any", "annotations", "lazy_names"} & set(dir(seqgen))


def test_the_command_line_explains_what_nobody_asked_for(without, monkeypatch, capsys):
    without("torch")

    def fail(*given: object, **more: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli.main, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.run(["models"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(
        "seqgen: error: this request needs torch, which is not installed; "
    )
