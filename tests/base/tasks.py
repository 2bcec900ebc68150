"""The tasks of the tests of the base install, with the models and files that they need.

`python -m tests.base.tasks` creates the environment and executes them once, so that its kernels are compiled before the
tests run.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.registry import FAMILIES
from tests.base.environment import LEFT_OUT, ROOT, Base, CannotBeMadeError, base_environment, digest
from tests.conformance.case import Case
from tests.conformance.cases import cases_in
from tests.conformance.cases import folder as folder_of

STREAMED = tuple(name for name, family in FAMILIES.items() if "numba" in family.engines)
"""The families that stream without torch, each from a checkpoint that is created here."""

SAMPLES = 3

TEXT = "".join(f"SPEAKER {k % 3}:\nhow much wood would a woodchuck chuck, {k}?\n\n" for k in range(60))

WRITTEN: dict[str, str] = {
    "text": "stream shakespeare -n 2 --length 40 --batch 2 --seed 3 -o plays.txt -q",
    "json": "stream shakespeare-markov -n 2 --length 20 --seed 3 --log-probs -o speeches.jsonl -q",
    "standard output": "stream weather -n 2 --length 5 --seed 3 -q",
    "strokes": "stream digit-strokes -n 2 --seed 3 -o strokes.txt -q",
    "numbers": "stream gaussian-mixture-case.safetensors -n 2 --length 9 --seed 3 -o vectors.npz -q",
    "images": "stream digits-fvsbn -n 2 --seed 3 -o digits.npz -q",
    "video": "stream digits-fvsbn -n 1 --seed 3 -o digit.y4m -q",
    "pictures": "stream digits-nade -n 2 --seed 3 -o digits.pnm -q",
    "characters": "stream digits-fvsbn -n 1 --seed 3 --style ascii -o digit.txt -q",
    "a pipe of images": "stream digits-fvsbn -n 1 --seed 3 --format pnm -q",
    "a pipe of sound": "stream speech --length 400 --seed 3 -q",
    "a pipe of samples": "stream speech --length 400 --seed 3 --format s16le -q",
    "sound": "stream vocoder --features mels.npy --seed 3 -o sound.npz -q",
}
"""Commands that write the same bytes in both environments."""

TRAINED: dict[str, str] = {
    "markov": "train markov text.txt -o markov.safetensors --preset tiny",
    "hmm": "train hmm vectors.npy -o hmm.safetensors --preset tiny",
    "gaussian-mixture": "train gaussian-mixture vectors.npy -o gaussian-mixture.safetensors --preset tiny",
    "shakespeare-markov": "train shakespeare-markov text.txt -o shakespeare-markov.safetensors",
    "weather": "train weather -o weather.safetensors",
}
SCORED: dict[str, str] = {
    "markov": "eval markov.safetensors text.txt --last 0.1 --json",
    "hmm": "eval hmm.safetensors vectors.npy --json",
    "gaussian-mixture": "eval gaussian-mixture.safetensors vectors.npy --json",
    "shakespeare-markov": "eval shakespeare-markov.safetensors text.txt --json",
    "built in": "eval shakespeare-markov text.txt --json",
}

SHOWN = (
    "--version", "--help", "stream --help", "train --help", "models", "models --json", "doctor", "doctor --json",
)  # fmt: skip

REFUSED: dict[str, tuple[str, str]] = {
    "stream weather -n 1 --length 3 --engine torch": ("torch", "the engine 'torch' needs torch, which is"),
    "stream digits-pixelcnn --engine fixed-point": ("torch", "the engine 'fixed-point' needs torch, which is"),
    "stream digits-fvsbn -o d.png": ("image", "writing .png needs pillow, which is"),
    "stream digits-fvsbn -n 2 -o d-{index}.png": ("image", "writing .png needs pillow, which is"),
    "stream digits-fvsbn --prompt a.png --keep-rows 3": ("image", "reading a.png needs pillow, which is"),
    "stream digit-strokes -n 2 -o s.png": ("plot", "writing .png needs matplotlib, which is"),
    "stream speech --length 9 -o s.flac": ("audio", "writing .flac needs soundfile, which is"),
    "stream speech --length 9 -o s.wav": ("audio", "writing .wav needs soundfile, which is"),
    "stream speech --length 9 -o s.npz --picture s.png": ("image", "writing .png needs pillow, which is"),
    "stream speech --prompt a.wav --length 9": ("audio", "reading a.wav needs soundfile, which is"),
    "stream vocoder --like a.wav -o s.npz": (
        "torch,audio", "--like needs torch, torchaudio and soundfile, which are"
    ),
    "train digit-strokes . -o x.safetensors": (
        "strokes", "training digit-strokes needs scikit-image and scipy, which are"
    ),
    "eval digit-strokes .": ("strokes", "tracing strokes needs scikit-image and scipy, which are"),
    "eval shakespeare text.txt": ("torch", "loading a model of the family 'char-rnn' needs torch, which is"),
    "eval digits-fvsbn images.npy": ("torch", "loading a model of the family 'fvsbn' needs torch, which is"),
    **{
        f"train {name} nothing-here -o x.safetensors": ("torch", f"training {name} needs torch, which is")
        for name, family in FAMILIES.items()
        if family.needs
    },
}  # fmt: skip
"""Requests that need a missing package: the extra that the error message names, and how the message begins."""

PROGRAMS: dict[str, str] = {
    "load": """
import seqgen
def said(request):
    try:
        request()
    except ImportError as error:
        return isinstance(error, seqgen.SeqgenError), str(error)
result = [said(r) for r in (lambda: seqgen.load("shakespeare"), lambda: seqgen.CharRNN(4))]
""",
    "fit": """
import seqgen
chain = seqgen.MarkovChain(order=2, unit="words").fit(["the cat sat", "the cat ran", "a cat sat"])
coin = seqgen.HMM([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], seqgen.Categorical([[0.5, 0.5], [0.1, 0.9]]))
x = coin.sample(1, length=300, seed=1)[0]
coin.fit([x], iterations=5)
weather = seqgen.load("weather")
path, log_prob = coin.viterbi(x)
result = [chain.sample(3, seed=4), chain.log_prob(["a cat ran"]).tolist(), x.tolist(), coin.score(x)]
result += [path.tolist(), float(log_prob), coin.smooth(x).tolist(), coin.sample_posterior(x, 2).tolist()]
result += [weather.sample(2, length=9, seed=1), weather.stationary().tolist()]
""",
    "train": """
import seqgen
model = seqgen.train("markov", f"{folder}/text.txt", f"{folder}/again.safetensors", preset="tiny")
result = model.sample(2, length=30, seed=1)
""",
    "versions": """
import numba, numpy, platform, sys
import seqgen.extras as extras
result = {"python": platform.python_version(), "numba": numba.__version__, "numpy": numpy.__version__}
packages = [package for extra in extras.EXTRAS.values() for package in extra]
result |= {"missing": extras.missing(*packages), "seqgen": extras.__file__}
""",
}


@dataclass(frozen=True)
class Asked:
    """The requests, in separate folders for each side, and the results of the base environment.

    Attributes:
        folder: with the checkpoints. streams: by family, path of the checkpoint and request.
        answers: by (kind, name).
    """

    folder: Path
    streams: dict[str, tuple[str, dict[str, Any]]]
    answers: dict[tuple[str, str], Any]


def prepare(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Write the inputs of the commands, and a checkpoint per family; return the requests of the families."""
    (folder / "text.txt").write_text(TEXT)
    noise = np.random.default_rng(0)
    np.save(folder / "vectors.npy", noise.normal(size=(120, 3)))
    np.save(folder / "mels.npy", noise.normal(size=(3, 80)).astype(np.float32))
    np.save(folder / "images.npy", np.zeros((2, 1, 28, 28), np.uint8))
    for name in ("a.png", "a.wav", "2.json"):
        (folder / name).write_bytes(b"never read")
    requests = {}
    for name in STREAMED:
        case = case_of(name)
        path = folder / f"{name}-case.safetensors"
        case.make(0).save(path)
        varied = {
            name: [value(index) for index in range(SAMPLES)] if callable(value) else value
            for name, value in case.everything().items()
        }
        usual = {"n": SAMPLES, "length": case.length, "batch": 2, "chunk": 4, "seed": 5, "engine": "numba"}
        requests[name] = str(path), {**usual, **varied}
    return requests


def case_of(name: str) -> Case:
    """Return the first case of the conformance suite for a family; the others are for its own tests."""
    cases = cases_in(folder_of(FAMILIES[name]))
    return next(case for case in cases if case.make(0).family == name)


def ask(base: Base, folder: Path) -> Asked:
    """Execute all tasks in the base environment, in one process."""
    streams = prepare(folder)
    tasks: list[tuple[tuple[str, str], str, tuple[Any, ...]]] = []
    commands = [("write", WRITTEN), ("train", TRAINED), ("eval", SCORED)]
    commands += [("show", {line: line for line in SHOWN}), ("refuse", {line: line for line in REFUSED})]
    for kind, lines in commands:
        tasks += [((kind, name), "command", (line.split(), str(folder))) for name, line in lines.items()]
    tasks += [(("stream", name), "stream", request) for name, request in streams.items()]
    tasks += [(("run", name), "python", (source, str(folder))) for name, source in PROGRAMS.items()]
    tasks += [(("pinned", ""), "pinned", (str(ROOT / "tests" / "core" / "pinned_samples.py"),))]
    tasks += [(("modules", ""), "modules", ())]
    (folder / "tasks.pickle").write_bytes(pickle.dumps(tasks, protocol=5))
    inside = Path(__file__).with_name("inside.py")
    done = subprocess.run(
        [str(base.python), "-I", "-W", "error", str(inside), str(folder)],
        env=base.variables, cwd=folder, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"the base environment failed ({done.returncode}):\n{done.stderr[-4000:]}")
    return Asked(folder, streams, pickle.loads((folder / "results.pickle").read_bytes()))


def main() -> None:
    """Create the environment and compile its kernels, unless this was done for these sources."""
    if os.environ.get(LEFT_OUT):
        return
    try:
        base = base_environment()
    except CannotBeMadeError as error:
        print(error, file=sys.stderr)  # the tests will fail with it
        return
    stamp = base.folder / "compiled"
    if not stamp.exists() or stamp.read_text() != digest():
        print(f"compiling the kernels of the base install with {base.interpreter} …", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            ask(base, Path(folder))
        stamp.write_text(digest())


if __name__ == "__main__":
    main()
