"""The base install, without torch and any extra, on the newest Python of the machine: the whole command line.

All tasks are executed by one process in an environment of its own (see `environment`), and then by this one. Set
SEQGEN_WITHOUT_BASE_TESTS=1 if there is no package index from which to create the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import numba
import numpy as np
import pytest

from seqgen.extras import EXTRAS
from seqgen.pretrained import find
from tests.base import inside
from tests.base.environment import LEFT_OUT, ROOT, Base, CannotBeMadeError, base_environment, explained
from tests.base.tasks import PROGRAMS, REFUSED, SCORED, SHOWN, STREAMED, TRAINED, WRITTEN, Asked, ask, prepare
from tests.conformance.running import assert_close
from tests.core.pinned_samples import FILE

pytestmark = pytest.mark.skipif(bool(os.environ.get(LEFT_OUT)), reason=f"{LEFT_OUT} is set")


@pytest.fixture(scope="module")
def base() -> Base:
    return base_environment()


@pytest.fixture(scope="module")
def asked(base, tmp_path_factory) -> Asked:
    return ask(base, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> str:
    """Return a folder in which this process executes the same tasks."""
    folder = tmp_path_factory.mktemp("here")
    prepare(folder)
    return str(folder)


def answer(asked: Asked, kind: str, name: str = "") -> Any:
    """Return the result of the base environment; a traceback there is a failure here."""
    found = asked.answers[kind, name]
    if isinstance(found, str):
        pytest.fail(found)
    return found


def test_nothing_of_the_extras_is_installed_and_all_else_is_the_same(asked):
    versions = answer(asked, "run", "versions")
    assert set(versions["missing"]) == {name for packages in EXTRAS.values() for name in packages}
    assert versions["numba"] == numba.__version__
    assert versions["numpy"] == np.__version__
    assert not versions["seqgen"].startswith(str(ROOT / "seqgen"))
    assert not {"torch", "triton", "scipy", "matplotlib", "PIL", "soundfile"} & set(answer(asked, "modules"))


def test_built_in_models_give_the_samples_that_are_written_down(asked):
    assert answer(asked, "pinned") == json.loads(FILE.read_text())


@pytest.mark.parametrize("family", STREAMED)
def test_a_checkpoint_gives_the_same_chunks(asked, family):
    np.testing.assert_equal(answer(asked, "stream", family), inside.stream(*asked.streams[family]))


@pytest.mark.parametrize("name", list(WRITTEN))
def test_a_stream_is_written_as_the_same_bytes(asked, here, name):
    there, own = answer(asked, "write", name), inside.command(WRITTEN[name].split(), here)
    assert there.code == 0, there.errors
    assert own.code == 0, own.errors
    assert there.output == own.output
    assert there.output or there.files
    assert there.files == own.files


@pytest.mark.parametrize("line", SHOWN)
def test_what_is_shown(asked, here, line):
    there, own = answer(asked, "show", line), inside.command(line.split(), here)
    assert there.code == own.code == 0
    if not line.startswith("doctor"):
        assert there.output == own.output


def test_the_doctor_says_what_is_there_and_how_to_get_the_rest(asked):
    report = json.loads(answer(asked, "show", "doctor --json").output)
    assert report["engines"]["numba"]["works"]
    assert report["machine"]["gpu"] == "unknown without torch"
    engines, extras = report["engines"], report["extras"]
    assert set(extras) == set(EXTRAS)
    lacking = [("torch", engines["torch"]), ("torch,triton", engines["triton"]), *extras.items()]
    for extra, entry in lacking:
        assert not entry["works"]
        assert entry["why"].startswith("not installed: ")
        assert f"pip install 'seqgen-streams[{extra}]'" in entry["why"]
    printed = answer(asked, "show", "doctor").output.decode()
    assert "numba            works" in printed
    assert "not installed: pillow; pip install 'seqgen-streams[image]'" in printed


@pytest.mark.parametrize("name", list(TRAINED))
def test_what_needs_no_torch_trains(asked, here, name):
    there, own = answer(asked, "train", name), inside.command(TRAINED[name].split(), here)
    assert there.code == 0, there.errors
    assert own.code == 0, own.errors
    assert list(there.files) == list(own.files) == [f"{name}.safetensors"]
    learned, expected = (find(f"{folder}/{name}.safetensors") for folder in (asked.folder, here))
    assert set(learned.arrays) == set(expected.arrays)
    for array in expected.arrays:
        np.testing.assert_allclose(learned.arrays[array], expected.arrays[array], rtol=1e-9, atol=1e-12)
    assert learned.card["score"] == pytest.approx(expected.card["score"], rel=1e-6)


@pytest.mark.parametrize("name", list(SCORED))
def test_what_needs_no_torch_is_scored(asked, name):
    there, own = answer(asked, "eval", name), inside.command(SCORED[name].split(), str(asked.folder))
    assert there.code == own.code == 0, there.errors
    assert_close(json.loads(there.output), json.loads(own.output), 1e-9)


@pytest.mark.parametrize("line", list(REFUSED))
def test_what_is_missing_is_said_with_the_line_to_type(asked, line):
    there, (extra, beginning) = answer(asked, "refuse", line), REFUSED[line]
    assert there.code == 1
    assert there.errors == (
        f"seqgen: error: {beginning} not installed; pip install 'seqgen-streams[{extra}]' "
        f"(from a checkout: pip install '.[{extra}]')\n"
    )
    assert not there.output
    assert not there.files


def test_models_that_need_torch_say_so_in_python_too(asked):
    for said, words in answer(asked, "run", "load"):
        assert said
        assert words.endswith(
            "needs torch, which is not installed; pip install 'seqgen-streams[torch]' "
            "(from a checkout: pip install '.[torch]')"
        )


@pytest.mark.parametrize("name", ["fit", "train"])
def test_chains_and_hidden_markov_models_are_whole(asked, here, name):
    assert_close(answer(asked, "run", name), inside.python(PROGRAMS[name], here), 1e-9)


def test_an_environment_that_cannot_be_made_is_no_silent_skip():
    with pytest.raises(CannotBeMadeError, match="cannot be made: ") as said, explained():
        raise subprocess.CalledProcessError(1, "pip", stderr="ERROR: no index")
    assert "ERROR: no index\n" in str(said.value)
    assert f"set {LEFT_OUT}=1" in str(said.value)


def test_the_installed_command_streams(base, tmp_path):
    done = subprocess.run(
        [base.command, "stream", "weather", "-n", "1", "--length", "3", "--seed", "7", "-q"],
        env=base.variables, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "cloud rain sun\n", "")
