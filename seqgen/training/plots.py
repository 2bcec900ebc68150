"""Plot the loss curve of a training run."""

from __future__ import annotations

from pathlib import Path

from seqgen import extras
from seqgen.files import replace_whole
from seqgen.training.loop import Progress


def loss_curve(progress: Progress, path: Path, unit: str, scale: float = 1.0) -> None:
    """Plot training losses (smoothed), times `scale`, and held-out scores, both in `unit`, against steps as PNG.

    Raises:
        MissingPackageError: if matplotlib is not installed. OSError: if the file cannot be written.
    """
    extras.load("matplotlib", "drawing a loss curve")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = [step for step, _ in progress.losses]
    losses = [loss * scale for _, loss in progress.losses]
    width = max(1, len(losses) // 200)
    means = [sum(losses[i : i + width]) / len(losses[i : i + width]) for i in range(0, len(losses), width)]
    axes.plot(steps[::width], means, label="training", color="tab:blue", linewidth=1)
    if progress.scores:
        axes.plot(
            *zip(*progress.scores, strict=True),
            "o-",
            label="held out (EMA)",
            color="tab:orange",
            markersize=3,
        )
        best = min(score for _, score in progress.scores)
        axes.set_title(f"held out: last {progress.scores[-1][1]:.4f}, best {best:.4f} {unit}", fontsize=10)
    axes.set_xlabel("step")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    axes.legend()
    with replace_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
