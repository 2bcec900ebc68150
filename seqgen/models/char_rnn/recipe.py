"""The recipe of `seqgen train char-rnn`: trains on a text, whose last tenth is held out."""

from __future__ import annotations

from seqgen.training.recipe import Recipe, Training
from seqgen.training.request import TrainingRequest


def prepare(request: TrainingRequest) -> Training:
    """Read the text and create the model and its objective."""
    from seqgen.data.text import read_text, split_text
    from seqgen.models.char_rnn.model import CharRNN
    from seqgen.models.char_rnn.objective import TextObjective
    from seqgen.training.descent import Descent

    config = request.config
    text = read_text(request.data)
    before, after = split_text(text)
    vocabulary = "".join(sorted(set(text)))
    model = CharRNN(vocabulary, **request.settings, seed=config.seed)
    objective = TextObjective(
        model.codec.encode(before),
        model.codec.encode(after),
        batch=config.batch,
        window=config.window,
        seed=config.seed,
    )
    split = f"first {len(before)} characters for training, last {len(after)} held out"
    return Descent(model, objective, {"split": split})


RECIPE = Recipe(
    name="char-rnn",
    data="a UTF-8 text file, or a folder of .txt files",
    prepare=prepare,
    defaults={"cell": "lstm", "hidden_size": 256, "layers": 2, "dropout": 0.2, "bias": True},
    presets={
        "tiny": {
            "hidden_size": 64, "layers": 1, "dropout": 0.0, "steps": 300, "batch": 16, "window": 64, "warmup": 30,
        },
        "shakespeare": {
            "hidden_size": 320, "dropout": 0.2, "steps": 5000, "batch": 32, "window": 128, "warmup": 200,
            "validate_every": 490,
        },
    },
    example="--set cell=gru --set hidden_size=128",
)  # fmt: skip
