"""A few steps of every recipe's `tiny` preset, on synthetic data: `python -m tests.training.tiny_runs`.

This is a separate process, because PyTorch and oneDNN determine the CPU's features when they are loaded.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.registry import BUILT_IN_RECIPES, FAMILIES, recipe

TEXT = "".join(f"SPEAKER {k % 3}:\nhow much wood would a woodchuck chuck, {k}?\n\n" for k in range(60))


def _text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text(TEXT)
    return path


def _vectors(folder: Path) -> Path:
    path = folder / "vectors.npy"
    np.save(path, np.random.default_rng(0).normal(size=(120, 3)))
    return path


def _images(folder: Path) -> Path:
    path = folder / "images.npz"
    noise = np.random.default_rng(0)
    np.savez(path, images=noise.integers(0, 256, (48, 1, 12, 12)).astype(np.uint8), labels=np.arange(48) % 2)
    return path


def _sound(folder: Path) -> Path:
    import soundfile

    path = folder / "sound"
    path.mkdir(exist_ok=True)
    for number in range(4):
        t = np.arange(9000 + 500 * number) / 16000
        soundfile.write(path / f"{number}.wav", 0.4 * np.sin(2 * np.pi * (200 + 70 * number) * t), 16000)
    return path


def _digits(folder: Path) -> Path:
    from tests.data.test_strokes import folder_with, two

    path = folder / "digits"
    path.mkdir(exist_ok=True)
    folder_with(path, np.stack([np.roll(two(), shift, 1) for shift in (-1, 0, 1)] * 5))
    return path


def _nothing(folder: Path) -> None:
    return None


IMAGES = (
    "fvsbn", "nade", "eonade", "pixel-cnn", "pixel-rnn", "pixel-cnn-pp", "two-scale", "pixel-cnn-autoencoder",
    "autoencoder",
)  # fmt: skip
DATA: dict[str, Callable[[Path], Path | None]] = {
    "char-rnn": _text, "markov": _text, "shakespeare-markov": _text, "weather": _nothing, "digit-strokes": _digits,
    "hmm": _vectors, "gaussian-mixture": _vectors, "rnade": _vectors, "wavenet": _sound,
    **dict.fromkeys(IMAGES, _images),
}  # fmt: skip
"""Data from which each recipe can learn; `tests/models/<folder>/cases.py` adds that of its own in its `DATA`."""


def data_of(name: str, folder: Path) -> Path | None:
    """Write the data of a recipe to a folder and return the path."""
    if name not in DATA:
        own = FAMILIES[name].folder.rsplit(".", 1)[1]
        DATA.update(import_module(f"tests.models.{own}.cases").DATA)
    return DATA[name](folder)


def run(folder: Path, names: list[str], steps: int | None) -> dict[str, Any]:
    """Train and return the losses and the score of each recipe."""
    found: dict[str, Any] = {}
    for name in names:
        chosen = recipe(name)
        settings = {} if steps is None or not chosen.resumable else {"steps": steps, "validate_every": steps}
        preset = "tiny" if "tiny" in chosen.presets else "default"
        output = folder / f"{name}.safetensors"
        _, card, progress = chosen.train(data_of(name, folder), output, preset=preset, settings=settings)
        assert output.exists()
        found[name] = {
            "score": card.get("score"),
            "losses": [loss for _, loss in progress.losses] if progress else [],
        }
    return found


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, help="[default: all of the preset]")
    parser.add_argument("--only", nargs="*", default=[*FAMILIES, *BUILT_IN_RECIPES])
    chosen = parser.parse_args()
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    trained = run(chosen.folder, chosen.only, chosen.steps)
    print(json.dumps({"capability": torch.backends.cpu.get_cpu_capability(), "trained": trained}))


if __name__ == "__main__":
    main()
