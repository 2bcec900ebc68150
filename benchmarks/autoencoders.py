"""Comparison of a PixelCNN auto-encoder with one trained with the squared error, on the same images.

Both have codes of the same length (Chintala, "Generative models", conditional PixelCNN; van den Oord et al. 2016, arXiv
1606.05328, section 3.3).

python -m benchmarks.autoencoders DATA -o FOLDER

trains both for each length of the code, prints a table and writes FOLDER/autoencoders.png: originals, their
reconstructions by the squared error, and several samples of the PixelCNN given the same code. An interrupted run is
resumed, and a finished one is only drawn again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.images import read_splits
from seqgen.files import replace_whole
from seqgen.image.objective import fixed_levels, score
from seqgen.models.autoencoder.model import AutoEncoder
from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder
from seqgen.registry import recipe


@dataclass(frozen=True)
class Row:
    """Measurements for one length of the code, over held-out images; intensities are from 0 to 1.

    Attributes:
        bottleneck: length of the code.
        mse: mean squared error of the plain auto-encoder.
        mse_sample: that of one sample of the PixelCNN; mse_mean: that of the mean of all its samples.
        nats: of an image given its code, under the PixelCNN, over all test images.
        variance: of a pixel over the samples given one code, averaged over all pixels.
        grey_original, grey_mse, grey_sample: mean of 4 v (1 - v), which is 0 for black and white and 1 for medium grey:
            a
            measure of blur.
    """

    bottleneck: int
    mse: float
    mse_sample: float
    mse_mean: float
    nats: float
    variance: float
    grey_original: float
    grey_mse: float
    grey_sample: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """Intensities from 0 to 1: originals and means (N, C, H, W), samples (N, S, C, H, W)."""

    originals: np.ndarray
    means: np.ndarray
    samples: np.ndarray


def measure(
    plain: AutoEncoder, autoencoder: PixelCNNAutoEncoder, images: np.ndarray, samples: int, count: int
) -> tuple[Row, Pictures]:
    """Compare two trained models of one code length on images (N, C, H, W) of levels.

    Args:
        samples: number of samples of the PixelCNN for each code. count: number of images, from the first on.
    """
    highest = plain.codec.levels - 1
    some = images[:count]
    originals = some / highest
    means = plain.reconstruct(some)
    codes = [code for code in autoencoder.encode(some) for _ in range(samples)]
    drawn = autoencoder.sample(len(codes), seed=1, condition=codes) / highest
    drawn = drawn.reshape(len(some), samples, *some.shape[1:])
    row = Row(
        plain.bottleneck,
        mse=plain.score(images),
        mse_sample=_square(drawn - originals[:, None]),
        mse_mean=_square(drawn.mean(1) - originals),
        nats=score(autoencoder, images, None, 2),
        variance=float(drawn.var(1, ddof=1).mean()),
        grey_original=_grey(originals),
        grey_mse=_grey(means),
        grey_sample=_grey(drawn),
    )
    return row, Pictures(originals, means, drawn)


def _square(difference: np.ndarray) -> float:
    return float((difference**2).mean())


def _grey(intensities: np.ndarray) -> float:
    return float((4 * intensities * (1 - intensities)).mean())


def page(pictures: dict[int, Pictures], path: Path, rows: int = 10, columns: int = 8) -> None:
    """Draw the first `rows` images of each code length, with `columns` samples each, into a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(pictures), 0.62 * rows + 0.6), layout="constrained")
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axis, (bottleneck, some) in zip(axes, pictures.items(), strict=True):
        parts = [some.originals[:, None], some.means[:, None], some.samples[:, :columns]]
        grid = np.concatenate(parts, 1)[:rows].clip(0, 1)
        # a margin of two pixels around every image, and a wider one between the three kinds
        padded = np.pad(grid, [(0, 0)] * 3 + [(1, 1)] * 2, constant_values=1.0)
        n, k, colours, height, width = padded.shape
        sheet = padded.transpose(0, 3, 1, 4, 2).reshape(n * height, k * width, colours)
        gap = np.ones((n * height, width // 3, colours))
        first, second, rest = sheet[:, :width], sheet[:, width : 2 * width], sheet[:, 2 * width :]
        shown = np.concatenate([first, gap, second, gap, rest], 1)
        axis.imshow(
            shown if colours == 3 else shown[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest"
        )
        axis.set_axis_off()
        axis.set_title(f"m = {bottleneck}: image · squared error · samples of the PixelCNN", fontsize=9)
    with replace_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    names = [field.name for field in fields(Row)]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(f"{getattr(row, name):.4g}" for name in names) + " |" for row in rows]
    return "\n".join(lines)


def compare(
    data: Path,
    folder: Path,
    bottlenecks: Sequence[int],
    settings: dict[str, Any],
    *,
    samples: int,
    count: int,
) -> list[Row]:
    """Train both models for each length of the code, and write checkpoints and the page to `folder`.

    Args:
        data: as for `read_splits`. settings: of the recipe "pixel-cnn-autoencoder"; the plain auto-encoder uses those
            that
            it has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    levels = int(settings.get("levels", 2))
    test = read_splits(data).test
    images = fixed_levels(test.images, levels, 1)
    rows, pictures = [], {}
    for bottleneck in bottlenecks:
        chosen = settings | {"bottleneck": bottleneck}
        plain, autoencoder = (
            _trained(family, data, folder / f"{family}-{bottleneck}.safetensors", chosen)
            for family in ("autoencoder", "pixel-cnn-autoencoder")
        )
        row, pictures[bottleneck] = measure(plain, autoencoder, images, samples, count)
        rows.append(row)
    page(pictures, folder / "autoencoders.png")
    return rows


def _trained(family: str, data: Path, path: Path, settings: dict[str, Any]) -> Any:
    kind: Any = AutoEncoder if family == "autoencoder" else PixelCNNAutoEncoder
    if not path.exists():
        # "channels" is the width of the PixelCNN in one recipe and of the encoder in the other
        others = ("channels", "layers", "encoder_channels", "dropout") if kind is AutoEncoder else ()
        own = {name: value for name, value in settings.items() if name not in others}
        recipe(family).train(data, path, settings=own, resume=True)
    return kind.load(path)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a data set of images")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--bottlenecks", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--channels", type=int, default=32, help="channels of the PixelCNN")
    parser.add_argument("--layers", type=int, default=5, help="layers of the PixelCNN")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--samples", type=int, default=8, help="samples of the PixelCNN for each code")
    parser.add_argument("--images", type=int, default=64, help="number of images to sample from")
    given = parser.parse_args()
    settings = {
        "levels": given.levels, "channels": given.channels, "layers": given.layers, "steps": given.steps,
        "learning_rate": 2e-3, "validate_every": given.steps,
    }  # fmt: skip
    rows = compare(
        given.data, given.output, given.bottlenecks, settings, samples=given.samples, count=given.images
    )
    print(table(rows))


if __name__ == "__main__":
    main()
