"""The recipe of `seqgen train markov`: fits a text, whose last tenth is held out."""

from __future__ import annotations

from typing import Any

from seqgen.training.fitting import Fit, NoSettings
from seqgen.training.recipe import Recipe, Report, Training
from seqgen.training.request import TrainingRequest


def prepare(request: TrainingRequest) -> Training:
    """Read the text and prepare counting.

    Settings: order, smoothing ("kneser-ney" or "none"), unit, and sequences: "whole", "lines" or "paragraphs".
    """
    from seqgen.data.text import read_text, split_sequences, split_text
    from seqgen.models.markov.model import MarkovChain
    from seqgen.models.markov.open_vocabulary import score_known

    chosen = dict(request.settings)
    how = chosen.pop("sequences")
    if chosen["smoothing"] in ("none", "None"):
        chosen["smoothing"] = None
    before, after = split_text(read_text(request.data), how=how)

    def make(report: Report | None) -> tuple[MarkovChain, dict[str, Any]]:
        chain = MarkovChain(**chosen).fit(split_sequences(before, how))
        scored = score_known(chain, split_sequences(after, how))
        card = {
            "split": f"first {len(before)} characters for training, last {len(after)} held out",
            "sequences": how,
            "unknown": scored.unknown,
        }
        if scored.scored and not scored.impossible:
            card |= {
                "score": round(scored.nats_per_symbol, 4),
                "score_unit": f"nats/{chain.codec.unit.rstrip('s')}",
            }
        return chain, card

    return Fit(make)


RECIPE = Recipe(
    name="markov",
    data="a UTF-8 text file",
    prepare=prepare,
    defaults={"order": 3, "smoothing": "kneser-ney", "unit": "characters", "sequences": "whole"},
    presets={"tiny": {"order": 1}},
    config=NoSettings,
    example="--set unit=words --set order=2 --set sequences=lines",
)
