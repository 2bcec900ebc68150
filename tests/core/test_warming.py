"""Compilation ahead of use: the requests that it makes, what it leaves to be compiled, refusals, and its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import seqgen
from seqgen import usual_requests, warming
from seqgen.codecs import codec_from_config
from seqgen.pretrained import find
from seqgen.registry import FAMILIES
from seqgen.usual_requests import condition, request_all
from seqgen.warming import Warmed
from tests.conformance.cases import CASES

FIRST = {case.make(0).family: case for case in reversed(CASES)}

USE = """
import sys, seqgen
path = sys.argv[1]
for request in ({}, {"batch": 3}, {"log_probs": True}, {"controls": {"top_k": 2}}):
    with seqgen.stream(path, 3, 20, **request) as stream:
        stream.collect()
model = seqgen.load(path)
model.log_prob(model.sample(2, 20))
"""


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "SEQGEN_CACHE_DIR": str(cache), "SEQGEN_THREADS": "2"}


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    """A model whose kernels are compiled quickly."""
    path = tmp_path_factory.mktemp("model") / "coins.safetensors"
    seqgen.HMM([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], seqgen.Categorical([[0.5, 0.5], [0.1, 0.9]])).save(path)
    return path


def seqgen_warm(cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seqgen", "warm", *map(str, arguments)]
    return subprocess.run(command, env=environment(cache), capture_output=True, text=True, timeout=120)


def test_after_it_nothing_is_compiled(chain, tmp_path):
    cache = tmp_path / "cold"
    done = seqgen_warm(cache, chain)
    assert done.returncode == 0, done.stderr
    kept = list(cache.rglob("*.nbc"))
    assert kept
    assert f"coins.safetensors: {len(kept)} kernels compiled" in done.stderr
    assert f"{len(kept)} kernels compiled; {cache} has" in done.stderr
    assert done.stdout == ""
    use = subprocess.run(
        [sys.executable, "-c", USE, chain], env=environment(cache), capture_output=True, text=True, check=True
    )
    assert use.stderr == ""
    assert sorted(cache.rglob("*.nbc")) == sorted(kept)
    again = seqgen_warm(cache, chain, "--jobs", 1)
    assert "coins.safetensors: nothing to compile" in again.stderr
    assert again.returncode == 0


@pytest.mark.parametrize("name", [family.name for family in FAMILIES.values() if family.engines])
def test_every_family_accepts_what_is_requested(name):
    request_all(FIRST[name].make(0).weights())


def test_conditions_are_those_of_the_model():
    vocoder = seqgen.WaveNet(2, 2, 8, 8, 8, classes=3, mels=4, hop=16, seed=1).weights()
    given = condition(vocoder, codec_from_config(vocoder.config["codec"]))
    assert given["class"] == 0
    assert given["features"].shape == (18, 4)
    request_all(vocoder)
    guided = seqgen.PixelCNN((1, 4, 4), 2, channels=4, layers=2, guide=(1, 2, 2), seed=1).weights()
    assert np.shape(condition(guided, codec_from_config(guided.config["codec"]))) == (1, 2, 2)


def test_models_of_an_engine_are_compiled_one_after_another():
    groups = warming._groups(["weather", "speech", "shakespeare-markov", "vocoder"])
    # what takes longest to compile is first, which is not stated here
    assert sorted(groups) == [["speech", "vocoder"], ["weather", "shakespeare-markov"]]


def test_forced_symbols_and_likelihoods_by_kernels_are_requested(monkeypatch):
    asked, scored = [], []
    drawn = usual_requests._drawn

    def recorded(*arguments, **request):
        data = drawn(*arguments, **request)
        asked.append(request.get("condition"))
        return data

    monkeypatch.setattr(usual_requests, "_drawn", recorded)
    for name in ("shakespeare-markov", "weather"):
        request_all(find(name))
        forced = asked[-1]
        assert list(forced) == [1]
        asked.clear()
    monkeypatch.setattr(seqgen.NADE, "log_prob", lambda self, images: scored.append(len(images)))
    request_all(find("digits-nade"))
    assert scored == [2]


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null", "/dev/null/below"])
def test_a_cache_that_cannot_be_written_is_an_error(monkeypatch, place):
    monkeypatch.setenv("SEQGEN_CACHE_DIR", place)
    with pytest.raises(seqgen.SeqgenError, match=r"cannot be kept in .*set SEQGEN_CACHE_DIR"):
        seqgen.warm(["weather"])


def test_a_cache_that_would_not_be_used_is_an_error(monkeypatch, tmp_path):
    tmp_path.chmod(0o777)
    monkeypatch.setenv("SEQGEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(seqgen.SeqgenError, match=r"can be written by others .*change its mode"):
        seqgen.warm(["weather"])


def test_wrong_arguments_are_refused_before_anything_is_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQGEN_CACHE_DIR", str(tmp_path / "none"))
    with pytest.raises(seqgen.SeqgenError, match="built in are"):
        seqgen.warm(["weather", "nosuch"])
    with pytest.raises(ValueError, match="jobs must be at least 1"):
        seqgen.warm(jobs=0)
    with pytest.raises(TypeError, match="must be a list of models, got 'weather'"):
        seqgen.warm("weather")
    assert not (tmp_path / "none").exists()


def test_a_model_that_fails_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    made = [
        Warmed("a", failed="no space"),
        Warmed("b", skipped="it needs torch"),
        Warmed("c", 1.0, ("x.y",), ready=2),
    ]
    monkeypatch.setattr(warming, "_in_processes", lambda groups, jobs: iter(made))
    monkeypatch.setenv("SEQGEN_CACHE_DIR", str(tmp_path))
    import pipelines.cli

    with pytest.raises(SystemExit) as left:
        pipelines.cli.run(["warm", "weather"])
    assert left.value.code == 1
    assert capsys.readouterr().err.splitlines()[:3] == [
        "a: error: no space",
        "b: skipped: it needs torch",
        "c: 1 kernel compiled, 2 already there, 1.0 s",
    ]


def test_a_missing_package_is_a_note(monkeypatch):
    def refused(weights):
        raise seqgen.errors.MissingPackageError("the engine 'torch' needs torch")

    monkeypatch.setattr("seqgen.usual_requests.request_all", refused)
    assert warming._warmed("weather").skipped == "the engine 'torch' needs torch"


def test_kernels_that_are_lost_are_an_error(monkeypatch):
    monkeypatch.setattr("seqgen.kernels.cache.KernelCache.holds", lambda *kernel: False)
    assert "could not be kept" in str(warming._warmed("weather").failed)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_an_interrupt_ends_it_and_its_processes(tmp_path):
    cache = tmp_path / "cold"
    command = [sys.executable, "-m", "seqgen", "warm", "speech", "digits-pixelcnn"]
    process = subprocess.Popen(
        command,
        env=environment(cache),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # shells start background jobs, and so these tests, with SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while not (kept := list(cache.rglob("*.nbc"))) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    # the processes that compile have this pipe, too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.strip() == ""
    assert kept
    assert set(kept) <= set(cache.rglob("*.nbc"))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_its_processes_end_when_it_is_killed(tmp_path):
    command = [sys.executable, "-m", "seqgen", "warm", "weather", "digits-nade", "--jobs", "2"]
    process = subprocess.Popen(
        command, env=environment(tmp_path / "cold"), stdout=subprocess.PIPE, start_new_session=True
    )
    end = time.monotonic() + 60
    while not list((tmp_path / "cold").rglob("*.nbc")) and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    # the processes have this pipe, too: it ends with the last of them
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
